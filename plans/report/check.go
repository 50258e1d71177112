package report

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/kepmctl/kepmctl/plans"
	"github.com/kepmctl/kepmctl/provider"
)

// A cause is one problem and the hosts that have it.
type cause struct {
	kind    string
	problem plans.Problem // of the first host
	hosts   []string
}

// causes are problems by what caused them, in no order.
type causes map[string]*cause

// What an error says of one host only: addresses with a port, and fingerprints.
var particular = regexp.MustCompile(`\[?[0-9A-Za-z_.:-]+\]?:[0-9]{1,5}\b|SHA256:[A-Za-z0-9+/=]+`)

// add puts a host to those with the same cause: the same words, but for what is
// particular to a host.
func (c *causes) add(host string, p plans.Problem) {
	if *c == nil {
		*c = causes{}
	}
	words := particular.ReplaceAllString(strings.ReplaceAll(p.Message, host, "*"), "*")
	key := p.Kind + "\x00" + words
	if (*c)[key] == nil {
		(*c)[key] = &cause{kind: p.Kind, problem: p}
	}
	(*c)[key].hosts = append((*c)[key].hosts, host)
}

func (t *Text) causes(title, mark string, all causes) {
	if len(all) == 0 {
		return
	}
	t.line("%s\n", title)
	sorted := make([]*cause, 0, len(all))
	for _, c := range all {
		sorted = append(sorted, c)
	}
	slices.SortFunc(sorted, func(a, b *cause) int {
		return cmp.Or(cmp.Compare(len(b.hosts), len(a.hosts)), cmp.Compare(a.kind, b.kind), cmp.Compare(a.hosts[0], b.hosts[0]))
	})
	for _, c := range sorted {
		t.line("  %s %s   %s", mark, c.kind, hostCount(len(c.hosts)))
		t.line("    why: %s: %s", c.hosts[0], c.problem.Message)
		if c.problem.Hint != "" {
			t.line("    fix: %s", c.problem.Hint)
		}
		t.line("    %s\n", list(c.hosts, t.View == Full))
	}
}

// Check shows what stands between this program and its hosts, by cause.
func (t *Text) Check(hosts []plans.Checked) error {
	var barred, notes causes
	ready := 0
	for _, h := range hosts {
		if h.Problem != nil {
			barred.add(h.Host, *h.Problem)
			continue
		}
		ready++
		for _, n := range h.Notes {
			notes.add(h.Host, n)
		}
	}
	t.causes("In the way", "x", barred)
	t.causes("To know", "?", notes)
	t.line("Check: %d of %s ready: dialled, identified, elevated, looked at.", ready, hostCount(len(hosts)))
	t.cost(hosts)
	return t.err
}

// cost says what a look costs a host: the median of those it was measured on.
func (t *Text) cost(hosts []plans.Checked) {
	var processes, lines []int
	for _, h := range hosts {
		if h.Cost == nil {
			continue
		}
		if h.Cost.Processes >= 0 {
			processes = append(processes, h.Cost.Processes)
		}
		if h.Cost.LogLines >= 0 {
			lines = append(lines, h.Cost.LogLines)
		}
	}
	var parts []string
	if len(processes) > 0 {
		parts = append(parts, count(median(processes), "process", "processes"))
	}
	if len(lines) > 0 {
		parts = append(parts, count(median(lines), "line in its log", "lines in its log"))
	}
	if len(parts) > 0 {
		t.line("A look costs a host about %s, its login and what else happened there included (median of %s).",
			strings.Join(parts, " and "), hostCount(max(len(processes), len(lines))))
	}
}

func median(list []int) int {
	slices.Sort(list)
	return list[len(list)/2]
}

// Check writes a line per host, and counts.
func (l *Lines) Check(hosts []plans.Checked) {
	ready := 0
	for _, h := range hosts {
		level, message := "info", h.Host+" is ready"
		if h.Problem != nil {
			level, message = "error", provider.Printable(h.Problem.Message)
		} else {
			ready++
		}
		l.Write("checked", level, message, map[string]any{"host": h.Host, "checked": h})
	}
	l.Summary(map[string]any{"hosts": len(hosts), "ready": ready})
}
