package appsettings

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// A writer makes documents of every layout that the dialect allows.
type writer struct {
	*rand.Rand
	newline string
	names   int
}

func (w *writer) pick(of ...string) string { return of[w.IntN(len(of))] }

// extra is white space and comments, often none.
func (w *writer) extra() string {
	var s string
	for w.IntN(3) == 0 {
		s += w.pick(" ", "  ", "\t", w.newline, w.newline+"    ", "/* c */", "/* , } */"+w.newline, "// c"+w.newline)
	}
	return s
}

func (w *writer) value(depth int) string {
	kind := w.IntN(8)
	if depth == 0 {
		kind = 4
	}
	switch kind {
	case 0, 1:
		return w.object(depth - 1)
	case 2:
		return w.list("[", "]", func() string { return w.pick(`"x"`, `"y//"`, `"z"`) })
	case 3:
		return w.list("[", "]", func() string { return w.value(depth - 1) })
	default:
		return w.pick("null", "true", "1.0", "12345678901234567890", `"a"`, `""`)
	}
}

func (w *writer) object(depth int) string {
	return w.list("{", "}", func() string {
		w.names++
		name := fmt.Sprintf("%s%d", w.pick("N", "n", "é.x", "A:B"), w.names)
		return quote(name) + w.extra() + ":" + w.extra() + w.value(depth)
	})
}

func (w *writer) list(open, end string, item func() string) string {
	n := w.IntN(4)
	s := open + w.extra()
	for i := range n {
		s += item() + w.extra()
		if i < n-1 || w.IntN(3) == 0 {
			s += "," + w.extra()
		}
	}
	return s + end
}

// Set must hold its promises for every key that a document has, and for keys
// that it lacks at every level.
func TestSetAnywhere(t *testing.T) {
	values := []string{`5`, `"new"`, `false`, `[]`, `["p","q"]`}
	done := 0
	for seed := range uint64(400) {
		w := &writer{Rand: rand.New(rand.NewPCG(seed, 1)), newline: "\n"}
		w.newline = w.pick("\n", "\r\n")
		doc := w.pick("", "\uFEFF") + w.extra() + w.object(3) + w.extra()
		f, err := Parse([]byte(doc))
		if err != nil {
			t.Fatalf("seed %d: %q: %v", seed, doc, err)
		}
		paths := []string{"New", "New:Key"}
		for i := range f.nodes {
			paths = append(paths, f.nodes[i].path, f.nodes[i].path+":New", f.nodes[i].path+":New:Key")
		}
		for _, path := range paths {
			value := values[w.IntN(len(values))]
			out, err := f.Set(path, value)
			if err != nil {
				typed(t, err)
				if strings.Contains(err.Error(), "proved") {
					t.Errorf("seed %d: %q: Set(%q, %s): %v", seed, doc, path, value, err)
				}
				continue
			}
			done++
			checkSet(t, []byte(doc), out, path, value)
		}
	}
	if done < 2000 {
		t.Errorf("only %d edits were made", done)
	}
}
