package appsettings

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRemove(t *testing.T) {
	for _, c := range []struct{ name, in, path, want string }{
		{"first", `{"A": 1, "B": 2}`, "A", `{"B": 2}`},
		{"last", `{"A": 1, "B": 2}`, "b", `{"A": 1}`},
		{"only", `{"A": 1}`, "A", `{}`},
		{"nested only", `{"S": {"A": 1}}`, "S:A", `{"S": {}}`},
		{"not there", `{"A": 1}`, "B", `{"A": 1}`},
		{"lines", "{\n  \"A\": 1,\n  \"B\": 2,\n  \"C\": 3\n}", "B", "{\n  \"A\": 1,\n  \"C\": 3\n}"},
		{"last of lines", "{\r\n  \"A\": 1,\r\n  \"B\": 2\r\n}", "B", "{\r\n  \"A\": 1\r\n}"},
		{"trailing comma", "{\n  \"A\": 1,\n  \"B\": 2,\n}", "B", "{\n  \"A\": 1,\n}"},
		{"the neighbour's comment", "{\n  \"A\": 1, // about A\n  \"B\": 2\n}", "B", "{\n  \"A\": 1, // about A\n  \n}"},
		{"comments before it", "{\n  // about B\n  \"B\": 2,\n  \"C\": 3\n}", "B", "{\n  // about B\n  \"C\": 3\n}"},
		{"comment after it", "{\n  \"A\": 1, // about A\n  \"B\": 2\n}", "A", "{\n   // about A\n  \"B\": 2\n}"},
		{"a list", `{"A": ["x", "y"], "B": 1}`, "A", `{"B": 1}`},
		{"colon spelling", `{"S:A": 1, "B": 2}`, "s:a", `{"B": 2}`},
		{"byte order mark", "\uFEFF{\"A\": 1}", "A", "\uFEFF{}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := Parse([]byte(c.in))
			if err != nil {
				t.Fatal(err)
			}
			got, err := f.Remove(c.path)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, string(got)); d != "" {
				t.Error(d)
			}
		})
	}
	for name, c := range map[string][2]string{
		"an object":          {`{"A": {"B": 1}}`, "A"},
		"only keys below":    {`{"A:B": 1}`, "A"},
		"an element":         {`{"A": ["x"]}`, "A:0"},
		"comment inside":     {`{"A": ["x" /* c */]}`, "A"},
		"comment beside it":  {`{"A": 1 /* c */, "B": 2}`, "A"},
		"comment before it":  {`{"A": /* c */ 1}`, "A"},
		"array with objects": {`{"A": [{}]}`, "A"},
	} {
		f, err := Parse([]byte(c[0]))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := f.Remove(c[1]); err == nil {
			t.Errorf("%s: removed, giving %s", name, got)
		}
	}
}

// Remove must hold its promises for every key that a document has: what it
// returns is proved inside; here it must not refuse what is plain.
func TestRemoveAnywhere(t *testing.T) {
	removed := 0
	for seed := range uint64(400) {
		w := &writer{Rand: rand.New(rand.NewPCG(seed, 2)), newline: "\n"}
		f, err := Parse([]byte(w.object(3)))
		if err != nil {
			t.Fatal(err)
		}
		for i := range f.nodes {
			out, err := f.Remove(f.nodes[i].path)
			if err != nil {
				continue
			}
			after, err := Parse(out)
			if err != nil || after.Get(f.nodes[i].path).Kind != Absent || len(after.comments) != len(f.comments) {
				t.Fatalf("seed %d: remove %q from %q gives %q (%v)", seed, f.nodes[i].path, f.text, out, err)
			}
			removed++
		}
	}
	if removed < 300 {
		t.Errorf("only %d keys could be removed", removed)
	}
}
