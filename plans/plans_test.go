package plans

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kepmctl/kepmctl/provider"
	"github.com/kepmctl/kepmctl/transport"
)

// A host for tests: what it has, and what happens to its transactions.
type standIn struct {
	mu       sync.Mutex
	name     string // of a host among others; empty: there is only one
	settings string // appsettings.json
	version  string
	key      string
	dialErr  error
	open     bool   // a transaction of somebody else's
	refuse   string // begin refuses, with this kind
	fails    string // the transaction fails by itself, with this kind
	worse    bool   // after the change the service does not start at boot
	gone     bool   // after an undo nobody answers any more
	blind    bool   // after the change no look succeeds
	moves    bool   // another machine answers later logins
	liar     bool   // it commits whatever the verdict
	noFresh  bool   // a second login does not elevate
	deaf     int    // so many scripts after the transaction began lose the connection

	turns int  // after so many looks somebody changes it
	stays bool // its transaction stays ready: a verdict does not arrive

	keepsNothing bool // of what its transactions replaced

	looks   int
	names   []string // of its transactions
	before  string   // settings before the transaction
	after   string
	meters  int
	phase   provider.Phase
	ending  provider.Ending
	verdict provider.Verdict // that settled it
	dials   int
	scripts []string
}

type dialer map[string]*standIn

