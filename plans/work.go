package plans

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/kepmctl/kepmctl/provider"
	"github.com/kepmctl/kepmctl/transport"
)

// work is one host's part of an apply.
type work struct {
	fleet   Fleet
	options ApplyOptions
	plan    *Plan
	host    HostPlan
	goal    provider.Goal
	wave    string
	step    func(string)

	transaction string // its name on the host
	made        []int  // the plan's changes that it makes; nil: not known

	conn  transport.Conn
	key   string    // the host key that answered first
	limit time.Time // when the host undoes for want of a verdict
	until time.Time // when it has settled at the very latest
}

// settling is how long systemd lets settle.sh work: TimeoutStopSec in begin.sh.
const settling = 10 * time.Minute

func (w *work) carryOut(ctx context.Context) Result {
	w.step("looking again")
	if err := w.dial(ctx); err != nil {
		return w.silent(ctx, err)
	}
	defer w.hangUp()
	before, err := w.fleet.look(ctx, w.conn, w.goal, beforeQuestions)
	if err != nil {
		return w.silent(ctx, err)
	}
	if t := before.Facts.Transaction; t != nil {
		if provider.ValidRun(t.Run) { // in case nobody is left to settle it
			_, _ = w.conn.Run(ctx, w.fleet.Family.Changer.Settle(t.Run, provider.NoVerdict))
		}
		return w.result(Locked, fmt.Sprintf("transaction %s by %s is open", t.Run, t.Owner), "it settles by itself; apply again later")
	}
	if w.host.Undoes != "" {
		return w.takeBack(ctx, before)
	}
	todo, of, stale := w.plan.match(w.host, before, provider.Judge(w.goal, before))
	if stale != "" {
		return w.result(Stale, stale, planAgain)
	}
	if len(todo) == 0 {
		return w.result(Already, "", "")
	}
	tx, err := provider.Compile(w.goal, before, todo, w.transaction, w.options.Owner)
	if err != nil {
		return w.result(Failed, err.Error(), "nothing was changed")
	}
	w.made = of
	return w.transact(ctx, tx, before, func(after provider.Look) provider.Proof { return provider.Prove(w.goal, before, after, todo) })
}

// silent is the result of a host that did not answer, or was not waited for.
func (w *work) silent(ctx context.Context, err error) Result {
	if ctx.Err() == nil {
		return w.problem(Unreachable, err)
	}
	r := w.result(Skipped, "interrupted before it was begun", "")
	r.Kind = string(StopInterrupted)
	return r
}

// transact begins the transaction, and follows it to its end. That it begins is
// written down before.
func (w *work) transact(ctx context.Context, tx provider.Transaction, before provider.Look, judge func(after provider.Look) provider.Proof) Result {
	tx.Keep = w.plan.Rollouts[w.host.Turn.Rollout].Keep
	// The look may have taken long: the window is asked once more.
	if next, open := w.plan.opens(w.host, w.fleet.Now(), tx.Limit()); !open {
		return closed(w.host.Name, next)
	}
	if err := w.options.record(w.fleet.Now(), Entry{Type: HostBegun, Host: w.host.Name, Wave: w.wave, Transaction: w.transaction}); err != nil {
		return w.result(Skipped, "not begun: "+err.Error(), "nothing was changed")
	}
	w.step("changing")
	w.patience(tx.Limit())
	if refused, ok := w.begin(ctx, tx); !ok {
		return refused
	}
	return w.follow(ctx, judge, before.Facts.Service.Active)
}

// patience is how long the host takes at most.
func (w *work) patience(limit time.Duration) {
	w.limit = w.fleet.Now().Add(limit)
	w.until = w.limit.Add(settling)
}

// follow waits until the host has changed itself, proves it and offers the verdict.
func (w *work) follow(ctx context.Context, judge func(after provider.Look) provider.Proof, ran bool) Result {
	state, err := w.await(ctx, provider.PhaseReady)
	if err != nil {
		return w.inDoubt(err)
	}
	if state.Phase == provider.PhaseSettled {
		return w.settled(ctx, state, provider.Undo, provider.Proof{}, ran)
	}
	w.step("proving")
	proof := w.prove(ctx, judge, state)
	verdict := provider.Commit
	if !proof.Holds() || (w.options.RequireProof && len(proof.Open) > 0) {
		verdict = provider.Undo
	}
	w.step("settling")
	if _, err := w.ask(ctx, w.fleet.Family.Changer.Settle(w.transaction, verdict)); err != nil {
		return w.inDoubt(err)
	}
	if state, err = w.await(ctx, provider.PhaseSettled); err != nil {
		return w.inDoubt(err)
	}
	return w.settled(ctx, state, verdict, proof, ran)
}

// begin uploads and starts the transaction. When the connection breaks meanwhile
// it is not sent again: the host says whether it began.
func (w *work) begin(ctx context.Context, tx provider.Transaction) (Result, bool) {
	out, err := w.conn.Run(ctx, w.fleet.Family.Changer.Begin(tx))
	state, ok := provider.ReadState(out.Stdout)
	if err != nil || !ok {
		if err == nil {
			err = fmt.Errorf("begin the transaction: exit %d: %s", out.Exit, provider.Printable(tail(out.Stderr)))
		}
		if state, lost := w.status(ctx, provider.PhaseReady, 0); lost == nil && state.Phase != provider.PhaseNone {
			return Result{}, true
		}
		return w.inDoubt(err), false // an upload may still be under way there
	}
	if state.Phase != provider.PhaseNone {
		return Result{}, true
	}
	status := Failed
	if state.Kind == "locked" {
		status = Locked
	}
	r := w.result(status, state.Failure, "nothing was changed")
	r.Kind = state.Kind
	return r, false
}

