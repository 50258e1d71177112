package plans

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kepmctl/kepmctl/provider"
)

// ApplyOptions say how a plan is carried out.
type ApplyOptions struct {
	Run           string            // name of the run, [0-9a-z-]
	Owner         string            // who applies, for the hosts' logs
	RequireProof  bool              // an open question of the proof undoes the host
	Parallelism   int               // lowers that of rollouts; 0: as they say
	FailStale     bool              // look at all hosts first, and change none if one is stale
	WaitForWindow bool              // wait where a host's window is closed
	Stop          context.Context   // done: start no further host, finish those in flight
	Record        func(Entry) error // writes the run's journal; nil: there is none
	Earlier       Progress          // of the run that is resumed; zero: it is new
}

// record writes an entry of this instant down, if there is a journal.
func (o ApplyOptions) record(now time.Time, e Entry) error {
	if o.Record == nil {
		return nil
	}
	e.Time = now.UTC()
	return o.Record(e)
}

// transaction names the run's transaction on hosts: each attempt has its own.
func (o ApplyOptions) transaction() string {
	if o.Earlier.Attempts == 0 {
		return o.Run
	}
	return fmt.Sprintf("%s-%d", o.Run, o.Earlier.Attempts+1)
}

// An UnfitError says that a plan no longer fits; nothing was changed.
type UnfitError struct {
	Reason string
	Hosts  []string
	Hint   string
}

func (e *UnfitError) Error() string {
	if len(e.Hosts) == 0 {
		return "the plan no longer fits: " + e.Reason
	}
	const most = 5
	names := strings.Join(e.Hosts[:min(len(e.Hosts), most)], ", ")
	if len(e.Hosts) > most {
		names += fmt.Sprintf(" (and %d more)", len(e.Hosts)-most)
	}
	return "the plan no longer fits: " + e.Reason + ": " + names
}

// maxAhead is how far the clock of who made a plan may be ahead of this one.
const maxAhead = 10 * time.Minute

const planAgain = "make a new plan"

// Apply carries out exactly what the plan says on the hosts that have changes, wave
// by wave; rollouts go side by side. Goals say how hosts are reached. It returns an
// *UnfitError before any host is touched; whatever happens afterwards is in the outcome.
func (f Fleet) Apply(ctx context.Context, p *Plan, goals []provider.Goal, o ApplyOptions) (Outcome, error) {
	reach, err := f.reaches(p, goals, o.Earlier.Attempts == 0)
	if err != nil {
		return Outcome{}, err
	}
	var hosts []HostPlan
	for _, h := range p.Hosts {
		if len(h.Changes) > 0 && h.Problem == nil {
			hosts = append(hosts, h)
		}
	}
	if o.FailStale {
		if err := f.noneStale(o.Stop, p, hosts, reach); err != nil {
			return Outcome{}, err
		}
	}
	left := len(hosts)
	for _, h := range hosts {
		if _, ended := o.Earlier.Results[h.Name]; ended {
			left--
		}
	}
	report := f.counter(left)
	begin := func(h HostPlan, wave string) *work {
		w := &work{fleet: f, options: o, plan: p, host: h, goal: p.goal(h, reach[h.Name]), wave: wave, transaction: o.transaction()}
		w.step = func(message string) { report(Event{Type: HostStep, Host: h.Name, Wave: wave, Message: message}) }
		return w
	}
	undone := f.recover(ctx, p, hosts, &o, begin)
	results := make([]Result, len(hosts))
	courses := p.courses(hosts)
	stops := make([]*Stop, len(courses))
	var group sync.WaitGroup
	for i, c := range courses {
		c.fleet, c.options, c.hosts, c.goals, c.results, c.report = f, o, hosts, reach, results, report
		c.carry = func(h HostPlan, wave string) Result { return undone[h.Name].then(begin(h, wave).carryOut(ctx)) }
		group.Go(func() { stops[i] = c.run(o.Stop) })
	}
	group.Wait()
	out := Outcome{Run: o.Run, Results: results}
	for _, s := range stops {
		if s != nil {
			out.Stops = append(out.Stops, *s)
		}
	}
	return out, nil
}

// courses are the ways of the plan's rollouts through their waves.
func (p *Plan) courses(hosts []HostPlan) []*course {
	list := make([]*course, len(p.Rollouts))
	for i, r := range p.Rollouts {
		list[i] = &course{plan: p, rollout: r, waves: make([][]int, len(r.Waves))}
	}
	for i, h := range hosts {
		waves := list[h.Turn.Rollout].waves
		waves[h.Turn.Wave] = append(waves[h.Turn.Wave], i)
	}
	return list
}

// Fits says whether Apply would begin a plan; if not, it is an *UnfitError.
func (f Fleet) Fits(p *Plan, goals []provider.Goal) error {
	_, err := f.reaches(p, goals, true)
	return err
}

