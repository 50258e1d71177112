package report

import (
	"fmt"
	"strings"

	"github.com/kepmctl/kepmctl/plans"
)

// Story tells a run's journal, but for its hosts.
func (t *Text) Story(p *plans.Plan, entries []plans.Entry) error {
	if p.RollbackOf != "" {
		t.line("  Rollback of run %s", p.RollbackOf)
	}
	for _, e := range entries {
		if text := told(e); text != "" {
			t.line("  %s  %s", e.Time.UTC().Format("2006-01-02 15:04:05Z"), text)
		}
	}
	t.line("")
	return t.err
}

func told(e plans.Entry) string {
	wave := fmt.Sprintf("wave %q of rollout %q", e.Wave, e.Rollout)
	switch e.Type {
	case plans.RunBegun:
		text := "begun by " + e.By
		if e.Attempt > 1 {
			text = "resumed by " + e.By
		}
		return forTicket(text, e.Change)
	case plans.WaveBegun:
		return wave + " begun"
	case plans.WavePassed:
		return wave + " passed"
	case plans.WaveApproved:
		return wave + " approved by " + e.By
	case plans.RolloutStopped:
		if e.Stop != nil {
			return e.Stop.Error()
		}
	case plans.RunEnded:
		return "ended"
	case plans.RunRolledBack:
		return forTicket(fmt.Sprintf("rolled back by %s with run %s", e.By, e.Rollback), e.Change)
	}
	return ""
}

func forTicket(text, change string) string {
	if change != "" {
		text += " for " + change
	}
	return text
}

// Counts are how many hosts of an outcome ended how, in few words.
func Counts(o plans.Outcome) string {
	parts := []string{}
	for _, s := range []plans.Status{
		plans.Done, plans.Unverified, plans.Already, plans.RolledBack, plans.Failed, plans.InDoubt, plans.Stale, plans.Locked, plans.Unreachable, plans.Skipped,
	} {
		if n := o.Count(s); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, words(s)))
		}
	}
	return strings.Join(parts, ", ")
}

// words is a status as people read it.
func words(s plans.Status) string {
	if s == plans.Skipped {
		return "untouched"
	}
	return strings.ReplaceAll(string(s), "_", " ")
}
