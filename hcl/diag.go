package hcl

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/kepmctl/kepmctl/provider"
)

// Diagnostics are the mistakes and doubts about a configuration, by file and line.
type Diagnostics struct {
	list  hcl.Diagnostics
	files map[string]source
}

// A Diagnostic is one of them, for machines.
type Diagnostic struct {
	Severity string // "error" or "warning"
	Summary  string
	Detail   string
	File     string // relative to the configuration's directory; empty: none in particular
	Line     int    // 1-based; 0: none in particular
}

// A source is a file as far as diagnostics need it.
type source struct {
	file   *hcl.File // its bytes are fit for a terminal
	hidden lineSet   // lines that may hold a secret
}

// notShown takes the place of what a secret may have slipped into.
const notShown = "The line may hold a secret and is not shown."

// HasErrors says whether any of them is an error.
func (d Diagnostics) HasErrors() bool { return d.list.HasErrors() }

// Errors counts the errors.
func (d Diagnostics) Errors() int { return d.count(hcl.DiagError) }

// Warnings counts the warnings.
func (d Diagnostics) Warnings() int { return d.count(hcl.DiagWarning) }

func (d Diagnostics) count(s hcl.DiagnosticSeverity) int {
	n := 0
	for _, one := range d.list {
		if one.Severity == s {
			n++
		}
	}
	return n
}

// All lists them as plain values.
func (d Diagnostics) All() []Diagnostic {
	all := make([]Diagnostic, 0, len(d.list))
	for _, one := range d.list {
		plain := Diagnostic{Severity: "warning", Summary: clean(one.Summary), Detail: clean(one.Detail)}
		if one.Severity == hcl.DiagError {
			plain.Severity = "error"
		}
		if one.Subject != nil {
			plain.File, plain.Line = one.Subject.Filename, one.Subject.Start.Line
		}
		all = append(all, plain)
	}
	return all
}

// Write renders them for people, with the lines they are about. Width 0 does not
// wrap. Lines that may hold a secret are named, never shown.
func (d Diagnostics) Write(w io.Writer, width int, color bool) error {
	files := map[string]*hcl.File{}
	for name, s := range d.files {
		files[name] = s.file
	}
	columns := uint(max(width, 0))
	open := hcl.NewDiagnosticTextWriter(w, files, columns, color)
	for _, one := range d.list {
		shown := *one
		shown.Summary, shown.Detail = clean(one.Summary), clean(one.Detail)
		write := open.WriteDiagnostic
		if d.hides(one) {
			write = func(one *hcl.Diagnostic) error { return writeHidden(w, one, columns, color) }
		}
		if err := write(&shown); err != nil {
			return err
		}
	}
	return nil
}

// writeHidden renders a diagnostic without its lines, and says why they are missing.
func writeHidden(w io.Writer, one *hcl.Diagnostic, columns uint, color bool) error {
	one.Expression = nil // its values would be shown
	var text bytes.Buffer
	if err := hcl.NewDiagnosticTextWriter(&text, nil, columns, color).WriteDiagnostic(one); err != nil {
		return err
	}
	const missing, why = "(source code not available)", "(not shown: it may hold a secret)"
	_, err := w.Write(bytes.Replace(text.Bytes(), []byte(missing), []byte(why), 1))
	return err
}

func (d *Diagnostics) errorf(at *hcl.Range, summary, format string, args ...any) {
	d.add(hcl.DiagError, at, summary, fmt.Sprintf(format, args...))
}

func (d *Diagnostics) warnf(at *hcl.Range, summary, format string, args ...any) {
	d.add(hcl.DiagWarning, at, summary, fmt.Sprintf(format, args...))
}

func (d *Diagnostics) add(s hcl.DiagnosticSeverity, at *hcl.Range, summary, detail string) {
	d.list = append(d.list, &hcl.Diagnostic{Severity: s, Subject: at, Summary: summary, Detail: detail})
}

// notYet reports what the language has and this version does not read.
func (d *Diagnostics) notYet(at *hcl.Range, what string) {
	d.errorf(at, "Not supported yet: "+what, "This version of kepmctl does not read it; see docs/language.md for what it does.")
}

