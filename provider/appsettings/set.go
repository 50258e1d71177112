package appsettings

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tailscale/hujson"
)

const setting = "set"

// A splice replaces text[start:end].
type splice struct {
	start, end int
	with       string
}

// Set returns the file's bytes with the key at path set to value, the JSON text
// of a string, number, boolean or array of strings. A value that is equal
// already is left as it is written. A missing key is added last in its object,
// in the file's style, with its parents. The result is read again, and returned
// only if nothing but the value changed. The error is an *Error.
func (f *File) Set(path, value string) ([]byte, error) {
	want, err := wanted(path, value)
	if err != nil {
		return nil, err
	}
	have := f.Get(path)
	if Equal(have.JSON, want.JSON) {
		return f.bytes(), nil
	}
	var s splice
	if have.Kind == Absent {
		s, err = f.add(path, want)
	} else {
		s, err = f.replace(path, have, want)
	}
	if err != nil {
		return nil, err
	}
	out := slices.Concat(f.bom, f.text[:s.start], []byte(s.with), f.text[s.end:])
	if reason := f.disproof(out, s, path, want); reason != "" {
		reason = "the edit cannot be proved right: " + reason + "; edit it by hand"
		return nil, &Error{Doing: setting, Path: path, Line: f.line(s.start), Reason: reason}
	}
	return out, nil
}

// wanted checks what Set was given.
func wanted(path, text string) (Value, error) {
	refuse := func(reason string) (Value, error) {
		return Value{}, &Error{Doing: setting, Path: path, Reason: reason}
	}
	names := strings.Split(path, ":")
	switch {
	case !utf8.ValidString(path) || slices.Contains(names, ""):
		return refuse(`the key has an empty or unreadable level; write names with ":" between them`)
	case len(names) > maxDepth:
		return refuse(fmt.Sprintf("the key has more than %d levels", maxDepth))
	}
	want := valueOf(text)
	if want.Kind != Scalar && want.Kind != List {
		return refuse("the new value is not a string, number, boolean or array of strings")
	}
	return want, nil
}

// replace edits what stands at path.
func (f *File) replace(path string, have, want Value) (splice, error) {
	refuse := func(reason string) (splice, error) {
		return splice{}, &Error{Doing: setting, Path: path, Line: have.Line, Reason: reason + "; edit it by hand"}
	}
	found := f.find(fold(path))
	n := found[0]
	array, isArray := n.value.Value.(*hujson.Array)
	switch {
	case have.Kind == Other && (len(found) > 1 || !isArray):
		return refuse(have.Note)
	case isArray && slices.ContainsFunc(array.Elements, isComposite):
		return refuse("it is an array that holds objects or arrays")
	case isArray && hasComment(array):
		return refuse("a comment stands inside the value")
	}
	start, end := n.value.StartOffset, n.value.EndOffset
	st := f.style(n.parent, start)
	st.indent = f.indent(start)
	st.lines = bytes.Contains(n.lead, []byte("\n"))
	st.tall = bytes.Contains(f.text[start:end], []byte("\n"))
	return splice{start, end, st.value(want)}, nil
}

func isComposite(v hujson.Value) bool {
	_, scalar := v.Value.(hujson.Literal)
	return !scalar
}

// hasComment says whether a comment stands in an array of scalars.
func hasComment(array *hujson.Array) bool {
	return !array.AfterExtra.IsStandard() || slices.ContainsFunc(array.Elements, func(e hujson.Value) bool {
		return !e.BeforeExtra.IsStandard() || !e.AfterExtra.IsStandard()
	})
}

// add inserts the missing key into the innermost object on its path.
func (f *File) add(path string, want Value) (splice, error) {
	key := fold(path)
	parent, depth := rootNode, 0
	for i := range f.nodes {
		n := &f.nodes[i]
		if !strings.HasPrefix(key, n.key+":") {
			continue
		}
		_, isObject := n.value.Value.(*hujson.Object)
		// Where .NET merges an object and something else, the latter decides.
		if d := strings.Count(n.key, ":") + 1; d > depth || d == depth && !isObject {
			parent, depth = i, d
		}
	}
	if _, ok := f.valueAt(parent).Value.(*hujson.Object); !ok {
		n := f.nodes[parent]
		reason := fmt.Sprintf("its parent %+q is %s, not an object; edit it by hand", clip(n.path), describe(n.value))
		return splice{}, &Error{Doing: setting, Path: path, Line: f.line(n.start), Reason: reason}
	}
	return f.insert(parent, strings.Split(path, ":")[depth:], want), nil
}

func describe(v *hujson.Value) string {
	switch v.Value.Kind() {
	case 'n':
		return "null"
	case '[':
		return "an array"
	default:
		return "a single value"
	}
}

// disproof reads an edited file and returns what is wrong with it; empty if
// exactly the value at path is new (or gone, if want is Absent), and every other
// value, comment and byte is as it was.
func (f *File) disproof(out []byte, s splice, path string, want Value) string {
	after, err := Parse(out)
	if err != nil {
		return "the result is refused (" + err.Error() + ")"
	}
	switch {
	case after.Get(path).JSON != want.JSON, want.Kind == Absent && after.Get(path).Kind != Absent:
		return "the value does not read back"
	case !slices.Equal(f.others(path), after.others(path)):
		return "another value changed"
	case !slices.Equal(f.comments, after.comments):
		return "a comment changed"
	case !bytes.Equal(f.bom, after.bom),
		!bytes.HasPrefix(after.text, f.text[:s.start]),
		!bytes.HasSuffix(after.text, f.text[s.end:]):
		return "bytes outside the value changed"
	}
	return ""
}

// others lists key and raw text of every value that an edit of path must leave
// alone, in order. An empty object around path is no value: it may fill.
func (f *File) others(path string) [][2]string {
	var list [][2]string
	key := fold(path)
	for i := range f.nodes {
		n := &f.nodes[i]
		_, isObject := n.value.Value.(*hujson.Object)
		switch {
		case n.end > i+1: // what lies inside is listed
		case n.key == key, strings.HasPrefix(n.key, key+":"):
		case isObject && strings.HasPrefix(key, n.key+":"):
		default:
			list = append(list, [2]string{n.path, string(f.text[n.value.StartOffset:n.value.EndOffset])})
		}
	}
	return list
}
