package appsettings

import (
	"slices"

	"github.com/tailscale/hujson"
)

const removing = "remove"

// Remove returns the file's bytes without the key at path: a string, number,
// boolean, null or array of scalars that is a member of an object. A key that is
// not there leaves the file as it is. Comments stay, also those before the key.
// The result is read again, and returned only if nothing but the key is gone. The
// error is an *Error.
func (f *File) Remove(path string) ([]byte, error) {
	have := f.Get(path)
	refuse := func(reason string) ([]byte, error) {
		return nil, &Error{Doing: removing, Path: path, Line: have.Line, Reason: reason + "; remove it by hand"}
	}
	switch {
	case have.Kind == Absent:
		return f.bytes(), nil
	case have.Kind == Other:
		return refuse(have.Note)
	}
	n := f.find(fold(path))[0]
	o, isObject := f.valueAt(n.parent).Value.(*hujson.Object)
	array, isArray := n.value.Value.(*hujson.Array)
	switch {
	case !isObject:
		return refuse("it is an element of an array")
	case isArray && hasComment(array):
		return refuse("a comment stands inside the value")
	}
	i := slices.IndexFunc(o.Members, func(m hujson.ObjectMember) bool { return m.Name.StartOffset == n.start })
	if m := o.Members[i]; !m.Name.AfterExtra.IsStandard() || !m.Value.BeforeExtra.IsStandard() || !m.Value.AfterExtra.IsStandard() {
		return refuse("a comment stands beside the value")
	}
	s := f.cut(o, i)
	out := slices.Concat(f.bom, f.text[:s.start], f.text[s.end:])
	if reason := f.disproof(out, s, path, Value{}); reason != "" {
		return refuse("the edit cannot be proved right: " + reason)
	}
	return out, nil
}

// cut is the text of member i with the comma that parts it from others. What
// stands before its name, comments too, is kept, unless it is blank and the last.
func (f *File) cut(o *hujson.Object, i int) splice {
	m := o.Members[i]
	start, end := m.Name.StartOffset, m.Value.EndOffset
	last := i == len(o.Members)-1
	// hujson: the last member has this only where a comma follows it.
	comma := !last || m.Value.AfterExtra != nil
	if comma {
		end += len(m.Value.AfterExtra) + 1
	}
	switch blankLead := m.Name.BeforeExtra.IsStandard(); {
	case last && !comma && i > 0 && blankLead:
		before := o.Members[i-1].Value
		start = before.EndOffset + len(before.AfterExtra) // its comma
	case last && blankLead:
		start -= len(m.Name.BeforeExtra)
	case !last && o.Members[i+1].Name.BeforeExtra.IsStandard():
		end = o.Members[i+1].Name.StartOffset
	}
	return splice{start: start, end: end}
}