// prove looks a third time, asks the services, and tries a fresh login. Plug-ins
// and jobs may come up after the ports: they get half of the host's patience.
func (w *work) prove(ctx context.Context, judge func(provider.Look) provider.Proof, state provider.State) provider.Proof {
	limit := w.fleet.Now().Add(w.goal.Options.ConfirmTimeout / 2)
	for {
		proof := w.proveOnce(ctx, judge, state)
		if len(proof.Missing) == 0 || len(proof.Contradictions) > 0 || w.fleet.Now().After(limit) || !pause(ctx, time.Second) {
			w.tryLogin(ctx, &proof)
			return proof
		}
	}
}

func (w *work) proveOnce(ctx context.Context, judge func(provider.Look) provider.Proof, state provider.State) provider.Proof {
	after, err := w.lookAgain(ctx)
	if err != nil { // without any look nothing is proven: asked again, and undone in the end
		w.hangUp()
		return provider.Proof{Missing: []string{"the look after the change: " + provider.Printable(err.Error())}}
	}
	after.Facts.Transaction = nil // it is ours
	proof := judge(after)
	if state.PID != 0 && after.Facts.Service.PID != state.PID {
		proof.Contradictions = append(proof.Contradictions, "the service restarted by itself after it was ready")
	}
	return proof
}

// lookAgain looks over the connection there is, or a new one.
func (w *work) lookAgain(ctx context.Context) (provider.Look, error) {
	if err := w.connected(ctx); err != nil {
		return provider.Look{}, err
	}
	return w.fleet.look(ctx, w.conn, w.goal, afterQuestions)
}

func (w *work) tryLogin(ctx context.Context, proof *provider.Proof) {
	err := w.freshLogin(ctx)
	if errors.Is(err, transport.ErrUnreachable) || errors.Is(err, transport.ErrTimeout) {
		err = w.freshLogin(ctx)
	}
	switch {
	case err == nil:
	case errors.Is(err, transport.ErrAuth), errors.Is(err, transport.ErrElevate), errors.Is(err, transport.ErrHostKey):
		proof.Contradictions = append(proof.Contradictions, "a fresh login does not elevate any more: "+provider.Printable(err.Error()))
	default:
		proof.Open = append(proof.Open, "a fresh login: "+provider.Printable(err.Error()))
	}
}

// freshLogin shows that the way in still leads to root: the agent we restarted may
// be what grants it.
func (w *work) freshLogin(ctx context.Context) error {
	conn, err := w.dialSame(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Run(ctx, transport.Script{Name: "login.sh", Text: ":", Elevate: true})
	return err
}

// settled reads how the host says the transaction ended.
func (w *work) settled(ctx context.Context, state provider.State, verdict provider.Verdict, proof provider.Proof, ran bool) Result {
	r := w.result(Done, "", "")
	r.Down, r.Log, r.Details, r.Kind = state.Down, printableLines(state.Log), printable(state.Details), state.Kind
	r.Supervisor = provider.Printable(state.Supervisor)
	r.Restarted = (state.PID != 0 || state.Down > 0) && w.plan.Restarts(w.host)
	objections := strings.Join(append(proof.Contradictions, proof.Missing...), "; ")
	if state.Ending == provider.Committed {
		if r.Changes = w.made; r.Changes == nil { // of an earlier attempt
			r.Changes = w.host.Changes
		}
		if verdict != provider.Commit {
			r.Status, r.Reason = Failed, "the host kept what was not proven: "+cmp.Or(objections, "no verdict was given")
		} else if r.Open = proof.Open; len(r.Open) > 0 {
			r.Status = Unverified
		}
		return r
	}
	r.Status, r.Hint = RolledBack, "the host is as it was; mend the cause, then plan again"
	if w.host.Undoes != "" {
		r.Hint = "the host is as it was before the rollback; mend the cause, then resume it"
	}
	r.Reason = cmp.Or(objections, provider.Printable(state.Failure), strings.Join(proof.Open, "; "), "the host settled before a verdict came")
	switch {
	case state.Ending != provider.Undone:
		r.Status, r.Hint = Failed, "look at the host: not everything could be restored"
	case ran && !w.runsAgain(ctx):
		r.Status, r.Hint = Failed, "look at the host: the service did not come back after the undo"
	case state.Kind == "stale":
		r.Status, r.Hint = Stale, planAgain
	case state.Kind == "locked":
		r.Status = Locked
	}
	return r
}

// runsAgain waits until the service that ran before the undo runs again.
func (w *work) runsAgain(ctx context.Context) bool {
	limit := w.fleet.Now().Add(w.goal.Options.StartTimeout)
	for {
		out, err := w.ask(ctx, w.fleet.Family.Looker.Look(w.goal))
		if err != nil {
			return false
		}
		if facts, err := w.fleet.Family.Looker.Read(out); err == nil && facts.Service.Active {
			return true
		}
		if w.fleet.Now().After(limit) || !pause(ctx, time.Second) {
			return false
		}
	}
}

func beforeQuestions(g provider.Goal, f provider.Facts) []transport.Question {
	return provider.ProofQuestions(g, f, false)
}

func afterQuestions(g provider.Goal, f provider.Facts) []transport.Question {
	f.Transaction = nil // it is ours
	return provider.ProofQuestions(g, f, true)
}
