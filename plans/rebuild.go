package plans

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/kepmctl/kepmctl/provider"
)

// Rebuild asks the plan's hosts what they know of a run whose journal is lost, and
// gives the entries that the journal would have had of them. Silent are the hosts that
// gave no answer: whatever they know is found out when they are begun again.
func (f Fleet) Rebuild(ctx context.Context, p *Plan, goals []provider.Goal, run string) (entries []Entry, silent []string, err error) {
	reach, err := f.reaches(p, goals, false)
	if err != nil {
		return nil, nil, err
	}
	report := f.counter(len(p.Hosts))
	found := make([][]Entry, len(p.Hosts))
	lost := make([]bool, len(p.Hosts))
	each(ctx, len(p.Hosts), f.Parallelism, func(ctx context.Context, i int) {
		h := p.Hosts[i]
		if len(h.Changes) > 0 && h.Problem == nil {
			w := &work{fleet: f, options: ApplyOptions{Run: run}, plan: p, host: h, goal: p.goal(h, reach[h.Name]), step: func(string) {}}
			var err error
			found[i], err = w.rebuild(ctx)
			lost[i] = err != nil
		}
		report(Event{Type: HostLooked, Host: h.Name})
	})
	for i, list := range found {
		entries = append(entries, list...)
		if lost[i] {
			silent = append(silent, p.Hosts[i].Name)
		}
	}
	return entries, silent, ctx.Err()
}

// rebuild is what one host knows of the run: its last transaction, and how it ended.
func (w *work) rebuild(ctx context.Context) ([]Entry, error) {
	if err := w.dial(ctx); err != nil {
		return nil, err
	}
	defer w.hangUp()
	if w.conn.Peer().HostKey != w.host.HostKey {
		return nil, nil // another machine: it is found to be stale
	}
	kept, err := w.kept(ctx, w.options.Run)
	if err != nil {
		return nil, err
	}
	if w.transaction = last(kept.Attempts, w.options.Run); w.transaction == "" {
		return nil, nil
	}
	w.patience(0)
	state, err := w.status(ctx, provider.PhaseSettled, 1)
	if err != nil {
		return nil, err
	}
	rollout := w.plan.Rollouts[w.host.Turn.Rollout]
	begun := Entry{Type: HostBegun, Time: w.fleet.Now().UTC(), Host: w.host.Name, Rollout: rollout.Name, Wave: rollout.Waves[w.host.Turn.Wave].Name, Transaction: w.transaction}
	if state.Phase != provider.PhaseSettled || (state.Ending == provider.Undone && state.Verdict != provider.Undo) { // resume asks it
		return []Entry{begun}, nil
	}
	result := w.settled(ctx, state, provider.Commit, provider.Proof{Open: []string{"how it was proven: the journal was lost"}}, false)
	ended := begun
	ended.Type, ended.Transaction, ended.Result = HostEnded, "", &result
	return []Entry{begun, ended}, nil
}

// attempt is which attempt of a run a transaction was: 0, it is none of its.
func attempt(name, run string) int {
	rest, ok := strings.CutPrefix(name, run)
	if !ok || !provider.ValidRun(name) {
		return 0
	}
	if rest == "" {
		return 1
	}
	n, err := strconv.Atoi(strings.TrimPrefix(rest, "-"))
	if err != nil || n < 2 || rest != "-"+strconv.Itoa(n) {
		return 0
	}
	return n
}

// last is the name of a run's latest transaction; empty: there is none.
func last(names []string, run string) string {
	names = slices.DeleteFunc(slices.Clone(names), func(s string) bool { return attempt(s, run) == 0 })
	if len(names) == 0 {
		return ""
	}
	return slices.MaxFunc(names, func(a, b string) int { return cmp.Compare(attempt(a, run), attempt(b, run)) })
}

// Attempts is how often a run has begun, as its transactions say.
func Attempts(entries []Entry, run string) int {
	most := 1
	for _, e := range entries {
		most = max(most, attempt(e.Transaction, run))
	}
	return most
}
