package hcl

import (
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/kepmctl/kepmctl/provider"
)

// An assignment is an assign block: what is wanted of which hosts.
type assignment struct {
	address  string
	at       hcl.Range
	baseline *baseline
	mode     provider.Mode
	rollout  reference // empty address: none
	hosts    []*host   // by name
}

func (r *reading) readAssignments() []*assignment {
	var list []*assignment
	for _, b := range r.blocks["assign"] {
		a := r.attrs(b)
		one := &assignment{address: address(b), at: b.DefRange(), mode: provider.Enforce}
		if ref, ok := a.reference("baseline", "baseline", "builtin"); ok {
			one.baseline, _ = find(r.d, ref, r.baselines)
		} else if a.has("baseline") && !a.set("baseline") {
			a.wrong("baseline", "An assignment of no baseline wants nothing.")
		}
		if mode, ok := a.choice("mode", []string{string(provider.Enforce), string(provider.Audit)}); ok {
			one.mode = provider.Mode(mode)
		}
		if ref, ok := a.reference("rollout", "rollout"); ok {
			if _, ok := find(r.d, ref, r.rollouts); ok {
				one.rollout = ref
			}
		}
		one.hosts = r.assigned(a, one)
		for _, h := range one.hosts {
			h.Assignments = append(h.Assignments, b.Labels[0])
		}
		list = append(list, one)
	}
	for _, h := range r.hosts {
		slices.Sort(h.Assignments)
		h.Assignments = slices.Compact(h.Assignments)
	}
	return list
}

// probing wants of the hosts of no assignment what the guide asks.
func (r *reading) probing() []*assignment {
	probe := &assignment{address: "discover", baseline: r.baselines["builtin.hardening_guide"], mode: provider.Audit}
	for _, h := range r.hosts {
		if len(h.Assignments) == 0 {
			probe.hosts = append(probe.hosts, h)
		}
	}
	return []*assignment{probe}
}

// assigned are the hosts of an assignment: groups and names together, less the
// excepted groups.
func (r *reading) assigned(a attrs, one *assignment) []*host {
	before := r.d.Errors()
	in := map[*host]bool{}
	for _, g := range r.groupsOf(a, "to") {
		for _, h := range g.members {
			in[h] = true
		}
	}
	globs := r.globs(a, "hosts")
	for _, h := range r.hosts {
		if matchesAny(globs, h.Name) {
			in[h] = true
		}
	}
	for _, g := range r.groupsOf(a, "except") {
		took := false
		for _, h := range g.members {
			took = took || in[h]
			delete(in, h)
		}
		if !took && len(g.members) > 0 {
			r.d.warnf(a.at("except"), "Excepts no host", "No host of %s is otherwise in %s.", g.address, one.address)
		}
	}
	if len(in) == 0 && r.d.Errors() == before {
		r.orWarn(&one.at, "Empty assignment", "No host is in %s. Name groups in to, or host names in hosts, that hold some.", one.address)
	}
	return slices.DeleteFunc(slices.Clone(r.hosts), func(h *host) bool { return !in[h] })
}

func (r *reading) groupsOf(a attrs, name string) []*group {
	var groups []*group
	for _, ref := range a.references(name, "group") {
		if g, ok := find(r.d, ref, r.groups); ok {
			groups = append(groups, g)
		}
	}
	return groups
}

// goals are what the assignments together want of each host.
func (r *reading) goals(list []*assignment) []provider.Goal {
	demands := map[*host]*demand{}
	disputes := disputes{}
	for _, one := range list {
		claims := r.claims(one)
		alone := &demand{claims: map[string]claim{}} // of hosts in no other assignment
		if len(one.hosts) > 0 {
			alone.add(one.hosts[0].Name, claims, disputes)
		}
		for _, h := range one.hosts {
			if len(h.Assignments) == 1 {
				demands[h] = alone
				continue
			}
			if demands[h] == nil {
				demands[h] = &demand{claims: map[string]claim{}}
			}
			demands[h].add(h.Name, claims, disputes)
		}
	}
	for h, d := range demands {
		if len(h.Assignments) > 1 {
			d.nested(h.Name, disputes)
		}
	}
	disputes.report(r.d)
	var goals []provider.Goal
	var lost []string
	wants := map[string][]provider.Want{} // hosts of the same assignments share theirs
	for _, h := range r.hosts {
		if demands[h] == nil {
			continue
		}
		if h.connection == nil {
			lost = append(lost, h.Name)
		}
		goal, key := demands[h].goal(h), strings.Join(h.Assignments, "\x00")
		if shared, ok := wants[key]; ok {
			goal.Wants = shared
		}
		wants[key] = slices.Clip(goal.Wants)
		goals = append(goals, goal)
	}
	r.withoutConnection(lost)
	return goals
}

// withoutConnection reports assigned hosts that cannot be reached.
func (r *reading) withoutConnection(names []string) {
	for _, h := range r.hosts {
		if len(names) > 0 && h.Name == names[0] {
			r.d.errorf(h.at.Ptr(), "No connection",
				"Nothing says how to reach %s. Set connection = connection.ssh.NAME in the host block, its inventory, or a group that holds it.", some(names))
			return
		}
	}
}

// claims are everything one assignment says of its hosts.
func (r *reading) claims(one *assignment) []claim {
	if one.baseline == nil {
		return nil
	}
	var claims []claim
	wants := one.baseline.wants()
	r.weaken(one.baseline, wants)
	for _, w := range wants {
		w.Mode = one.mode.Weaker(w.Mode)
		if w.Source.File == builtinFile {
			w.Source = sourceOf(one.at) // what people can find in their files
		}
		claims = append(claims, wantClaim(one, w))
	}
	if len(wants) == 0 && !r.d.HasErrors() {
		r.d.warnf(&one.baseline.at, "Empty baseline", "%s manages nothing, and %s assigns it.", one.baseline.address, one.address)
	}
	for _, where := range slices.SortedFunc(maps.Keys(one.baseline.merged), rowOrder) {
		if c, ok := optionClaim(one, where, one.baseline.merged[where]); ok {
			claims = append(claims, c)
		}
	}
	if rollout, ok := r.rollouts[one.rollout.address]; ok {
		claims = append(claims, claim{
			by: one, name: "rollout", shown: one.rollout.address, at: place(one.rollout.at),
			apply: func(g *provider.Goal) { g.Options.ConfirmTimeout = rollout.confirm },
		})
	}
	return claims
}
