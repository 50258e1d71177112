package plans

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kepmctl/kepmctl/provider"
	"github.com/kepmctl/kepmctl/transport"
)

// A lab is a fleet of stand-ins h00, h01 ... and what it journals.
type lab struct {
	fleet Fleet
	hosts dialer
	goals []provider.Goal

	mu      sync.Mutex
	entries []Entry
}

func newLab(n int) *lab {
	l := &lab{hosts: dialer{}}
	for i := range n {
		name := fmt.Sprintf("h%02d", i)
		h := &standIn{name: name, settings: `{"AllowedHosts":"*"}`, key: "k", version: "2"}
		l.hosts[name] = h
		l.goals = append(l.goals, goal(name))
	}
	l.fleet = one(&standIn{})
	l.fleet.Dialer = l.hosts
	f := family{all: l.hosts}
	l.fleet.Family = provider.Family{Looker: f, Changer: f, Keeper: f, Digest: "d"}
	return l
}

func (l *lab) plan(t *testing.T, r Rollout, place func(i int) Place) *Plan {
	t.Helper()
	terms := terms
	if len(r.Waves) > 0 {
		r.Name, r.Parallelism, r.Keep = "r", max(r.Parallelism, 1), 5
		terms.Rollouts = []Rollout{r}
		terms.Places = map[string]Place{}
		for i, g := range l.goals {
			if place == nil {
				terms.Places[g.Host.Name] = Place{}
			} else {
				terms.Places[g.Host.Name] = place(i)
			}
		}
	}
	p, err := l.fleet.Make(t.Context(), l.goals, terms)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (l *lab) record(e Entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, e)
	return nil
}

