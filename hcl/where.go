package hcl

import (
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// A where evaluates a condition host by host. Unlike HCL, it looks at the right
// of && and || only when it matters, and a comparison that meets a null is false
// both ways: a host without a label is neither prod nor not prod. A literal null
// may be compared: that asks for the absence itself.
type where struct {
	absent map[string][]string // comparison as written: hosts for which it met a null
}

func (w where) evaluate(expr hclsyntax.Expression, host string, ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	switch e := expr.(type) {
	case *hclsyntax.ParenthesesExpr:
		return w.evaluate(e.Expression, host, ctx)
	case *hclsyntax.UnaryOpExpr:
		inner := *e
		v, diags := w.evaluate(e.Val, host, ctx)
		if diags.HasErrors() {
			return v, diags
		}
		inner.Val = &hclsyntax.LiteralValueExpr{Val: v, SrcRange: e.Val.Range()}
		return inner.Value(ctx)
	case *hclsyntax.BinaryOpExpr:
		switch e.Op {
		case hclsyntax.OpLogicalAnd, hclsyntax.OpLogicalOr:
			return w.logical(e, host, ctx)
		case hclsyntax.OpEqual, hclsyntax.OpNotEqual, hclsyntax.OpLessThan, hclsyntax.OpLessThanOrEqual,
			hclsyntax.OpGreaterThan, hclsyntax.OpGreaterThanOrEqual:
			return w.compare(e, host, ctx)
		}
	}
	return expr.Value(ctx)
}

func (w where) logical(e *hclsyntax.BinaryOpExpr, host string, ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	left, diags := w.evaluate(e.LHS, host, ctx)
	if diags.HasErrors() {
		return left, diags
	}
	decided := e.Op == hclsyntax.OpLogicalOr
	if left.Type() == cty.Bool && !left.IsNull() && left.IsKnown() && left.True() == decided {
		return left, diags
	}
	right, more := w.evaluate(e.RHS, host, ctx)
	if diags = append(diags, more...); diags.HasErrors() {
		return right, diags
	}
	both := *e
	both.LHS = &hclsyntax.LiteralValueExpr{Val: left, SrcRange: e.LHS.Range()}
	both.RHS = &hclsyntax.LiteralValueExpr{Val: right, SrcRange: e.RHS.Range()}
	return both.Value(ctx)
}

func (w where) compare(e *hclsyntax.BinaryOpExpr, host string, ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	if isNull(e.LHS) || isNull(e.RHS) {
		return e.Value(ctx)
	}
	for _, side := range []hclsyntax.Expression{e.LHS, e.RHS} {
		v, diags := side.Value(ctx)
		if diags.HasErrors() {
			return v, diags
		}
		if v.IsNull() {
			what := "A value"
			if path := steps(traversal(side)); path != nil {
				what = strings.Join(path, ".")
			}
			if !strings.HasPrefix(what, "host.labels.group_") { // whoever is in no such group has no such label
				w.absent[what] = append(w.absent[what], host)
			}
			return cty.False, nil
		}
	}
	return e.Value(ctx)
}

// traversal is an expression that is nothing but a name, or nil.
func traversal(expr hclsyntax.Expression) hcl.Traversal {
	t, diags := hcl.AbsTraversalForExpr(expr)
	if diags.HasErrors() {
		return nil
	}
	return t
}

// warn counts the hosts for which a comparison met a null.
func (w where) warn(d *Diagnostics, at hcl.Range) {
	for _, what := range slices.Sorted(maps.Keys(w.absent)) {
		hosts := slices.Compact(w.absent[what])
		d.warnf(&at, "A comparison met null", "%s is null for %s: %s. The comparison is false there; compare with null first to say what is meant.",
			what, plural(len(hosts), "host"), some(hosts))
	}
}
