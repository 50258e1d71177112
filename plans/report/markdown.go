package report

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/sergi/go-diff/diffmatchpatch"

	"github.com/kepmctl/kepmctl/plans"
	"github.com/kepmctl/kepmctl/provider"
)

// markdown is a comment on a pull request, or a summary of a step. Its first line lets
// the comment be found again.
func (r *Report) markdown(n int) ([]byte, error) {
	var out bytes.Buffer
	line := func(format string, args ...any) { fmt.Fprintf(&out, format+"\n", args...) }
	line("<!-- kepmctl:%s -->", r.Command)
	line("## kepmctl %s\n", r.Command)
	var text bytes.Buffer
	t := &Text{Out: &text, View: Brief}
	switch {
	case r.Outcome != nil:
		t.outcomeSummary(r.Plan, *r.Outcome)
	case r.Command == "drift":
		t.driftSummary(r.Plan, r.groups)
	default:
		t.planSummary(r.Plan)
	}
	if t.err != nil {
		return nil, t.err
	}
	for l := range strings.Lines(text.String()) {
		line("%s  ", plain(strings.TrimSpace(l)))
	}
	for _, g := range r.Plan.Gates {
		if !g.Pass {
			line("\n**Refused by gate %s**: %s does not hold (%s): %s", plain(g.Name), code(g.Condition), plain(g.Values), plain(g.Message))
		}
	}
	told := 0
	for _, w := range r.Plan.Waivers {
		if w.State == plans.WaiverActive && !w.EndsSoon(r.Plan.Created) {
			continue
		}
		if told++; told > mostTold {
			continue
		}
		if w.State != plans.WaiverActive {
			line("\nWaiver %s has no effect: %s.", plain(w.Name), plain(w.Why))
		} else if w.EndsSoon(r.Plan.Created) {
			line("\nWaiver %s ends on %s (%s).", plain(w.Name), w.Expires.UTC().Format("2006-01-02"), plain(w.Owner))
		}
	}
	if told > mostTold {
		line("\nAnd %d more waivers without effect, or that end soon: kepmctl waivers lists them.", told-mostTold)
	}
	if n > 0 {
		line("\n| severity | control | hosts | has, must have | likely cause |")
		line("|---|---|---|---|---|")
	}
	for _, g := range r.groups[:n] {
		cause := ""
		if c := g.Cause; c != nil {
			cause = fmt.Sprintf("%s %s: %d of %d, others %d of %d", c.Attribute, c.Value, c.With, c.Of, c.Others, c.OfOthers)
		}
		line("| %s | %s %s<br>%s | %d of %d<br>%s | %s | %s |", string(g.Severity), standing(g), code(g.Control), code(g.Signature), len(g.Hosts), g.Of, plain(some(g.Hosts)), differs(g), plain(cause))
	}
	if left := r.left(n); left != "" {
		line("\n%s: see the whole report, kepmctl %s.", left, r.Command)
	}
	return out.Bytes(), nil
}

// standing is what a way is, without colour.
func standing(g plans.Group) string {
	switch {
	case g.Outcome == provider.Waived:
		return "% waived"
	case g.Outcome == provider.Unknown:
		return "? not known"
	case g.Mode == provider.Audit:
		return "x in audit"
	case g.Odd:
		return "x odd one out"
	default:
		return "x"
	}
}

func some(hosts []string) string {
	text := strings.Join(hosts[:min(len(hosts), examples)], ", ")
	if more := len(hosts) - examples; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// mostTold is how many waivers are told of one by one; longest how much of a value is.
const (
	mostTold = 20
	longest  = 400 // characters
)

// cut shortens what would fill the report alone.
func cut(s string) string {
	if r := []rune(s); len(r) > longest {
		return string(r[:longest]) + "..."
	}
	return s
}

// long is from where on the words that differ are marked inside two values.
const long = 60

// differs shows both values, and inside long ones the words that differ.
func differs(g plans.Group) string {
	from, to := cut(g.From), cut(g.To)
	if from == "" {
		from = "(not set)"
	}
	if to == "" {
		return code(from)
	}
	if len(from)+len(to) < long {
		return code(from) + " must be " + code(to)
	}
	var b strings.Builder
	for _, d := range Words(from, to) {
		switch {
		case d.Removed:
			b.WriteString(marked("~~", d.Text))
		case d.Added:
			b.WriteString(marked("**", d.Text))
		default:
			b.WriteString(plain(d.Text))
		}
	}
	return b.String()
}

// marked puts marks around a text, its blanks outside of them as Markdown wants.
func marked(mark, s string) string {
	inner := strings.TrimSpace(s)
	if inner == "" {
		return s
	}
	before, after, _ := strings.Cut(s, inner)
	return before + mark + plain(inner) + mark + after
}

// A Word is a part of two values: of both, of the first alone, or of the second.
type Word struct {
	Text           string
	Removed, Added bool
}

// Words compares two values word by word.
func Words(from, to string) []Word {
	d := diffmatchpatch.New()
	d.DiffTimeout = 0                // it depends on nothing but the values, which are short
	split := func(s string) string { // a word to a line, for the library to compare lines
		return strings.NewReplacer(" ", "\n \n", ";", "\n;\n", ",", "\n,\n", "\"", "\n\"\n").Replace(s) + "\n"
	}
	a, b, lines := d.DiffLinesToRunes(split(from), split(to))
	var list []Word
	for _, one := range d.DiffCharsToLines(d.DiffMainRunes(a, b, false), lines) {
		list = append(list, Word{
			Text: strings.ReplaceAll(one.Text, "\n", ""), Removed: one.Type == diffmatchpatch.DiffDelete, Added: one.Type == diffmatchpatch.DiffInsert,
		})
	}
	return list
}

// plain is a text that Markdown leaves as it is, on one line and in one cell.
func plain(s string) string {
	s = provider.Redact(provider.Printable(s))
	return strings.NewReplacer("\\", "\\\\", "`", "\\`", "*", "\\*", "_", "\\_", "~", "\\~", "[", "\\[", "]", "\\]", "|", "\\|", "<", "&lt;", ">", "&gt;", "&", "&amp;", "#", "\\#", "@", "&#64;", "!", "\\!").Replace(s)
}

// code is a text as it is, in one cell.
func code(s string) string {
	s = provider.Redact(provider.Printable(s))
	s = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "|", "&#124;", "`", "&#96;", "*", "&#42;", "_", "&#95;", "[", "&#91;", "@", "&#64;", "\\", "&#92;", "~", "&#126;", "#", "&#35;", "!", "&#33;").Replace(s)
	return "<code>" + s + "</code>"
}
