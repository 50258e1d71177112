package plans

import (
	"context"
	"fmt"

	"github.com/kepmctl/kepmctl/provider"
)

// An undoing is how an attempt ended that nobody settled in time.
type undoing struct{ text string }

// then reports the undone attempt with the result of the next one.
func (u undoing) then(r Result) Result {
	if u.text != "" {
		r.Details = append([]string{u.text}, r.Details...)
	}
	return r
}

// recover asks the hosts whose transactions were open when the run ended, before
// anything else: those that are proven are committed and have their result; those
// that went back to what they were are begun again.
func (f Fleet) recover(ctx context.Context, p *Plan, hosts []HostPlan, o *ApplyOptions, begin func(HostPlan, string) *work) map[string]undoing {
	undone := map[string]undoing{}
	var open []HostPlan
	for _, h := range hosts {
		if o.Earlier.Open[h.Name] != "" {
			delete(o.Earlier.Results, h.Name) // it is asked once more
			open = append(open, h)
		}
	}
	results, again := make([]Result, len(open)), make([]bool, len(open))
	each(o.Stop, len(open), f.Parallelism, func(_ context.Context, i int) {
		wave := p.Rollouts[open[i].Turn.Rollout].Waves[open[i].Turn.Wave].Name
		w := begin(open[i], wave)
		w.transaction = o.Earlier.Open[open[i].Name] // of the attempt that began it
		results[i], again[i] = w.recover(ctx)
	})
	for i, r := range results {
		name := open[i].Name
		switch {
		case r.Status == "":
			o.Earlier.Results[name] = Result{Host: name, Status: InDoubt, Run: o.Earlier.Open[name], Reason: "it was begun, and not asked again: interrupted"}
		case again[i] && r.Status == RolledBack:
			text := "an earlier attempt was undone for want of a verdict"
			if r.Restarted {
				text += ": the service restarted once forward and once back"
			}
			undone[name] = undoing{text}
		case again[i]: // the host never heard of it
		default:
			o.Earlier.Results[name] = r
			w := p.Rollouts[open[i].Turn.Rollout]
			_ = o.record(f.Now(), Entry{Type: HostEnded, Host: name, Rollout: w.Name, Wave: w.Waves[open[i].Turn.Wave].Name, Result: &r}) // the host says it again when asked again
		}
	}
	return undone
}

// recover follows a transaction that began earlier, and says whether the host is to be
// begun again.
func (w *work) recover(ctx context.Context) (r Result, again bool) {
	if !provider.ValidRun(w.transaction) { // it names a directory on the host
		return w.result(Failed, "the journal names a transaction that is none", "find out who changed it"), false
	}
	w.step("asking how far it came")
	w.patience(provider.Transaction{StartTimeout: w.goal.Options.StartTimeout, ConfirmTimeout: w.goal.Options.ConfirmTimeout}.Limit())
	if err := w.dial(ctx); err != nil {
		return w.stillInDoubt(err), false
	}
	defer w.hangUp()
	if now := w.conn.Peer().HostKey; w.host.HostKey != now {
		return w.stillInDoubt(fmt.Errorf("another machine answers: its host key was %s and is %s", w.host.HostKey, now)), false
	}
	state, err := w.status(ctx, provider.PhaseReady, 1)
	switch {
	case err != nil:
		return w.stillInDoubt(err), false
	case state.Phase == provider.PhaseNone:
		return w.result(Skipped, "it never began", ""), true
	case state.Phase == provider.PhaseSettled: // by a verdict, for want of one, or because the change failed by itself
		r = w.settled(ctx, state, provider.Commit, provider.Proof{}, false)
		if r.Status == RolledBack && state.Verdict == provider.Undo {
			r.Reason = "it was not proven; what contradicted was not written down before kepmctl ended"
			return r, false
		}
		return r, r.Status == RolledBack && (state.Kind == "" || state.Kind == "verdict")
	}
	judge, err := w.judgeAgain(ctx)
	if err != nil {
		return w.stillInDoubt(err), false
	}
	return w.follow(ctx, judge, false), false
}

func (w *work) stillInDoubt(err error) Result {
	r := w.inDoubt(err)
	r.Hint = "when the host answers again, resume the run once more"
	return r
}
