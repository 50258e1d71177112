package hcl

import (
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// readLocals evaluates the attributes of all locals blocks, each after those that
// it refers to.
func (r *reading) readLocals() {
	l := locals{reading: r, attrs: map[string]*hclsyntax.Attribute{}, values: map[string]cty.Value{}}
	for _, b := range r.blocks["locals"] {
		for name, attr := range b.Body.Attributes {
			if before := l.attrs[name]; before != nil {
				first, second := inOrder(before, attr)
				r.d.errorf(second.NameRange.Ptr(), "Duplicate local", "local.%s is already at %s.", name, place(first.NameRange))
				attr = first
			}
			l.attrs[name] = attr
		}
	}
	// A name that is still to be evaluated is known, and its value is not.
	r.scope["local"] = l.object()
	for _, name := range slices.Sorted(maps.Keys(l.attrs)) {
		l.evaluate(name, nil)
	}
	r.scope["local"] = l.object()
}

func inOrder(a, b *hclsyntax.Attribute) (first, second *hclsyntax.Attribute) {
	x, y := a.NameRange, b.NameRange
	if strings.Compare(x.Filename, y.Filename) > 0 || (x.Filename == y.Filename && x.Start.Byte > y.Start.Byte) {
		return b, a
	}
	return a, b
}

type locals struct {
	*reading
	attrs  map[string]*hclsyntax.Attribute
	values map[string]cty.Value // of those that are evaluated
}

func (l locals) object() cty.Value {
	all := map[string]cty.Value{}
	for name := range l.attrs {
		all[name] = cty.DynamicVal
	}
	maps.Copy(all, l.values)
	return cty.ObjectVal(all)
}

// evaluate settles a local; the path holds those that wait for it.
func (l locals) evaluate(name string, path []string) {
	if _, done := l.values[name]; done {
		return
	}
	attr := l.attrs[name]
	if i := slices.Index(path, name); i >= 0 {
		l.d.errorf(attr.NameRange.Ptr(), "A local refers to itself", "local.%s.", strings.Join(append(slices.Clone(path[i:]), name), " -> local."))
		l.values[name] = cty.DynamicVal
		return
	}
	ctx := &hcl.EvalContext{Functions: l.functions, Variables: maps.Clone(l.scope)}
	if !l.d.fits(attr.Expr, ctx) {
		l.values[name] = cty.DynamicVal
		return
	}
	for _, t := range attr.Expr.Variables() {
		if names := steps(t); len(names) > 1 && names[0] == "local" {
			l.evaluate(names[1], append(path, name))
		}
	}
	if _, done := l.values[name]; done { // as part of a circle
		return
	}
	ctx.Variables["local"] = l.object()
	value, diags := attr.Expr.Value(ctx)
	l.d.foreign(diags)
	if diags.HasErrors() {
		value = cty.DynamicVal
	}
	l.values[name] = value
}
