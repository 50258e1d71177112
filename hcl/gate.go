package hcl

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/kepmctl/kepmctl/provider"
)

// A Gate is a condition on the numbers of a plan.
type Gate struct {
	Name      string
	Condition string // as it is written
	Message   string // of a plan that does not pass
	Source    provider.Source

	expr hclsyntax.Expression
	ctx  *hcl.EvalContext
}

// Numbers are what a gate may speak of, of one plan: plan.hosts is Numbers["hosts"],
// plan.severity.high is Numbers["severity.high"].
type Numbers map[string]int

// NumberNames are the names of all numbers.
func NumberNames() []string {
	list := []string{"hosts", "changed", "changes", "restarts", "unreachable", "compliant", "drifted", "unknown", "waived"}
	for _, s := range []provider.Severity{provider.Low, provider.Medium, provider.High, provider.Critical} {
		list = append(list, "severity."+string(s))
	}
	for _, e := range provider.Catalogue() {
		list = append(list, "controls."+e.Name)
	}
	return list
}

// value is plan.* as an expression sees it.
func (n Numbers) value() cty.Value {
	groups := map[string]map[string]cty.Value{"": {}}
	for _, name := range NumberNames() {
		group, last, dotted := strings.Cut(name, ".")
		if !dotted {
			group, last = "", name
		}
		if groups[group] == nil {
			groups[group] = map[string]cty.Value{}
		}
		groups[group][last] = cty.NumberIntVal(int64(n[name]))
	}
	for group, members := range groups {
		if group != "" {
			groups[""][group] = cty.ObjectVal(members)
		}
	}
	return cty.ObjectVal(groups[""])
}

func (r *reading) readGates() []Gate {
	var list []Gate
	for _, b := range r.blocks["gate"] {
		a, before := r.attrs(b), r.d.Errors()
		g := Gate{Name: b.Labels[0], Source: sourceOf(b.DefRange())}
		g.Message, _ = a.text("error_message")
		if a.has("condition") {
			g.expr = a.body.Attributes["condition"].Expr
			g.ctx = a.ctx
			g.ctx.Variables["plan"] = Numbers{}.value()
			g.Condition = r.written(g.expr.Range())
			r.checkGate(g)
		}
		if r.d.Errors() == before && g.expr != nil {
			list = append(list, g)
		}
	}
	slices.SortFunc(list, func(a, b Gate) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// written is a part of the configuration as it is written, on one line.
func (r *reading) written(at hcl.Range) string {
	text := ""
	if f := r.d.files[at.Filename].file; f != nil && at.CanSliceBytes(f.Bytes) {
		text = string(at.SliceBytes(f.Bytes))
	}
	return strings.Join(strings.Fields(text), " ")
}

// checkGate reports a condition that speaks of what no plan has, or is none.
func (r *reading) checkGate(g Gate) {
	if !r.d.fits(g.expr, g.ctx) {
		return
	}
	for _, t := range g.expr.Variables() {
		if name, ok := number(t); t.RootName() == "plan" && !ok {
			r.d.errorf(t.SourceRange().Ptr(), "Unknown number", "A plan has no %s.%s", strings.Join(steps(t), "."), didYouMean(name, NumberNames()))
			return
		}
	}
	v, diags := g.expr.Value(g.ctx) // of a plan of nothing, which may divide by its zeros
	if !diags.HasErrors() {
		if _, err := convert.Convert(v, cty.Bool); err != nil {
			r.d.errorf(g.expr.Range().Ptr(), "Not a condition", "It must be true or false, such as plan.restarts <= plan.hosts * 0.25.")
		}
	}
}

// number is the name of the number that an expression speaks of.
func number(t hcl.Traversal) (string, bool) {
	path := steps(t)
	if len(path) < 2 || len(path) != len(t) {
		return "", false
	}
	name := strings.Join(path[1:], ".")
	return name, slices.Contains(NumberNames(), name)
}

// Judge says whether a plan of these numbers passes, and which of them decided:
// "plan.hosts = 60, plan.restarts = 25". An error means that it cannot be told, which
// is no pass.
func (g Gate) Judge(n Numbers) (pass bool, values string, err error) {
	var parts []string
	for _, t := range g.expr.Variables() {
		if name, ok := number(t); ok {
			parts = append(parts, fmt.Sprintf("plan.%s = %d", name, n[name]))
		}
	}
	slices.Sort(parts)
	values = strings.Join(slices.Compact(parts), ", ")
	ctx := g.ctx.NewChild()
	ctx.Variables = map[string]cty.Value{"plan": n.value()}
	v, diags := g.expr.Value(ctx)
	if diags.HasErrors() {
		return false, values, errors.New(strings.TrimSuffix(strings.TrimPrefix(diags[0].Detail, "Error during operation: "), "."))
	}
	b, err := convert.Convert(v, cty.Bool)
	if err != nil || b.IsNull() || !b.IsKnown() {
		return false, values, errors.New("it is neither true nor false")
	}
	return b.True(), values, nil
}
