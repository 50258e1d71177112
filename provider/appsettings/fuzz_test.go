package appsettings

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/tailscale/hujson"
)

// seeds are documents of every style, and what fuzzing stumbled on.
func seeds() []string {
	return []string{
		"", "{}", "[]", "5", "{ }", "{\n}", "\uFEFF{\r\n}\r\n", "{} // end",
		`{"A": 1}`, `{"A":1,}`, `{ "A" : 1 , /* b */ "B" : [ ] }`,
		"{\r\n\t\"A\": \"x\", // a\r\n\t\"S\": {\r\n\t\t\"B\": [\r\n\t\t\t\"x\",\r\n\t\t\t\"y\",\r\n\t\t],\r\n\t},\r\n\t// end\r\n}\r\n",
		"{\n    \"Settings\":\n    {\n        \"system.logging.level\": \"Debug\"\n    }\n}",
		`{"A:B": 1, "A": {"C": null, "D": {}}, "L": ["x"], "L:1": "y"}`,
		`{"A:B": 1, "A": {"b": 2}}`, `{"A": 1, "a": 2}`, `{"": {"": 1}}`,
		`{"A": 1.0, "B": 12345678901234567890, "C": 1e999999999, "D": -0}`,
		`{"CertPassword": "x", "Https": {"Certificate": [{"Password": "y"}]}, "Certificate:Password": 1}`,
		`[{"CertPassword": ""}, {"Certificate": {"Password": {"x": true}}}]`,
		"{\"A\": \"\\ud800\", \"\\u0041b\": \"\u2028\", \"K\": 1, \"\u212A\": 2}",
		"{\"A\": 1 // a\r\n}", "{\"A\": 1 // a\r, \"B\": 2\n}", "{\r\"A\": 1\r}",
		"{\"A\": 1 /* a */ , // b\n}", "{ // a\n \"A\": 1, \"B\": 2 }", "{/**/\"A\"/**/:/**/1/**/}",
		"{\x00}", "\xff\xfe{", "{\"\xff\": 1}", strings.Repeat("[", 100), "{/*/}",
	}
}

// A leaf is a key and its value as an independent reader sees them.
type leaf struct{ Path, Text string }

// readIndependently flattens with encoding/json, after hujson has taken out what
// is not JSON.
func readIndependently(b []byte) ([]leaf, error) {
	b = append(bytes.TrimPrefix(bytes.Clone(b), []byte("\uFEFF")), '\n')
	std, err := hujson.Standardize(b)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(std))
	d.UseNumber()
	leaves, err := readValue(d, nil)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one value")
	}
	return leaves, nil
}

func readValue(d *json.Decoder, path []string) ([]leaf, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	open, composite := token.(json.Delim)
	if !composite {
		text, err := json.Marshal(token)
		return []leaf{{strings.Join(path, ":"), string(text)}}, err
	}
	var leaves []leaf
	i := 0
	for ; d.More(); i++ {
		name := strconv.Itoa(i)
		if open == '{' {
			token, err := d.Token()
			if err != nil {
				return nil, err
			}
			name = token.(string)
		}
		inside, err := readValue(d, append(slices.Clone(path), name))
		if err != nil {
			return nil, err
		}
		leaves = append(leaves, inside...)
	}
	if i == 0 {
		leaves = []leaf{{strings.Join(path, ":"), open.String()}}
	}
	_, err = d.Token()
	return leaves, err
}

// comments is all that is neither value, punctuation nor white space, by
// hujson's tree.
func comments(t *testing.T, b []byte) string {
	v, err := hujson.Parse(append(bytes.TrimPrefix(bytes.Clone(b), []byte("\uFEFF")), '\n'))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	note := func(e hujson.Extra) {
		out.WriteString(strings.Join(strings.FieldsFunc(string(e), unicode.IsSpace), ""))
	}
	var walk func(v *hujson.Value)
	walk = func(v *hujson.Value) {
		note(v.BeforeExtra)
		switch c := v.Value.(type) {
		case *hujson.Object:
			for i := range c.Members {
				walk(&c.Members[i].Name)
				walk(&c.Members[i].Value)
			}
			note(c.AfterExtra)
		case *hujson.Array:
			for i := range c.Elements {
				walk(&c.Elements[i])
			}
			note(c.AfterExtra)
		}
		note(v.AfterExtra)
	}
	walk(&v)
	return out.String()
}

