package hcl

import (
	"fmt"
	"maps"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/kepmctl/kepmctl/provider"
	"github.com/kepmctl/kepmctl/transport"
)

// attrs reads the attributes of one block. What is absent, null, not yet known
// or wrong reads as not set; what is wrong is reported.
type attrs struct {
	d    *Diagnostics
	body *hclsyntax.Body
	ctx  *hcl.EvalContext
}

func (r *reading) attrs(b *hclsyntax.Block) attrs {
	return attrs{d: r.d, body: b.Body, ctx: &hcl.EvalContext{Functions: r.functions, Variables: maps.Clone(r.scope)}}
}

// about makes host.* known to the block.
func (a attrs) about(host cty.Value) attrs {
	variables := maps.Clone(a.ctx.Variables)
	variables["host"] = host
	a.ctx = &hcl.EvalContext{Functions: a.ctx.Functions, Variables: variables}
	return a
}

// at is where an attribute's value stands.
func (a attrs) at(name string) *hcl.Range {
	if attr, ok := a.body.Attributes[name]; ok {
		return attr.Expr.Range().Ptr()
	}
	return a.body.MissingItemRange().Ptr()
}

func sourceOf(r hcl.Range) provider.Source {
	return provider.Source{File: r.Filename, Line: r.Start.Line}
}

// has says whether an attribute is written.
func (a attrs) has(name string) bool {
	_, ok := a.body.Attributes[name]
	return ok
}

// set says whether an attribute is written, and is not null. What cannot be told
// here, a reference or a mistake, counts as set.
func (a attrs) set(name string) bool {
	if !a.has(name) {
		return false
	}
	v, diags := a.body.Attributes[name].Expr.Value(a.ctx)
	return diags.HasErrors() || !v.IsKnown() || !v.IsNull()
}

// wrong reports a value that does not fit.
func (a attrs) wrong(name, format string, args ...any) {
	a.d.errorf(a.at(name), "Wrong value for "+name, format, args...)
}

// value evaluates an attribute; secrets are refused: they have places of their own.
func (a attrs) value(name string) (cty.Value, bool) {
	attr, ok := a.body.Attributes[name]
	if !ok {
		return cty.NilVal, false
	}
	if !a.d.fits(attr.Expr, a.ctx) {
		return cty.NilVal, false
	}
	v, diags := attr.Expr.Value(a.ctx)
	a.d.foreign(diags)
	if diags.HasErrors() || v.IsNull() || !v.IsWhollyKnown() {
		return cty.NilVal, false
	}
	if holdsSecret(v) {
		a.wrong(name, "A secret cannot stand here: it would be written to hosts, plans and reports.")
		return cty.NilVal, false
	}
	return v, true
}

func (a attrs) text(name string) (string, bool) {
	v, ok := a.value(name)
	if !ok {
		return "", false
	}
	if v.Type() != cty.String {
		a.wrong(name, "A text is needed: write it in quotes.")
		return "", false
	}
	return v.AsString(), true
}

// word is a text without control characters that is not empty.
func (a attrs) word(name string) (string, bool) {
	s, ok := a.text(name)
	if !ok {
		return "", false
	}
	if s == "" || hasControl(s) {
		a.wrong(name, "It is empty or has control characters. Leave the attribute out for the default.")
		return "", false
	}
	return s, true
}

func hasControl(s string) bool { return slices.ContainsFunc([]rune(s), unicode.IsControl) }

func (a attrs) boolean(name string) (bool, bool) {
	v, ok := a.value(name)
	if !ok {
		return false, false
	}
	if v.Type() != cty.Bool {
		a.wrong(name, "Write true or false, without quotes.")
		return false, false
	}
	return v.True(), true
}

func (a attrs) number(name string, least, most int) (int, bool) {
	v, ok := a.value(name)
	if !ok {
		return 0, false
	}
	if v.Type() == cty.Number {
		if n, accuracy := v.AsBigFloat().Int64(); accuracy == big.Exact && n >= int64(least) && n <= int64(most) {
			return int(n), true
		}
	}
	a.wrong(name, "Write a whole number from %d to %d, without quotes.", least, most)
	return 0, false
}

