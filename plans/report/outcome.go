package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/kepmctl/kepmctl/plans"
	"github.com/kepmctl/kepmctl/provider"
)

// Outcome shows what became of a plan: what did not go as planned first, grouped
// by how it ended and why.
func (t *Text) Outcome(p *plans.Plan, o plans.Outcome) error {
	for _, s := range []plans.Status{
		plans.InDoubt, plans.Failed, plans.RolledBack, plans.Stale, plans.Locked, plans.Unreachable, plans.Skipped, plans.Unverified,
	} {
		t.ended(p, o, s)
	}
	if c := p.Differs(o); c != nil {
		t.line("  differs: %s: %d of %d hosts with it failed, %d of %d others\n", c.Attribute+" "+c.Value, c.With, c.Of, c.Others, c.OfOthers)
	}
	t.selection(p.Selection)
	t.outcomeSummary(p, o)
	return t.err
}

// ended shows the hosts of one status, those with the same reason together.
func (t *Text) ended(p *plans.Plan, o plans.Outcome, s plans.Status) {
	type reason struct{ why, hint string }
	groups := map[reason][]plans.Result{}
	var order []reason
	for _, r := range o.Results {
		if r.Status != s {
			continue
		}
		k := reason{cmp.Or(r.Reason, strings.Join(r.Open, "; ")), r.Hint}
		if groups[k] == nil {
			order = append(order, k)
		}
		groups[k] = append(groups[k], r)
	}
	for _, k := range order {
		hosts := groups[k]
		names := make([]string, len(hosts))
		for i, r := range hosts {
			names[i] = r.Host
		}
		t.line("  %s %s   %s", markOf(s), ending(p, s), hostCount(len(hosts)))
		t.line("    why: %s", k.why)
		if k.hint != "" {
			t.line("    fix: %s", k.hint)
		}
		t.first(hosts[0])
		t.line("    %s\n", list(names, t.View == Full))
	}
}

// first gives the details of a group's first host.
func (t *Text) first(r plans.Result) {
	for _, d := range r.Details {
		t.line("    left: %s", d)
	}
	if !r.Until.IsZero() {
		t.line("    undone by itself at: %s", r.Until.UTC().Format(time.RFC3339))
	}
	if r.Log != "" {
		t.line("    the service's last lines on %s:", r.Host)
		for l := range strings.Lines(r.Log) {
			t.line("      | %s", strings.TrimRight(l, "\n"))
		}
	}
}

// ending is a status in words; what a rollback undoes is the rollback.
func ending(p *plans.Plan, s plans.Status) string {
	if s == plans.RolledBack && p.RollbackOf != "" {
		return "undone"
	}
	return words(s)
}

func markOf(s plans.Status) string {
	switch s {
	case plans.Failed, plans.RolledBack:
		return "x"
	default:
		return "?"
	}
}

func (t *Text) outcomeSummary(p *plans.Plan, o plans.Outcome) {
	changed := o.Count(plans.Done) + o.Count(plans.Unverified)
	unreachable := len(p.Silent()) + o.Count(plans.Unreachable)
	unchanged := len(p.Hosts) - len(o.Results) - len(p.Silent()) + o.Count(plans.Already)
	apply, parts := "Apply", []string{fmt.Sprintf("%d changed", changed)}
	if p.RollbackOf != "" {
		apply, parts = "Rollback", []string{fmt.Sprintf("%d changed back", changed)}
	}
	if unchanged > 0 {
		parts = append(parts, fmt.Sprintf("%d unchanged", unchanged))
	}
	for _, s := range []plans.Status{plans.RolledBack, plans.Failed, plans.InDoubt, plans.Stale, plans.Locked, plans.Skipped} {
		if n := o.Count(s); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, ending(p, s)))
		}
	}
	if unreachable > 0 {
		parts = append(parts, fmt.Sprintf("%d unreachable", unreachable))
	}
	verdict := "complete!"
	if o.CutOff {
		verdict = "was cut off, or is still at work."
	} else if len(o.Stops) > 0 {
		verdict = stops(o)
	} else if slices.ContainsFunc(o.Results, func(r plans.Result) bool { return !r.AsPlanned() }) {
		verdict = "finished with failures."
	} else if !p.Complete {
		verdict = "finished, but not every host answered."
	}
	text := fmt.Sprintf("%s %s Hosts: %s.", apply, verdict, strings.Join(parts, ", "))
	median, worst, host, restarts := o.Down()
	if restarts > 0 {
		text += fmt.Sprintf(" Restarts: %d.", restarts)
	}
	if worst > 0 {
		text += fmt.Sprintf(" Agent down: median %s, worst %s (%s).", short(median), short(worst), host)
	}
	if n := o.Count(plans.Unverified); n > 0 {
		text += fmt.Sprintf(" Unverified: %d.", n)
	}
	t.line("%s", text)
	if n := o.Supervised("process"); n > 0 {
		t.line("Without systemd on %s: healed by a supervisor process, which a power cut would end.", hostCount(n))
	}
	for _, s := range o.Stops {
		t.next(o, s)
	}
	if o.CutOff {
		t.line("next: kepmctl resume %s", o.Run)
	}
	if p.RollbackOf != "" {
		t.line("The configuration still says otherwise: change it before the next apply.")
		return
	}
	if s := p.Summary(); s.Overridden > 0 {
		t.line("%s in effect%s.", count(s.Overridden, "override", "overrides"), soon(s))
	}
	if s := p.Summary(); s.NeedPerson+s.Unknown > 0 {
		t.line("Not mended by this plan: %s, %d unknown: see kepmctl plan.", count(s.NeedPerson, "finding needs a person", "findings need a person"), s.Unknown)
	}
}

// stops says why rollouts did not come to their end.
func stops(o plans.Outcome) string {
	for _, s := range o.Stops {
		if !s.Kind.Pauses() {
			return provider.Printable(s.Error()) + "."
		}
	}
	s := o.Stops[0]
	return provider.Printable(fmt.Sprintf("paused in wave %q of rollout %q: %s.", s.Wave, s.Rollout, s.Reason))
}

// next says how to go on after a stop.
func (t *Text) next(o plans.Outcome, s plans.Stop) {
	flags := map[plans.StopKind]string{
		plans.StopFailed: " --rerun failed", plans.StopUnreachable: " --rerun unreachable", plans.StopApproval: " --approve",
	}
	before := map[plans.StopKind]string{
		plans.StopFailed: "mend the cause, then ", plans.StopUnreachable: "see kepmctl check, then ", plans.StopJournal: "make room for the journal, then ",
	}
	t.line("next: %sgo on with rollout %q: kepmctl resume%s %s", before[s.Kind], s.Rollout, flags[s.Kind], o.Run)
}

func short(d time.Duration) string {
	return fmt.Sprintf("%g s", math.Round(d.Seconds()*10)/10)
}
