package hcl

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// steps spells a traversal as names: group.prod and group["prod"] are the same.
// It ends where an index is no text.
func steps(t hcl.Traversal) []string {
	var names []string
	for _, step := range t {
		switch s := step.(type) {
		case hcl.TraverseRoot:
			names = append(names, s.Name)
		case hcl.TraverseAttr:
			names = append(names, s.Name)
		case hcl.TraverseIndex:
			if s.Key.Type() != cty.String {
				return names
			}
			names = append(names, s.Key.AsString())
		}
	}
	return names
}

// fits says whether an expression can be evaluated where a value is needed, and
// reports why not.
func (d *Diagnostics) fits(expr hclsyntax.Expression, ctx *hcl.EvalContext) bool {
	return d.hostKnown(expr, ctx) && d.scopeKnown(expr, ctx) && d.rootsKnown(expr, ctx)
}

// hostKnown checks every host.* of an expression against what hosts have; a
// context without a host allows none.
func (d *Diagnostics) hostKnown(expr hclsyntax.Expression, ctx *hcl.EvalContext) bool {
	ok := true
	for _, t := range expr.Variables() {
		if t.RootName() != "host" {
			continue
		}
		host, allowed := ctx.Variables["host"]
		if !allowed {
			d.errorf(t.SourceRange().Ptr(), "No host here", "host.* is known in where, by, zone and connection, which are evaluated for each host.")
			ok = false
			continue
		}
		ok = d.hostHas(t, host) && ok
	}
	return ok
}

// scopeKnown checks every var.NAME and local.NAME of an expression.
func (d *Diagnostics) scopeKnown(expr hclsyntax.Expression, ctx *hcl.EvalContext) bool {
	ok := true
	for _, t := range expr.Variables() {
		object, known := ctx.Variables[t.RootName()]
		if root := t.RootName(); !known || (root != "var" && root != "local") {
			continue
		}
		path, all := steps(t), names(object)
		if len(path) < 2 || !slices.Contains(all, path[1]) {
			what := map[string]string{"var": "variable", "local": "local"}[path[0]]
			wrong := "NAME"
			if len(path) > 1 {
				wrong = path[1]
			}
			d.errorf(t.SourceRange().Ptr(), "Unknown "+what, "There is no %s.%s.%s", path[0], wrong, didYouMean(wrong, all))
			ok = false
		}
	}
	return ok
}

func (d *Diagnostics) hostHas(t hcl.Traversal, host cty.Value) bool {
	path := steps(t)
	at := t.SourceRange().Ptr()
	attrs := names(host)
	if len(path) < 2 || !slices.Contains(attrs, path[1]) {
		wrong := strings.Join(path[1:min(2, len(path))], "")
		d.errorf(at, "Unknown attribute of a host", "A host has %s.%s", quoted(attrs), didYouMean(wrong, attrs))
		return false
	}
	if path[1] != "labels" || len(path) < 3 {
		return true
	}
	labels := names(host.GetAttr("labels"))
	if !slices.Contains(labels, path[2]) {
		d.errorf(at, "Unknown label", "No host has a label %q.%s", path[2], didYouMean(path[2], labels))
		return false
	}
	return true
}

// names are the attributes of an object, sorted.
func names(object cty.Value) []string {
	var list []string
	for name := range object.Type().AttributeTypes() {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// rootsKnown reports names that mean nothing where a value is needed.
func (d *Diagnostics) rootsKnown(expr hclsyntax.Expression, ctx *hcl.EvalContext) bool {
	ok := true
	for _, t := range expr.Variables() {
		at := t.SourceRange().Ptr()
		_, inScope := ctx.Variables[t.RootName()]
		switch root := t.RootName(); {
		case root == "host", inScope:
			continue
		case root == "var" || root == "local":
			d.errorf(at, "Not known here", "A default and a file of values have no %s.*: write the value itself.", root)
		case slices.Contains([]string{"connection", "group", "baseline", "builtin", "rollout", "control"}, root) && len(t) > 1:
			d.errorf(at, "A reference, not a value", "%s names a block; here a value is needed.", strings.Join(steps(t), "."))
		case d.hides(&hcl.Diagnostic{Subject: at}):
			d.errorf(at, "Unknown name", notShown)
		case len(t) == 1:
			d.errorf(at, "Unknown name", "Nothing is called %s. If it is a text, write it in quotes: %q.", root, root)
		default:
			d.errorf(at, "Unknown name", "Nothing is called %s.%s", root, didYouMean(root, []string{"host"}))
		}
		ok = false
	}
	return ok
}

// references reads names of blocks that begin with one of the kinds.
func (a attrs) references(name string, kinds ...string) []reference {
	if !a.set(name) {
		return nil
	}
	expr := a.body.Attributes[name].Expr
	list, isList := expr.(*hclsyntax.TupleConsExpr)
	if !isList {
		a.d.errorf(expr.Range().Ptr(), "Not a list of references", "Write a list of names: %s = [%s.NAME].", name, kinds[0])
		return nil
	}
	var refs []reference
	for _, expr := range list.Exprs {
		if r, ok := a.refersTo(expr, kinds); ok {
			refs = append(refs, r)
		}
	}
	return refs
}

// reference reads one name of a block.
func (a attrs) reference(name string, kinds ...string) (reference, bool) {
	if !a.set(name) {
		return reference{}, false
	}
	return a.refersTo(a.body.Attributes[name].Expr, kinds)
}

func (a attrs) refersTo(expr hclsyntax.Expression, kinds []string) (reference, bool) {
	form := kinds[0] + ".NAME"
	length := 2
	if kinds[0] == "connection" {
		form, length = "connection.ssh.NAME", 3
	}
	t, diags := hcl.AbsTraversalForExpr(expr)
	if diags.HasErrors() || t.IsRelative() {
		a.d.errorf(expr.Range().Ptr(), "Not a reference", "Write the name of a block without quotes: %s.", form)
		return reference{}, false
	}
	path := steps(t)
	if len(path) != length || len(t) != length || !slices.Contains(kinds, path[0]) {
		a.d.errorf(expr.Range().Ptr(), "Not the reference that stands here", "Write %s.", form)
		return reference{}, false
	}
	if path[0] == "connection" && path[1] == "winrm" {
		a.d.notYet(expr.Range().Ptr(), `connection "winrm"`)
		return reference{}, false
	}
	return reference{address: strings.Join(path, "."), at: expr.Range()}, true
}

func isNull(expr hclsyntax.Expression) bool {
	lit, ok := expr.(*hclsyntax.LiteralValueExpr)
	return ok && lit.Val.IsNull()
}