// list reads a list of texts.
func (a attrs) list(name string) ([]string, bool) {
	v, ok := a.value(name)
	if !ok {
		return nil, false
	}
	list, ok := textList(v)
	if !ok {
		a.wrong(name, "Write a list of texts, as in %s = [\"a\", \"b\"].", name)
	}
	return list, ok
}

func textList(v cty.Value) ([]string, bool) {
	if t := v.Type(); !t.IsTupleType() && !t.IsListType() && !t.IsSetType() {
		return nil, false
	}
	list := []string{}
	for _, item := range v.AsValueSlice() {
		if item.IsNull() || item.Type() != cty.String {
			return nil, false
		}
		list = append(list, item.AsString())
	}
	return list, true
}

// choice reads one of the texts of now; those of later are in the language, but
// not in this version.
func (a attrs) choice(name string, now []string, later ...string) (string, bool) {
	s, ok := a.text(name)
	switch {
	case !ok:
		return "", false
	case slices.Contains(now, s):
		return s, true
	case slices.Contains(later, s):
		a.d.notYet(a.at(name), fmt.Sprintf("%s = %q", name, s))
	default:
		a.wrong(name, "%q is not %s.%s", s, quoted(now), didYouMean(s, now))
	}
	return "", false
}

// Bounds of every time limit.
const (
	leastTimeout = time.Second
	mostTimeout  = time.Hour
)

func (a attrs) timeout(name string) (time.Duration, bool) {
	return a.duration(name, leastTimeout, mostTimeout)
}

// duration reads a text such as "90s", "2m" or "30d" within bounds.
func (a attrs) duration(name string, least, most time.Duration) (time.Duration, bool) {
	s, ok := a.text(name)
	if !ok {
		return 0, false
	}
	d, err := ParseDuration(s)
	if err != nil || d < least || d > most {
		such := `"90s" or "2m"`
		if most > mostTimeout {
			such = `"30d" or "12h"`
		}
		a.wrong(name, "Write a duration from %s to %s in quotes, such as %s.", wordDuration(least), wordDuration(most), such)
		return 0, false
	}
	return d, true
}

// wordDuration is a duration as it is written: "1h", "3650d".
func wordDuration(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= day && d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}

func (a attrs) timeoutOr(name string, standard time.Duration) time.Duration {
	if limit, ok := a.timeout(name); ok {
		return limit
	}
	return standard
}

var days = regexp.MustCompile(`^(\d{1,6})d(.*)$`)

// ParseDuration is Go's, with "d" for days of 24 hours in front: "30d", "1d12h".
func ParseDuration(s string) (time.Duration, error) {
	var whole time.Duration
	if m := days.FindStringSubmatch(s); m != nil {
		n, err := strconv.Atoi(m[1])
		if err != nil || n > 100_000 {
			return 0, fmt.Errorf("too many days")
		}
		whole = time.Duration(n) * 24 * time.Hour
		if m[2] == "" {
			return whole, nil
		}
		s = m[2]
	}
	part, err := time.ParseDuration(s)
	return whole + part, err
}

// secret reads a reference to a secret. Whatever else stands there may be the
// secret itself, so no message quotes it, nor the library's message about it.
func (a attrs) secret(name string) transport.SecretRef {
	attr, ok := a.body.Attributes[name]
	if !ok || !a.d.hostKnown(attr.Expr, a.ctx) || !a.d.scopeKnown(attr.Expr, a.ctx) {
		return transport.SecretRef{}
	}
	v, diags := attr.Expr.Value(a.ctx)
	if !diags.HasErrors() {
		switch {
		case v.Type() == cty.DynamicPseudoType, v.Type() == secretType && (v.IsNull() || !v.IsKnown()):
			return transport.SecretRef{}
		case v.Type() == secretType:
			return v.EncapsulatedValue().(*secretValue).ref
		}
	}
	a.d.errorf(attr.Expr.Range().Ptr(), "Not a reference to a secret",
		"A secret is never written here. Write %s = secret::env(\"NAME\"), secret::file(\"path\") or secret::exec([\"command\", \"argument\"]). If this is the secret itself, it has leaked: change it.", name)
	return transport.SecretRef{}
}