func typed(t *testing.T, err error) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Reason == "" {
		t.Fatalf("not an *Error with a reason: %v", err)
	}
	for _, r := range e.Error() {
		if r < ' ' || r > '~' {
			t.Fatalf("error holds %q: %v", r, e)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range seeds() {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := Parse(b)
		if err != nil {
			typed(t, err)
			return
		}
		if !bytes.Equal(file.bytes(), b) {
			t.Fatal("the bytes do not survive")
		}
		want, err := readIndependently(b)
		if err != nil {
			t.Fatalf("accepted, but: %v", err)
		}
		seen := map[string]bool{}
		for _, l := range want {
			if seen[fold(l.Path)] && l.Path != "" {
				t.Fatalf("duplicate key %q was accepted", l.Path)
			}
			seen[fold(l.Path)] = true
		}
		checkLeaves(t, file, want)
	})
}

// checkLeaves compares every key's value with what an independent reader saw.
func checkLeaves(t *testing.T, f *File, want []leaf) {
	for _, l := range want {
		if l.Path == "" || l.Text == "{" || l.Text == "[" {
			continue
		}
		got := f.Get(l.Path)
		if len(f.find(fold(l.Path))) > 1 {
			if got.Kind != Other {
				t.Fatalf("Get(%q) = %+v, though .NET merges", l.Path, got)
			}
			continue
		}
		if got.JSON != l.Text || got.Line == 0 {
			t.Fatalf("Get(%q) = %+v, want %s", l.Path, got, l.Text)
		}
	}
}

func FuzzSet(f *testing.F) {
	for i, s := range seeds() {
		paths := []string{"A", "B", "S:B", "A:C", "L", "Settings:system.logging.level", "D:E:F", "s:b:0"}
		values := []string{`1`, `"x"`, `true`, `[]`, `["x","y"]`, `-1.50e2`}
		f.Add([]byte(s), paths[i%len(paths)], values[i%len(values)])
		f.Add([]byte(s), "New:Key", values[(i+3)%len(values)])
	}
	f.Fuzz(func(t *testing.T, b []byte, path, value string) {
		file, err := Parse(b)
		if err != nil {
			return
		}
		out, err := file.Set(path, value)
		if err != nil {
			typed(t, err)
			if out != nil {
				t.Fatal("bytes and an error")
			}
			if strings.Contains(err.Error(), "cannot be proved") && !strings.Contains(err.Error(), "levels of nesting") {
				t.Fatalf("Set(%q, %s) of %q: %v", path, value, b, err)
			}
			return
		}
		checkSet(t, b, out, path, value)
	})
}

func checkSet(t *testing.T, before, after []byte, path, value string) {
	others := func(b []byte) []leaf {
		leaves, err := readIndependently(b)
		if err != nil {
			t.Fatalf("%q: %v", b, err)
		}
		at := fold(path) + ":"
		return slices.DeleteFunc(leaves, func(l leaf) bool {
			key := fold(l.Path) + ":"
			return strings.HasPrefix(key, at) || l.Text == "{" && (l.Path == "" || strings.HasPrefix(at, key))
		})
	}
	if diff := cmp.Diff(others(before), others(after)); diff != "" {
		t.Fatalf("other values changed (-before +after):\n%s", diff)
	}
	if b, a := comments(t, before), comments(t, after); a != b {
		t.Fatalf("comments were %q, are %q", b, a)
	}
	file, err := Parse(after)
	if err != nil {
		t.Fatal(err)
	}
	if got := file.Get(path); !Equal(got.JSON, value) {
		t.Fatalf("%q reads back as %+v, want %s", path, got, value)
	}
	again, err := file.Set(path, value)
	if err != nil || !bytes.Equal(again, after) {
		t.Fatalf("setting it again changed %q to %q, error %v", after, again, err)
	}
}

func FuzzPasswords(f *testing.F) {
	for _, s := range seeds() {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := Passwords(b)
		if err != nil {
			typed(t, err)
			return
		}
		leaves, err := readIndependently(b)
		if err != nil {
			t.Fatalf("accepted, but: %v", err)
		}
		var want []string
		for _, l := range leaves {
			// In upper case between colons a level is found by plain search.
			key := ":" + fold(l.Path) + ":"
			_, below, found := strings.Cut(key, ":CERTIFICATE:")
			secret := strings.Contains(key, ":CERTPASSWORD:") || found && strings.Contains(":"+below, ":PASSWORD:")
			if secret && !slices.Contains([]string{"null", `""`, "{", "["}, l.Text) {
				want = append(want, l.Path)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	})
}
