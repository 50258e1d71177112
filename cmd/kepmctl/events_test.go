package main

import (
	"context"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kepmctl/kepmctl/hcl"
	"github.com/kepmctl/kepmctl/plans"
	"github.com/kepmctl/kepmctl/plans/report"
	"github.com/kepmctl/kepmctl/provider"
	"github.com/kepmctl/kepmctl/transport"
	"github.com/kepmctl/kepmctl/transport/transporttest"
)

// unreachable is a fleet of hosts that nobody reaches, and a plan to change them.
func unreachable(t *testing.T, names ...string) (planned, *plans.Plan) {
	var goals []provider.Goal
	var dials []transporttest.Dialled
	p := &plans.Plan{
		FormatVersion: plans.FormatVersion, Scripts: "d", Complete: true, Expires: time.Now().Add(time.Hour),
		Baselines: []plans.Baseline{{Options: plans.Options{StartTimeout: 1, ConfirmTimeout: 1}}}, Rollouts: []plans.Rollout{plans.Careful(len(names))},
		Changes: []provider.Change{{Control: provider.AllowedHosts, Attr: "AllowedHosts", Action: provider.Modify, Effect: provider.Restart}},
	}
	for _, name := range names {
		g := provider.Goal{Host: transport.Host{Name: name}}
		goals = append(goals, g)
		dials = append(dials, transporttest.Dialled{Host: name, Err: &transport.Error{Kind: transport.ErrUnreachable, Doing: "dial", Hint: "is it on?"}})
		p.Hosts = append(p.Hosts, plans.HostPlan{Name: name, Reach: plans.Reach(g), Changes: []int{0}, Turn: &plans.Turn{}})
	}
	f := plans.Fleet{Dialer: transporttest.NewDialer(t, dials...), Family: provider.Family{Digest: "d"}, Now: time.Now, Parallelism: 2}
	return planned{config: &hcl.Config{Goals: goals}, fleet: f}, p
}

// An apply tells of its hosts while it runs, then of their results.
func TestApplyStreams(t *testing.T) {
	a, out := program()
	a.err, a.runID = io.Discard, "r1"
	a.lines = report.NewLines(out, a.now, version, "apply", a.runID)
	r, p := unreachable(t, "app", "web")
	err := a.carryOut(context.Background(), context.Background(), r, p, applyFlags{runFlags: runFlags{state: t.TempDir()}})
	if code := a.code(err); code != exitNotAll {
		t.Errorf("exit %d: %v", code, err)
	}
	if err := fitsSchema(out.String(), ofEvents); err != nil {
		t.Error(err)
	}
	var types []string
	for _, m := range regexp.MustCompile(`"type":"(\w+)"`).FindAllStringSubmatch(out.String(), -1) {
		types = append(types, m[1])
	}
	slices.Sort(types[2:min(6, len(types))]) // two hosts side by side
	if got := strings.Join(types, " "); got != "version wave_started host_done host_done host_step host_step result result summary" {
		t.Errorf("the events are %s", got)
	}
	for _, want := range []string{`"step":"looking again"`, `"done":2`, `"exit":6`, `"statuses":{"unreachable":2}`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no event has %s:\n%s", want, out)
		}
	}
}

// A stream that cannot be written makes the run an error, not a success.
func TestStreamThatCannotBeWritten(t *testing.T) {
	a, said := program()
	a.lines = report.NewLines(full{}, a.now, version, "validate", "r1")
	if code := a.code(nil); code != exitError || !strings.Contains(said.String(), "write the events: disk full") {
		t.Errorf("exit %d: %s", code, said)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("disk full") }
