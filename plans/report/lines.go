package report

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"sync"
	"time"

	"github.com/kepmctl/kepmctl/plans"
	"github.com/kepmctl/kepmctl/provider"
)

// Lines writes JSON Lines for programs: first what wrote them, then events as they
// happen, last a summary. Its methods may be called concurrently and never wait for
// a slow reader: hosts in flight would undo what nobody settles in time. What is
// written is described by docs/schema/events.schema.json.
type Lines struct {
	out     io.Writer
	now     func() time.Time
	command string
	run     string

	mu      sync.Mutex
	more    *sync.Cond // signalled when something is queued, or nothing will be
	seq     int
	queue   []byte // whole lines
	closed  bool
	err     error // the first; nothing is written after it
	summary map[string]any
	of      *plans.Selection // what the summary is a part of; nil: everything
	written chan struct{}    // closed when the writer has ended
}

// NewLines begins with the version event. Run names this run of the command. End
// must be called.
func NewLines(out io.Writer, now func() time.Time, version, command, run string) *Lines {
	l := &Lines{out: out, now: now, command: command, run: run, written: make(chan struct{})}
	l.more = sync.NewCond(&l.mu)
	go l.drain()
	l.Write("version", "info", "kepmctl "+version, map[string]any{
		"kepmctl": version, "command": command, "format_version": plans.FormatVersion,
	})
	return l
}

// drain is the only writer.
func (l *Lines) drain() {
	defer close(l.written)
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		for len(l.queue) == 0 && !l.closed {
			l.more.Wait()
		}
		if len(l.queue) == 0 {
			return
		}
		text := l.queue
		l.queue = nil
		if l.err != nil {
			continue
		}
		l.mu.Unlock()
		_, err := l.out.Write(text)
		l.mu.Lock()
		l.fail(err)
	}
}

func (l *Lines) fail(err error) {
	if l.err == nil {
		l.err = err
	}
}

// Write adds an event with the keys that every event has.
func (l *Lines) Write(kind, level, message string, more map[string]any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.write(kind, level, message, more)
}

func (l *Lines) write(kind, level, message string, more map[string]any) {
	l.seq++
	line := maps.Clone(more)
	if line == nil {
		line = map[string]any{}
	}
	line["type"], line["seq"], line["run_id"] = kind, l.seq, l.run
	line["@level"], line["@message"], line["@timestamp"] = level, provider.Printable(message), l.now().UTC().Format(time.RFC3339Nano)
	b, err := redacted(line)
	if err != nil {
		l.fail(err)
		return
	}
	l.queue = append(append(l.queue, b...), '\n')
	l.more.Signal()
}

// redacted is v as JSON without deployment tokens in any of its texts.
func redacted(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil || provider.Redact(string(b)) == string(b) {
		return b, err
	}
	var plain any
	if err := json.Unmarshal(b, &plain); err != nil {
		return nil, err
	}
	return json.Marshal(redact(plain))
}