// foreign takes over what the HCL library reports. Its sentences may quote
// values, so those about lines that may hold a secret are dropped.
func (d *Diagnostics) foreign(diags hcl.Diagnostics) {
	for _, one := range diags {
		if d.hides(one) {
			one.Detail = notShown
		}
		one.Expression = withoutValues(one.Expression)
		switch { // what the library says of things it does not know
		case strings.Contains(one.Detail, "have secret"):
			one.Detail = "A secret cannot be part of a text. Write the reference alone, where the secret is used."
		case one.Summary == "Invalid type specification":
			one.Detail += " Types are string, number, bool, any, list(...), set(...), map(...), object({...}) and tuple([...])."
		}
		d.list = append(d.list, one)
	}
}

// withoutValues takes away an expression whose values the library would show: of
// variables and locals, which may hold what nobody is to read.
func withoutValues(expr hcl.Expression) hcl.Expression {
	if expr == nil {
		return nil
	}
	for _, t := range expr.Variables() {
		if root := t.RootName(); root != "host" {
			return nil
		}
	}
	return expr
}

// learn keeps a file for excerpts.
func (d *Diagnostics) learn(name string, s source) {
	if d.files == nil {
		d.files = map[string]source{}
	}
	d.files[name] = s
}

// sourceFor is a file as excerpts may show it.
func sourceFor(f *hcl.File, src []byte, tokens hclsyntax.Tokens) source {
	shown := &hcl.File{Bytes: printable(src)}
	if f != nil {
		shown.Body, shown.Nav = f.Body, f.Nav
	}
	return source{file: shown, hidden: secretLines(src, tokens)}
}

func (d Diagnostics) hides(one *hcl.Diagnostic) bool {
	if one.Subject == nil {
		return false
	}
	if one.Expression != nil { // the library shows the values of its names
		for _, t := range one.Expression.Variables() {
			if slices.ContainsFunc(steps(t), secretName) {
				return true
			}
		}
	}
	snippet := *one.Subject
	if one.Context != nil {
		snippet = hcl.RangeOver(snippet, *one.Context)
	}
	hidden := d.files[snippet.Filename].hidden
	for line := snippet.Start.Line; line <= snippet.End.Line; line++ {
		if hidden[line] {
			return true
		}
	}
	return false
}

// tidy sorts by place and drops repetitions: what is evaluated for each host is
// wrong for each host.
func (d *Diagnostics) tidy() Diagnostics {
	type key struct {
		severity              hcl.DiagnosticSeverity
		place, summary, words string
	}
	seen := map[key]bool{}
	var list hcl.Diagnostics
	for _, one := range d.list {
		k := key{one.Severity, "", one.Summary, one.Detail}
		if one.Subject != nil {
			k.place = one.Subject.String()
		}
		if !seen[k] {
			seen[k] = true
			list = append(list, one)
		}
	}
	slices.SortFunc(list, func(a, b *hcl.Diagnostic) int {
		x, y := start(a), start(b)
		return cmp.Or(cmp.Compare(x.Filename, y.Filename), cmp.Compare(x.Start.Byte, y.Start.Byte),
			cmp.Compare(a.Summary, b.Summary), cmp.Compare(a.Detail, b.Detail))
	})
	return Diagnostics{list: list, files: d.files}
}

func start(one *hcl.Diagnostic) hcl.Range {
	if one.Subject == nil {
		return hcl.Range{}
	}
	return *one.Subject
}

// place is a range as a message names it: "main.kepm.hcl:12".
func place(r hcl.Range) string { return fmt.Sprintf("%s:%d", r.Filename, r.Start.Line) }

// clean makes a sentence fit for a terminal and takes deployment tokens out.
func clean(s string) string { return string(printable([]byte(provider.Redact(s)))) }

// printable replaces what could steer a terminal, byte for byte, so that
// positions stay right.
func printable(src []byte) []byte {
	var out strings.Builder
	out.Grow(len(src))
	for i := 0; i < len(src); {
		r, n := decode(src[i:])
		newline := r == '\n' || (r == '\r' && bytes.HasPrefix(src[i+1:], []byte("\n")))
		if newline || r == '\t' || !unicode.In(r, unicode.C) {
			out.Write(src[i : i+n])
		} else {
			out.WriteString(strings.Repeat("?", n))
		}
		i += n
	}
	return []byte(out.String())
}
