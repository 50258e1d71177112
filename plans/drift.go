package plans

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
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
	Effect    provider.Effect   `json:"effect,omitempty"` // the strongest of any host
	Action    provider.Action   `json:"action,omitempty"`
	Severity  provider.Severity `json:"severity"`
	Mode      provider.Mode     `json:"mode"`
	Outcome   provider.Outcome  `json:"outcome"`
	Override  provider.Override `json:"override,omitzero"`
	Waiver    string            `json:"waiver,omitempty"`
	Reason    string            `json:"reason,omitempty"` // of the first host, as the hint
	Hint      string            `json:"hint,omitempty"`
	File      string            `json:"file,omitempty"` // where it is wanted
	Line      int               `json:"line,omitempty"`
	Hosts     []string          `json:"hosts"`
	Of        int               `json:"of"`            // hosts that answered and of which the control is wanted
	Odd       bool              `json:"odd,omitempty"` // fewer than 1 in 100 where most are wrong alike
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
	return hex.EncodeToString(sum[:6])
}

// What differs from host to host and from day to day in a finding's text.
var (
	dates  = regexp.MustCompile(`\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?Z?)?`)
	counts = regexp.MustCompile(`\b\d+ `)
	word   = regexp.MustCompile(`[A-Za-z0-9_][A-Za-z0-9_.-]*`)
)

// normal is a text without what is the host's own: dates, its name, and of a tree the
// number of entries and the examples.
func normal(control, text string, h HostPlan) string {
	if control == provider.InstallTree {
		text, _, _ = strings.Cut(text, ": ")
		text = counts.ReplaceAllString(text, "")
	}
	if strings.ContainsRune(text, '-') {
		text = dates.ReplaceAllString(text, "DATE")
	}
	if !strings.Contains(text, h.Name) {
		return text
	}
	return word.ReplaceAllStringFunc(text, func(s string) string {
		if s == h.Name {
			return "HOST"
		}
		return s
	})
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
				add(way{c.Control, c.Attr, normal(c.Control, c.From, h), c.To}, i, c)
			}
		}
		if !mended {
			add(way{f.Address, "", normal(f.Address, cmp.Or(f.Have, f.Reason), h), f.Want}, i, provider.Change{})
		}
	}
}

// A gathering is the groups of a plan while they are made.
type gathering struct {
	plan    *Plan
	at      map[string]int
	groups  []Group
	members [][]int        // of plan.Hosts
	wrong   map[string]int // hosts by control
	largest map[string]int // of its groups
	crowds  map[string]*crowd
}

// Groups are the ways in which the plan's hosts are not as wanted: the odd ones first,
// then by severity and by the number of hosts. A plan of one signature has only its.
func (p *Plan) Groups() []Group {
	g := gathering{plan: p, at: map[string]int{}, wrong: map[string]int{}, largest: map[string]int{}, crowds: map[string]*crowd{}}
	for n, h := range p.Hosts {
		p.ways(h, func(w way, finding int, c provider.Change) { g.add(n, w, p.Findings[finding], c) })
	}
	for i := range g.groups {
		g.explain(i)
	}
	slices.SortStableFunc(g.groups, func(a, b Group) int {
		return cmp.Or(
			cmp.Compare(first(b.Odd), first(a.Odd)), cmp.Compare(b.Severity.Rank(), a.Severity.Rank()), cmp.Compare(len(b.Hosts), len(a.Hosts)),
			strings.Compare(a.Control, b.Control), strings.Compare(a.Signature, b.Signature), strings.Compare(string(a.Mode)+a.Waiver, string(b.Mode)+b.Waiver),
		)
	})
	if p.Signature == "" {
		return g.groups
	}
	return slices.DeleteFunc(g.groups, func(g Group) bool { return g.Signature != p.Signature })
}

