package appsettings

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSetStyles(t *testing.T) {
	const bom = "\uFEFF"
	tests := []struct{ name, in, path, value, want string }{
		{"string", `{"A": "x"}`, "A", `"y"`, `{"A": "y"}`},
		{"number keeps the given spelling", `{"A": 1}`, "A", `2.50`, `{"A": 2.50}`},
		{"null", `{"A": null}`, "A", `true`, `{"A": true}`},
		{"byte order mark and crlf", bom + "{\r\n\t\"A\": 1,\r\n\t\"B\": 2\r\n}\r\n", "C", `3`, bom + "{\r\n\t\"A\": 1,\r\n\t\"B\": 2,\r\n\t\"C\": 3\r\n}\r\n"},
		{"nested crlf", "{\r\n  \"S\": {\r\n    \"a\": 1\r\n  }\r\n}", "S:b", `2`, "{\r\n  \"S\": {\r\n    \"a\": 1,\r\n    \"b\": 2\r\n  }\r\n}"},
		{"other case", `{"settings":{"system.LOGGING.level":"Debug"}}`, "Settings:system.logging.level", `"Warning"`, `{"settings":{"system.LOGGING.level":"Warning"}}`},
		{"colon spelling", `{"Settings:Port": 1}`, "settings:port", `2`, `{"Settings:Port": 2}`},
		{"half colon spelling", `{"A:B": {"C": 1}}`, "A:B:D", `2`, `{"A:B": {"C": 1, "D": 2}}`},
		{"escaped name", `{"\u0041": 1}`, "a", `2`, `{"\u0041": 2}`},
		{"array element", `{"A": ["x", "y"]}`, "A:1", `"z"`, `{"A": ["x", "z"]}`},
		{"inside an array", `{"A": [{"b": 1}]}`, "A:0:C", `2`, `{"A": [{"b": 1, "C": 2}]}`},

		{"one line, tight", `{"A":1}`, "B", `2`, `{"A":1,"B":2}`},
		{"one line, wide", `{ "A": 1 }`, "B", `2`, `{ "A": 1, "B": 2 }`},
		{"one line, trailing comma", `{ "A": 1, }`, "B", `2`, `{ "A": 1, "B": 2, }`},
		{"one line, comment", `{ "A": 1 /* a */ }`, "B", `2`, `{ "A": 1, /* a */ "B": 2 }`},
		{"one line, new parents", `{"A":1}`, "S:T:B", `2`, `{"A":1,"S":{"T":{"B":2}}}`},
		{"one line, wide, new parents", `{ "A": 1 }`, "S:B", `2`, `{ "A": 1, "S": { "B": 2 } }`},
		{"one line that a line comment ends", "{ \"A\": 1 // a\n}", "B", `2`, "{ \"A\": 1, // a\n  \"B\": 2\n}"},
		{"several on a line", "{\n  \"A\": 1, \"B\": 2\n}", "C", `3`, "{\n  \"A\": 1, \"B\": 2, \"C\": 3\n}"},
		{"blanks around colons", `{"A" : 1}`, "B", `2`, `{"A" : 1, "B" : 2}`},

		{"empty root", `{}`, "A", `1`, `{"A": 1}`},
		{"empty wide", `{ }`, "A", `1`, `{ "A": 1 }`},
		{"empty with comment", `{ /* none */ }`, "A", `1`, `{ /* none */ "A": 1 }`},
		{"empty on two lines", "{\n}", "A:B", `1`, "{\n  \"A\": {\n    \"B\": 1\n  }\n}"},
		{"empty with line comment", "{\n\t\"S\": {\n\t\t// none\n\t}\n}", "S:A", `1`, "{\n\t\"S\": {\n\t\t// none\n\t\t\"A\": 1\n\t}\n}"},
		{"empty child stays on its line", "{\n  \"S\": {}\n}", "S:A", `1`, "{\n  \"S\": {\"A\": 1}\n}"},

		{"four blanks, new parents", "{\n    \"A\": 1\n}\n", "S:T:B", `"x"`, "{\n    \"A\": 1,\n    \"S\": {\n        \"T\": {\n            \"B\": \"x\"\n        }\n    }\n}\n"},
		{"trailing comma", "{\n  \"A\": 1,\n}", "S:B", `2`, "{\n  \"A\": 1,\n  \"S\": {\n    \"B\": 2,\n  },\n}"},
		{"trailing comma and comment", "{\n  \"A\": 1, // a\n}", "B", `2`, "{\n  \"A\": 1, // a\n  \"B\": 2,\n}"},
		{"trailing comments", "{\n  \"A\": 1 // a, b\n  // \"X\": 9\n\n}", "B", `2`, "{\n  \"A\": 1, // a, b\n  // \"X\": 9\n  \"B\": 2\n\n}"},
		{"block comment after the value", "{\n  \"A\": 1 /* a */\n}", "B", `2`, "{\n  \"A\": 1, /* a */\n  \"B\": 2\n}"},
		{"brace on the last line", "{\n  \"A\": 1 }", "B", `2`, "{\n  \"A\": 1,\n  \"B\": 2 }"},
		{"blanks at the end of a line", "{\n  \"A\": 1  \n}", "B", `2`, "{\n  \"A\": 1,  \n  \"B\": 2\n}"},
		{"brace on a line of its own", "{\n  \"S\":\n  {\n    \"A\": 1\n  }\n}", "S:B", `2`, "{\n  \"S\":\n  {\n    \"A\": 1,\n    \"B\": 2\n  }\n}"},
		{"members left of their brace", "{\n    \"S\": {\n  \"A\": 1\n    }\n}", "S:T:B", `2`, "{\n    \"S\": {\n  \"A\": 1,\n  \"T\": {\n      \"B\": 2\n  }\n    }\n}"},
		{"comment before the name", "{\n  /* a */ \"A\": 1\n}", "B", `2`, "{\n  /* a */ \"A\": 1,\n  \"B\": 2\n}"},
		{"comment without a line end", "{\"A\": 1} // end", "A", `2`, "{\"A\": 2} // end"},

		{"list, tight", `{"A":[]}`, "A", `["x","y"]`, `{"A":["x","y"]}`},
		{"list, wide", `{"A": ["x"]}`, "A", `["x","y"]`, `{"A": ["x", "y"]}`},
		{"list over lines", "{\n  \"A\": [\n    \"x\"\n  ]\n}", "A", `["y","z"]`, "{\n  \"A\": [\n    \"y\",\n    \"z\"\n  ]\n}"},
		{"list emptied", "{\n  \"A\": [\n    \"x\"\n  ]\n}", "A", `[]`, "{\n  \"A\": []\n}"},
		{"mixed list", `{"A": ["x", 1]}`, "A", `["x"]`, `{"A": ["x"]}`},
		{"long list", "{\n  \"A\": []\n}", "A", `["` + strings.Repeat("a", 40) + `","` + strings.Repeat("b", 40) + `"]`, "{\n  \"A\": [\n    \"" + strings.Repeat("a", 40) + "\",\n    \"" + strings.Repeat("b", 40) + "\"\n  ]\n}"},
		{"no needless escapes", `{"A": ""}`, "A", `"a\u003cb\u0026\"é"`, `{"A": "a<b&\"é"}`},

		{"number spellings survive", `{"A": 1.0, "B": 12345678901234567890, "C": 1E+2}`, "A", `2`, `{"A": 2, "B": 12345678901234567890, "C": 1E+2}`},
		{"a host that indents absurdly", "{\n" + strings.Repeat(" ", 300) + "\"A\": 1\n}", "B", `2`, "{\n" + strings.Repeat(" ", 300) + "\"A\": 1,\n\"B\": 2\n}"},

		{"equal number", `{"A": 30.0}`, "A", `30`, `{"A": 30.0}`},
		{"equal flattened", `{"A": "True"}`, "A", `true`, `{"A": "True"}`},
		{"equal list with comment", `{"A": ["x", /* y */]}`, "A", `["x"]`, `{"A": ["x", /* y */]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, err := Parse([]byte(tt.in))
			if err != nil {
				t.Fatal(err)
			}
			got, err := f.Set(tt.path, tt.value)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Errorf("Set(%q, %s) (-want +got):\n%s", tt.path, tt.value, diff)
			}
			if string(f.bytes()) != tt.in {
				t.Error("Set changed the file it was called on")
			}
		})
	}
}

func TestSetRefuses(t *testing.T) {
	tests := []struct {
		name, in, path, value, want string
		line                        int
	}{
		{"comment inside", "{\n\"A\": [\n\"x\", // why\n]}", "A", `[]`, "a comment stands inside the value; edit it by hand", 2},
		{"comment before the bracket", `{"A": ["x" /* y */]}`, "A", `[]`, "a comment stands inside", 1},
		{"object", `{"A": {"B": 1}}`, "A", `1`, "it is an object", 1},
		{"empty object", `{"A": {}}`, "A", `1`, "it is an object", 1},
		{"array of objects", `{"A": [{"B": 1}]}`, "A", `[]`, "holds objects or arrays", 1},
		{"null parent", "{\n\n\"A\": null}", "A:B", `1`, `its parent "A" is null, not an object; edit it by hand`, 3},
		{"value as parent", `{"A": 5}`, "a:B:C", `1`, `its parent "A" is a single value`, 1},
		{"array as parent", `{"A": ["x"]}`, "A:1", `"y"`, `its parent "A" is an array`, 1},
		{"several places", "{\"A\": [\"x\"],\n\"A:1\": \"y\"}", "A", `[]`, "several places, the first two in lines 1 and 2", 1},
		{"value and section", `{"A": 1, "A:B": 2}`, "A", `3`, "several places", 1},
		{"section by colons", `{"A:0": "x"}`, "A", `[]`, "only keys below it", 1},
		{"no key", `{}`, "", `1`, "empty or unreadable level", 0},
		{"empty level", `{}`, "A::B", `1`, "empty or unreadable level", 0},
		{"invalid key", `{}`, "\xff", `1`, "empty or unreadable level", 0},
		{"too deep", `{}`, strings.Repeat("A:", maxDepth) + "A", `1`, "levels", 0},
		{"as deep as the file allows", `{"S": [[]]}`, "B" + strings.Repeat(":A", maxDepth-1), `["x"]`, "cannot be proved right", 1},
		{"object and value as parent", `{"A": {"B": {"C": 1}}, "A:B": 2}`, "A:B:D", `1`, `its parent "A:B" is a single value`, 1},
		{"null", `{}`, "A", `null`, "not a string", 0},
		{"object as value", `{}`, "A", `{}`, "not a string", 0},
		{"mixed array as value", `{}`, "A", `[1]`, "not a string", 0},
		{"no value", `{}`, "A", ``, "not a string", 0},
		{"comment as value", `{}`, "A", `1 // x`, "not a string", 0},
		{"invalid value", `{}`, "A", "\"\xff\"", "not a string", 0},
		{"grows too large", `{"A": "` + strings.Repeat("x", maxSize-20) + `"}`, "B", `"0123456789"`, "larger than 4 MiB", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, err := Parse([]byte(tt.in))
			if err != nil {
				t.Fatal(err)
			}
			got, err := f.Set(tt.path, tt.value)
			var typed *Error
			if !errors.As(err, &typed) {
				t.Fatalf("error is %v, want an *Error", err)
			}
			if got != nil {
				t.Errorf("bytes returned with an error: %q", got)
			}
			if !strings.Contains(typed.Reason, tt.want) || typed.Line != tt.line || typed.Path != tt.path {
				t.Errorf("got %+v, want line %d and %q", typed, tt.line, tt.want)
			}
		})
	}
}

