package plans

import (
	"cmp"
	"fmt"
	"slices"
)

// A Cause is the attribute that best tells one set of hosts from others: of the Of
// hosts that have it, With are in the set; of the OfOthers that do not, Others are.
type Cause struct {
	Attribute string `json:"attribute"` // "agent", "system", "label site", "change"
	Value     string `json:"value"`
	With      int    `json:"with"`
	Of        int    `json:"of"`
	Others    int    `json:"others"`
	OfOthers  int    `json:"of_others"`
}

// leastApart is how far apart the shares of both sides must be to be worth saying.
const leastApart = 0.5

func (c Cause) apart() float64 {
	if c.Of == 0 || c.OfOthers == 0 {
		return 0
	}
	return float64(c.With)/float64(c.Of) - float64(c.Others)/float64(c.OfOthers)
}

// An attribute is what a host may have in common with others.
type attribute struct{ name, value string }

// attributes are what is known of a host, the likeliest causes first.
func (p *Plan) attributes(h HostPlan) []attribute {
	var list []attribute
	if h.Version != "" {
		list = append(list, attribute{"agent", h.Version})
	}
	if h.System != "" {
		list = append(list, attribute{"system", h.System})
	}
	if within([]int{h.Labels}, len(p.Labels)) {
		for label, value := range p.Labels[h.Labels] {
			list = append(list, attribute{"label " + label, value})
		}
	}
	return list
}

// Cause is what best tells those of the hosts that are in the set from the others. Nil:
// nothing tells them apart well.
func (p *Plan) Cause(hosts []HostPlan, in func(HostPlan) bool) *Cause {
	return apart(len(hosts), func(i int) ([]attribute, bool) { return p.attributes(hosts[i]), in(hosts[i]) })
}

// apart finds the attribute that best tells the members among n from the others.
func apart(n int, of func(i int) (list []attribute, member bool)) *Cause {
	type tally struct{ all, members int }
	tallies := map[attribute]*tally{}
	members := 0
	for i := range n {
		list, member := of(i)
		if member {
			members++
		}
		for _, a := range list {
			t := tallies[a]
			if t == nil {
				t = &tally{}
				tallies[a] = t
			}
			t.all++
			if member {
				t.members++
			}
		}
	}
	var best *Cause
	likely := func(attribute string) int { return slices.Index([]string{"system", "agent", "change"}, attribute) }
	for a, t := range tallies {
		c := Cause{Attribute: a.name, Value: a.value, With: t.members, Of: t.all, Others: members - t.members, OfOthers: n - t.all}
		if c.apart() < leastApart {
			continue
		}
		if best == nil || cmp.Or(
			cmp.Compare(c.apart(), best.apart()), cmp.Compare(likely(c.Attribute), likely(best.Attribute)),
			cmp.Compare(best.Attribute, c.Attribute), cmp.Compare(best.Value, c.Value)) > 0 {
			best = &c
		}
	}
	return best
}

// Differs is what tells the hosts that ended badly from those that were changed, in the
// run so far. Nil: nothing does.
func (p *Plan) Differs(o Outcome) *Cause {
	at := map[string]int{}
	for i, h := range p.Hosts {
		at[h.Name] = i
	}
	var tried []Result
	for _, r := range o.Results {
		if _, known := at[r.Host]; known && (r.bad() || r.Status == Done || r.Status == Unverified) {
			tried = append(tried, r)
		}
	}
	return apart(len(tried), func(i int) ([]attribute, bool) {
		h := p.Hosts[at[tried[i].Host]]
		list := p.attributes(h)
		for _, c := range h.Changes {
			change := p.Changes[c]
			list = append(list, attribute{"change", fmt.Sprintf("of %s to %s", change.Control, cmp.Or(change.To, "(not set)"))})
		}
		return list, tried[i].bad()
	})
}

// bad says whether the host counts as failed.
func (r Result) bad() bool {
	return r.Status == Failed || r.Status == RolledBack || r.Status == InDoubt
}
