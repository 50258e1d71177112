package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/kepmctl/kepmctl/plans"
)

// told is what progress writes when it is told to before the first of the events,
// after each, and once more.
func told(bar bool, width int, events ...plans.Event) string {
	var out bytes.Buffer
	p := &progress{out: &out, doing: "applied", bar: bar, width: func() int { return width }}
	p.tell()
	for _, e := range events {
		p.event(e)
		p.tell()
	}
	p.tell()
	return out.String()
}

func TestProgress(t *testing.T) {
	events := []plans.Event{
		{Type: plans.HostStep, Host: "web-1\x1b[31m", Message: "changing", Total: 4},
		{Type: plans.HostDone, Host: "web-1", Status: plans.Done, Message: "\x07", Done: 1, Total: 4},
		{Type: plans.HostDone, Host: "web-2", Status: plans.RolledBack, Done: 4, Total: 4},
	}
	for name, c := range map[string]struct {
		bar   bool
		width int
		want  string
	}{
		"elsewhere": {want: "no host applied yet\n0 of 4 hosts applied\n1 of 4 hosts applied\n4 of 4 hosts applied\n4 of 4 hosts applied\n"},
		"terminal": {bar: true, width: 80, want: "\r\x1b[K[--------------------] 0/4 hosts applied  web-1\\x1b[31m changing" +
			"\r\x1b[K[#####---------------] 1/4 hosts applied  web-1 done" +
			"\r\x1b[K[####################] 4/4 hosts applied  web-2 rolled_back"},
		"narrow": {bar: true, width: 12, want: "\r\x1b[K[----------\r\x1b[K[#####-----\r\x1b[K[##########"},
	} {
		if got := told(c.bar, c.width, events...); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// Ticks alone make a line where no event comes, and the end takes a bar away.
func TestProgressTicks(t *testing.T) {
	var out bytes.Buffer
	p := &progress{out: &out, doing: "applied", bar: true, width: func() int { return 80 }}
	tick := make(chan time.Time)
	p.begin(tick, func() {})
	p.event(plans.Event{Type: plans.HostLooked, Host: "web", Done: 1, Total: 1})
	tick <- time.Time{}
	p.end()
	if got := out.String(); got != "\r\x1b[K[####################] 1/1 hosts applied  web\r\x1b[K" {
		t.Errorf("%q", got)
	}
}

// Nobody waits for a terminal that stands still.
func TestProgressHoldsUpNobody(t *testing.T) {
	gate := make(chan struct{})
	p := &progress{out: gated{gate}, doing: "applied", bar: true, width: func() int { return 80 }}
	tick := make(chan time.Time, 1)
	released := false
	p.begin(tick, func() { released = true })
	p.event(plans.Event{Total: 1})
	tick <- time.Time{}
	for range 1000 {
		p.event(plans.Event{Total: 1})
	}
	close(gate)
	p.end()
	if !released {
		t.Error("the ticker goes on")
	}
}

type gated struct{ gate chan struct{} }

func (g gated) Write(b []byte) (int, error) {
	<-g.gate
	return len(b), nil
}

func TestBarOnlyWhereItBelongs(t *testing.T) {
	for name, c := range map[string]struct {
		terminal bool
		env      map[string]string
		want     bool
	}{
		"terminal":       {terminal: true, want: true},
		"file":           {},
		"dumb":           {terminal: true, env: map[string]string{"TERM": "dumb"}},
		"automation":     {terminal: true, env: map[string]string{"KEPM_IN_AUTOMATION": "0"}},
		"empty variable": {terminal: true, env: map[string]string{"KEPM_IN_AUTOMATION": "", "TERM": "xterm"}, want: true},
	} {
		a := &app{errTerminal: c.terminal, env: func(k string) (string, bool) { v, ok := c.env[k]; return v, ok }}
		if got := a.bar(); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestLogCleans(t *testing.T) {
	var out bytes.Buffer
	a := &app{err: &out, env: func(string) (string, bool) { return "info", true }}
	if err := a.beginLog(); err != nil {
		t.Fatal(err)
	}
	a.log.Debug("not asked for")
	a.log.Info("said EU:abcdefghijklmnop0123:secret", "error", errText("US:abcdefghijklmnop0123:secret\x1b[31m"), "n", 7)
	got := out.String()
	if strings.Contains(got, "secret") || strings.Contains(got, "\x1b") || strings.Contains(got, "not asked") ||
		strings.Count(got, "(sensitive)") != 2 || !strings.Contains(got, "n=7") {
		t.Error(got)
	}
}

type errText string

func (e errText) Error() string { return string(e) }