// The proof must be able to fail: each edit here spoils something.
func TestDisproof(t *testing.T) {
	f, err := Parse([]byte("{\n  \"A\": 1, // a\n  \"B\": 1.0\n}"))
	if err != nil {
		t.Fatal(err)
	}
	want := valueOf("2")
	tests := []struct{ name, out, want string }{
		{"right", "{\n  \"A\": 2, // a\n  \"B\": 1.0\n}", ""},
		{"broken", "{\n  \"A\": 2, // a\n  \"B\": 1.0\n", "refused"},
		{"not set", "{\n  \"A\": 1, // a\n  \"B\": 1.0\n}", "read back"},
		{"respelled", "{\n  \"A\": 2, // a\n  \"B\": 1.00\n}", "another value"},
		{"renamed", "{\n  \"A\": 2, // a\n  \"b\": 1.0\n}", "another value"},
		{"reordered", "{\n  \"B\": 1.0, // a\n  \"A\": 2\n}", "bytes outside"},
		{"added", "{\n  \"A\": 2, // a\n  \"B\": 1.0, \"C\": null\n}", "another value"},
		{"comment lost", "{\n  \"A\": 2, \n  \"B\": 1.0\n}", "a comment"},
		{"comment changed", "{\n  \"A\": 2, // b\n  \"B\": 1.0\n}", "a comment"},
		{"white space", "{\n \"A\": 2, // a\n  \"B\": 1.0\n}", "bytes outside"},
		{"white space at the end", "{\n  \"A\": 2, // a\n  \"B\": 1.0\n}\n", "bytes outside"},
		{"byte order mark", "\uFEFF{\n  \"A\": 2, // a\n  \"B\": 1.0\n}", "bytes outside"},
	}
	for _, tt := range tests {
		got := f.disproof([]byte(tt.out), splice{9, 10, "2"}, "A", want)
		if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: disproof is %q, want %q", tt.name, got, tt.want)
		}
	}
}
