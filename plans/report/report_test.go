package report_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kepmctl/kepmctl/plans"
	"github.com/kepmctl/kepmctl/plans/report"
	"github.com/kepmctl/kepmctl/provider"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s (-want +got)\n%s", name, d)
	}
}

// fleet is a plan over 212 hosts with something of everything.
func fleet() *plans.Plan {
	p := &plans.Plan{
		FormatVersion: plans.FormatVersion, Complete: true, Created: time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC),
		Baselines: []plans.Baseline{{}, {Wants: []plans.Want{
			{Control: "log_level", Mode: provider.Audit, Override: provider.Override{Reason: "Vendor case 4711", Expires: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)}},
			{Control: "tls_minimum", Mode: provider.Off, Override: provider.Override{Reason: "Old clients", Expires: time.Date(2027, 12, 1, 0, 0, 0, 0, time.UTC)}},
		}}},
		Changes: []provider.Change{
			{Control: "allowed_hosts", Attr: "AllowedHosts", Action: provider.Modify, From: `"*"`, To: `"localhost;127.0.0.1"`, Effect: provider.Restart},
			{Control: "allowed_hosts", Attr: "AllowedHosts", Action: provider.Add, To: `"localhost;127.0.0.1"`, Effect: provider.Restart},
			{Control: "install_tree", Attr: "entries", Action: provider.Remove, From: "writable by everyone", To: "owned by root, no write for group or others"},
		},
		Findings: []provider.Finding{
			{Address: "allowed_hosts", Severity: provider.High, Mode: provider.Enforce, Outcome: provider.NonCompliant, Have: `"*"`},
			{Address: "tls_minimum", Severity: provider.High, Mode: provider.Enforce, Outcome: provider.NonCompliant, Have: "port 6889 accepts TLS 1.1", Hint: "raise the minimum"},
			{Address: `permissions["Jobs"]`, Severity: provider.High, Mode: provider.Enforce, Outcome: provider.Unknown, Reason: "Jobs has an extended ACL", Hint: "look at it with getfacl"},
			{Address: "log_level", Severity: provider.Medium, Mode: provider.Audit, Outcome: provider.NonCompliant, Have: `"Debug"`, Override: provider.Override{Reason: "Vendor case 4711", Expires: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)}},
		},
	}
	for i := 1; i <= 209; i++ {
		p.Hosts = append(p.Hosts, plans.HostPlan{Name: fmt.Sprintf("app-%03d.par1", i), Version: "2.0.82", Root: "/opt/keeper/sbin", Findings: []int{0}, Changes: []int{0}})
	}
	p.Hosts[4].Changes = []int{1}
	p.Hosts[7].Changes = []int{0, 2}
	p.Hosts[7].Findings, p.Hosts[7].Baseline = []int{0, 1, 2, 3}, 1
	p.Hosts = append(p.Hosts,
		plans.HostPlan{Name: "db", Version: "2.0.82", Root: "/opt/keeper/sbin", Compliant: 4},
		plans.HostPlan{Name: "edge-1", Problem: &plans.Problem{Kind: "unreachable", Message: "dial 10.0.0.1:22: unreachable: \x1b[31mno route", Hint: "is it on?"}},
		plans.HostPlan{Name: "edge-2", Problem: &plans.Problem{Kind: "unreachable", Message: "dial 10.0.0.2:22: unreachable"}},
	)
	return p
}

func TestPlanText(t *testing.T) {
	for _, view := range []report.View{report.Changes, report.Brief, report.Full} {
		var out bytes.Buffer
		text := report.Text{Out: &out, View: view}
		if err := text.Plan(fleet()); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsRune(out.String(), '\x1b') {
			t.Errorf("%s: a host's control character reaches the terminal", view)
		}
		golden(t, "plan-"+string(view)+".txt", out.Bytes())
	}
	p := fleet()
	p.Hosts = p.Hosts[6:9]
	var out bytes.Buffer
	text := report.Text{Out: &out, View: report.Hosts}
	if err := text.Plan(p); err != nil {
		t.Fatal(err)
	}
	golden(t, "plan-hosts.txt", out.Bytes())
}

