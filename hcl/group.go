package hcl

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// A group is a set of hosts.
type group struct {
	attrs
	address    string
	connection *hclsyntax.Block // nil: none
	members    []*host          // by name
}

func (r *reading) readGroups() {
	r.groups = map[string]*group{}
	for _, b := range r.blocks["group"] {
		g := &group{attrs: r.attrs(b), address: address(b)}
		if r.groups[g.address] != nil {
			continue // reported as a duplicate
		}
		r.groups[g.address] = g
		if ref, ok := g.reference("connection", "connection"); ok {
			g.connection, _ = find(r.d, ref, r.connections)
		}
		if !g.set("where") && !g.set("hosts") {
			r.d.errorf(b.DefRange().Ptr(), "A group of nothing", "A group needs where, hosts, or both.")
			continue
		}
		before := r.d.Errors()
		g.members = r.members(g)
		if len(g.members) == 0 && r.d.Errors() == before {
			r.d.warnf(b.DefRange().Ptr(), "Empty group", "No host is in %s.", g.address)
		}
		for _, h := range g.members {
			h.Groups = append(h.Groups, b.Labels[0])
		}
	}
	for _, h := range r.hosts {
		slices.Sort(h.Groups)
	}
}

// members are the hosts whose names match and for which where holds.
func (r *reading) members(g *group) []*host {
	candidates := r.hosts
	if g.set("hosts") {
		globs := r.globs(g.attrs, "hosts")
		candidates = slices.DeleteFunc(slices.Clone(r.hosts), func(h *host) bool { return !matchesAny(globs, h.Name) })
	}
	if !g.set("where") {
		return candidates
	}
	return r.filter(g.attrs, g.body.Attributes["where"].Expr, candidates)
}

// filter keeps the candidates for which a where holds.
func (r *reading) filter(a attrs, expr hclsyntax.Expression, candidates []*host) []*host {
	a = a.about(r.anyHost())
	if !r.d.fits(expr, a.ctx) || !r.systemsKnown(expr, candidates) {
		return nil
	}
	var members []*host
	w := where{absent: map[string][]string{}}
	for _, h := range candidates {
		v, diags := w.evaluate(expr, h.Name, a.about(r.value(h)).ctx)
		r.d.foreign(diags)
		if diags.HasErrors() {
			return nil
		}
		if v.Type() != cty.Bool || v.IsNull() || !v.IsKnown() {
			a.wrong("where", "It must be true or false for every host; for %s it is neither.", h.Name)
			return nil
		}
		if v.True() {
			members = append(members, h)
		}
	}
	w.warn(r.d, expr.Range())
	return members
}

// systemsKnown demands an os of every candidate when the expression asks for it:
// the system that is found on first contact is not known here.
func (r *reading) systemsKnown(expr hclsyntax.Expression, candidates []*host) bool {
	i := slices.IndexFunc(expr.Variables(), func(t hcl.Traversal) bool {
		path := steps(t)
		return len(path) > 1 && path[0] == "host" && path[1] == "os"
	})
	if i < 0 {
		return true
	}
	var without []string
	for _, h := range candidates {
		if h.OS == "" {
			without = append(without, h.Name)
		}
	}
	if len(without) == 0 {
		return true
	}
	r.d.errorf(expr.Variables()[i].SourceRange().Ptr(), "The system of a host is not known",
		"host.os needs an os in every host block it is asked of: %s %s none.", some(without), haveHas(len(without)))
	return false
}

func haveHas(n int) string {
	if n == 1 {
		return "has"
	}
	return "have"
}
