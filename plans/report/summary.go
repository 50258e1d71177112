package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/kepmctl/kepmctl/plans"
)

func (t *Text) planSummary(p *plans.Plan) {
	s := p.Summary()
	if p.RollbackOf != "" {
		t.line("Rollback of run %s: %s to change back. %s.", p.RollbackOf, hostCount(s.Change), count(s.Restarts, "restart", "restarts"))
		t.line("      What the run did to services and certificates stays as it is.")
		t.rollouts(p)
		return
	}
	rest := others(s)
	if s.Change == 0 {
		words := "No changes."
		if s.Unmatched > 0 {
			words = "Nothing that kepmctl can change."
		}
		text := fmt.Sprintf(words+" %d of %s match the configuration.", s.Compliant, hostCount(s.Hosts))
		if len(rest) > 0 {
			text += " " + strings.Join(rest, ", ") + "."
		}
		t.line("%s", text)
		return
	}
	t.line("Plan: %d of %s to change: %d to add, %d to change, %d to remove. %s.",
		s.Change, hostCount(s.Hosts), s.Add, s.Modify, s.Remove, count(s.Restarts, "restart", "restarts"))
	t.line("      %s.", strings.Join(append([]string{fmt.Sprintf("%d compliant", s.Compliant)}, rest...), ", "))
	t.rollouts(p)
}

// others counts what a summary says besides its verdict.
func others(s plans.Summary) []string {
	var rest []string
	for _, c := range []struct {
		n         int
		one, many string
	}{
		{s.Waived, "waived" + endSoon(s), "waived" + endSoon(s)},
		{s.Audit, "finding in audit", "findings in audit"},
		{s.Overridden, "override" + soon(s), "overrides" + soon(s)},
		{s.NeedPerson, "finding needs a person", "findings need a person"},
		{s.Unknown, "unknown", "unknown"},
		{s.Unreachable, "unreachable", "unreachable"},
	} {
		if c.n > 0 {
			rest = append(rest, count(c.n, c.one, c.many))
		}
	}
	return rest
}

// rollouts says in which order hosts will be changed, where there is one.
func (t *Text) rollouts(p *plans.Plan) {
	hosts := make([][]int, len(p.Rollouts))
	for i, r := range p.Rollouts {
		hosts[i] = make([]int, len(r.Waves))
	}
	for _, h := range p.Hosts {
		if h.Turn != nil {
			hosts[h.Turn.Rollout][h.Turn.Wave]++
		}
	}
	for i, r := range p.Rollouts {
		var waves []string
		for w, wave := range r.Waves {
			n := hosts[i][w]
			if n == 0 {
				continue
			}
			text := fmt.Sprintf("%s %d", wave.Name, n)
			if wave.Soak > 0 {
				text += fmt.Sprintf(", soak %s", time.Duration(wave.Soak*float64(time.Second)))
			}
			if wave.Approve {
				text += ", approval"
			}
			waves = append(waves, text)
		}
		if len(waves) > 1 || (len(waves) == 1 && strings.Contains(waves[0], ",")) {
			t.line("      Rollout %s: %s; stops when more than %s fail.", r.Name, strings.Join(waves, ", then "), r.MaxFailed.String())
		}
	}
}

// soon says how many overrides end within 14 days.
func soon(s plans.Summary) string {
	if s.ExpireSoon == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d expire within 14 days)", s.ExpireSoon)
}