// In a long value the words that differ are marked.
func TestLongChange(t *testing.T) {
	p := fleet()
	var hosts []string
	for i := range 12 {
		hosts = append(hosts, fmt.Sprintf("host-%02d.example", i))
	}
	p.Changes[0].From, p.Changes[0].To = strings.Join(append(hosts, "evil.example"), ";"), strings.Join(hosts, ";")
	var out bytes.Buffer
	text := report.Text{Out: &out, View: report.Changes}
	if err := text.Plan(p); err != nil || !strings.Contains(out.String(), "[-;evil.example-]") || !strings.Contains(out.String(), "host-00.example;host-01.example;") {
		t.Errorf("%v\n%s", err, &out)
	}
}

func TestDriftText(t *testing.T) {
	p := fleet()
	for i := range p.Hosts {
		if i < 30 {
			p.Hosts[i].Version = "2.1.0"
		}
		if i < 190 && i >= 30 {
			p.Hosts[i].Findings, p.Hosts[i].Changes = nil, nil
		}
	}
	p.Findings = append(p.Findings, provider.Finding{
		Address: "alternative_signatures", Severity: provider.High, Mode: provider.Enforce, Outcome: provider.Waived, Waiver: "legacy", Have: `["AA"]`, Want: "[]",
	})
	p.Hosts[40].Findings = append(p.Hosts[40].Findings, len(p.Findings)-1)
	p.Waivers = []plans.Waiver{
		{Name: "legacy", State: plans.WaiverActive, Expires: p.Created.AddDate(0, 0, 3), Reason: "Vendor plug-in", Owner: "team-edge", Ticket: "SEC-4121"},
		{Name: "old", State: plans.WaiverExpired, Why: "it ended on 2026-11-01", Owner: "team-edge"},
		{Name: "long", State: plans.WaiverActive, Expires: p.Created.AddDate(1, 0, 0)},
	}
	for _, view := range []report.View{report.Changes, report.Brief, report.Full} {
		var out bytes.Buffer
		text := report.Text{Out: &out, View: view}
		if err := text.Drift(p, p.Groups()); err != nil {
			t.Fatal(err)
		}
		golden(t, "drift-"+string(view)+".txt", out.Bytes())
	}
}

func TestNothingToChange(t *testing.T) {
	for name, hosts := range map[string][]plans.HostPlan{
		"all-well.txt":     {{Name: "a", Compliant: 4}, {Name: "b", Compliant: 4}},
		"needs-person.txt": {{Name: "a", Compliant: 3, Findings: []int{1}}, {Name: "b", Problem: &plans.Problem{Kind: "timed out", Message: "look: timed out"}}},
	} {
		p := fleet()
		p.Hosts = hosts
		var out bytes.Buffer
		text := report.Text{Out: &out, View: report.Changes}
		if err := text.Plan(p); err != nil {
			t.Fatal(err)
		}
		golden(t, name, out.Bytes())
	}
}

func outcome() plans.Outcome {
	return plans.Outcome{Run: "r1", Results: []plans.Result{
		{Host: "app-001", Status: plans.Done, Restarted: true, Down: 3 * time.Second},
		{Host: "app-002", Status: plans.Done, Restarted: true, Down: 2 * time.Second},
		{Host: "app-003", Status: plans.Unverified, Restarted: true, Down: 9100 * time.Millisecond, Open: []string{"GET / as localhost: forwarding is forbidden"}},
		{Host: "app-004", Status: plans.RolledBack, Reason: "keeper-privilege-manager ended within 3 s of its start", Log: "reading settings\nbroken \\x1b[31m JSON\n"},
		{Host: "app-005", Status: plans.RolledBack, Reason: "keeper-privilege-manager ended within 3 s of its start"},
		{Host: "app-006", Status: plans.InDoubt, Reason: "dial: unreachable", Hint: "the host settles by itself", Until: time.Date(2026, 11, 23, 14, 32, 0, 0, time.UTC)},
		{Host: "app-007", Status: plans.Already},
		{Host: "app-008", Status: plans.Failed, Reason: "x", Details: []string{"./appsettings.json stays"}},
	}}
}

func TestOutcomeText(t *testing.T) {
	var out bytes.Buffer
	text := report.Text{Out: &out}
	if err := text.Outcome(fleet(), outcome()); err != nil {
		t.Fatal(err)
	}
	golden(t, "outcome.txt", out.Bytes())
	out.Reset()
	p, o := fleet(), outcome()
	p.Hosts, o.Results = p.Hosts[:3], o.Results[:2]
	if err := text.Outcome(p, o); err != nil {
		t.Fatal(err)
	}
	golden(t, "outcome-well.txt", out.Bytes())
}

