// Package appsettings reads and edits .NET JSON configuration byte-exactly.
package appsettings

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tailscale/hujson"
)

// Limits of a file, which comes from a host and is hostile until parsed.
const (
	maxSize   = 4 << 20  // bytes
	maxDepth  = 64       // levels of nesting: what System.Text.Json reads by default
	maxValues = 1 << 17  // scalars, objects and arrays together
	maxPaths  = 16 << 20 // bytes of all flattened keys together
)

// A File is a parsed configuration. It is never changed: Set returns new bytes.
type File struct {
	bom      []byte // the UTF-8 byte order mark, if there is one
	text     []byte // what follows it
	root     hujson.Value
	nodes    []node   // every value but the root, in the order of the file
	comments []string // every comment, in the order of the file
}

// root's place among the nodes: their parent where no other is.
const rootNode = -1

// A node is a member of an object or an element of an array.
type node struct {
	path   string // flattened as .NET does it, in the file's spelling
	key    string // the path, folded for comparison
	lead   hujson.Extra
	start  int // offset of the name, or of the element
	value  *hujson.Value
	parent int // index of the node around it, or rootNode
	end    int // index after the last node inside it
}

// An Error says why a configuration cannot be read or edited. It never holds a value.
type Error struct {
	Doing  string // "read configuration" or "set"
	Path   string // the key, levels joined by ":"; empty: the file as a whole
	Line   int    // 1-based; 0: unknown, or the file as a whole
	Reason string
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Doing)
	if e.Path != "" {
		b.WriteString(" " + strconv.QuoteToASCII(clip(e.Path)))
	}
	if e.Line > 0 {
		fmt.Fprintf(&b, ", line %d", e.Line)
	}
	return b.String() + ": " + e.Reason
}

// clip shortens a key that a host chose, so that it cannot flood a report.
func clip(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}

// Parse reads a configuration: JSON in UTF-8, an object at the root, with or
// without a byte order mark, comments and trailing commas. A key that stands
// there twice, as .NET flattens and compares keys, is refused: it stops the
// service. The error is an *Error.
func Parse(b []byte) (*File, error) {
	f, err := parse(b)
	if err != nil {
		return nil, err
	}
	if _, ok := f.root.Value.(*hujson.Object); !ok {
		return nil, &Error{Doing: reading, Line: f.line(f.root.StartOffset), Reason: "the root is not an object"}
	}
	if err := f.duplicate(); err != nil {
		return nil, err
	}
	return f, nil
}

// duplicate refuses a name that an object has twice, and a key that is given a
// value twice through different spellings: {"A:B":1,"A":{"B":2}}.
func (f *File) duplicate() error {
	type place struct {
		parent int
		key    string
	}
	const anywhere = rootNode - 1
	seen := make(map[place]int, len(f.nodes))
	for i := range f.nodes {
		n := &f.nodes[i]
		places := []place{{n.parent, n.key}}
		if n.end == i+1 { // nothing inside: .NET gives the key itself a value
			places = append(places, place{anywhere, n.key})
		}
		for _, p := range places {
			if first, ok := seen[p]; ok {
				reason := fmt.Sprintf("the key already stands in line %d, and a duplicate stops the service; remove one of them", f.line(first))
				return &Error{Doing: reading, Path: n.path, Line: f.line(n.start), Reason: reason}
			}
			seen[p] = n.start
		}
	}
	return nil
}

// line is the 1-based line of an offset in the text.
func (f *File) line(offset int) int {
	return 1 + bytes.Count(f.text[:min(offset, len(f.text))], []byte("\n"))
}

// bytes is the file as it was read.
func (f *File) bytes() []byte { return append(bytes.Clone(f.bom), f.text...) }

// fold makes keys comparable as .NET's OrdinalIgnoreCase does: letter by letter
// in upper case, where no other letter becomes an ASCII one.
func fold(key string) string {
	return strings.Map(func(r rune) rune {
		if u := unicode.ToUpper(r); r < utf8.RuneSelf || u >= utf8.RuneSelf {
			return u
		}
		return r
	}, key)
}
