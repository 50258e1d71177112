package report

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kepmctl/kepmctl/plans"
	"github.com/kepmctl/kepmctl/provider"
)

// A Report is what a plan, a drift report or an apply writes into files.
type Report struct {
	Tool    string // version of kepmctl
	Command string // "plan", "drift", "apply" ...
	At      time.Time
	Plan    *plans.Plan
	Outcome *plans.Outcome // nil: nothing was applied

	groups []plans.Group // the most severe first
}

// NewReport groups what the plan found. Places are told with the directory that they
// are relative to.
func NewReport(tool, command string, at time.Time, dir string, p *plans.Plan, o *plans.Outcome) *Report {
	r := &Report{Tool: tool, Command: command, At: at.UTC().Truncate(time.Second), Plan: p, Outcome: o, groups: p.Groups()}
	for i, g := range r.groups {
		if g.File != "" {
			r.groups[i].File = path.Join(dir, g.File)
		}
	}
	r.groups = after(r.groups, o)
	slices.SortStableFunc(r.groups, func(a, b plans.Group) int { // what a budget drops first comes last
		return cmp.Or(cmp.Compare(weight(b), weight(a)), cmp.Compare(b.Severity.Rank(), a.Severity.Rank()))
	})
	return r
}

// after leaves out what an apply has put right.
func after(groups []plans.Group, o *plans.Outcome) []plans.Group {
	if o == nil {
		return groups
	}
	right := map[string]bool{}
	for _, r := range o.Results {
		right[r.Host] = r.AsPlanned()
	}
	var left []plans.Group
	for _, g := range groups {
		if g.Attr != "" {
			g.Hosts = slices.DeleteFunc(slices.Clone(g.Hosts), func(h string) bool { return right[h] })
		}
		if len(g.Hosts) > 0 {
			left = append(left, g)
		}
	}
	return left
}

// weight puts what needs attention before what does not.
func weight(g plans.Group) int {
	switch {
	case g.Drifted():
		return 3
	case g.Outcome == provider.NonCompliant:
		return 2
	case g.Outcome == provider.Unknown:
		return 1
	default:
		return 0
	}
}

// Budgets of what the readers of files take, in bytes.
const (
	commentBudget = 60_000    // a comment on GitHub has 65,536 characters
	summaryBudget = 900_000   // a step summary on GitHub has 1 MiB
	junitBudget   = 30 << 20  // GitLab reads as much
	sarifBudget   = 100 << 20 // 10 MB gzipped; texts like these pack to less than a tenth
	sarifResults  = 5000      // GitHub shows as many
	annotations   = 10        // GitHub shows as many of a step
)

// formats write the first n groups of a report; all is whether none is left out.
var formats = map[string]struct {
	write  func(r *Report, n int) ([]byte, error)
	most   int // groups; 0: all
	budget int // bytes; 0: none
}{
	"json":               {write: (*Report).json},
	"jsonl":              {write: (*Report).jsonl},
	"csv":                {write: (*Report).csv},
	"markdown":           {write: (*Report).markdown, budget: commentBudget},
	"github":             {write: (*Report).markdown, budget: summaryBudget},
	"sarif":              {write: (*Report).sarif, most: sarifResults, budget: sarifBudget},
	"junit":              {write: (*Report).junit, budget: junitBudget},
	"prometheus":         {write: (*Report).prometheus},
	"gitlab-terraform":   {write: (*Report).gitlabTerraform},
	"gitlab-codequality": {write: (*Report).gitlabCodequality},
}

