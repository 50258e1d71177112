package report

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/kepmctl/kepmctl/plans"
	"github.com/kepmctl/kepmctl/provider"
)

// examples is how many hosts of a group are named, unless all are wanted.
const examples = 5

// Drift shows in which ways hosts are not as wanted, and what that may come from.
func (t *Text) Drift(p *plans.Plan, groups []plans.Group) error {
	if t.View != Brief {
		for _, part := range []struct {
			title string
			holds func(plans.Group) bool
		}{
			{"Odd ones out", func(g plans.Group) bool { return g.Odd && g.Drifted() }},
			{"", func(g plans.Group) bool { return !g.Odd && g.Drifted() }},
			{"In audit: reported, not changed", func(g plans.Group) bool {
				return g.Outcome == provider.NonCompliant && g.Mode != provider.Enforce
			}},
			{"Waived: accepted until a date", func(g plans.Group) bool { return g.Outcome == provider.Waived }},
			{"Not known", func(g plans.Group) bool { return g.Outcome == provider.Unknown }},
		} {
			t.groups(part.title, groups, part.holds)
		}
	}
	t.waivers(p)
	t.silent(p)
	t.selection(p.Selection)
	t.driftSummary(p, groups)
	t.recorded(p)
	return t.err
}

func (t *Text) groups(title string, groups []plans.Group, holds func(plans.Group) bool) {
	for _, g := range groups {
		if !holds(g) {
			continue
		}
		if title != "" {
			t.line("%s\n", title)
			title = ""
		}
		t.group(g)
	}
}

func (t *Text) group(g plans.Group) {
	t.line("  # %s   %s   %s of %d   %s", g.Control, string(g.Severity), hostCount(len(g.Hosts)), g.Of, g.Signature)
	if g.Attr != "" {
		t.change(provider.Change{Attr: g.Attr, Action: g.Action, From: g.From, To: g.To, Effect: g.Effect})
	} else {
		mark := map[provider.Outcome]string{provider.Unknown: "?", provider.Waived: "%"}[g.Outcome]
		t.line("  %s %s", cmp.Or(mark, "x"), cmp.Or(g.From, g.Reason))
	}
	if g.Waiver != "" {
		t.line("    waiver: %s", g.Waiver)
	}
	if o := g.Override; !o.IsZero() {
		t.line("    override until %s: %s", o.Expires.UTC().Format("2006-01-02 15:04Z"), o.Reason)
	}
	if g.Hint != "" {
		t.line("    fix: %s", g.Hint)
	}
	if c := g.Cause; c != nil {
		t.line("    likely cause: %s: %d of %d hosts with it, %d of %d others", c.Attribute+" "+c.Value, c.With, c.Of, c.Others, c.OfOthers)
	}
	if t.View == Full {
		if g.File != "" {
			t.line("    wanted at: %s:%d", g.File, g.Line)
		}
		t.line("    %s\n", list(g.Hosts, true))
		return
	}
	names := strings.Join(g.Hosts[:min(len(g.Hosts), examples)], "  ")
	if more := len(g.Hosts) - examples; more > 0 {
		names += fmt.Sprintf("  (+%d more, --view full)", more)
	}
	t.line("    %s\n", names)
}

func (t *Text) driftSummary(p *plans.Plan, groups []plans.Group) {
	s := p.Summary()
	hosts, ways, fix := map[string]bool{}, 0, ""
	for _, g := range groups {
		if g.Drifted() {
			ways++
			for _, h := range g.Hosts {
				hosts[h] = true
			}
		}
		if g.Drifted() && g.Attr != "" && fix == "" {
			fix = g.Signature
		}
	}
	verdict := "No drift."
	if len(hosts) > 0 {
		verdict = fmt.Sprintf("Drift: %d of %s in %s.", len(hosts), hostCount(s.Hosts), count(ways, "way", "ways"))
	}
	rest := append([]string{fmt.Sprintf("%d as declared", s.Compliant)}, others(s)...)
	t.line("%s %s.", verdict, strings.Join(rest, ", "))
	if fix != "" {
		t.line("next: kepmctl plan shows what would mend it; kepmctl plan --signature %s only the first way", fix)
	}
}

// waivers says which ones have no effect, and which ones end soon.
func (t *Text) waivers(p *plans.Plan) {
	for _, w := range p.Waivers {
		switch {
		case w.State != plans.WaiverActive:
			t.line("  %% waiver %s has no effect: %s", w.Name, w.Why)
		case w.EndsSoon(p.Created):
			t.line("  %% waiver %s ends at %s: %s", w.Name, w.Expires.UTC().Format("2006-01-02 15:04Z"), w.Reason)
		default:
			continue
		}
		t.line("    owner %s, %s\n", w.Owner, cmp.Or(w.Ticket, "no ticket"))
	}
}

// endSoon says how many waivers end within 14 days, and how many have no effect.
func endSoon(s plans.Summary) string {
	var parts []string
	if s.WaiversSoon > 0 {
		parts = append(parts, fmt.Sprintf("%d of the waivers end within 14 days", s.WaiversSoon))
	}
	if s.WaiversIdle > 0 {
		parts = append(parts, fmt.Sprintf("%d without effect", s.WaiversIdle))
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}
