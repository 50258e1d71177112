package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/sergi/go-diff/diffmatchpatch"
)

// A Side is one of two texts that are compared.
type Side struct {
	Name   string
	Text   string
	Hidden func(line int) bool // which lines, from 1, are never shown; may be nil
}

// around is how many lines that are the same stand before and after a difference.
const around = 3

const notShown = "(not shown: it may hold a secret)"

// Diff shows how two texts differ, as diff -u does. Texts that are the same give
// nothing.
func Diff(out io.Writer, a, b Side, color bool) error {
	if a.Text == b.Text {
		return nil
	}
	t := &Text{Out: out}
	t.line("--- %s", a.Name)
	t.line("+++ %s", b.Name)
	lines := compare(a, b)
	for i := 0; i < len(lines); {
		if lines[i].mark == " " {
			i++
			continue
		}
		first, end := max(0, i-around), hunkEnd(lines, i)
		t.hunk(lines[first:end], color)
		i = end
	}
	return t.err
}

// hunkEnd is where the hunk that begins with the difference at i ends: after the
// lines that follow its last difference.
func hunkEnd(lines []compared, i int) int {
	last := i
	for j := i; j < len(lines) && j-last <= 2*around; j++ {
		if lines[j].mark != " " {
			last = j
		}
	}
	return min(len(lines), last+1+around)
}

// A compared line is in both texts (' '), in the first ('-') or the second ('+').
// Its numbers count the lines of each text up to it, itself included.
type compared struct {
	mark string
	text string
	a, b int
}

func compare(a, b Side) []compared {
	var lines []compared
	m, n := 0, 0
	for _, d := range diffs(a.Text, b.Text) {
		for line := range strings.Lines(d.Text) {
			c := compared{mark: " ", text: strings.TrimSuffix(line, "\n")}
			side, at := b, &n
			switch d.Type {
			case diffmatchpatch.DiffDelete:
				c.mark, side, at = "-", a, &m
			case diffmatchpatch.DiffInsert:
				c.mark = "+"
			default:
				m++
			}
			*at++
			c.a, c.b = m, n
			if side.Hidden != nil && side.Hidden(*at) {
				c.text = notShown
			} else if !strings.HasSuffix(line, "\n") {
				c.text += " (no newline at the end)"
			}
			lines = append(lines, c)
		}
	}
	return lines
}

// diffs compares line by line. The library numbers lines as characters, of which
// it has too few for very long texts: what does not add up is replaced as a whole.
func diffs(a, b string) []diffmatchpatch.Diff {
	dmp := diffmatchpatch.New()
	x, y, lines := dmp.DiffLinesToRunes(a, b)
	list := dmp.DiffCharsToLines(dmp.DiffMainRunes(x, y, false), lines)
	if dmp.DiffText1(list) == a && dmp.DiffText2(list) == b {
		return list
	}
	return []diffmatchpatch.Diff{{Type: diffmatchpatch.DiffDelete, Text: a}, {Type: diffmatchpatch.DiffInsert, Text: b}}
}

func (t *Text) hunk(lines []compared, color bool) {
	inA, inB := 0, 0
	for _, c := range lines {
		if c.mark != "+" {
			inA++
		}
		if c.mark != "-" {
			inB++
		}
	}
	last := lines[len(lines)-1]
	t.line("@@ -%s +%s @@", extent(last.a-inA+1, inA), extent(last.b-inB+1, inB))
	for _, c := range lines {
		format := "%s%s"
		if code, ok := map[string]string{"-": "31", "+": "32"}[c.mark]; ok && color {
			format = "\x1b[" + code + "m%s%s\x1b[0m"
		}
		t.line(format, c.mark, c.text)
	}
}

// extent is where lines begin and how many they are, as diff -u writes it.
func extent(first, n int) string {
	switch n {
	case 0:
		return fmt.Sprintf("%d,0", first-1)
	case 1:
		return fmt.Sprint(first)
	default:
		return fmt.Sprintf("%d,%d", first, n)
	}
}