// reaches checks everything that can be known without asking a host, and says how hosts
// are reached. A run that began in time may be resumed later.
func (f Fleet) reaches(p *Plan, goals []provider.Goal, fresh bool) (map[string]provider.Goal, error) {
	if now := f.Now(); fresh && now.After(p.Expires) {
		return nil, &UnfitError{Reason: "it expired at " + p.Expires.Format(time.RFC3339), Hint: planAgain}
	}
	if now := f.Now(); fresh && now.Add(maxAhead).Before(p.Created) {
		return nil, &UnfitError{Reason: fmt.Sprintf("it was made at %s, and here it is %s: one of the clocks is wrong", p.Created.Format(time.RFC3339), now.UTC().Format(time.RFC3339)), Hint: "set the clock right"}
	}
	if p.Scripts != f.Family.Digest {
		return nil, &UnfitError{Reason: fmt.Sprintf("it was made by kepmctl %s, whose scripts differ from this one's", provider.Printable(p.Tool)), Hint: planAgain + ", or use that version"}
	}
	reach := map[string]provider.Goal{}
	for _, g := range goals {
		reach[g.Host.Name] = g
	}
	var missing, moved []string
	for _, h := range p.Hosts {
		switch g, ok := reach[h.Name]; {
		case !ok:
			missing = append(missing, h.Name)
		case Reach(g) != h.Reach:
			moved = append(moved, h.Name)
		}
	}
	switch {
	case len(missing) > 0:
		return nil, &UnfitError{Reason: "the configuration no longer has these hosts", Hosts: missing, Hint: planAgain}
	case len(moved) > 0:
		return nil, &UnfitError{Reason: "the configuration reaches these hosts in another way than when it was made", Hosts: moved, Hint: planAgain}
	}
	return reach, nil
}

// noneStale looks at every host that has changes and changes none.
func (f Fleet) noneStale(ctx context.Context, p *Plan, hosts []HostPlan, reach map[string]provider.Goal) error {
	stale := make([]string, len(hosts))
	each(ctx, len(hosts), f.Parallelism, func(ctx context.Context, i int) {
		g := p.goal(hosts[i], reach[hosts[i].Name])
		l := f.lookAt(ctx, g, notLong)
		if l.problem == nil {
			if _, _, why := p.match(hosts[i], l.look, l.findings); why != "" {
				stale[i] = hosts[i].Name
			}
		}
	})
	stale = slices.DeleteFunc(stale, func(s string) bool { return s == "" })
	if len(stale) > 0 {
		return &UnfitError{Reason: "these hosts are no longer what was planned for", Hosts: stale, Hint: planAgain + ", or leave them out with --stale skip"}
	}
	return ctx.Err()
}

// match compares a second look with the plan, by address: each planned change is
// still to be made (it is returned, with which of the plan's it is), already made, or the host is stale.
func (p *Plan) match(h HostPlan, l provider.Look, findings []provider.Finding) (todo []provider.Change, of []int, stale string) {
	if why := p.moved(h, l); why != "" {
		return nil, nil, why
	}
	byControl := map[string]provider.Finding{}
	for _, f := range findings {
		byControl[f.Address] = f
	}
	for _, i := range h.Changes {
		planned := p.Changes[i]
		f := byControl[planned.Control]
		// What a change asks of the service depends on whether it runs just now.
		at := slices.IndexFunc(f.Changes, func(c provider.Change) bool {
			c.Effect = planned.Effect
			if c.Action == provider.Replace { // how far a date is off is no part of the plan
				c.From = planned.From
			}
			return c == planned
		})
		switch {
		case at >= 0 && planned.Effect == provider.NoEffect && f.Changes[at].Effect == provider.Restart:
			return nil, nil, planned.Control + " would now restart the service, which was not planned"
		case at >= 0:
			todo, of = append(todo, f.Changes[at]), append(of, i)
		case f.Outcome == provider.Compliant:
		default:
			return nil, nil, fmt.Sprintf("%s is now %s", planned.Control, cmp.Or(f.Have, f.Reason, "not judged"))
		}
	}
	return todo, of, ""
}

// moved says what about the host itself is not as planned.
func (p *Plan) moved(h HostPlan, l provider.Look) string {
	for _, c := range []struct{ what, planned, now string }{
		{"host key", h.HostKey, l.Peer.HostKey},
		{"system", h.System, string(l.Facts.System.OS)},
		{"agent version", h.Version, l.Facts.Version},
		{"install root", h.Root, l.Facts.Root()},
	} {
		if c.planned != c.now {
			return provider.Printable(fmt.Sprintf("its %s was %q and is %q", c.what, c.planned, c.now))
		}
	}
	return ""
}
