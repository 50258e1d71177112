package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kepmctl/kepmctl/plans"
	"github.com/kepmctl/kepmctl/provider"
)

// Plan shows what would change, what nobody but a person can mend, and what is not known.
func (t *Text) Plan(p *plans.Plan) error {
	switch t.View {
	case Brief:
	case Hosts:
		t.byHost(p)
	default:
		t.byChange(p)
		t.notes(p)
	}
	t.waivers(p)
	t.gates(p)
	t.silent(p)
	t.selection(p.Selection)
	t.planSummary(p)
	t.recorded(p)
	return t.err
}

// recorded says how old a plan from recorded facts is: nobody was asked for it.
func (t *Text) recorded(p *plans.Plan) {
	if r := p.Recorded; r != nil && !r.From.IsZero() {
		t.line("      From facts recorded %s to %s, the oldest %s before this plan.", r.From.UTC().Format(time.RFC3339), r.To.UTC().Format(time.RFC3339), age(p.Created.Sub(r.From)))
	}
}

// age is a span as people say it: "3 d 4 h", "5 min".
func age(d time.Duration) string {
	switch d = max(d, 0); {
	case d >= 24*time.Hour:
		return fmt.Sprintf("%d d %d h", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
	default:
		return fmt.Sprintf("%d min", d/time.Minute)
	}
}

// Selection says openly that what is shown is of a part of what is wanted.
func (t *Text) Selection(s *plans.Selection) error {
	t.selection(s)
	return t.err
}

func (t *Text) selection(s *plans.Selection) {
	if s != nil {
		t.line("%s", s.String())
	}
}

// Dates says when the plan was made and until when it may be applied.
func (t *Text) Dates(p *plans.Plan) error {
	t.line("      Made %s, may be applied until %s.", p.Created.Format(time.RFC3339), p.Expires.Format(time.RFC3339))
	return t.err
}

// A group is one change, or one finding, and the hosts that share it.
type group struct {
	control  string
	severity provider.Severity
	change   provider.Change
	finding  provider.Finding
	hosts    []string
}

// bySeverity orders groups: the heaviest first, then those with most hosts.
func bySeverity(a, b *group) int {
	return cmp.Or(
		cmp.Compare(b.severity.Rank(), a.severity.Rank()),
		cmp.Compare(len(b.hosts), len(a.hosts)),
		cmp.Compare(a.control, b.control),
		cmp.Compare(a.change.Attr+a.change.From, b.change.Attr+b.change.From),
		cmp.Compare(a.finding.Have+a.finding.Reason, b.finding.Have+b.finding.Reason),
	)
}

func (t *Text) byChange(p *plans.Plan) {
	groups := map[int]*group{}
	of := map[string]int{} // hosts per control
	for _, h := range p.Hosts {
		for _, i := range h.Changes {
			c := p.Changes[i]
			severity := p.Severity(h, c.Control)
			if groups[i] == nil {
				groups[i] = &group{control: c.Control, severity: severity, change: c}
			} else if severity.Rank() > groups[i].severity.Rank() {
				groups[i].severity = severity
			}
			groups[i].hosts = append(groups[i].hosts, h.Name)
			of[c.Control]++
		}
	}
	var common, odd []*group
	for _, g := range groups {
		if len(g.hosts)*100 < of[g.control] { // a strange one among many alike
			odd = append(odd, g)
		} else {
			common = append(common, g)
		}
	}
	t.section("Odd ones out: fewer than 1 in 100 of the hosts that this control changes", odd)
	t.section("", common)
}

func (t *Text) section(title string, groups []*group) {
	if len(groups) == 0 {
		return
	}
	if title != "" {
		t.line("%s\n", title)
	}
	slices.SortFunc(groups, bySeverity)
	for _, g := range groups {
		e := entry(g.control)
		t.line("  # %s   %s   %s   %s", g.control, string(g.severity), e.Section, hostCount(len(g.hosts)))
		t.change(g.change)
		if t.View == Full {
			t.line("    why: %s", e.Rationale)
		}
		t.line("    %s\n", list(g.hosts, t.View == Full))
	}
}

// change shows one change with its mark, and what it asks of the service.
func (t *Text) change(c provider.Change) {
	mark := map[provider.Action]string{provider.Add: "+", provider.Remove: "-", provider.Replace: "-/+"}[c.Action]
	if mark == "" {
		mark = "~"
	}
	from, to := cmp.Or(c.From, "(not set)"), cmp.Or(c.To, "(not set)")
	switch {
	case len(from)+len(to) > 200 && c.From != "" && c.To != "": // what differs in it is hard to see
		t.line("  %s %s   %s", mark, c.Attr, inline(from, to))
	case len(from)+len(to) > 70:
		t.line("  %s %s   %s\n       -> %s", mark, c.Attr, from, to)
	default:
		t.line("  %s %s   %s -> %s", mark, c.Attr, from, to)
	}
	if c.Effect != provider.NoEffect {
		t.line("  ! %s the agent's service", string(c.Effect))
	}
}

// inline is a long change with what goes as [-this-] and what comes as {+this+}.
func inline(from, to string) string {
	var b strings.Builder
	for _, w := range Words(from, to) {
		switch {
		case w.Removed:
			b.WriteString("[-" + w.Text + "-]")
		case w.Added:
			b.WriteString("{+" + w.Text + "+}")
		default:
			b.WriteString(w.Text)
		}
	}
	return b.String()
}

// notes are the findings that the plan does not mend. What is unknown for one and
// the same reason is one group, whatever controls it touches.
func (t *Text) notes(p *plans.Plan) {
	person, audit, unclear, waived := map[string]*group{}, map[string]*group{}, map[string]*group{}, map[string]*group{}
	for _, h := range p.Hosts {
		for _, i := range h.Findings {
			f := p.Findings[i]
			switch {
			case f.Outcome == provider.Unknown:
				gather(unclear, f.Reason+"\x00"+f.Hint, f, h.Name)
			case f.Outcome == provider.Waived:
				gather(waived, fmt.Sprint(i), f, h.Name)
			case f.Outcome == provider.NonCompliant && f.Mode == provider.Audit:
				gather(audit, fmt.Sprint(i), f, h.Name)
			case p.NeedsPerson(h, i):
				gather(person, fmt.Sprint(i), f, h.Name)
			}
		}
	}
	t.findings("Needs a person: kepmctl does not change these", "x", person)
	t.findings("Not known", "?", unclear)
	t.findings("Waived: accepted until a date", "%", waived)
	t.findings("In audit: reported, not changed", "x", audit)
}

func gather(groups map[string]*group, key string, f provider.Finding, host string) {
	g := groups[key]
	if g == nil {
		g = &group{control: f.Address, severity: f.Severity, finding: f}
		groups[key] = g
	} else if !slices.Contains(strings.Split(g.control, ", "), f.Address) {
		g.control += ", " + f.Address
		if f.Severity.Rank() > g.severity.Rank() {
			g.severity = f.Severity
		}
	}
	if !slices.Contains(g.hosts, host) {
		g.hosts = append(g.hosts, host)
	}
}

func (t *Text) findings(title, mark string, groups map[string]*group) {
	if len(groups) == 0 {
		return
	}
	t.line("%s\n", title)
	sorted := make([]*group, 0, len(groups))
	for _, g := range groups {
		sorted = append(sorted, g)
	}
	slices.SortFunc(sorted, bySeverity)
	for _, g := range sorted {
		t.finding(mark, g, hostCount(len(g.hosts)))
		t.line("    %s\n", list(g.hosts, t.View == Full))
	}
}

func (t *Text) finding(mark string, g *group, hosts string) {
	f := g.finding
	t.line("%s", strings.TrimRight(fmt.Sprintf("  %s %s   %s   %s", mark, g.control, g.severity, hosts), " "))
	if f.Have != "" {
		t.line("    has: %s", f.Have)
	}
	if f.Reason != "" {
		t.line("    why: %s", f.Reason)
	}
	if f.Waiver != "" {
		t.line("    waiver: %s", f.Waiver)
	}
	if o := f.Override; !o.IsZero() {
		t.line("    override until %s: %s", o.Expires.UTC().Format(time.RFC3339), o.Reason)
	}
	if f.Hint != "" {
		t.line("    fix: %s", f.Hint)
	}
}

func (t *Text) byHost(p *plans.Plan) {
	for _, h := range p.Hosts {
		if h.Problem != nil || (len(h.Changes) == 0 && len(h.Findings) == 0) {
			continue
		}
		t.line("  # %s   agent %s   %s", h.Name, orUnknown(h.Version), h.Root)
		effect := provider.NoEffect
		for _, i := range h.Changes {
			c := p.Changes[i]
			if c.Effect != provider.NoEffect {
				effect = c.Effect
			}
			c.Attr, c.Effect = c.Control+" "+c.Attr, provider.NoEffect
			t.change(c)
		}
		if effect != provider.NoEffect {
			t.line("  ! %s the agent's service", string(effect))
		}
		for _, i := range h.Findings {
			f := p.Findings[i]
			g := &group{control: f.Address, severity: f.Severity, finding: f}
			switch {
			case f.Outcome == provider.Unknown:
				t.finding("?", g, "")
			case f.Outcome == provider.NonCompliant && (f.Mode == provider.Audit || p.NeedsPerson(h, i)):
				t.finding("x", g, "")
			case f.Address == provider.InstallTree:
				t.line("    %s: %s", f.Address, f.Have)
			}
		}
		t.line("")
	}
}

// Silent names the hosts that gave no answer when the plan was made, by cause.
func (t *Text) Silent(p *plans.Plan) error {
	t.silent(p)
	return t.err
}

// gates says which ones the plan does not pass.
func (t *Text) gates(p *plans.Plan) {
	for _, g := range p.Gates {
		if !g.Pass {
			t.line("  x gate %s   %s does not hold", g.Name, g.Condition)
			t.line("    has: %s", g.Values)
			t.line("    why: %s\n", g.Message)
		}
	}
}

// silent groups the hosts that gave no answer by what stood in the way.
func (t *Text) silent(p *plans.Plan) {
	var hosts causes
	for _, h := range p.Silent() {
		hosts.add(h.Name, *h.Problem)
	}
	t.causes("No answer", "?", hosts)
}

func entry(control string) provider.Entry {
	e, _ := provider.EntryOf(provider.ControlName(control))
	return e
}

func orUnknown(s string) string {
	if s == "" {
		return "of unknown version"
	}
	return s
}
