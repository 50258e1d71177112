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

// A crowd is how often hosts have which attributes.
type crowd struct {
	hosts int
	have  map[attribute]int
}

func newCrowd() *crowd { return &crowd{have: map[attribute]int{}} }

func (c *crowd) add(list []attribute) {
	c.hosts++
	for _, a := range list {
		c.have[a]++
	}
}

// apart finds the attribute that best tells some members of the crowd from the others.
// Nil: nothing tells them apart well.
func (c *crowd) apart(members int, of func(i int) []attribute) *Cause {
	inside := map[attribute]int{}
	for i := range members {
		for _, a := range of(i) {
			inside[a]++
		}
	}
	var best *Cause
	likely := func(attribute string) int { return slices.Index([]string{"system", "agent", "change"}, attribute) }
	for a, n := range inside {
		one := Cause{Attribute: a.name, Value: a.value, With: n, Of: c.have[a], Others: members - n, OfOthers: c.hosts - c.have[a]}
		if one.apart() < leastApart {
			continue
		}
		if best == nil || cmp.Or(
			cmp.Compare(one.apart(), best.apart()), cmp.Compare(likely(one.Attribute), likely(best.Attribute)),
			cmp.Compare(best.Attribute, one.Attribute), cmp.Compare(best.Value, one.Value)) > 0 {
			best = &one
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
	all, bad := newCrowd(), [][]attribute{}
	for _, r := range tried {
		h := p.Hosts[at[r.Host]]
		list := p.attributes(h)
		for _, c := range h.Changes {
			change := p.Changes[c]
			list = append(list, attribute{"change", fmt.Sprintf("of %s to %s", change.Control, cmp.Or(change.To, "(not set)"))})
		}
		all.add(list)
		if r.bad() {
			bad = append(bad, list)
		}
	}
	return all.apart(len(bad), func(i int) []attribute { return bad[i] })
}

// bad says whether the host counts as failed.
func (r Result) bad() bool {
	return r.Status == Failed || r.Status == RolledBack || r.Status == InDoubt
}
