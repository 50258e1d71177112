package appsettings

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tailscale/hujson"
)

// Kind says what stands at a key.
type Kind int

// The kinds of values.
const (
	Absent Kind = iota // the key is not there
	Null
	Scalar // a string, number or boolean
	List   // an array of strings, perhaps empty
	Other  // something that is neither: see Value.Note
)

// A Value is what a file holds at a key.
type Value struct {
	Kind Kind
	// JSON is the value's canonical text: no white space, strings as
	// encoding/json writes them, numbers as the file spells them. It is empty
	// for Absent, and for Other, which may hold secrets further down.
	JSON string
	Line int    // 1-based line of the key; 0 if absent
	Note string // what is there instead of a value, for Other
}

// Get is what stands at a key, its levels joined by ":" ("Watchdog:AutoRemediate",
// "Key:0"), in whatever case and spelling. A key that the file gives in several
// places, which .NET merges, is Other.
func (f *File) Get(path string) Value {
	key := fold(path)
	found := f.find(key)
	if len(found) == 0 {
		return Value{}
	}
	line := f.line(found[0].start)
	switch {
	case len(found) > 1:
		note := fmt.Sprintf("it is given in several places, the first two in lines %d and %d", line, f.line(found[1].start))
		return Value{Kind: Other, Line: line, Note: note}
	case found[0].key != key:
		return Value{Kind: Other, Line: line, Note: "only keys below it are given"}
	}
	v := classify(found[0].value)
	v.Line = line
	return v
}

// find lists the nodes that give the key a value: those at the key, and those
// below it that lie in none of them.
func (f *File) find(key string) []*node {
	var found []*node
	for i := 0; i < len(f.nodes); {
		n := &f.nodes[i]
		if n.key == key || strings.HasPrefix(n.key, key+":") {
			found = append(found, n)
			i = n.end
			continue
		}
		i++
	}
	return found
}

// classify is a value without its place.
func classify(v *hujson.Value) Value {
	switch t := v.Value.(type) {
	case hujson.Literal:
		switch t.Kind() {
		case 'n':
			return Value{Kind: Null, JSON: "null"}
		case '"':
			return Value{Kind: Scalar, JSON: marshal(t.String())}
		default:
			return Value{Kind: Scalar, JSON: string(t)}
		}
	case *hujson.Array:
		items := make([]string, 0, len(t.Elements))
		for _, e := range t.Elements {
			s, ok := e.Value.(hujson.Literal)
			if !ok || s.Kind() != '"' {
				return Value{Kind: Other, Note: "it is an array that does not hold strings alone"}
			}
			items = append(items, s.String())
		}
		return Value{Kind: List, JSON: marshal(items)}
	default:
		return Value{Kind: Other, Note: "it is an object"}
	}
}

// marshal is the JSON of a string or of strings, which cannot fail.
func marshal[T string | []string](v T) string {
	b, _ := json.Marshal(v)
	return string(b)
}

// valueOf reads strict JSON text; empty text is Absent, what is not JSON is Other.
func valueOf(text string) Value {
	if text == "" {
		return Value{}
	}
	if !utf8.ValidString(text) || !json.Valid([]byte(text)) {
		return Value{Kind: Other, Note: "it is not JSON"}
	}
	v, err := hujson.Parse([]byte(text))
	if err != nil {
		return Value{Kind: Other, Note: "it is not JSON"}
	}
	return classify(&v)
}

// Equal compares two values, given as JSON text, the way .NET sees them once
// they are flattened to strings: "30" is 30, "True" is true, 1.0 is 1. Two
// strings that look like numbers are equal only letter by letter ("1.10" is not
// "1.1"). Lists are equal in the same order; null is equal to nothing else, for
// .NET's versions differ there; objects and mixed arrays are equal to nothing.
func Equal(have, want string) bool {
	h, w := valueOf(have), valueOf(want)
	switch {
	case h.Kind != w.Kind, h.Kind == Other:
		return false
	case h.Kind == Scalar:
		return equalScalars(h.JSON, w.JSON)
	default:
		return h.JSON == w.JSON
	}
}

// Number is the exact value of a scalar, given as JSON text, that .NET reads as a
// number: 30 and "30". Numbers of a size that no setting has are none.
func Number(scalar string) (*big.Rat, bool) {
	v := valueOf(scalar)
	if v.Kind != Scalar {
		return nil, false
	}
	return number(hujson.Literal(v.JSON).String())
}

func equalScalars(have, want string) bool {
	h, w := hujson.Literal(have), hujson.Literal(want)
	hs, ws := h.String(), w.String()
	switch b := fold(hs); {
	case hs == ws:
		return true
	case b == "TRUE", b == "FALSE":
		return b == fold(ws)
	case h.Kind() == '"' && w.Kind() == '"':
		return false
	}
	hn, ok := number(hs)
	if !ok {
		return false
	}
	wn, ok := number(ws)
	return ok && hn.Cmp(wn) == 0
}

// number is the exact value of a JSON number. Numbers of a size that no setting
// has are refused, for 1e999999999 would fill the memory.
func number(s string) (*big.Rat, bool) {
	const maxLength, maxExponent = 400, 400
	if l := hujson.Literal(s); len(s) > maxLength || l.Kind() != '0' || !l.IsValid() {
		return nil, false
	}
	if e := strings.IndexAny(s, "eE"); e >= 0 {
		exp, err := strconv.Atoi(s[e+1:])
		if err != nil || exp > maxExponent || exp < -maxExponent {
			return nil, false
		}
	}
	return new(big.Rat).SetString(s)
}
