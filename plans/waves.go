package plans

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kepmctl/kepmctl/provider"
)

// A Stop is why a rollout did not go on.
type Stop struct {
	Kind    StopKind `json:"kind"`
	Rollout string   `json:"rollout"`
	Wave    string   `json:"wave"`
	Reason  string   `json:"reason"`
}

func (s *Stop) Error() string {
	return fmt.Sprintf("stopped in wave %q of rollout %q: %s", s.Wave, s.Rollout, s.Reason)
}

// StopKind is a reason for which a rollout stops.
type StopKind string

// Kinds of stops.
const (
	StopFailed      StopKind = "failed"      // more hosts failed than allowed
	StopUnreachable StopKind = "unreachable" // more hosts gave no answer than allowed
	StopApproval    StopKind = "approval"    // a wave waits for a person
	StopWindow      StopKind = "window"      // hosts wait for their window
	StopInterrupted StopKind = "interrupted" // a person said so
	StopJournal     StopKind = "journal"     // what is done could not be written down
)

// Pauses says whether the rollout only waits, and nothing went wrong.
func (k StopKind) Pauses() bool { return k == StopApproval || k == StopWindow }

// A course is one rollout's way through its waves.
type course struct {
	fleet   Fleet
	options ApplyOptions
	plan    *Plan
	rollout Rollout
	hosts   []HostPlan
	goals   map[string]provider.Goal
	waves   [][]int  // by wave: which of hosts
	results []Result // of the whole run; each host's is written by its worker alone
	carry   func(h HostPlan, wave string) Result
	report  func(Event)

	cancel context.CancelCauseFunc
	mu     sync.Mutex
	begun  int // hosts of the waves begun so far
	failed int // failed, rolled back, in doubt
	silent int
}

// run goes through the waves and returns why it stopped; nil: it came to the end.
func (c *course) run(stop context.Context) *Stop {
	ctx, cancel := context.WithCancelCause(stop)
	defer cancel(nil)
	c.cancel = cancel
	for w, hosts := range c.waves {
		if len(hosts) == 0 {
			continue
		}
		why := c.wave(ctx, w, hosts)
		if why == nil {
			why = c.mayGoOn(w)
		}
		if why == nil {
			continue
		}
		why.Rollout, why.Wave = c.rollout.Name, c.rollout.Waves[w].Name
		c.leave(why)
		_ = c.record(Entry{Type: RolloutStopped, Rollout: why.Rollout, Wave: why.Wave, Stop: why}) // the run ends in any case
		return why
	}
	return nil
}

// wave changes the wave's hosts, waits for its soak and looks again.
func (c *course) wave(ctx context.Context, w int, hosts []int) *Stop {
	wave := c.rollout.Waves[w]
	at := step{c.rollout.Name, wave.Name}
	var todo []int
	c.begun += len(hosts)
	for _, i := range hosts {
		if r, stands := c.standing(i); stands {
			c.results[i] = r
			c.count(r, 1)
			continue
		}
		todo = append(todo, i)
	}
	if stop := c.overBudget(); stop != nil {
		return stop
	}
	if len(todo) == 0 && c.options.Earlier.passed[at] {
		return nil
	}
	if err := c.record(Entry{Type: WaveBegun, Rollout: at.rollout, Wave: at.wave}); err != nil {
		return &Stop{Kind: StopJournal, Reason: err.Error()}
	}
	c.report(Event{Type: WaveStarted, Rollout: at.rollout, Wave: at.wave, Message: fmt.Sprintf("%d hosts", len(todo))})
	eachWithin(ctx, len(todo), c.parallelism(), func(n int) []limited { return c.limits(todo[n]) },
		func(ctx context.Context, n int) { c.host(ctx, todo[n], wave.Name) })
	if stop := c.overBudget(); stop != nil {
		return stop
	}
	if stop := stopOf(ctx); stop != nil && (wave.Soak > 0 || c.left()) {
		return stop
	}
	if stop := c.unbegun(todo); stop != nil {
		return stop
	}
	if stop := c.soak(ctx, wave, hosts); stop != nil { // also of hosts that an earlier attempt changed
		return stop
	}
	if err := c.record(Entry{Type: WavePassed, Rollout: at.rollout, Wave: at.wave}); err != nil {
		return &Stop{Kind: StopJournal, Reason: err.Error()}
	}
	return nil
}

// parallelism is how many hosts may be in flight: the rollout's, or fewer.
func (c *course) parallelism() int {
	if c.options.Parallelism > 0 {
		return min(c.rollout.Parallelism, c.options.Parallelism)
	}
	return c.rollout.Parallelism
}