func first(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (g *gathering) add(n int, w way, f provider.Finding, c provider.Change) {
	h := g.plan.Hosts[n]
	key := strings.Join([]string{w.Control, w.Attr, w.From, w.To, string(f.Mode), string(f.Outcome), f.Waiver, f.Override.Reason, f.Override.Expires.String()}, "\x00")
	i, known := g.at[key]
	if !known {
		i = len(g.groups)
		g.at[key] = i
		file, line := g.plan.source(h, f.Address)
		g.groups = append(g.groups, Group{
			Signature: w.signature(), Control: w.Control, Attr: w.Attr, From: w.From, To: w.To, Effect: c.Effect, Action: c.Action,
			Severity: f.Severity, Mode: f.Mode, Outcome: f.Outcome, Override: f.Override, Waiver: f.Waiver, Reason: f.Reason, Hint: f.Hint, File: file, Line: line,
		})
		g.members = append(g.members, nil)
	}
	group := &g.groups[i]
	if f.Severity.Rank() > group.Severity.Rank() {
		group.Severity = f.Severity
	}
	if c.Effect == provider.Restart || group.Effect == provider.NoEffect {
		group.Effect = c.Effect
	}
	group.Hosts, g.members[i] = append(group.Hosts, h.Name), append(g.members[i], n)
	if f.Outcome == provider.NonCompliant {
		g.wrong[w.Control]++
		g.largest[w.Control] = max(g.largest[w.Control], len(group.Hosts))
	}
}

// explain says of how many hosts the group is a part, and what tells its hosts apart.
func (g *gathering) explain(i int) {
	group := &g.groups[i]
	c := g.crowd(group.Control)
	group.Of = c.hosts
	wrong := g.wrong[group.Control]
	group.Odd = group.Outcome == provider.NonCompliant && len(group.Hosts)*100 < wrong && g.largest[group.Control]*2 >= wrong
	if len(group.Hosts) > 1 { // of a single host something always differs
		group.Cause = c.apart(len(g.members[i]), func(n int) []attribute { return g.plan.attributes(g.plan.Hosts[g.members[i][n]]) })
	}
}

// crowd are the hosts that answered and of which a control is wanted; controls that are
// wanted of the same ones share it.
func (g *gathering) crowd(control string) *crowd {
	wanted := make([]bool, len(g.plan.Baselines))
	key := make([]byte, len(wanted))
	for i, b := range g.plan.Baselines {
		wanted[i] = slices.ContainsFunc(b.Wants, func(w Want) bool { return w.Mode != provider.Off && w.provider().Control.String() == control })
		key[i] = byte('0' + first(wanted[i]))
	}
	if c := g.crowds[string(key)]; c != nil {
		return c
	}
	c := newCrowd()
	for _, h := range g.plan.Hosts {
		if h.Problem == nil && wanted[h.Baseline] {
			c.add(g.plan.attributes(h))
		}
	}
	g.crowds[string(key)] = c
	return c
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
var ErrNoGroup = errors.New("no host that answered differs in that way now")

// only narrows the plan's changes to those of one signature. What else was found stays
// known: gates count the whole, and nothing of it is taken for new after a change.
func (p *Plan) only(signature string) error {
	found, controls := false, map[string]bool{}
	for i, h := range p.Hosts {
		var changes []int
		p.ways(h, func(w way, _ int, c provider.Change) {
			if w.signature() != signature {
				return
			}
			found, controls[w.Control] = true, true
			for _, n := range h.Changes {
				if p.Changes[n] == c {
					changes = append(changes, n)
				}
			}
		})
		p.Hosts[i].Changes = changes
	}
	if !found {
		return ErrNoGroup
	}
	all := map[string]bool{}
	for _, b := range p.Baselines {
		for _, w := range b.Wants {
			all[w.provider().Control.String()] = true
		}
	}
	s := Selection{Hosts: len(p.Hosts), OfHosts: len(p.Hosts), Controls: len(controls), OfControls: len(all)}
	if p.Selection != nil {
		s.OfHosts, s.OfControls, s.Flags = p.Selection.OfHosts, p.Selection.OfControls, slices.Clone(p.Selection.Flags)
	}
	s.Flags = append(s.Flags, "--signature "+signature)
	p.Signature, p.Selection = signature, &s
	return nil
}