func (d dialer) Dial(_ context.Context, h transport.Host) (transport.Conn, error) {
	s, ok := d[h.Name]
	if !ok {
		return nil, fmt.Errorf("no stand-in for %s", h.Name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dials++
	if s.dialErr != nil {
		return nil, s.dialErr
	}
	if s.moves && s.phase != "" {
		s.key = "ssh-ed25519 SHA256:other"
	}
	return conn{s, s.dials}, nil
}

type conn struct {
	host *standIn
	nth  int
}

func (c conn) Peer() transport.Identity { return transport.Identity{HostKey: c.host.key} }
func (c conn) Close() error             { return nil }

// Run answers the family below: the script's name says what is asked.
func (c conn) Run(_ context.Context, s transport.Script) (transport.Output, error) {
	h := c.host
	h.mu.Lock()
	defer h.mu.Unlock()
	h.scripts = append(h.scripts, s.Name)
	say := func(pairs ...string) transport.Output {
		var b strings.Builder
		for i := 0; i < len(pairs); i += 2 {
			fmt.Fprintf(&b, "%s %x\n", pairs[i], pairs[i+1])
		}
		return transport.Output{Stdout: []byte(b.String())}
	}
	if h.phase != "" && h.deaf > 0 && s.Name != "login.sh" {
		h.deaf--
		return transport.Output{}, &transport.Error{Kind: transport.ErrUnreachable, Doing: "run " + s.Name}
	}
	switch s.Name {
	case "look":
		h.looks++
		if h.turns > 0 && h.looks > h.turns {
			h.settings = `{"AllowedHosts":"evil"}`
		}
		if h.blind && h.phase == provider.PhaseReady {
			return transport.Output{}, &transport.Error{Kind: transport.ErrUnreachable, Doing: "run look"}
		}
		if h.gone && h.ending == provider.Undone {
			h.dialErr = &transport.Error{Kind: transport.ErrUnreachable, Doing: "dial"}
			return transport.Output{}, h.dialErr
		}
		return transport.Output{Stdout: []byte(h.name)}, nil
	case "begin":
		if h.refuse != "" {
			return say("phase", "none", "kind", h.refuse, "failure", "refused"), nil
		}
		h.before, h.after, h.phase = h.settings, string(s.Stdin), provider.PhaseReady
		h.settings, h.ending = h.after, ""
		h.names = append(h.names, s.Args[0])
		if h.fails != "" {
			h.settle(provider.Undo)
		}
		return say("phase", "begun"), nil
	case "kept":
		if h.keepsNothing {
			return transport.Output{}, nil
		}
		b, err := json.Marshal(provider.Kept{Ending: h.ending, Root: "/opt/keeper", Files: []provider.FileEdit{{Path: "/opt/keeper/appsettings.json", Was: []byte(h.before), Bytes: []byte(h.after)}}})
		return transport.Output{Stdout: b}, err
	case "status":
		return say("phase", string(h.phase), "ending", string(h.ending), "kind", h.fails, "failure", h.fails, "verdict", string(h.verdict), "running", "yes", "down", "1500", "supervisor", "process"), nil
	case "settle":
		if h.stays {
			return transport.Output{}, &transport.Error{Kind: transport.ErrUnreachable, Doing: "run settle"}
		}
		if h.open && s.Args[0] != string(provider.NoVerdict) {
			return transport.Output{}, fmt.Errorf("a verdict on somebody else's transaction")
		}
		h.settle(provider.Verdict(s.Args[0]))
		return transport.Output{}, nil
	case "meter":
		if h.noFresh {
			return transport.Output{}, &transport.Error{Kind: transport.ErrElevate, Doing: "elevate"}
		}
		h.meters++
		return transport.Output{Stdout: fmt.Appendf(nil, "newest %d\ncursor s=1;i=2\nlines 6\nnonsense\n", 100*h.meters)}, nil
	case "login.sh":
		if h.noFresh {
			return transport.Output{}, &transport.Error{Kind: transport.ErrElevate, Doing: "elevate"}
		}
		return transport.Output{}, nil
	}
	return transport.Output{}, fmt.Errorf("unexpected script %s", s.Name)
}

func (h *standIn) settle(v provider.Verdict) {
	if h.phase == provider.PhaseSettled || v == provider.NoVerdict {
		return
	}
	h.phase, h.ending, h.verdict = provider.PhaseSettled, provider.Committed, v
	if (v == provider.Undo || v == provider.Lapsed) && !h.liar {
		h.ending, h.settings = provider.Undone, h.before
	}
}

// family makes scripts that the stand-in understands; a look's output is the name
// of its host.
type family struct {
	host *standIn
	all  dialer
}

func (f family) Look(provider.Goal) transport.Script { return transport.Script{Name: "look"} }

func (f family) Read(out transport.Output) (provider.Facts, error) {
	h := f.host
	if named, ok := f.all[string(out.Stdout)]; ok {
		h = named
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	up := provider.Service{Known: true, Loaded: true, Active: true, Boot: "enabled", Account: provider.Privileged}
	if h.worse && h.phase == provider.PhaseReady {
		up.Boot = "disabled"
	}
	facts := provider.Facts{
		System: provider.System{OS: transport.Linux}, Service: up, Watchdog: up, Roots: []string{"/opt/keeper"},
		Version: h.version, AdminID: "0",
		Settings: provider.File{Path: "/opt/keeper/appsettings.json", Bytes: []byte(h.settings)},
		Rows:     []provider.Row{{Path: ".", Access: provider.Access{Owner: "root", Privileged: true}}},
	}
	if h.open {
		facts.Transaction = &provider.OpenTransaction{Run: "other", Owner: "eve"}
	}
	return facts, nil
}

func (f family) Meter(string) transport.Script { return transport.Script{Name: "meter"} }

func (f family) Kept(run string) transport.Script {
	return transport.Script{Name: "kept", Args: []string{run}}
}

func (f family) ReadKept(out transport.Output) (k provider.Kept, err error) {
	if len(out.Stdout) > 0 {
		err = json.Unmarshal(out.Stdout, &k)
	}
	return k, err
}

func (f family) Begin(t provider.Transaction) transport.Script {
	return transport.Script{Name: "begin", Args: []string{t.Run}, Stdin: t.Files[0].Bytes}
}

func (f family) Status(string, provider.Phase, int) transport.Script {
	return transport.Script{Name: "status"}
}

func (f family) Settle(_ string, v provider.Verdict) transport.Script {
	return transport.Script{Name: "settle", Args: []string{string(v)}}
}

func goal(name string) provider.Goal {
	return provider.Goal{
		Host: transport.Host{Name: name, Address: name},
		Wants: []provider.Want{
			{Control: provider.Control{Name: provider.AllowedHosts}, Value: `["localhost"]`, Mode: provider.Enforce, Source: provider.Source{File: "a.kepm.hcl", Line: 3}},
			{Control: provider.Control{Name: provider.ServiceAtBoot}, Value: `true`, Mode: provider.Audit},
		},
		Options: provider.Options{AgentRequired: true, StartTimeout: 2 * time.Second, ConfirmTimeout: 2 * time.Second},
	}
}

// one is a fleet of one host.
func one(h *standIn) Fleet {
	h.key, h.version = "ssh-ed25519 SHA256:x", "2.0.82"
	if h.settings == "" {
		h.settings = `{"AllowedHosts":"*"}`
	}
	f, begun := family{host: h}, time.Now()
	return Fleet{
		Dialer: dialer{"web": h}, Family: provider.Family{Looker: f, Changer: f, Digest: "d"}, Parallelism: 4,
		Now: func() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC).Add(time.Since(begun)) },
		Ask: answers,
	}
}

// answers has the agent's services say that all is well.
func answers(_ context.Context, _ transport.Conn, qs []transport.Question) []transport.Answer {
	var out []transport.Answer
	for _, q := range qs {
		a := transport.Answer{Question: q, TLS: true}
		switch q.Path {
		case "/":
			for _, h := range q.Hosts {
				code := 400
				if h == "localhost" {
					code = 200
				}
				a.Replies = append(a.Replies, transport.Reply{Host: h, Status: code})
			}
		default:
			a.Replies = []transport.Reply{{Status: 200, Body: []byte(`{"plugins":1}`)}}
		}
		out = append(out, a)
	}
	return out
}

var terms = Terms{Tool: "0.1.0", TTL: time.Hour}

func options() ApplyOptions {
	return ApplyOptions{Run: "r1", Owner: "me", Stop: context.Background()}
}

func planOf(t *testing.T, f Fleet) *Plan {
	t.Helper()
	p, err := f.Make(t.Context(), []provider.Goal{goal("web")}, terms)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestApply(t *testing.T) {
	for _, c := range []struct {
		name    string
		host    *standIn
		between func(*standIn) // after the plan
		options func(*ApplyOptions)
		status  Status
		reason  string
		changed bool
	}{
		{name: "as planned", host: &standIn{}, status: Done, changed: true},
		{name: "already", host: &standIn{}, between: func(h *standIn) { h.settings = `{"AllowedHosts":"localhost"}` }, status: Already, changed: true},
		{name: "a third value", host: &standIn{}, between: func(h *standIn) { h.settings = `{"AllowedHosts":"x"}` }, status: Stale, reason: `"x"`},
		{name: "other keys do not matter", host: &standIn{}, between: func(h *standIn) { h.settings = `{"AllowedHosts":"*","b":1}` }, status: Done, changed: true},
		{name: "another version", host: &standIn{}, between: func(h *standIn) { h.version = "3" }, status: Stale, reason: "agent version"},
		{name: "another host key", host: &standIn{}, between: func(h *standIn) { h.key = "ssh-ed25519 SHA256:y" }, status: Stale, reason: "host key"},
		{name: "open transaction", host: &standIn{}, between: func(h *standIn) { h.open = true }, status: Locked, reason: "eve"},
		{name: "gone", host: &standIn{}, between: func(h *standIn) { h.dialErr = &transport.Error{Kind: transport.ErrUnreachable, Doing: "dial"} }, status: Unreachable},
		{name: "no space", host: &standIn{refuse: "space"}, status: Failed, reason: "refused"},
		{name: "locked at the start", host: &standIn{refuse: "locked"}, status: Locked},
		{name: "fails by itself", host: &standIn{fails: "agent"}, status: RolledBack, reason: "agent"},
		{name: "stale at work", host: &standIn{fails: "stale"}, status: Stale},
		{name: "another control gets worse", host: &standIn{worse: true}, status: RolledBack, reason: "service_at_boot was compliant"},
		{name: "no fresh login", host: &standIn{noFresh: true}, status: RolledBack, reason: "fresh login"},
		{name: "nothing can be looked at afterwards", host: &standIn{blind: true}, status: RolledBack, reason: "the look after the change"},
		{name: "another machine answers the fresh login", host: &standIn{moves: true}, status: RolledBack, reason: "another machine"},
		{name: "a liar keeps what was not proven", host: &standIn{worse: true, liar: true}, status: Failed, reason: "kept what was not proven", changed: true},
		{name: "the connection breaks and comes back", host: &standIn{deaf: 1}, status: Done, changed: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := one(c.host)
			p := planOf(t, f)
			if c.between != nil {
				c.between(c.host)
			}
			was := c.host.settings
			o := options()
			out, err := f.Apply(t.Context(), p, []provider.Goal{goal("web")}, o)
			if err != nil {
				t.Fatal(err)
			}
			r := out.Results[0]
			if r.Status != c.status || !strings.Contains(r.Reason, c.reason) {
				t.Errorf("%s because %q, want %s because %q", r.Status, r.Reason, c.status, c.reason)
			}
			if r.Status == Done && r.Supervisor != "process" {
				t.Errorf("watched over by %q", r.Supervisor)
			}
			if now := c.host.settings; !c.changed && now != was {
				t.Errorf("the host was changed: %s", now)
			} else if c.changed && !strings.Contains(now, `"localhost"`) {
				t.Errorf("the host was not changed: %s", now)
			}
		})
	}
}

// A host that vanishes after its undo costs its own result, nobody else's.
func TestGoneAfterUndo(t *testing.T) {
	h := &standIn{fails: "agent", gone: true}
	f := one(h)
	p := planOf(t, f)
	var late time.Duration
	f.Now = func() time.Time { late += time.Hour; return p.Created.Add(late) }
	out, err := f.Apply(t.Context(), p, []provider.Goal{goal("web")}, options())
	if err != nil || out.Results[0].Status != Failed || !strings.Contains(out.Results[0].Hint, "did not come back") {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestOpenQuestionUndoesOnlyWhenProofIsRequired(t *testing.T) {
	for _, require := range []bool{false, true} {
		h := &standIn{}
		f := one(h)
		f.Ask = func(_ context.Context, _ transport.Conn, qs []transport.Question) (out []transport.Answer) {
			for _, q := range qs {
				out = append(out, transport.Answer{Question: q, Unknown: "no way in"})
			}
			return out
		}
		p := planOf(t, f)
		o := options()
		o.RequireProof = require
		out, err := f.Apply(t.Context(), p, []provider.Goal{goal("web")}, o)
		if err != nil {
			t.Fatal(err)
		}
		want := Unverified
		if require {
			want = RolledBack
		}
		if r := out.Results[0]; r.Status != want {
			t.Errorf("require %v: %+v", require, r)
		}
	}
}

func TestUnfit(t *testing.T) {
	h := &standIn{}
	f := one(h)
	p := planOf(t, f)
	h.scripts, h.dials = nil, 0
	late, early, other := f, f, f
	early.Now = func() time.Time { return f.Now().Add(-2 * time.Hour) }
	late.Now = func() time.Time { return f.Now().Add(2 * time.Hour) }
	other.Family.Digest = "e"
	moved := goal("web")
	moved.Host.Address = "elsewhere"
	for name, c := range map[string]struct {
		fleet Fleet
		goals []provider.Goal
		says  string
	}{
		"expired":       {late, []provider.Goal{goal("web")}, "expired"},
		"made tomorrow": {early, []provider.Goal{goal("web")}, "one of the clocks is wrong"},
		"other scripts": {other, []provider.Goal{goal("web")}, "scripts differ"},
		"gone":          {f, nil, "no longer has these hosts: web"},
		"moved":         {f, []provider.Goal{moved}, "in another way"},
	} {
		_, err := c.fleet.Apply(t.Context(), p, c.goals, options())
		if _, ok := errors.AsType[*UnfitError](err); !ok || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if h.dials != 0 {
		t.Error("a host was dialled")
	}
}

func TestStaleFailTouchesNoHost(t *testing.T) {
	h := &standIn{}
	f := one(h)
	p := planOf(t, f)
	h.settings = `{"AllowedHosts":"x"}`
	o := options()
	o.FailStale = true
	_, err := f.Apply(t.Context(), p, []provider.Goal{goal("web")}, o)
	if _, ok := errors.AsType[*UnfitError](err); !ok {
		t.Errorf("got %v", err)
	}
}

func TestStoppedBeforeItBegan(t *testing.T) {
	h := &standIn{}
	f := one(h)
	p := planOf(t, f)
	stop, cancel := context.WithCancel(t.Context())
	cancel()
	o := options()
	o.Stop = stop
	out, err := f.Apply(t.Context(), p, []provider.Goal{goal("web")}, o)
	if err != nil || out.Results[0].Status != Skipped || h.settings != `{"AllowedHosts":"*"}` {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestSilentHosts(t *testing.T) {
	h := &standIn{dialErr: &transport.Error{Kind: transport.ErrAuth, Doing: "log in", Hint: "try another key"}}
	f := one(h)
	p := planOf(t, f)
	if p.Complete || len(p.Silent()) != 1 || *p.Hosts[0].Problem != (Problem{"authentication failed", "log in: authentication failed", "try another key"}) {
		t.Errorf("%+v", p.Hosts[0].Problem)
	}
	tolerant := terms
	tolerant.Tolerated = 1
	if p, err := f.Make(t.Context(), []provider.Goal{goal("web")}, tolerant); err != nil || !p.Complete {
		t.Errorf("%v", err)
	}
}

// Hosts with the same finding may need different changes: one restarts, one does not run.
func TestSameFindingOtherChange(t *testing.T) {
	s := &sightings{hosts: make([]seen, 2)}
	var goals []provider.Goal
	for i, running := range []bool{true, false} {
		g := goal(fmt.Sprintf("h%d", i))
		facts, _ := family{host: &standIn{settings: `{"AllowedHosts":"*"}`}}.Read(transport.Output{})
		facts.Service.Active = running
		l := provider.Look{Facts: facts}
		s.put(i, looked{look: l, findings: provider.Judge(g, l)})
		goals = append(goals, g)
	}
	p := assemble(goals, s, nil)
	if !p.Restarts(p.Hosts[0]) || p.Restarts(p.Hosts[1]) || p.Hosts[0].Findings[0] != p.Hosts[1].Findings[0] {
		t.Errorf("%+v %+v", p.Hosts, p.Changes)
	}
}

// The same looks give the same bytes, whatever order hosts come in; and a plan
// survives being kept.
func TestDocument(t *testing.T) {
	var goals []provider.Goal
	var looks []looked
	for i := range 20 {
		g := goal(fmt.Sprintf("h%02d", i))
		l := provider.Look{Facts: provider.Facts{Roots: []string{"/opt/keeper"}, Settings: provider.File{Bytes: []byte(`{}`)}}}
		goals, looks = append(goals, g), append(looks, looked{look: l, findings: provider.Judge(g, l)})
	}
	sight := func() *sightings {
		s := &sightings{hosts: make([]seen, len(looks))}
		for i, l := range looks {
			s.put(i, l)
		}
		return s
	}
	p := assemble(goals, sight(), nil)
	p.Created, p.Expires = time.Unix(1, 0).UTC(), time.Unix(2, 0).UTC()
	want, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for i := range goals[:10] {
		j := len(goals) - 1 - i
		goals[i], goals[j], looks[i], looks[j] = goals[j], goals[i], looks[j], looks[i]
	}
	q := assemble(goals, sight(), nil)
	q.Created, q.Expires = p.Created, p.Expires
	if got, err := q.Encode(); err != nil || !bytes.Equal(got, want) {
		t.Errorf("another order gives another document: %v", err)
	}
	if len(p.Baselines) != 1 || len(p.Findings) > 2 {
		t.Errorf("not normalised: %d baselines, %d findings", len(p.Baselines), len(p.Findings))
	}
	back, err := Decode(bytes.NewReader(want))
	if err != nil {
		t.Fatal(err)
	}
	again, err := back.Encode()
	if err != nil || !bytes.Equal(again, want) {
		t.Errorf("(-kept +read)\n%s %v", cmp.Diff(string(want), string(again)), err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	good, err := planOf(t, one(&standIn{})).Encode()
	if err != nil {
		t.Fatal(err)
	}
	// sealed is the plan after an edit that also mends the checksum: somebody's
	// work, not an accident.
	sealed := func(edit func(*Plan)) []byte {
		var p Plan
		if err := json.Unmarshal(good, &p); err != nil {
			t.Fatal(err)
		}
		if err := p.compact(); err != nil {
			t.Fatal(err)
		}
		edit(&p)
		b, err := p.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for name, c := range map[string]struct {
		doc  []byte
		says string
	}{
		"empty":           {nil, "not a plan"},
		"cut off":         {good[:len(good)/2], "not a plan"},
		"edited":          {bytes.Replace(good, []byte("localhost"), []byte("evilhost1"), 1), "checksum"},
		"more behind":     {append(bytes.Clone(good), "{}"...), "not a plan"},
		"another version": {bytes.Replace(good, []byte(`"`+FormatVersion+`"`), []byte(`"2.0"`), 1), "format version"},
		"unknown field":   {bytes.Replace(good, []byte(`"tool"`), []byte(`"toll"`), 1), "unknown field"},
		"unknown control": {sealed(func(p *Plan) { p.Baselines[0].Wants[0].Control = "run_command" }), "no control"},
		"path outside": {sealed(func(p *Plan) {
			p.Baselines[0].Wants[0] = Want{Control: "permissions", Key: "../../etc", Value: json.RawMessage(`{"administrators":"none","users":"none"}`), Mode: "enforce"}
		}), "does not fit"},
		"index outside":    {sealed(func(p *Plan) { p.Hosts[0].Changes = []int{7} }), "does not hold"},
		"endless timeout":  {sealed(func(p *Plan) { p.Baselines[0].Options.ConfirmTimeout = 1e9 }), "time limit"},
		"more than all":    {sealed(func(p *Plan) { p.Selection = &Selection{Hosts: len(p.Hosts), OfHosts: 0} }), "its selection"},
		"not its hosts":    {sealed(func(p *Plan) { p.Selection = &Selection{Hosts: 99, OfHosts: 99} }), "its selection"},
		"controls of none": {sealed(func(p *Plan) { p.Selection = &Selection{Hosts: len(p.Hosts), OfHosts: 9, Controls: 2, OfControls: 1} }), "its selection"},
		"host twice":       {sealed(func(p *Plan) { p.Hosts = append(p.Hosts, p.Hosts[0]) }), "named twice"},
		"group injection":  {sealed(func(p *Plan) { p.Baselines[0].Options.AdministratorsGroup = "a\nrow rwx" }), "group"},
	} {
		if _, err := Decode(bytes.NewReader(c.doc)); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"format_version":"1.0","baselines":[{"wants":[{"control":"log_level","value":["Warning"],"mode":"enforce"}]}]}`))
	f.Fuzz(func(_ *testing.T, b []byte) {
		if p, err := Decode(bytes.NewReader(b)); err == nil {
			p.Summary()
		}
	})
}

// Never more at work than allowed, and every item exactly once.
func TestEach(t *testing.T) {
	var mu sync.Mutex
	now, most := 0, 0
	seen := map[int]int{}
	each(t.Context(), 100, 7, func(_ context.Context, i int) {
		mu.Lock()
		now++
		most = max(most, now)
		seen[i]++
		mu.Unlock()
		time.Sleep(time.Millisecond)
		mu.Lock()
		now--
		mu.Unlock()
	})
	if most > 7 || len(seen) != 100 {
		t.Errorf("%d at once, %d seen", most, len(seen))
	}
}

// A plan from what was recorded is the plan that the looks gave, says from when it
// is, and reaches nobody; one host's missing facts cost its own answer only.
func TestRecall(t *testing.T) {
	l := newLab(3)
	kept := map[string]provider.Look{}
	var mu sync.Mutex
	f := l.fleet
	f.Keep = func(host string, asked []string, look provider.Look) error {
		mu.Lock()
		defer mu.Unlock()
		kept[host] = look.Recorded()
		return nil
	}
	made, err := f.Make(t.Context(), l.goals, terms)
	if err != nil {
		t.Fatal(err)
	}
	f = l.fleet
	f.Dialer = nil
	f.Recall = func(host string, _ []string) (provider.Look, error) {
		look, ok := kept[host]
		if !ok {
			return look, errors.New("no facts of it")
		}
		return look, nil
	}
	recalled, err := f.Make(t.Context(), l.goals, terms)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(made.Hosts, recalled.Hosts); d != "" || recalled.Recorded == nil || made.Recorded != nil {
		t.Errorf("(-made +recalled)\n%s", d)
	}
	delete(kept, "h01")
	if p, err := f.Make(t.Context(), l.goals, terms); err != nil || p.Complete || len(p.Silent()) != 1 || p.Silent()[0].Problem.Kind != "facts" {
		t.Errorf("without one host's facts: %v", err)
	}
	f = l.fleet
	f.Keep = func(string, []string, provider.Look) error { return errors.New("disk full") }
	if _, err := f.Make(t.Context(), l.goals, terms); err == nil || err.Error() != "disk full" {
		t.Errorf("facts that could not be kept: %v", err)
	}
}