// stopOf is why the context ended.
func stopOf(ctx context.Context) *Stop {
	if ctx.Err() == nil {
		return nil
	}
	if stop, ok := errors.AsType[*Stop](context.Cause(ctx)); ok {
		return stop
	}
	return &Stop{Kind: StopInterrupted, Reason: "interrupted"}
}

// host carries out one host's part, in its window.
func (c *course) host(ctx context.Context, i int, wave string) {
	h := c.hosts[i]
	if next, ok := c.inWindow(ctx, h); !ok {
		if ctx.Err() == nil {
			c.results[i] = closed(h.Name, next)
		}
		return
	}
	r := c.carry(h, wave)
	c.results[i] = r
	if k := StopKind(r.Kind); r.Status == Skipped && (k == StopWindow || k == StopInterrupted) {
		return // it was not begun
	}
	if r.Status == Skipped { // it could not be written down
		c.cancel(&Stop{Kind: StopJournal, Reason: r.Reason})
		return
	}
	c.end(r, wave)
	c.count(r, 1)
	if stop := c.overBudget(); stop != nil {
		c.cancel(stop)
	}
}

// closed is the result of a host whose window is.
func closed(host string, next time.Time) Result {
	why := "its window is never open for long enough"
	if !next.IsZero() {
		why = "its window opens at " + next.UTC().Format(time.RFC3339)
	}
	return Result{Host: host, Status: Skipped, Kind: string(StopWindow), Reason: why}
}

// end writes a host's result down and tells of it.
func (c *course) end(r Result, wave string) {
	if err := c.record(Entry{Type: HostEnded, Host: r.Host, Rollout: c.rollout.Name, Wave: wave, Result: &r}); err != nil {
		c.cancel(&Stop{Kind: StopJournal, Reason: err.Error()})
	}
	c.report(Event{Type: HostDone, Host: r.Host, Wave: wave, Status: r.Status, Message: r.Reason})
}

// inWindow says whether the host may begin now; if not, when. It waits for that
// where the options say so.
func (c *course) inWindow(ctx context.Context, h HostPlan) (next time.Time, ok bool) {
	o := c.plan.Baselines[h.Baseline].Options.provider()
	needs := provider.Transaction{StartTimeout: o.StartTimeout, ConfirmTimeout: o.ConfirmTimeout}.Limit()
	for {
		next, ok = c.plan.opens(h, c.fleet.Now(), needs)
		if ok || !c.options.WaitForWindow || next.IsZero() {
			return next, ok
		}
		// A clock may be put right meanwhile: it is read again and again.
		if !pause(ctx, min(next.Sub(c.fleet.Now())+time.Second, time.Minute)) {
			return next, false
		}
	}
}

// opens says whether one of the host's windows is open for long enough, else when
// the first of them opens.
func (p *Plan) opens(h HostPlan, now time.Time, needs time.Duration) (next time.Time, open bool) {
	if h.Turn == nil || len(h.Turn.Windows) == 0 {
		return now, true
	}
	for _, w := range h.Turn.Windows {
		open, at := p.Windows[w].Opens(now, needs)
		if open {
			return now, true
		}
		if next.IsZero() || (!at.IsZero() && at.Before(next)) {
			next = at
		}
	}
	return next, false
}

func (c *course) limits(i int) []limited {
	var list []limited
	for n, value := range c.hosts[i].Turn.Limits {
		if value != "" {
			l := c.rollout.Limits[n]
			list = append(list, limited{l.Name + "\x00" + value, l.Count})
		}
	}
	return list
}

func (c *course) record(e Entry) error { return c.options.record(c.fleet.Now(), e) }

func (c *course) count(r Result, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch r.Status {
	case Failed, RolledBack, InDoubt:
		c.failed += n
	case Unreachable:
		c.silent += n
	}
}

// overBudget says whether more hosts failed, or gave no answer, than are allowed.
func (c *course) overBudget() *Stop {
	c.mu.Lock()
	defer c.mu.Unlock()
	if allowed := c.rollout.MaxFailed.Of(c.begun); c.failed > allowed {
		return &Stop{Kind: StopFailed, Reason: fmt.Sprintf("%d of %d hosts failed (%d allowed)", c.failed, c.begun, allowed)}
	}
	if allowed := c.rollout.MaxUnreachable.Of(c.begun); c.silent > allowed {
		return &Stop{Kind: StopUnreachable, Reason: fmt.Sprintf("%d of %d hosts gave no answer (%d allowed)", c.silent, c.begun, allowed)}
	}
	return nil
}

