package appsettings

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/tailscale/hujson"
)

const blanks = " \t"

// A style is how the text around an edit is laid out.
type style struct {
	newline string // "\n" or "\r\n"
	indent  string // of the line that the member stands on
	unit    string // one level of indentation
	colon   string // between name and value, with its blanks
	pad     string // inside the braces of an object on one line
	comma   string // after the last member
	lines   bool   // members stand on lines of their own
	tall    bool   // the array that is replaced had several lines
}

// style finds the file's habits near offset: those of the node at, an object or
// array, else of what lies around it.
func (f *File) style(at, offset int) style {
	s := style{newline: f.newline(offset)}
	for {
		v := f.valueAt(at)
		if o, ok := v.Value.(*hujson.Object); ok && len(o.Members) > 0 {
			if s.colon == "" {
				s.colon = colon(o.Members[len(o.Members)-1])
			}
			if s.unit == "" {
				s.unit = f.unit(o, v.EndOffset-1)
			}
		}
		if at == rootNode {
			break
		}
		at = f.nodes[at].parent
	}
	if s.colon == "" {
		s.colon = ": "
	}
	if s.unit == "" {
		s.unit = "  "
	}
	return s
}

func (f *File) valueAt(at int) *hujson.Value {
	if at == rootNode {
		return &f.root
	}
	return f.nodes[at].value
}

// newline is the kind of line end before offset, else after it.
func (f *File) newline(offset int) string {
	i := bytes.LastIndexByte(f.text[:offset], '\n')
	if i < 0 {
		i = bytes.IndexByte(f.text, '\n')
	}
	if i > 0 && f.text[i-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}

// indent is the blanks that start the line of offset.
func (f *File) indent(offset int) string {
	line := f.text[bytes.LastIndexByte(f.text[:offset], '\n')+1 : offset]
	return sane(string(line[:len(line)-len(bytes.TrimLeft(line, blanks))]), "")
}

// unit is by how much an object's members are indented, given where its brace
// closes; empty if they are not.
func (f *File) unit(o *hujson.Object, brace int) string {
	first := o.Members[0].Name
	if !bytes.Contains(first.BeforeExtra, []byte("\n")) {
		return ""
	}
	unit, inside := strings.CutPrefix(f.indent(first.StartOffset), f.indent(brace))
	if !inside {
		return ""
	}
	return unit
}

// colon is how a member parts name and value, if it does so with blanks alone.
func colon(m hujson.ObjectMember) string {
	c := string(m.Name.AfterExtra) + ":" + string(m.Value.BeforeExtra)
	if strings.Trim(c, blanks+":") != "" {
		return ": "
	}
	return sane(c, ": ")
}

// sane is a habit worth copying: a host may indent by megabytes.
func sane(habit, otherwise string) string {
	const most = 200 // bytes
	if len(habit) > most {
		return otherwise
	}
	return habit
}

// insert adds a member, in new objects for all names but the last, at the end of
// the object at a node.
func (f *File) insert(at int, names []string, want Value) splice {
	v := f.valueAt(at)
	o := v.Value.(*hujson.Object)
	brace := v.EndOffset - 1
	start := brace - len(o.AfterExtra)
	comments, end := tail(o.AfterExtra)
	st := f.style(at, brace)
	st.indent = f.indent(brace) + st.unit
	st.lines = bytes.Contains(o.AfterExtra, []byte("\n"))
	st.pad = blank(len(o.AfterExtra) > 0)
	gap, comma := st.pad, ""
	if len(o.Members) > 0 {
		last := o.Members[len(o.Members)-1]
		own := bytes.Contains(last.Name.BeforeExtra, []byte("\n"))
		if own {
			st.indent = f.indent(last.Name.StartOffset)
		}
		// What follows a line comment needs a line of its own.
		st.lines = own || comments && st.lines
		st.pad = blank(len(o.Members[0].Name.BeforeExtra) > 0)
		gap = blank(len(last.Name.BeforeExtra) > 0 || !strings.HasSuffix(st.colon, ":"))
		comma = ","
		if last.Value.AfterExtra != nil {
			comma, st.comma = "", ","
		}
	}
	if st.lines {
		gap = st.newline + st.indent
	}
	kept := string(o.AfterExtra[:end])
	return splice{start, start + end, comma + kept + gap + st.member(names, want) + st.comma}
}

func blank(wide bool) string {
	if wide {
		return " "
	}
	return ""
}

// tail says whether comments stand before a closing brace, and where the line of
// the last of them, or of the last member, ends.
func tail(extra hujson.Extra) (comments bool, end int) {
	kept := len(bytes.TrimRight(extra, " \t\r\n"))
	line, _, found := bytes.Cut(extra[kept:], []byte("\n"))
	if !found {
		return kept > 0, kept
	}
	return kept > 0, kept + len(bytes.TrimSuffix(line, []byte("\r")))
}

// member is the text of a name and its value.
func (s style) member(names []string, want Value) string {
	text := quote(names[0]) + s.colon
	if len(names) == 1 {
		return text + s.value(want)
	}
	if !s.lines {
		return text + "{" + s.pad + s.member(names[1:], want) + s.pad + "}"
	}
	inner := s
	inner.indent += s.unit
	return text + "{" + s.newline + inner.indent + inner.member(names[1:], want) + s.comma +
		s.newline + s.indent + "}"
}

// value is the text of a value: an array on one line, unless the one that it
// replaces had several, or the line would be long.
func (s style) value(want Value) string {
	if want.Kind == Scalar {
		l := hujson.Literal(want.JSON)
		if l.Kind() == '"' {
			return quote(l.String())
		}
		return want.JSON
	}
	var items []string
	// want was written by marshal, so that it reads.
	_ = json.Unmarshal([]byte(want.JSON), &items)
	for i := range items {
		items[i] = quote(items[i])
	}
	comma := ", "
	if strings.HasSuffix(s.colon, ":") {
		comma = ","
	}
	const long = 80
	line := "[" + strings.Join(items, comma) + "]"
	if len(items) == 0 || !s.tall && (!s.lines || len(line) <= long) {
		return line
	}
	gap := s.newline + s.indent + s.unit
	return "[" + gap + strings.Join(items, ","+gap) + s.newline + s.indent + "]"
}

// quote is a JSON string that escapes no more than JSON demands.
func quote(s string) string { return string(hujson.String(s)) }