func redact(v any) any {
	switch v := v.(type) {
	case string:
		return provider.Redact(v)
	case []any:
		for i := range v {
			v[i] = redact(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = redact(v[k])
		}
	}
	return v
}

// Event writes what has just happened to a host.
func (l *Lines) Event(e plans.Event) {
	level, message := "info", e.Host
	line := map[string]any{"host": e.Host, "done": e.Done, "total": e.Total}
	switch {
	case e.Type == plans.HostStep:
		message += ": " + e.Message
		line["step"] = e.Message
	case e.Type == plans.HostDone:
		message += ": " + string(e.Status)
		line["status"] = e.Status
		if !(plans.Result{Status: e.Status}).AsPlanned() {
			level = "error"
		}
		if e.Message != "" {
			line["reason"] = e.Message
		}
	case e.Type == plans.WaveStarted, e.Type == plans.WaveSoaks:
		message = fmt.Sprintf("wave %q of rollout %q: %s", e.Wave, e.Rollout, e.Message)
		line = map[string]any{"rollout": e.Rollout, "step": e.Message, "done": e.Done, "total": e.Total}
	case e.Problem != nil:
		level, message = "error", message+": "+e.Problem.Kind
		line["problem"] = e.Problem
	default:
		message += ": looked at"
	}
	if e.Wave != "" {
		line["wave"] = e.Wave
	}
	l.Write(string(e.Type), level, message, line)
}

// Plan writes a line per change and host, per finding and host, and per silent host.
func (l *Lines) Plan(p *plans.Plan) {
	l.Selection(p.Selection)
	for _, h := range p.Hosts {
		if h.Problem != nil {
			l.Write("unreachable", "error", h.Problem.Message, map[string]any{"host": h.Name, "problem": h.Problem})
			continue
		}
		for _, i := range h.Changes {
			c := p.Changes[i]
			l.Write("change", "info", c.Control+" must change", map[string]any{"host": h.Name, "control": c.Control, "change": c})
		}
		for _, i := range h.Findings {
			f := p.Findings[i]
			l.Write("finding", "info", f.Address+" is "+string(f.Outcome), map[string]any{"host": h.Name, "control": f.Address, "finding": f})
		}
	}
	l.Summary(map[string]any{"summary": p.Summary(), "complete": p.Complete})
}

// Drift writes a line per way of drift, and per silent host.
func (l *Lines) Drift(p *plans.Plan, groups []plans.Group) {
	l.Selection(p.Selection)
	for _, h := range p.Silent() {
		l.Write("unreachable", "error", h.Problem.Message, map[string]any{"host": h.Name, "problem": h.Problem})
	}
	for _, g := range groups {
		level := "info"
		if g.Drifted() {
			level = "error"
		}
		l.Write("drift", level, fmt.Sprintf("%s is %s on %s", g.Control, g.Outcome, hostCount(len(g.Hosts))), map[string]any{"control": g.Control, "drift": g})
	}
	l.Summary(map[string]any{"summary": p.Summary(), "complete": p.Complete, "drifted": p.Drifted()})
}

// Outcome writes a line per host that had changes.
func (l *Lines) Outcome(p *plans.Plan, o plans.Outcome) {
	counts := map[plans.Status]int{}
	for _, r := range o.Results {
		counts[r.Status]++
		level := "info"
		if !r.AsPlanned() {
			level = "error"
		}
		l.Write("result", level, r.Host+": "+string(r.Status), map[string]any{"host": r.Host, "result": r})
	}
	for _, stop := range o.Stops {
		level := "error"
		if stop.Kind.Pauses() {
			level = "warn"
		}
		l.Write("stop", level, stop.Error(), map[string]any{"stop": stop, "wave": stop.Wave})
	}
	median, worst, host, restarts := o.Down()
	l.Summary(map[string]any{
		"run": o.Run, "plan": p.Summary(), "complete": p.Complete, "statuses": counts, "restarts": restarts,
		"down_median_ms": median.Milliseconds(), "down_worst_ms": worst.Milliseconds(), "down_worst_host": host,
	})
}

// Summary sets what the last event counts; a later one replaces it.
func (l *Lines) Summary(counts map[string]any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.summary = counts
}

// Selection lets the summary say of which part of everything it is; nil is everything.
func (l *Lines) Selection(s *plans.Selection) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.of = s
}

// End writes the error that ends the run, if any, and the summary, waits until all
// is written, and returns the first error of writing.
func (l *Lines) End(exit int, problem, hint string) error {
	l.mu.Lock()
	if problem != "" {
		line := map[string]any{"exit": exit}
		if hint != "" {
			line["hint"] = provider.Printable(hint)
		}
		l.write("error", "error", problem, line)
	}
	line := maps.Clone(l.summary)
	if line == nil {
		line = map[string]any{}
	}
	line["command"], line["exit"] = l.command, exit
	if l.of != nil {
		line["selection"] = l.of
	}
	l.write("summary", "info", l.command, line)
	l.closed = true
	l.more.Signal()
	l.mu.Unlock()
	<-l.written
	return l.err
}
