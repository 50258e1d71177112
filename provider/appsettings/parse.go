package appsettings

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tailscale/hujson"
)

const reading = "read configuration"

// parse reads a document of any root, duplicates included.
func parse(b []byte) (*File, error) {
	f, err := decode(b)
	if err != nil {
		return nil, err
	}
	// The scan comes first: hujson recurses as deep as the text does.
	if err := f.scan(); err != nil {
		return nil, err
	}
	// .NET lets a line comment end with the file, hujson wants a line feed.
	text := append(bytes.Clone(f.text), '\n')
	if f.root, err = hujson.Parse(text); err != nil {
		return nil, f.syntaxError(err)
	}
	room := maxPaths
	if err := f.flatten(&f.root, rootNode, &room); err != nil {
		return nil, err
	}
	return f, nil
}

// decode checks size and encoding, and takes off the byte order mark.
func decode(b []byte) (*File, error) {
	refuse := func(reason string) (*File, error) { return nil, &Error{Doing: reading, Reason: reason} }
	switch {
	case len(b) > maxSize:
		return refuse(fmt.Sprintf("it is larger than %d MiB", maxSize>>20))
	case bytes.HasPrefix(b, []byte{0xff, 0xfe}), bytes.HasPrefix(b, []byte{0xfe, 0xff}):
		return refuse("it is UTF-16, which is not edited; save it as UTF-8")
	case bytes.IndexByte(b, 0) >= 0:
		return refuse("it holds NUL bytes, as UTF-16 without a byte order mark does; save it as UTF-8")
	case !utf8.Valid(b):
		return refuse("it is not valid UTF-8; save it as UTF-8")
	}
	text, marked := bytes.CutPrefix(b, []byte("\uFEFF"))
	f := &File{text: bytes.Clone(text)}
	if marked {
		f.bom = []byte("\uFEFF")
	}
	return f, nil
}

// syntaxError keeps the place of hujson's error and drops its words: they quote
// the text, and the text may be a password.
func (f *File) syntaxError(err error) error {
	var line, column int
	if _, scanErr := fmt.Sscanf(err.Error(), "hujson: line %d, column %d:", &line, &column); scanErr != nil {
		return &Error{Doing: reading, Reason: "it is not valid JSON"}
	}
	line = min(line, f.line(len(f.text)))
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return &Error{Doing: reading, Line: line, Reason: "the text ends inside a value or a comment"}
	}
	return &Error{Doing: reading, Line: line, Reason: fmt.Sprintf("it is not valid JSON at column %d", column)}
}

// scan limits depth and number of values, and notes the comments.
func (f *File) scan() error {
	text := string(f.text)
	depth, values := 0, 1
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			i = stringEnd(text, i)
		case '/':
			comment := commentAt(text[i:])
			if strings.HasPrefix(comment, "//") && strings.Contains(comment, "\r") {
				// .NET ends the comment there, others read on: two meanings of one text.
				return &Error{Doing: reading, Line: f.line(i), Reason: "a // comment holds a carriage return without a line feed"}
			}
			if comment != "" {
				f.comments = append(f.comments, comment)
				i += len(comment) - 1
			}
		case '{', '[':
			depth++
			values++
		case '}', ']':
			depth--
		case ',':
			values++
		}
		if depth > maxDepth || values > maxValues {
			reason := fmt.Sprintf("more than %d levels of nesting or %d values", maxDepth, maxValues)
			return &Error{Doing: reading, Line: f.line(i), Reason: reason}
		}
	}
	return nil
}

// stringEnd is the offset of the quote that ends the string at text[i].
func stringEnd(text string, i int) int {
	for i++; i < len(text) && text[i] != '"'; i++ {
		if text[i] == '\\' {
			i++
		}
	}
	return i
}

// commentAt is the comment that text starts with, without the end of its line;
// empty if there is none.
func commentAt(text string) string {
	switch {
	case strings.HasPrefix(text, "//"):
		line, _, _ := strings.Cut(text, "\n")
		return strings.TrimSuffix(line, "\r")
	case strings.HasPrefix(text, "/*"):
		if end := strings.Index(text[2:], "*/"); end >= 0 {
			return text[:2+end+2]
		}
		return text
	}
	return ""
}

// flatten lists what lies in v, the value of the node at, as .NET's
// JsonConfigurationFileParser names it. The room for paths shrinks.
func (f *File) flatten(v *hujson.Value, at int, room *int) error {
	switch t := v.Value.(type) {
	case *hujson.Object:
		for i := range t.Members {
			m := &t.Members[i]
			name := m.Name.Value.(hujson.Literal).String()
			n := node{lead: m.Name.BeforeExtra, start: m.Name.StartOffset, value: &m.Value, parent: at}
			if err := f.flattenNode(n, name, room); err != nil {
				return err
			}
		}
	case *hujson.Array:
		for i := range t.Elements {
			e := &t.Elements[i]
			n := node{lead: e.BeforeExtra, start: e.StartOffset, value: e, parent: at}
			if err := f.flattenNode(n, strconv.Itoa(i), room); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *File) flattenNode(n node, name string, room *int) error {
	n.path, n.key = name, fold(name)
	if n.parent != rootNode {
		around := &f.nodes[n.parent]
		n.path, n.key = around.path+":"+n.path, around.key+":"+n.key
	}
	if *room -= len(n.path); *room < 0 {
		return &Error{Doing: reading, Line: f.line(n.start), Reason: "its keys are too long"}
	}
	i := len(f.nodes)
	f.nodes = append(f.nodes, n)
	if err := f.flatten(n.value, i, room); err != nil {
		return err
	}
	f.nodes[i].end = len(f.nodes)
	return nil
}