func (l *lab) apply(t *testing.T, p *Plan, change func(*ApplyOptions)) Outcome {
	t.Helper()
	o := options()
	o.Record = l.record
	if change != nil {
		change(&o)
	}
	out, err := l.fleet.Apply(t.Context(), p, l.goals, o)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// waves are the plan's hosts by wave.
func waves(p *Plan) string {
	var list []string
	for _, r := range p.Rollouts {
		for w, wave := range r.Waves {
			var names []string
			for _, h := range p.Hosts {
				if h.Turn != nil && p.Rollouts[h.Turn.Rollout].Name == r.Name && h.Turn.Wave == w {
					names = append(names, h.Name)
				}
			}
			list = append(list, fmt.Sprintf("%s/%s:%d", r.Name, wave.Name, len(names)))
		}
	}
	return strings.Join(list, " ")
}

func all(i int) Place { return Place{} }

func TestPlace(t *testing.T) {
	size := func(n int) *provider.Share { return &provider.Share{Value: n} }
	for name, c := range map[string]struct {
		hosts int
		waves []Wave
		place func(int) Place
		want  string
	}{
		"ten hosts without a rollout":    {10, nil, nil, "careful/all:10"},
		"eleven hosts without a rollout": {11, nil, nil, "careful/first:1 careful/tenth:2 careful/rest:8"},
		"a number, a share, the rest":    {30, []Wave{{Name: "a", Size: size(2)}, {Name: "b", Size: &provider.Share{Value: 10, Percent: true}}, {Name: "c"}}, all, "r/a:2 r/b:3 r/c:25"},
		"what is left gets a wave":       {5, []Wave{{Name: "a", Size: size(2)}}, all, "r/a:2 r/rest:3"},
		"even where that name is taken":  {5, []Wave{{Name: "rest", Size: size(2)}}, all, "r/rest:2 r/the_rest:3"},
		"candidates and a size":          {9, []Wave{{Name: "a", Size: size(2)}, {Name: "b"}}, func(i int) Place { return Place{Fits: []bool{i > 5, true}} }, "r/a:2 r/b:7"},
		"too large a size":               {3, []Wave{{Name: "a", Size: size(99)}, {Name: "b"}}, all, "r/a:3 r/b:0"},
		"a share is rounded up":          {3, []Wave{{Name: "a", Size: &provider.Share{Value: 1, Percent: true}}, {Name: "b"}}, all, "r/a:1 r/b:2"},
	} {
		p := newLab(c.hosts).plan(t, Rollout{Waves: c.waves}, c.place)
		if got := waves(p); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
		if err := p.validateTurns(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Two rollouts never share a name, and a plan in which they do is refused.
func TestNamesOfRollouts(t *testing.T) {
	l := newLab(12)
	p := l.plan(t, Rollout{Waves: []Wave{{Name: "first"}}}, func(i int) Place { return Place{Rollout: -(i % 2)} })
	if got := waves(p); got != "r/first:6 careful/first:1 careful/tenth:1 careful/rest:4" {
		t.Error(got)
	}
	terms := Terms{Rollouts: []Rollout{{Name: "careful", Parallelism: 1, Keep: 1, Waves: []Wave{{Name: "a"}}}}}
	p.place(terms)
	if got := p.Rollouts[1].Name; got != "the_careful" {
		t.Errorf("the built-in one is called %q", got)
	}
	p.Rollouts[1].Name = "careful"
	if p.validateTurns() == nil {
		t.Error("two rollouts of one name are accepted")
	}
}

// A second interrupt before anything was begun leaves a host untouched, not silent.
func TestCutOffBeforeItBegan(t *testing.T) {
	l := newLab(1)
	p := l.plan(t, Rollout{Waves: []Wave{{Name: "all"}}}, nil)
	hard, cut := context.WithCancel(t.Context())
	cut()
	l.hosts["h00"].dialErr = context.Canceled
	o := options()
	o.Record = l.record
	out, err := l.fleet.Apply(hard, p, l.goals, o)
	if err != nil || out.Results[0].Status != Skipped || out.Results[0].Kind != string(StopInterrupted) {
		t.Errorf("%+v, %v", out, err)
	}
	if n := len(Replay(l.entries).Results); n != 0 {
		t.Errorf("%d results are written down", n)
	}
}

// The first hosts are like the fleet: a third of each kind in a third of the hosts.
func TestSpread(t *testing.T) {
	p := newLab(60).plan(t, Rollout{Waves: []Wave{{Name: "a", Size: &provider.Share{Value: 20}}, {Name: "b"}}},
		func(i int) Place { return Place{Spread: []string{"x", "y", "x", "z"}[i%4]} })
	got := map[int]int{}
	for i, h := range p.Hosts {
		if h.Turn.Wave == 0 {
			got[i%4]++
		}
	}
	if got[0]+got[2] != 10 || got[1] != 5 || got[3] != 5 {
		t.Errorf("the first wave has %v", got)
	}
}

func TestBudgetStops(t *testing.T) {
	l := newLab(40)
	p := l.plan(t, Rollout{MaxFailed: provider.Share{Value: 10, Percent: true}, Waves: []Wave{{Name: "canary", Size: &provider.Share{Value: 10}}, {Name: "rest"}}}, nil)
	bad := false
	for _, h := range p.Hosts { // one of the canaries, and all of the rest
		if h.Turn.Wave == 1 || !bad {
			l.hosts[h.Name].fails = "agent"
			bad = bad || h.Turn.Wave == 0
		}
	}
	out := l.apply(t, p, nil)
	want := []Stop{{Kind: StopFailed, Rollout: "r", Wave: "rest", Reason: "5 of 40 hosts failed (4 allowed)"}}
	if d := cmp.Diff(want, out.Stops); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if out.Count(Done) != 9 || out.Count(RolledBack) != 5 || out.Count(Skipped) != 26 {
		t.Errorf("done %d, rolled back %d, skipped %d", out.Count(Done), out.Count(RolledBack), out.Count(Skipped))
	}
	// It goes on only when the failed ones are tried again, and leaves the others alone.
	for _, h := range l.hosts {
		h.fails, h.scripts = "", nil
	}
	earlier := Replay(append([]Entry{{Type: RunBegun, Attempt: 1}}, l.entries...))
	out = l.apply(t, p, func(o *ApplyOptions) { o.Earlier = earlier })
	if len(out.Stops) != 1 || out.Count(Done) != 9 {
		t.Errorf("resumed at once: %+v", out.Stops)
	}
	earlier.Again(Failed, RolledBack)
	done := earlier.Results
	out = l.apply(t, p, func(o *ApplyOptions) { o.Earlier = earlier })
	if len(out.Stops) != 0 || out.Count(Done) != 40 {
		t.Errorf("resumed: %+v, done %d", out.Stops, out.Count(Done))
	}
	for name, r := range done {
		if r.Status == Done && len(l.hosts[name].scripts) != 0 {
			t.Errorf("%s was asked again: %v", name, l.hosts[name].scripts)
		}
	}
}

// A dead network is not a broken fleet: it has a budget of its own.
func TestUnreachableHasItsOwnBudget(t *testing.T) {
	l := newLab(10)
	p := l.plan(t, Rollout{MaxUnreachable: provider.Share{Value: 2}, Waves: []Wave{{Name: "all"}}}, nil)
	for _, h := range l.hosts {
		h.dialErr = &transport.Error{Kind: transport.ErrUnreachable, Doing: "dial"}
	}
	out := l.apply(t, p, nil)
	if len(out.Stops) != 1 || out.Stops[0].Kind != StopUnreachable || out.Count(Unreachable) != 3 {
		t.Errorf("%+v, %d unreachable", out.Stops, out.Count(Unreachable))
	}
}

func TestApproval(t *testing.T) {
	l := newLab(4)
	p := l.plan(t, Rollout{Waves: []Wave{{Name: "a", Size: &provider.Share{Value: 1}, Approve: true}, {Name: "b"}}}, nil)
	out := l.apply(t, p, nil)
	if len(out.Stops) != 1 || out.Stops[0].Kind != StopApproval || out.Count(Done) != 1 || out.Count(Skipped) != 3 {
		t.Fatalf("%+v", out)
	}
	progress := Replay(append([]Entry{{Type: RunBegun, Attempt: 1}}, l.entries...))
	waiting := progress.Waiting(p)
	if len(waiting) != 1 || waiting[0].Wave != "a" {
		t.Fatalf("waiting: %+v", waiting)
	}
	progress.Approve(waiting[0])
	if out = l.apply(t, p, func(o *ApplyOptions) { o.Earlier = progress }); len(out.Stops) != 0 || out.Count(Done) != 4 {
		t.Errorf("%+v", out)
	}
}

// A wave soaks, is looked at again, and what somebody changed meanwhile is a failure.
func TestSoak(t *testing.T) {
	l := newLab(3)
	p := l.plan(t, Rollout{Waves: []Wave{{Name: "a", Size: &provider.Share{Value: 1}, Soak: 0.01}, {Name: "b"}}}, nil)
	for _, h := range p.Hosts {
		if h.Turn.Wave == 0 {
			l.hosts[h.Name].turns = 3 // the plan's look, the second, the proof's
		}
	}
	out := l.apply(t, p, nil)
	if len(out.Stops) != 1 || out.Stops[0].Kind != StopFailed || out.Count(Failed) != 1 || out.Count(Skipped) != 2 {
		t.Fatalf("%+v", out)
	}
	i := slices.IndexFunc(out.Results, func(r Result) bool { return r.Status == Failed })
	if why := out.Results[i].Reason; !strings.Contains(why, `after the soak: allowed_hosts is "evil"`) {
		t.Errorf("because %q", why)
	}
}

// Never two of one value in flight, yet many of different values.
func TestLimit(t *testing.T) {
	var mu sync.Mutex
	inFlight, most, together := map[int]int{}, 0, 0
	eachWithin(context.Background(), 30, 10, func(i int) []limited { return []limited{{fmt.Sprint(i / 10), 1}} }, func(_ context.Context, i int) {
		mu.Lock()
		inFlight[i/10]++
		most, together = max(most, inFlight[i/10]), max(together, inFlight[0]+inFlight[1]+inFlight[2])
		mu.Unlock()
		time.Sleep(time.Millisecond)
		mu.Lock()
		inFlight[i/10]--
		mu.Unlock()
	})
	if most != 1 || together < 2 {
		t.Errorf("%d of one value, %d together", most, together)
	}
}

func TestClosedWindowPauses(t *testing.T) {
	l := newLab(3)
	open, closed := Window{From: "11:00", To: "13:00", Zone: "UTC"}, Window{From: "22:00", To: "04:00", Zone: "UTC"} // it is 12:00
	p := l.plan(t, Rollout{Waves: []Wave{{Name: "a"}}}, func(i int) Place {
		return Place{Windows: []Window{[]Window{open, closed, closed}[i]}}
	})
	out := l.apply(t, p, nil)
	if len(out.Stops) != 1 || out.Stops[0].Kind != StopWindow || out.Count(Done) != 1 || out.Count(Skipped) != 2 {
		t.Fatalf("%+v", out)
	}
	if why := out.Results[1].Reason; why != "its window opens at 2026-11-23T22:00:00Z" {
		t.Errorf("because %q", why)
	}
}

// A run that died between a host's change and its verdict: the resumed one proves
// and commits what is still open, and begins again what went back.
func TestRecover(t *testing.T) {
	l := newLab(6)
	p := l.plan(t, Rollout{Parallelism: 6, MaxFailed: provider.Share{Value: 100, Percent: true}, Waves: []Wave{{Name: "all"}}}, nil)
	for _, h := range l.hosts {
		h.stays = true
	}
	began := time.Now()
	l.fleet.Now = func() time.Time {
		return p.Created.Add(200 * time.Minute * time.Duration(time.Since(began)/time.Second))
	}
	if out := l.apply(t, p, nil); out.Count(InDoubt) != 6 {
		t.Fatalf("%+v", out)
	}
	l.fleet.Now = func() time.Time { return p.Created }
	for _, h := range l.hosts {
		h.stays = false
	}
	l.hosts["h01"].settle(provider.Lapsed) // its time was over
	l.hosts["h02"].settle(provider.Commit) // the verdict had arrived
	l.hosts["h03"].worse = true            // it is not proven
	l.hosts["h04"].settle(provider.Undo)   // its agent had not come up
	l.hosts["h04"].fails = "agent"
	l.hosts["h05"].settle(provider.Undo) // kepmctl had found that it does not hold
	earlier := Replay(append([]Entry{{Type: RunBegun, Attempt: 1}}, l.entries...))
	if len(earlier.Open) != 6 {
		t.Fatalf("open: %v", earlier.Open)
	}
	out := l.apply(t, p, func(o *ApplyOptions) { o.Earlier = earlier })
	want := []Status{Unverified, Done, Done, RolledBack, RolledBack, RolledBack}
	for i, r := range out.Results {
		if r.Status != want[i] || strings.Contains(l.hosts[r.Host].settings, "localhost") != (i < 3) {
			t.Errorf("%s is %s (%s %v)", r.Host, r.Status, r.Reason, r.Open)
		}
	}
	for host, names := range map[string][]string{"h00": {"r1"}, "h01": {"r1", "r1-2"}, "h02": {"r1"}, "h03": {"r1"}, "h04": {"r1"}, "h05": {"r1"}} {
		if d := cmp.Diff(names, l.hosts[host].names); d != "" {
			t.Errorf("transactions of %s (-want +got)\n%s", host, d)
		}
	}
	if d := out.Results[1].Details; len(d) != 1 || !strings.Contains(d[0], "an earlier attempt was undone") {
		t.Errorf("the undone attempt is told as %q", d)
	}
}

// What a run changed is taken back where it was committed, also by a rollback that
// was itself cut off, and not where somebody changed it since.
func TestRollback(t *testing.T) {
	l := newLab(5)
	l.hosts["h04"].fails = "agent" // the run does not change it
	all := provider.Share{Value: 100, Percent: true}
	p := l.plan(t, Rollout{Parallelism: 5, MaxFailed: all, Waves: []Wave{{Name: "all", Approve: true, Soak: 1}}}, nil)
	l.apply(t, p, nil)
	done := Replay(l.entries)
	back, err := p.Rollback("r1", done.Results, p.Created, "d")
	if err != nil {
		t.Fatal(err)
	}
	if w := back.Rollouts[0].Waves[0]; w.Approve || w.Soak != 0 || len(back.Hosts) != 4 || back.Changes[0].To != `"*"` {
		t.Fatalf("%+v", back)
	}
	b, err := back.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if back, err = Decode(bytes.NewReader(b)); err != nil {
		t.Fatal(err)
	}
	l.hosts["h01"].settings = `{"AllowedHosts":"other"}`
	l.hosts["h02"].stays = true
	l.hosts["h03"].keepsNothing = true
	began := time.Now()
	l.fleet.Now = func() time.Time {
		return p.Created.Add(200 * time.Minute * time.Duration(time.Since(began)/time.Second))
	}
	l.entries = []Entry{{Type: RunBegun, Attempt: 1}}
	second := func(o *ApplyOptions) { o.Run = "r2" }
	check := func(out Outcome, want ...Status) {
		t.Helper()
		for i, r := range out.Results {
			if r.Status != want[i] {
				t.Errorf("%s is %s (%s %v)", r.Host, r.Status, r.Reason, r.Open)
			}
		}
	}
	check(l.apply(t, back, second), Done, Stale, InDoubt, Failed)
	l.fleet.Now = func() time.Time { return p.Created }
	l.hosts["h02"].stays = false
	earlier := Replay(l.entries)
	check(l.apply(t, back, func(o *ApplyOptions) { second(o); o.Earlier = earlier }), Done, Stale, Unverified, Failed)
	for name, want := range map[string]string{"h00": "*", "h01": "other", "h02": "*", "h03": "localhost", "h04": "*"} {
		if !strings.Contains(l.hosts[name].settings, want) {
			t.Errorf("%s has %s, want %s", name, l.hosts[name].settings, want)
		}
	}
	if _, err := p.Rollback("r1", map[string]Result{"h00": {Status: RolledBack}}, p.Created, "d"); !errors.Is(err, ErrNothing) {
		t.Errorf("of a run that changed nothing: %v", err)
	}
	if _, err := p.Rollback("r1", map[string]Result{"h00": {Changes: []int{7}}}, p.Created, "d"); err == nil {
		t.Error("a result of other changes is accepted")
	}
	back.Hosts[0].Undoes = "../../etc"
	if b, err = back.Encode(); err == nil {
		_, err = Decode(bytes.NewReader(b))
	}
	if err == nil || !strings.Contains(err.Error(), "no transaction of a run") {
		t.Errorf("a directory of another name is accepted: %v", err)
	}
}

// What cannot be written down is not begun.
func TestNoJournalNoChange(t *testing.T) {
	l := newLab(5)
	p := l.plan(t, Rollout{Waves: []Wave{{Name: "all"}}}, nil)
	full := 0
	out := l.apply(t, p, func(o *ApplyOptions) {
		o.Record = func(e Entry) error {
			if full++; e.Type == HostBegun && full > 4 {
				return fmt.Errorf("no space left on device")
			}
			return l.record(e)
		}
	})
	if len(out.Stops) != 1 || out.Count(Done) == 5 {
		t.Errorf("%+v", out)
	}
	for _, r := range out.Results {
		if changed := strings.Contains(l.hosts[r.Host].settings, "localhost"); changed != (r.Status == Done) {
			t.Errorf("%s is %s, changed: %v", r.Host, r.Status, changed)
		}
	}
}

func TestWindow(t *testing.T) {
	paris := func(text string) time.Time {
		zone, err := time.LoadLocation("Europe/Paris")
		if err != nil {
			t.Fatal(err)
		}
		at, err := time.ParseInLocation("Mon 2006-01-02 15:04", text, zone)
		if err != nil || at.Format("Mon") != text[:3] {
			t.Fatal(text, err)
		}
		return at
	}
	night := Window{Days: []string{"tue", "sat"}, From: "22:00", To: "04:00", Zone: "Europe/Paris"}
	spring := Window{From: "02:30", To: "05:00", Zone: "Europe/Paris"}                           // 2026-03-29 has no 02:30
	autumn := Window{From: "02:30", To: "05:00", Zone: "Europe/Paris"}                           // 2026-10-25 has it twice
	azores := Window{Days: []string{"sun"}, From: "00:00", To: "04:00", Zone: "Atlantic/Azores"} // 2027-03-28 has no 00:00
	for _, c := range []struct {
		name   string
		window Window
		now    time.Time
		needs  time.Duration
		open   bool
		next   time.Time
	}{
		{"before", night, paris("Tue 2026-11-24 21:59"), time.Minute, false, paris("Tue 2026-11-24 22:00")},
		{"at its opening", night, paris("Tue 2026-11-24 22:00"), time.Minute, true, time.Time{}},
		{"after midnight, of the day before", night, paris("Wed 2026-11-25 03:00"), time.Minute, true, time.Time{}},
		{"too late to finish", night, paris("Wed 2026-11-25 03:59"), 2 * time.Minute, false, paris("Sat 2026-11-28 22:00")},
		{"of another day", night, paris("Thu 2026-11-26 23:00"), time.Minute, false, paris("Sat 2026-11-28 22:00")},
		{"for what takes longer than it", night, paris("Tue 2026-11-24 22:00"), 7 * time.Hour, false, time.Time{}},
		{"a time that does not exist", spring, paris("Sun 2026-03-29 01:00"), time.Minute, false, paris("Sun 2026-03-29 03:00")},
		{"a time that comes twice", autumn, paris("Sat 2026-10-24 23:00"), time.Minute, false, time.Date(2026, 10, 25, 0, 30, 0, 0, time.UTC)},
		{"a midnight that does not exist, a week before", azores, time.Date(2027, 3, 22, 12, 0, 0, 0, time.UTC), time.Minute, false, time.Date(2027, 3, 28, 1, 0, 0, 0, time.UTC)},
		{"a midnight that does not exist", azores, time.Date(2027, 3, 28, 1, 0, 0, 0, time.UTC), time.Minute, true, time.Time{}},
	} {
		open, next := c.window.Opens(c.now, c.needs)
		if open != c.open || !open && !next.Equal(c.next) {
			t.Errorf("%s: open %v, next %s, want %v, %s", c.name, open, next, c.open, c.next)
		}
	}
	for _, w := range []Window{
		{From: "1:00", To: "02:00", Zone: "UTC"},
		{From: "01:00", To: "01:00", Zone: "UTC"},
		{From: "01:00", To: "02:00", Zone: "Local"},
		{From: "01:00", To: "02:00"},
		{Days: []string{"Mon"}, From: "01:00", To: "02:00", Zone: "UTC"},
		{From: "01:00", To: "02:00", Zone: "Mars/Base"},
	} {
		if w.Validate() == nil {
			t.Errorf("%+v is accepted", w)
		}
	}
}

// Hosts that do not answer hold up nobody who does: two at a time, of which ten wait
// until all others are done.
func TestSilentHostsHoldUpNobody(t *testing.T) {
	const silent, all = 10, 40
	var others sync.WaitGroup
	others.Add(all - silent)
	var mu sync.Mutex
	busy, most, done := 0, 0, 0
	work := func(n int) {
		mu.Lock()
		defer mu.Unlock()
		busy += n
		most = max(most, busy)
		done += (1 - n) / 2
	}
	eachPatiently(t.Context(), all, 2, func(_ context.Context, i int, wait waiting) {
		if i < silent {
			wait(others.Wait)
		} else {
			defer others.Done()
		}
		work(1)
		work(-1)
	})
	if done != all || most > 2 {
		t.Errorf("%d done, %d at once", done, most)
	}
}
