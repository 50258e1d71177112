package report_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/kepmctl/kepmctl/plans/report"
)

func numbers(from, to int, changed map[int]string) string {
	var b strings.Builder
	for i := from; i <= to; i++ {
		if text, ok := changed[i]; ok {
			b.WriteString(text)
			continue
		}
		fmt.Fprintf(&b, "line %d\n", i)
	}
	return b.String()
}

func TestDiff(t *testing.T) {
	for name, c := range map[string]struct {
		a, b   string
		hidden int
		want   string
	}{
		"same": {a: "x\n", b: "x\n"},
		"one line in the middle": {
			a: numbers(1, 9, nil), b: numbers(1, 9, map[int]string{5: "five\n"}),
			want: "@@ -2,7 +2,7 @@\n line 2\n line 3\n line 4\n-line 5\n+five\n line 6\n line 7\n line 8\n",
		},
		"near ones share a hunk, far ones do not": {
			a: numbers(1, 30, nil), b: numbers(1, 30, map[int]string{2: "two\n", 8: "eight\n", 25: ""}),
			want: "@@ -1,11 +1,11 @@\n line 1\n-line 2\n+two\n line 3\n line 4\n line 5\n line 6\n line 7\n-line 8\n+eight\n line 9\n line 10\n line 11\n" +
				"@@ -22,7 +22,6 @@\n line 22\n line 23\n line 24\n-line 25\n line 26\n line 27\n line 28\n",
		},
		"from nothing":               {b: "x\n", want: "@@ -0,0 +1 @@\n+x\n"},
		"to nothing":                 {a: "x\ny\n", want: "@@ -1,2 +0,0 @@\n-x\n-y\n"},
		"the last newline":           {a: "x", b: "x\n", want: "@@ -1 +1 @@\n-x (no newline at the end)\n+x\n"},
		"blanks at the end are seen": {a: "x  \n", b: "x\n", want: "@@ -1 +1 @@\n-x  \n+x\n"},
		"a secret": {
			a: "a\npassword=\"hunter2\"\nb\n", b: "a\npassword = \"hunter2\"\nc\n", hidden: 2,
			want: "@@ -1,3 +1,3 @@\n a\n-(not shown: it may hold a secret)\n-b\n+(not shown: it may hold a secret)\n+c\n",
		},
		"a secret around": {
			a: "a\nhunter2\nb\n", b: "a\nhunter2\nc\n", hidden: 2,
			want: "@@ -1,3 +1,3 @@\n a\n (not shown: it may hold a secret)\n-b\n+c\n",
		},
		"what steers a terminal": {a: "\x1b[31m\n", b: "\tx\r\n", want: "@@ -1 +1 @@\n-\\x1b[31m\n+\\tx\\r\n"},
	} {
		hidden := func(line int) bool { return line == c.hidden }
		var out bytes.Buffer
		if err := report.Diff(&out, report.Side{"old", c.a, hidden}, report.Side{"new", c.b, hidden}, false); err != nil {
			t.Fatal(err)
		}
		want := c.want
		if want != "" {
			want = "--- old\n+++ new\n" + want
		}
		if out.String() != want {
			t.Errorf("%s:\n%s\nwant\n%s", name, &out, want)
		}
	}
}

// The library takes lines for characters; there are more lines than characters.
func TestDiffOfVeryManyLines(t *testing.T) {
	var out bytes.Buffer
	a, b := numbers(1, 70_000, nil), numbers(1, 70_000, map[int]string{60_000: "changed\n"})
	if err := report.Diff(&out, report.Side{Name: "old", Text: a}, report.Side{Name: "new", Text: b}, true); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\x1b[31m-line 60000\x1b[0m\n", "\x1b[32m+changed\x1b[0m\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not shown:\n%.500s", want, &out)
		}
	}
}
