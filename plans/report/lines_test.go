package report_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kepmctl/kepmctl/plans"
	"github.com/kepmctl/kepmctl/plans/report"
)

func epoch() time.Time { return time.Unix(0, 0) }

// stream is what a plan and an apply write, events and all.
func stream(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	p := fleet()
	p.Hosts = append(p.Hosts[6:9], p.Hosts[len(p.Hosts)-2])
	lines := report.NewLines(&out, epoch, "0.1.0", "plan", "r1")
	lines.Event(plans.Event{Type: plans.HostLooked, Host: "app-007.par1", Done: 1, Total: 2})
	lines.Event(plans.Event{Type: plans.HostLooked, Host: "edge-1", Done: 2, Total: 2, Problem: p.Hosts[3].Problem})
	lines.Plan(p)
	if err := lines.End(3, "2 hosts gave no answer\x1b", "is it on?"); err != nil {
		t.Fatal(err)
	}
	lines = report.NewLines(&out, epoch, "0.1.0", "drift", "r3")
	lines.Drift(p, p.Groups())
	if err := lines.End(2, "", ""); err != nil {
		t.Fatal(err)
	}
	lines = report.NewLines(&out, epoch, "0.1.0", "apply", "r2")
	lines.Event(plans.Event{Type: plans.HostStep, Host: "app-001", Message: "changing", Total: 2})
	lines.Event(plans.Event{Type: plans.HostDone, Host: "app-001", Status: plans.Done, Done: 1, Total: 2})
	lines.Event(plans.Event{Type: plans.HostDone, Host: "app-004", Status: plans.RolledBack, Message: "it ended", Done: 2, Total: 2})
	lines.Outcome(p, outcome())
	if err := lines.End(6, "", ""); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestLines(t *testing.T) {
	golden(t, "lines.jsonl", stream(t))
}

// What a host says must not carry a token out, nor break a line.
func TestLinesRedact(t *testing.T) {
	const token = "EU:abcdefghijklmnop0123:secret\\part"
	var out bytes.Buffer
	lines := report.NewLines(&out, epoch, "0", "apply", "r")
	lines.Outcome(fleet(), plans.Outcome{Results: []plans.Result{{Host: "a", Status: plans.Failed, Log: "said \"" + token + "\" and\nmore"}}})
	if err := lines.End(1, "it said "+token, ""); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "secret\\") || strings.Count(out.String(), "EU:(sensitive)") != 2 {
		t.Errorf("%s", &out)
	}
	each(t, out.Bytes(), func(map[string]any) {})
}

// each hands over the lines and checks what holds for all of them.
func each(t *testing.T, text []byte, f func(map[string]any)) {
	t.Helper()
	n := 0
	for line := range bytes.Lines(text) {
		var v map[string]any
		if err := json.Unmarshal(line, &v); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if n++; v["seq"] != float64(n) {
			t.Errorf("line %d has seq %v", n, v["seq"])
		}
		f(v)
	}
}

// slow is a reader that takes nothing until it is let.
type slow struct {
	gate chan struct{}
	out  io.Writer
}

func (s slow) Write(b []byte) (int, error) {
	<-s.gate
	return s.out.Write(b)
}

func TestLinesFromManyGoroutinesToAReaderThatSleeps(t *testing.T) {
	var out bytes.Buffer
	s := slow{make(chan struct{}), &out}
	lines := report.NewLines(s, time.Now, "0", "apply", "r")
	var group sync.WaitGroup
	for i := range 50 {
		group.Go(func() {
			for range 20 {
				lines.Event(plans.Event{Type: plans.HostStep, Host: fmt.Sprint(i), Message: "changing"})
			}
		})
	}
	group.Wait() // nobody waited for the reader
	close(s.gate)
	if err := lines.End(0, "", ""); err != nil {
		t.Fatal(err)
	}
	var last map[string]any
	n := 0
	each(t, out.Bytes(), func(v map[string]any) { last = v; n++ })
	if n != 1002 || last["type"] != "summary" {
		t.Errorf("%d lines, the last is %v", n, last["type"])
	}
}
