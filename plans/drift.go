package plans

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/kepmctl/kepmctl/provider"
)

// A Group is one way in which hosts are not as wanted, and the hosts that share it:
// what drift reports are made of.
type Group struct {
	Signature string            `json:"signature"` // names the way: the same from day to day
	Control   string            `json:"control"`
	Attr      string            `json:"attr,omitempty"` // empty: nothing that kepmctl changes
	From      string            `json:"from,omitempty"`
	To        string            `json:"to,omitempty"`
	Effect    provider.Effect   `json:"effect,omitempty"`
	Action    provider.Action   `json:"action,omitempty"`
	Severity  provider.Severity `json:"severity"`
	Mode      provider.Mode     `json:"mode"`
	Outcome   provider.Outcome  `json:"outcome"`
	Override  provider.Override `json:"override,omitzero"`
	Waiver    string            `json:"waiver,omitempty"`
	Reason    string            `json:"reason,omitempty"`
	Hint      string            `json:"hint,omitempty"`
	File      string            `json:"file,omitempty"` // where it is wanted
	Line      int               `json:"line,omitempty"`
	Hosts     []string          `json:"hosts"`
	Of        int               `json:"of"`            // hosts that answered and of which the control is wanted
	Odd       bool              `json:"odd,omitempty"` // fewer than 1 in 100 of the hosts that this control is wrong on
	Cause     *Cause            `json:"cause,omitempty"`
}

// Drifted says whether the group is an enforced demand that does not hold.
func (g Group) Drifted() bool {
	return g.Outcome == provider.NonCompliant && g.Mode == provider.Enforce
}

// A way is what a signature names.
type way struct{ Control, Attr, From, To string }

func (w way) signature() string {
	b, err := json.Marshal(w)
	if err != nil {
		panic("plans: a way that is no data: " + err.Error())
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:5])
}

// dates are what differs from host to host and from day to day in a finding's text.
var dates = regexp.MustCompile(`\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?Z?)?`)

// normal is a finding's text without what is the host's own.
func normal(text string, h HostPlan) string {
	return strings.ReplaceAll(dates.ReplaceAllString(text, "DATE"), h.Name, "HOST")
}

// ways are in which the host is not as wanted, one for each change and one for each
// finding that no change of the plan mends.
func (p *Plan) ways(h HostPlan, add func(w way, finding int, c provider.Change)) {
	for _, i := range h.Findings {
		f := p.Findings[i]
		if f.Outcome == provider.NotApplicable {
			continue
		}
		mended := false
		for _, n := range h.Changes {
			if c := p.Changes[n]; c.Control == f.Address {
				mended = true
				add(way{c.Control, c.Attr, c.From, c.To}, i, c)
			}
		}
		if !mended {
			add(way{f.Address, "", normal(cmp.Or(f.Have, f.Reason), h), f.Want}, i, provider.Change{})
		}
	}
}

// Groups are the ways in which the plan's hosts are not as wanted: the odd ones first,
// then by severity and by the number of hosts.
func (p *Plan) Groups() []Group {
	type key struct {
		way
		mode    provider.Mode
		outcome provider.Outcome
		waiver  string
	}
	at := map[key]int{}
	var groups []Group
	var members []map[int]bool
	wrong := map[string]int{} // hosts by control
	for n, h := range p.Hosts {
		p.ways(h, func(w way, finding int, c provider.Change) {
			f := p.Findings[finding]
			k := key{w, f.Mode, f.Outcome, f.Waiver}
			i, known := at[k]
			if !known {
				i = len(groups)
				at[k] = i
				file, line := p.source(h, f.Address)
				groups = append(groups, Group{
					Signature: w.signature(), Control: w.Control, Attr: w.Attr, From: w.From, To: w.To, Effect: c.Effect, Action: c.Action,
					Severity: f.Severity, Mode: f.Mode, Outcome: f.Outcome, Override: f.Override, Waiver: f.Waiver, Reason: f.Reason, Hint: f.Hint, File: file, Line: line,
				})
				members = append(members, map[int]bool{})
			}
			if f.Severity.Rank() > groups[i].Severity.Rank() {
				groups[i].Severity = f.Severity
			}
			groups[i].Hosts = append(groups[i].Hosts, h.Name)
			members[i][n] = true
			if f.Outcome == provider.NonCompliant {
				wrong[w.Control]++
			}
		})
	}
	for i := range groups {
		p.explain(&groups[i], members[i], wrong[groups[i].Control])
	}
	slices.SortStableFunc(groups, func(a, b Group) int {
		return cmp.Or(
			cmp.Compare(first(b.Odd), first(a.Odd)), cmp.Compare(b.Severity.Rank(), a.Severity.Rank()), cmp.Compare(len(b.Hosts), len(a.Hosts)),
			strings.Compare(a.Control, b.Control), strings.Compare(a.Signature, b.Signature), strings.Compare(string(a.Mode), string(b.Mode)),
		)
	})
	return groups
}

func first(b bool) int {
	if b {
		return 1
	}
	return 0
}

// explain says of how many hosts the group is a part, and what tells its hosts apart.
func (p *Plan) explain(g *Group, members map[int]bool, wrong int) {
	wanted := make([]bool, len(p.Baselines))
	for i, b := range p.Baselines {
		wanted[i] = slices.ContainsFunc(b.Wants, func(w Want) bool { return w.provider().Control.String() == g.Control })
	}
	var of []int
	for n, h := range p.Hosts {
		if h.Problem == nil && wanted[h.Baseline] {
			of = append(of, n)
		}
	}
	g.Of = len(of)
	g.Odd = g.Outcome == provider.NonCompliant && len(g.Hosts)*100 < wrong
	g.Cause = apart(len(of), func(i int) ([]attribute, bool) { return p.attributes(p.Hosts[of[i]]), members[of[i]] })
}

// source is where a control of the host is wanted.
func (p *Plan) source(h HostPlan, control string) (string, int) {
	for _, w := range p.Baselines[h.Baseline].Wants {
		if w.provider().Control.String() == control {
			return w.File, w.Line
		}
	}
	return "", 0
}

// ErrNoGroup says that no host differs in the way that a signature names.
var ErrNoGroup = fmt.Errorf("no host differs in that way now")

// only narrows the plan to the hosts and changes of one signature.
func (p *Plan) only(signature string) error {
	hosts, controls := len(p.Hosts), map[string]bool{}
	var kept []HostPlan
	for _, h := range p.Hosts {
		part := h
		part.Findings, part.Changes = nil, nil
		p.ways(h, func(w way, finding int, c provider.Change) {
			if w.signature() != signature {
				return
			}
			part.Findings = append(part.Findings, finding)
			for _, n := range h.Changes {
				if p.Changes[n] == c {
					part.Changes = append(part.Changes, n)
				}
			}
		})
		if len(part.Findings) > 0 {
			kept = append(kept, part)
			controls[p.Findings[part.Findings[0]].Address] = true
		}
	}
	if len(kept) == 0 {
		return ErrNoGroup
	}
	all := map[string]bool{}
	for _, b := range p.Baselines {
		for _, w := range b.Wants {
			all[w.provider().Control.String()] = true
		}
	}
	s := Selection{Hosts: len(kept), OfHosts: hosts, Controls: len(controls), OfControls: len(all)}
	if p.Selection != nil {
		s.OfHosts, s.OfControls, s.Flags = p.Selection.OfHosts, p.Selection.OfControls, slices.Clone(p.Selection.Flags)
	}
	s.Flags = append(s.Flags, "--signature "+signature)
	p.Hosts, p.Selection = kept, &s
	return nil
}
