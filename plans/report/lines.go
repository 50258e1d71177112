package report

import (
	"encoding/json"
	"io"
	"time"

	"github.com/kepmctl/kepmctl/plans"
	"github.com/kepmctl/kepmctl/provider"
)

// Lines writes JSON Lines for programs: first what wrote them, last a summary.
type Lines struct {
	out io.Writer
	now func() time.Time
	run string
	seq int
	err error
}

// NewLines begins with the version event. Run may be empty.
func NewLines(out io.Writer, now func() time.Time, version, run string) *Lines {
	l := &Lines{out: out, now: now, run: run}
	l.write("version", "info", "kepmctl "+version, map[string]any{"kepmctl": version, "format_version": plans.FormatVersion})
	return l
}

func (l *Lines) write(kind, level, message string, more map[string]any) {
	if l.err != nil {
		return
	}
	l.seq++
	more["type"], more["seq"] = kind, l.seq
	more["@level"], more["@message"], more["@timestamp"] = level, provider.Printable(message), l.now().UTC().Format(time.RFC3339Nano)
	if l.run != "" {
		more["run_id"] = l.run
	}
	var b []byte
	if b, l.err = json.Marshal(more); l.err == nil {
		_, l.err = l.out.Write(append(b, '\n'))
	}
}

// Plan writes a line per change and host, per finding and host, per silent host,
// and the summary.
func (l *Lines) Plan(p *plans.Plan) error {
	for _, h := range p.Hosts {
		if h.Problem != nil {
			l.write("unreachable", "error", h.Problem.Message, map[string]any{"host": h.Name, "problem": h.Problem})
			continue
		}
		for _, i := range h.Changes {
			c := p.Changes[i]
			l.write("change", "info", c.Control+" must change", map[string]any{"host": h.Name, "control": c.Control, "change": c})
		}
		for _, i := range h.Findings {
			f := p.Findings[i]
			l.write("finding", "info", f.Address+" is "+string(f.Outcome), map[string]any{"host": h.Name, "control": f.Address, "finding": f})
		}
	}
	l.write("summary", "info", "plan", map[string]any{"summary": p.Summary(), "complete": p.Complete})
	return l.err
}

// Outcome writes a line per host that had changes, and the summary.
func (l *Lines) Outcome(p *plans.Plan, o plans.Outcome) error {
	counts := map[plans.Status]int{}
	for _, r := range o.Results {
		counts[r.Status]++
		level := "info"
		if !r.AsPlanned() {
			level = "error"
		}
		l.write("result", level, r.Host+": "+string(r.Status), map[string]any{"host": r.Host, "result": r})
	}
	median, worst, host, restarts := o.Down()
	l.write("summary", "info", "apply", map[string]any{
		"plan": p.Summary(), "statuses": counts, "restarts": restarts,
		"down_median_ms": median.Milliseconds(), "down_worst_ms": worst.Milliseconds(), "down_worst_host": host,
	})
	return l.err
}
