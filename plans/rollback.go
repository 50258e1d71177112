package plans

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kepmctl/kepmctl/provider"
)

// ErrNothing says that a run left nothing that could be taken back.
var ErrNothing = errors.New("it changed nothing that can be taken back: files and permissions can, services and certificates stay as they are")

// Rollback is the plan that takes back what a run of p changed, on the hosts that
// kept it: in the run's waves, but without soak, approval and windows, for what
// went wrong must not wait.
func (p *Plan) Rollback(run string, results map[string]Result, now time.Time, scripts string) (*Plan, error) {
	back := *p
	back.RollbackOf, back.Scripts, back.Selection, back.Recorded = run, scripts, nil, nil
	back.Created, back.Expires = now.UTC().Truncate(time.Second), now.UTC().Truncate(time.Second).Add(24*time.Hour)
	back.Complete, back.Findings, back.Hosts, back.Windows = true, nil, nil, nil
	var changes table[provider.Change]
	for _, h := range p.Hosts {
		r := results[h.Name]
		turn := h.Turn
		h.Changes, h.Findings, h.Compliant, h.Undoes = nil, nil, 0, r.Run
		for _, i := range r.Changes {
			if !within([]int{i}, len(p.Changes)) {
				return nil, fmt.Errorf("the result of %.60q names a change that the plan does not hold", h.Name)
			}
			if c := p.Changes[i]; c.Restorable() {
				h.Changes = append(h.Changes, changes.index(c.Reversed()))
			}
		}
		if len(h.Changes) == 0 || turn == nil {
			continue
		}
		h.Turn = &Turn{Rollout: turn.Rollout, Wave: turn.Wave, Limits: turn.Limits}
		back.Hosts = append(back.Hosts, h)
	}
	back.Changes, back.Rollouts = changes.list, nil
	for _, r := range p.Rollouts {
		waves := make([]Wave, len(r.Waves))
		for i, w := range r.Waves {
			waves[i] = Wave{Name: w.Name, Size: w.Size}
		}
		r.Waves = waves
		back.Rollouts = append(back.Rollouts, r)
	}
	if len(back.Hosts) == 0 {
		return nil, ErrNothing
	}
	return &back, nil
}

// validateUndoes: what a host takes back names a directory on it.
func (p *Plan) validateUndoes() error {
	for _, h := range p.Hosts {
		if (h.Undoes != "") != (p.RollbackOf != "") || (h.Undoes != "" && !provider.ValidRun(h.Undoes)) {
			return fmt.Errorf("read the plan: host %.60q takes back what is no transaction of a run", h.Name)
		}
	}
	return nil
}

// takeBack restores what a committed transaction replaced.
func (w *work) takeBack(ctx context.Context, before provider.Look) Result {
	if why := w.plan.moved(w.host, before); why != "" {
		return w.result(Stale, why, restoreByHand)
	}
	kept, err := w.kept(ctx, w.host.Undoes)
	if err != nil {
		return w.silent(ctx, err)
	}
	tx, stale, err := provider.Restore(w.goal, before, kept, w.planned(), w.transaction, w.host.Undoes, w.options.Owner)
	switch {
	case err != nil:
		return w.result(Failed, err.Error(), "nothing was changed; "+restoreByHand)
	case stale != "":
		return w.result(Stale, stale, restoreByHand)
	case tx.Empty():
		return w.result(Already, "", "")
	}
	r := w.transact(ctx, tx, before, func(after provider.Look) provider.Proof {
		return provider.ProveRestored(w.goal, before, after, tx.Files, tx.Changes)
	})
	if tx.Back != "" && (r.Status == Done || r.Status == Unverified) {
		w.seeGiven(ctx, tx, &r)
	}
	return r
}

// seeGiven looks whether rights were given back, which the host does when it settles.
func (w *work) seeGiven(ctx context.Context, tx provider.Transaction, r *Result) {
	after, err := w.lookAgain(ctx)
	if err != nil {
		r.Status, r.Open = Unverified, append(r.Open, "whether rights were given back: "+provider.Printable(err.Error()))
		return
	}
	for _, f := range provider.Judge(w.goal, after) {
		if f.Outcome == provider.Compliant && f.Access() && slices.Contains(tx.Changes, f.Address) {
			r.Status, r.Open = Unverified, append(r.Open, f.Address+" is as the run made it: somebody changed it since, or it cannot be changed")
		}
	}
}

const restoreByHand = "declare what the host should be, then plan and apply that"

// kept is what a transaction keeps on the host.
func (w *work) kept(ctx context.Context, transaction string) (provider.Kept, error) {
	out, err := w.conn.Run(ctx, w.fleet.Family.Keeper.Kept(transaction))
	if err != nil {
		return provider.Kept{}, err
	}
	return w.fleet.Family.Keeper.ReadKept(out)
}

// planned are the plan's changes of the host.
func (w *work) planned() []provider.Change {
	list := make([]provider.Change, len(w.host.Changes))
	for n, i := range w.host.Changes {
		list[n] = w.plan.Changes[i]
	}
	return list
}

// judgeAgain judges a transaction of an earlier attempt. What was before it is no
// longer known: the plan says what was right, and the rest stays open.
func (w *work) judgeAgain(ctx context.Context) (func(provider.Look) provider.Proof, error) {
	open := func(p provider.Proof) provider.Proof {
		p.Open = append(p.Open, "plug-ins and jobs before the change: kepmctl was interrupted meanwhile")
		return p
	}
	todo := w.planned()
	if w.host.Undoes == "" {
		return func(after provider.Look) provider.Proof {
			proof := provider.Prove(w.goal, after, after, todo)
			proof.Contradictions = append(proof.Contradictions, w.plan.worse(w.host, provider.Judge(w.goal, after))...)
			return open(proof)
		}, nil
	}
	kept, err := w.kept(ctx, w.transaction)
	if err != nil {
		return nil, err
	}
	return func(after provider.Look) provider.Proof {
		return open(provider.ProveRestored(w.goal, after, after, kept.Files, nil))
	}, nil
}