// unbegun says whether hosts of the wave still wait for their window.
func (c *course) unbegun(todo []int) *Stop {
	waiting, first := 0, ""
	for _, i := range todo {
		if r := c.results[i]; r.Status == Skipped && r.Kind == string(StopWindow) {
			waiting++
			first = cmp.Or(first, r.Host+": "+r.Reason)
		}
	}
	if waiting == 0 {
		return nil
	}
	return &Stop{Kind: StopWindow, Reason: fmt.Sprintf("%d hosts wait for their window (%s)", waiting, first)}
}

// soak waits, then looks again at what the wave changed: nothing got worse.
func (c *course) soak(ctx context.Context, wave Wave, hosts []int) *Stop {
	if wave.Soak == 0 {
		return nil
	}
	c.report(Event{Type: WaveSoaks, Rollout: c.rollout.Name, Wave: wave.Name, Message: fmt.Sprintf("soaking for %s", seconds(wave.Soak))})
	if !pause(ctx, seconds(wave.Soak)) {
		return stopOf(ctx)
	}
	each(ctx, len(hosts), c.parallelism(), func(ctx context.Context, n int) {
		i := hosts[n]
		r := c.results[i]
		if r.Status != Done && r.Status != Unverified {
			return
		}
		l := c.fleet.lookAt(ctx, c.plan.goal(c.hosts[i], c.goals[c.hosts[i].Name]), notLong)
		switch worse := c.plan.worse(c.hosts[i], l.findings); {
		case ctx.Err() != nil:
			return
		case l.problem != nil:
			c.count(Result{Status: Unreachable}, 1)
			r.Details = append(r.Details, "after the soak it gave no answer: "+l.problem.Message)
		case len(worse) > 0:
			c.count(Result{Status: Failed}, 1)
			r.Status, r.Reason, r.Hint = Failed, "after the soak: "+strings.Join(worse, "; "), "look at the host: somebody, or the agent, changed it again"
		default:
			return
		}
		c.results[i] = r
		c.end(r, wave.Name)
	})
	return cmp.Or(c.overBudget(), stopOf(ctx))
}

// worse is what is not right now though it was, or was made so.
func (p *Plan) worse(h HostPlan, now []provider.Finding) []string {
	left := map[string]bool{}
	for _, i := range h.Findings {
		f := p.Findings[i]
		if !slices.ContainsFunc(h.Changes, func(n int) bool { return p.Changes[n].Control == f.Address }) {
			left[f.Address] = true
		}
	}
	var list []string
	for _, f := range now {
		if f.Outcome == provider.NonCompliant && !left[f.Address] {
			list = append(list, provider.Printable(fmt.Sprintf("%s is %s", f.Address, cmp.Or(f.Have, f.Reason, "not as wanted"))))
		}
	}
	return list
}

// mayGoOn says whether a wave that passed needs a person before the next one.
func (c *course) mayGoOn(w int) *Stop {
	at := step{c.rollout.Name, c.rollout.Waves[w].Name}
	if !c.rollout.Waves[w].Approve || c.options.Earlier.approved[at] {
		return nil
	}
	for _, later := range c.waves[w+1:] {
		if len(later) > 0 {
			return &Stop{Kind: StopApproval, Reason: "it passed, and a person must approve the next wave"}
		}
	}
	return nil
}

// standing is the result that a host has from an earlier attempt of the run.
func (c *course) standing(i int) (Result, bool) {
	r, ok := c.options.Earlier.Results[c.hosts[i].Name]
	return r, ok && r.Status != Locked && r.Status != Skipped
}

// left says whether hosts are not begun yet: an interrupt that came when all were
// begun stopped nothing.
func (c *course) left() bool {
	for _, hosts := range c.waves {
		for _, i := range hosts {
			if _, stands := c.standing(i); !stands && c.results[i].Status == "" {
				return true
			}
		}
	}
	return false
}

// leave gives the hosts that were not begun their result.
func (c *course) leave(why *Stop) {
	for _, hosts := range c.waves {
		for _, i := range hosts {
			if r, stands := c.standing(i); stands && c.results[i].Status == "" {
				c.results[i] = r
			}
			if c.results[i].Status == "" {
				c.results[i] = Result{Host: c.hosts[i].Name, Status: Skipped, Kind: string(why.Kind), Reason: why.Error()}
			}
		}
	}
}
