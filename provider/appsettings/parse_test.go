package appsettings

import (
	"errors"
	"strings"
	"testing"
)

func TestParseAccepts(t *testing.T) {
	tests := []struct{ name, in string }{
		{"byte order mark", "\uFEFF{}"},
		{"comments and trailing commas", "// a\r\n{ /* b */ \"A\": [1, 2,], // c\n}\n/* d */"},
		{"line comment that the file ends", "{} // end"},
		{"lone carriage returns as white space", "{\r\"A\": 1\r}"},
		{"carriage return in a block comment", "{/* a\rb */}"},
		{"comment marks in a string", `{"A": "http://x/*", "B": "*/ \" //"}`},
		{"as deep as allowed", `{"A":` + strings.Repeat("[", maxDepth-1) + strings.Repeat("]", maxDepth-1) + "}"},
		{"brackets in strings and comments are not depth", `{"A": "` + strings.Repeat("[", 100) + `"} //` + strings.Repeat("{", 100)},
		{"brackets behind an escaped quote", `{"A": "\\\"` + strings.Repeat("[", 100) + `"}`},
		{"one section in two spellings", `{"A:B": 1, "A": {"C": 2}}`},
		{"the same name in two objects", `{"A": {"X": 1}, "B": {"X": 2}}`},
		{"letters that only look alike", "{\"K\": 1, \"\u212A\": 2, \"S\": 3, \"\u017F\": 4}"},
	}
	for _, tt := range tests {
		f, err := Parse([]byte(tt.in))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		} else if string(f.bytes()) != tt.in {
			t.Errorf("%s: %q does not survive", tt.name, tt.in)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	deep := strings.Repeat("[", maxSize)
	tests := []struct {
		name, in, want, path string
		line                 int
	}{
		{"UTF-16, little end", "\xff\xfe{\x00}\x00", "UTF-16", "", 0},
		{"UTF-16, big end", "\xfe\xff\x00{\x00}", "UTF-16", "", 0},
		{"UTF-16 without a mark", "{\x00}\x00", "NUL bytes", "", 0},
		{"NUL in a string", "{\"A\": \"\x00\"}", "NUL bytes", "", 0},
		{"invalid UTF-8", "{\"A\": \"\xe9\"}", "not valid UTF-8", "", 0},
		{"two byte order marks", "\uFEFF\uFEFF{}", "not valid JSON at column 1", "", 1},
		{"too large", "{" + strings.Repeat(" ", maxSize) + "}", "larger than 4 MiB", "", 0},
		{"one level too deep", `{"A":` + strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth) + "}", "64 levels", "", 1},
		{"absurdly deep", deep, "64 levels", "", 1},
		{"deep behind a comment", "{ // \"\n" + deep[:1000], "64 levels", "", 2},
		{"too many values", "[" + strings.Repeat("1,", maxValues) + "1]", "131072 values", "", 1},
		{"keys too long together", `{"` + strings.Repeat("k", 1<<20) + `": [` + strings.Repeat("1,", 20) + "]}", "keys are too long", "", 1},
		{"empty", "", "ends inside", "", 1},
		{"cut off", "{\n\"A\": 1,\n", "ends inside", "", 3},
		{"comment without end", "{\n/* a", "ends inside", "", 2},
		{"root array", "\n[]", "root is not an object", "", 2},
		{"root value", "5", "root is not an object", "", 1},
		{"two roots", "{} {}", "not valid JSON at column 4", "", 1},
		{"single quotes", "{'A': 1}", "not valid JSON at column 2", "", 1},
		{"hash comment", "{\n# a\n}", "not valid JSON at column 1", "", 2},
		{"line comment that .NET ends earlier", "{\"A\": 1 // a\r, \"B\": 2\n}", "carriage return", "", 1},
		{"duplicate", "{\n\"A\": 1,\n\"A\": 2}", "already stands in line 2", "A", 3},
		{"duplicate in other case", `{"S": {"Port": 1, "PORT": 2}}`, "line 1", "S:PORT", 1},
		{"duplicate by escape", `{"A": 1, "\u0061": 2}`, "line 1", "a", 1},
		{"duplicate objects", `{"A": {"B": 1}, "a": {"C": 1}}`, "line 1", "a", 1},
		{"duplicate by colon", "{\"A:B\": 1,\n\"A\": {\"b\": 2}}", "line 1", "A:b", 2},
		{"duplicate of an element", `{"A": ["x"], "A:0": "y"}`, "line 1", "A:0", 1},
		{"duplicate beyond ASCII", `{"é": 1, "É": 2}`, "line 1", "É", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse([]byte(tt.in))
			var typed *Error
			if !errors.As(err, &typed) {
				t.Fatalf("error is %v, want an *Error", err)
			}
			if !strings.Contains(typed.Reason, tt.want) || typed.Path != tt.path || typed.Line != tt.line {
				t.Errorf("got %+v, want %q at %q in line %d", typed, tt.want, tt.path, tt.line)
			}
		})
	}
}

func TestErrorText(t *testing.T) {
	_, err := Parse([]byte("{\"A\u202E\x1f\": 1,\n \"S\": {\"a\": 1, \"A\": 2}}"))
	if err == nil {
		t.Fatal("a control character in a string was accepted")
	}
	_, err = Parse([]byte("{\"A\u202E\": 1,\n\"a\u202E\": 2}"))
	const want = `read configuration "a\u202e", line 2: the key already stands in line 1, and a duplicate stops the service; remove one of them`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	long := strings.Repeat("k", 5000)
	_, err = Parse([]byte(`{"` + long + `": 1, "` + long + `": 2}`))
	if err == nil || len(err.Error()) > 500 {
		t.Errorf("an error of %d bytes", len(err.Error()))
	}
}

// What cannot be parsed may be a password: no error quotes it.
func TestErrorsHoldNoValues(t *testing.T) {
	for _, in := range []string{
		`{"Password": "hunter2\x"}`,
		`{"Password": hunter2}`,
		`{"Password": "hunter2" "x"}`,
		"{\"Password\": \"hunter2\n\"}",
		`{"Password": "hunter2`,
		`{"Password": "hunter2", "password": "hunter2"}`,
	} {
		_, err := Parse([]byte(in))
		if err == nil {
			t.Errorf("%s: accepted", in)
		} else if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), `"h"`) || strings.Contains(err.Error(), "'h'") {
			t.Errorf("%s: quoted in %q", in, err)
		}
	}
	f, err := Parse([]byte(`{"A": {"Password": "hunter2"}, "B": null}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"A", "B:C", "A:Password:C"} {
		if _, err := f.Set(path, `"hunter3"`); err == nil || strings.Contains(err.Error(), "hunter") {
			t.Errorf("Set(%s): %v", path, err)
		}
	}
	if v := f.Get("A"); strings.Contains(v.JSON+v.Note, "hunter") {
		t.Errorf("Get shows what lies in an object: %+v", v)
	}
}
