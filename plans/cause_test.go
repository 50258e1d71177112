package plans

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kepmctl/kepmctl/provider"
)

// labelled is a plan of n hosts; of says agent and labels of each.
func labelled(n int, of func(i int) (agent string, labels map[string]string)) *Plan {
	p := &Plan{Changes: []provider.Change{{Control: "allowed_hosts", To: "x"}, {Control: "log_level"}}}
	var sets table[map[string]string]
	for i := range n {
		h := HostPlan{Name: fmt.Sprintf("h%03d", i), System: "linux", Changes: []int{0}}
		var labels map[string]string
		h.Version, labels = of(i)
		h.Labels = sets.index(labels)
		p.Hosts = append(p.Hosts, h)
	}
	p.Labels = sets.list
	return p
}

func TestCause(t *testing.T) {
	of := func(p *Plan) *Cause {
		c, few := newCrowd(), [][]attribute{}
		for _, h := range p.Hosts {
			c.add(p.attributes(h))
			if h.Name < "h020" {
				few = append(few, p.attributes(h))
			}
		}
		return c.apart(len(few), func(i int) []attribute { return few[i] })
	}
	for name, c := range map[string]struct {
		of   func(i int) (string, map[string]string)
		want *Cause
	}{
		"the agent's version": {
			of: func(i int) (string, map[string]string) {
				if i < 20 {
					return "2.1.0", map[string]string{"site": "par1"}
				}
				return "2.0.82", map[string]string{"site": []string{"par1", "fra2"}[i%2]}
			},
			want: &Cause{Attribute: "agent", Value: "2.1.0", With: 20, Of: 20, Others: 0, OfOthers: 80},
		},
		"a label, nearly": {
			of: func(i int) (string, map[string]string) {
				site := "fra2"
				if i < 18 || i == 50 {
					site = "par1"
				}
				return "2.1.0", map[string]string{"site": site}
			},
			want: &Cause{Attribute: "label site", Value: "par1", With: 18, Of: 19, Others: 2, OfOthers: 81},
		},
		"nothing":         {of: func(i int) (string, map[string]string) { return fmt.Sprint(i % 3), nil }},
		"no host differs": {of: func(int) (string, map[string]string) { return "2", map[string]string{"a": "b"} }},
	} {
		p := labelled(100, c.of)
		if d := cmp.Diff(c.want, of(p)); d != "" {
			t.Errorf("%s (-want +got)\n%s", name, d)
		}
	}
	if c := of(&Plan{}); c != nil {
		t.Errorf("of no hosts: %+v", c)
	}
}

// What tells failed hosts from changed ones may be a change that only they have; hosts
// that were not tried say nothing.
func TestDiffers(t *testing.T) {
	p := labelled(30, func(int) (string, map[string]string) { return "2", nil })
	o := Outcome{}
	for i, h := range p.Hosts {
		r := Result{Host: h.Name, Status: Done}
		switch {
		case i < 3:
			p.Hosts[i].Changes = []int{0, 1}
			r.Status = RolledBack
		case i >= 20:
			p.Hosts[i].Changes = []int{1}
			r.Status = Skipped
		}
		o.Results = append(o.Results, r)
	}
	want := &Cause{Attribute: "change", Value: "of log_level to (not set)", With: 3, Of: 3, Others: 0, OfOthers: 17}
	if d := cmp.Diff(want, p.Differs(o)); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if c := p.Differs(Outcome{Results: o.Results[:3]}); c != nil {
		t.Errorf("where all failed: %+v", c)
	}
}

// Which attempt a transaction was of is in its name, and nowhere else.
func TestAttempts(t *testing.T) {
	for name, want := range map[string]int{"r1": 1, "r1-2": 2, "r1-13": 13, "r1-1": 0, "r1-02": 0, "r1-x": 0, "r12": 0, "r1-": 0, "r1-2/../x": 0, "": 0} {
		if got := attempt(name, "r1"); got != want {
			t.Errorf("%q is attempt %d, want %d", name, got, want)
		}
	}
	if got := last([]string{"r1-9", "r1", "r1-10", "r1-x"}, "r1"); got != "r1-10" {
		t.Errorf("the last is %q", got)
	}
}