// Formats are the names of all formats.
func Formats() []string {
	var names []string
	for name := range formats {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Bytes is the report in a format, within what its readers take: of what is too much
// the least severe is left out, which the report says.
func (r *Report) Bytes(format string) ([]byte, error) {
	f, ok := formats[format]
	if !ok {
		return nil, fmt.Errorf("there is no format %q", format)
	}
	most := len(r.groups)
	if f.most > 0 {
		most = min(most, f.most)
	}
	b, err := f.write(r, most)
	if err != nil || f.budget == 0 || len(b) <= f.budget {
		return b, err
	}
	fits, over := 0, most // the largest number that fits is between them
	for over-fits > 1 {
		n := (fits + over) / 2
		if b, err = f.write(r, n); err != nil {
			return nil, err
		}
		if len(b) <= f.budget {
			fits = n
		} else {
			over = n
		}
	}
	return f.write(r, fits)
}

// left says how many ways are left out; empty: none.
func (r *Report) left(n int) string {
	if n >= len(r.groups) {
		return ""
	}
	return fmt.Sprintf("%d of %d ways are left out for want of room, the least severe ones", len(r.groups)-n, len(r.groups))
}

// A document is the report for programs: docs/schema/report.schema.json.
type document struct {
	FormatVersion string           `json:"format_version"`
	Tool          string           `json:"tool"`
	Command       string           `json:"command"`
	At            time.Time        `json:"at"`
	Complete      bool             `json:"complete"`
	Summary       plans.Summary    `json:"summary"`
	Numbers       map[string]int   `json:"numbers"` // as gates know them
	Drifted       int              `json:"drifted"`
	Groups        []plans.Group    `json:"groups"`
	Gates         []plans.Gate     `json:"gates,omitempty"`
	Waivers       []plans.Waiver   `json:"waivers,omitempty"`
	Silent        []silentHost     `json:"silent,omitempty"`
	Selection     *plans.Selection `json:"selection,omitempty"`
	Outcome       *plans.Outcome   `json:"outcome,omitempty"`
}

type silentHost struct {
	Host    string        `json:"host"`
	Problem plans.Problem `json:"problem"`
}

func (r *Report) json(int) ([]byte, error) {
	d := document{
		FormatVersion: plans.FormatVersion, Tool: r.Tool, Command: r.Command, At: r.At, Complete: r.Plan.Complete, Summary: r.Plan.Summary(),
		Numbers: r.Plan.Numbers(), Drifted: r.Plan.Drifted(), Groups: r.groups, Gates: r.Plan.Gates, Waivers: r.Plan.Waivers, Selection: r.Plan.Selection, Outcome: r.Outcome,
	}
	if d.Groups == nil {
		d.Groups = []plans.Group{}
	}
	for _, h := range r.Plan.Silent() {
		d.Silent = append(d.Silent, silentHost{h.Name, *h.Problem})
	}
	b, err := redacted(d)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, b, "", " "); err != nil {
		return nil, err
	}
	return append(out.Bytes(), '\n'), nil
}

// A row is one way in which one host differs.
type row struct {
	Host      string `json:"host"`
	Control   string `json:"control"`
	Outcome   string `json:"outcome"`
	Severity  string `json:"severity,omitempty"`
	Mode      string `json:"mode,omitempty"`
	Attr      string `json:"attr,omitempty"`
	From      string `json:"from,omitempty"`
	To        string `json:"to,omitempty"`
	Signature string `json:"signature,omitempty"`
	Waiver    string `json:"waiver,omitempty"`
	Reason    string `json:"reason,omitempty"`
	Status    string `json:"status,omitempty"` // of the host, after an apply
	Version   string `json:"agent_version,omitempty"`
	System    string `json:"system,omitempty"`
}

// rows are all ways of all hosts, by host, and a row per host that gave no answer.
func (r *Report) rows() []row {
	hosts := map[string]plans.HostPlan{}
	var list []row
	for _, h := range r.Plan.Hosts {
		hosts[h.Name] = h
		if h.Problem != nil {
			list = append(list, row{Host: h.Name, Outcome: "unreachable", Reason: h.Problem.Message})
		}
	}
	status := map[string]string{}
	if r.Outcome != nil {
		for _, one := range r.Outcome.Results {
			status[one.Host] = string(one.Status)
		}
	}
	for _, g := range r.groups {
		for _, name := range g.Hosts {
			h := hosts[name]
			list = append(list, row{
				Host: name, Control: g.Control, Outcome: string(g.Outcome), Severity: string(g.Severity), Mode: string(g.Mode), Attr: g.Attr, From: g.From, To: g.To,
				Signature: g.Signature, Waiver: g.Waiver, Reason: g.Reason, Status: status[name], Version: h.Version, System: h.System,
			})
		}
	}
	slices.SortStableFunc(list, func(a, b row) int { return strings.Compare(a.Host, b.Host) })
	return list
}

func (r *Report) jsonl(int) ([]byte, error) {
	var out bytes.Buffer
	for _, one := range r.rows() {
		b, err := redacted(one)
		if err != nil {
			return nil, err
		}
		out.Write(append(b, '\n'))
	}
	return out.Bytes(), nil
}

func (r *Report) csv(int) ([]byte, error) {
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	rows := [][]string{{"host", "control", "outcome", "severity", "mode", "attr", "from", "to", "signature", "waiver", "reason", "status", "agent_version", "system"}}
	for _, o := range r.rows() {
		cells := []string{o.Host, o.Control, o.Outcome, o.Severity, o.Mode, o.Attr, o.From, o.To, o.Signature, o.Waiver, o.Reason, o.Status, o.Version, o.System}
		for i, c := range cells {
			cells[i] = cell(c)
		}
		rows = append(rows, cells)
	}
	err := w.WriteAll(rows)
	return out.Bytes(), err
}

// cell keeps spreadsheets from taking what a host said for a formula.
func cell(s string) string {
	s = provider.Redact(provider.Printable(s))
	if s != "" && strings.ContainsRune("=+-@", rune(s[0])) {
		return "'" + s
	}
	return s
}

func (r *Report) gitlabTerraform(int) ([]byte, error) {
	s := r.Plan.Summary()
	return json.Marshal(map[string]int{"create": s.Add, "update": s.Modify, "delete": s.Remove})
}

// A quality is an issue as GitLab's code quality reports have it:
// https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
type quality struct {
	Description string  `json:"description"`
	CheckName   string  `json:"check_name"`
	Fingerprint string  `json:"fingerprint"`
	Severity    string  `json:"severity"`
	Location    located `json:"location"`
}

type located struct {
	Path  string `json:"path"`
	Lines struct {
		Begin int `json:"begin"`
	} `json:"lines"`
}

func (r *Report) gitlabCodequality(int) ([]byte, error) {
	severities := map[provider.Severity]string{provider.Critical: "critical", provider.High: "major", provider.Medium: "minor", provider.Low: "info"}
	list := []quality{}
	for _, g := range r.groups {
		if g.Outcome != provider.NonCompliant {
			continue
		}
		q := quality{
			Description: sentence(g), CheckName: g.Control, Severity: cmp.Or(severities[g.Severity], "info"),
			Fingerprint: g.Signature + "-" + string(g.Mode), Location: located{Path: cmp.Or(g.File, "."+"/")},
		}
		q.Location.Lines.Begin = max(g.Line, 1)
		list = append(list, q)
	}
	return redacted(list)
}

// sentence is a way in one line.
func sentence(g plans.Group) string {
	has, must := cmp.Or(cut(g.From), "(not set)"), ""
	if g.To != "" {
		must = ", must have " + cut(g.To)
	}
	attr := ""
	if g.Attr != "" {
		attr = g.Attr + " "
	}
	return provider.Printable(fmt.Sprintf("%s on %d of %d hosts: %shas %s%s", g.Control, len(g.Hosts), g.Of, attr, has, must))
}

// Annotations are GitHub's workflow commands that mark the lines of the configuration
// where what does not hold is wanted: at most as many as GitHub shows.
// https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions
func (r *Report) Annotations(out io.Writer) error {
	n := 0
	for _, g := range r.groups {
		if n == annotations || !g.Drifted() || g.File == "" {
			continue
		}
		n++
		kind := map[provider.Severity]string{provider.Critical: "error", provider.High: "error", provider.Medium: "warning"}[g.Severity]
		_, err := fmt.Fprintf(out, "::%s file=%s,line=%s,title=%s::%s\n", cmp.Or(kind, "notice"), property(g.File), strconv.Itoa(g.Line), property("kepmctl "+g.Signature), command(sentence(g)))
		if err != nil {
			return err
		}
	}
	return nil
}

// command escapes the text of a workflow command, property that of its properties.
func command(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(provider.Redact(s))
}

func property(s string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(command(s))
}