// A run that stopped says where, why and how to go on; so does one that was cut off.
func TestStoppedOutcome(t *testing.T) {
	stop := plans.Stop{Kind: plans.StopFailed, Rollout: "careful", Wave: "tenth", Reason: "2 of 4 hosts failed (0 allowed)"}
	at := time.Date(2026, 11, 23, 22, 0, 0, 0, time.UTC)
	story := []plans.Entry{
		{Type: plans.RunBegun, Time: at, By: "ops@admin", Change: "CHG0048812", Attempt: 1},
		{Type: plans.WaveBegun, Time: at, Rollout: "careful", Wave: "first"},
		{Type: plans.HostBegun, Time: at, Host: "app-001"},
		{Type: plans.WavePassed, Time: at.Add(time.Minute), Rollout: "careful", Wave: "first"},
		{Type: plans.WaveApproved, Time: at.Add(time.Hour), Rollout: "careful", Wave: "first", By: "boss@admin\x1b[2J"},
		{Type: plans.RunBegun, Time: at.Add(time.Hour), By: "ops@admin", Attempt: 2},
		{Type: plans.RolloutStopped, Time: at.Add(2 * time.Hour), Stop: &stop},
		{Type: plans.RunEnded, Time: at.Add(2 * time.Hour)},
	}
	var out bytes.Buffer
	text := report.Text{Out: &out}
	o := outcome()
	o.Stops = []plans.Stop{stop}
	o.Results = append(o.Results, plans.Result{Host: "app-009", Status: plans.Skipped, Reason: stop.Error()})
	if err := text.Story(fleet(), story); err != nil {
		t.Fatal(err)
	}
	if err := text.Outcome(fleet(), o); err != nil {
		t.Fatal(err)
	}
	golden(t, "outcome-stopped.txt", out.Bytes())
	for _, c := range []struct {
		outcome plans.Outcome
		says    []string
	}{
		{plans.Outcome{Run: "r1", CutOff: true}, []string{"Apply was cut off, or is still at work.", "next: kepmctl resume r1\n"}},
		{plans.Outcome{Run: "r1", Stops: []plans.Stop{{Kind: plans.StopApproval, Rollout: "r", Wave: "a", Reason: "it passed"}}}, []string{`Apply paused in wave "a" of rollout "r": it passed.`, "kepmctl resume --approve r1\n"}},
	} {
		out.Reset()
		if err := text.Outcome(fleet(), c.outcome); err != nil {
			t.Fatal(err)
		}
		for _, want := range c.says {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%q is not in %s", want, out.String())
			}
		}
	}
}

// What a supervisor process could not heal is said; launchd and systemd heal it.
func TestOutcomeWithoutSystemd(t *testing.T) {
	const says = "Without systemd on 2 hosts: healed by a supervisor process, which a power cut would end.\n"
	for _, by := range []string{"process", "launchd", "systemd"} {
		p, o := fleet(), outcome()
		p.Hosts, o.Results = p.Hosts[:3], o.Results[:2]
		for i := range o.Results {
			o.Results[i].Supervisor = by
		}
		var out, lines bytes.Buffer
		text := report.Text{Out: &out}
		if err := text.Outcome(p, o); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out.String(), says) != (by == "process") {
			t.Errorf("%s: %s", by, out.String())
		}
		now := func() time.Time { return time.Unix(0, 0) }
		l := report.NewLines(&lines, now, "0.1.0", "apply", "r1")
		l.Outcome(p, o)
		if err := l.End(0, "", ""); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(lines.String(), `"supervisor":"`+by+`"`); n != 2 {
			t.Errorf("%s is named %d times in %s", by, n, lines.String())
		}
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestWriteErrorsAreKept(t *testing.T) {
	text := report.Text{Out: full{}}
	if text.Plan(fleet()) == nil {
		t.Error("text: a failed write is lost")
	}
	lines := report.NewLines(full{}, time.Now, "0", "plan", "")
	lines.Plan(fleet())
	if lines.End(0, "", "") == nil {
		t.Error("lines: a failed write is lost")
	}
}
