package report_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/kepmctl/kepmctl/plans"
	"github.com/kepmctl/kepmctl/plans/report"
	"github.com/kepmctl/kepmctl/provider"
)

// hostile is what a host may have put where reports show it.
const hostile = "=cmd|'/c calc'!A0 <script>alert(1)</script> `x` ]]> %0A::error::forged\n::error::forged @everyone [a](b) \x1b[31m"

// reported is a plan with something of everything, and a host that attacks readers.
func reported() *plans.Plan {
	p := fleet()
	p.Baselines[0].Wants = []plans.Want{
		{Control: "allowed_hosts", Mode: provider.Enforce, File: "fleet.kepm.hcl", Line: 12},
		{Control: "log_level", Mode: provider.Audit, File: "fleet.kepm.hcl", Line: 13},
		{Control: "service_at_boot", Mode: provider.Enforce, File: "fleet.kepm.hcl", Line: 14},
		{Control: "alternative_signatures", Mode: provider.Enforce, File: "a,b:c.kepm.hcl", Line: 15},
	}
	p.Changes = append(p.Changes, provider.Change{Control: "alternative_signatures", Attr: "Settings:AlternativeSignatures", Action: provider.Modify, From: hostile, To: "[]"})
	p.Findings = append(p.Findings,
		provider.Finding{Address: "alternative_signatures", Severity: provider.Critical, Mode: provider.Enforce, Outcome: provider.NonCompliant, Have: hostile, Want: "[]"},
		provider.Finding{Address: "alternative_signatures", Severity: provider.Low, Mode: provider.Enforce, Outcome: provider.Waived, Waiver: "legacy", Have: `["AA"]`, Want: "[]"},
	)
	p.Hosts[11].Findings, p.Hosts[11].Changes = []int{4}, []int{3}
	p.Hosts[12].Findings, p.Hosts[12].Changes = []int{5}, nil
	p.Gates = []plans.Gate{{Name: "few", Condition: "plan.changed < 5", Values: "plan.changed = 209", Message: "Too many | at once."}, {Name: "ok", Pass: true}}
	p.Waivers = []plans.Waiver{{Name: "legacy", State: plans.WaiverActive, Controls: []string{"alternative_signatures"}, Expires: p.Created.AddDate(0, 0, 3), Owner: "team"}, {Name: "old", State: plans.WaiverExpired, Why: "it ended", Controls: []string{"log_level"}}}
	return p
}

func bytesOf(t *testing.T, r *report.Report, format string) []byte {
	t.Helper()
	b, err := r.Bytes(format)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var at = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// Each format is read by a strict reader of its own, and looks as it did.
func TestFormats(t *testing.T) {
	o := outcome()
	r := report.NewReport("0.1.0", "drift", at, ".", reported(), nil)
	applied := report.NewReport("0.1.0", "apply", at, ".", reported(), &o)
	read := map[string]func(b []byte) error{
		"json":  func(b []byte) error { return json.Unmarshal(b, new(map[string]any)) },
		"jsonl": func(b []byte) error { each0 := bytes.Split(bytes.TrimSpace(b), []byte("\n")); return allJSON(each0) },
		"csv": func(b []byte) error {
			rows, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
			for _, row := range rows {
				for _, cell := range row {
					if strings.HasPrefix(cell, "=") {
						err = fmt.Errorf("a formula: %q", cell)
					}
				}
			}
			return err
		},
		"markdown": inert, "github": inert,
		"sarif": func(b []byte) error {
			doc, err := sarif.FromBytes(b)
			if err != nil {
				return err
			}
			return doc.Validate()
		},
		"junit": func(b []byte) error {
			d := xml.NewDecoder(bytes.NewReader(b))
			for {
				if _, err := d.Token(); err == io.EOF {
					return nil
				} else if err != nil {
					return err
				}
			}
		},
		"prometheus": func(b []byte) error {
			p := expfmt.NewTextParser(model.UTF8Validation)
			families, err := p.TextToMetricFamilies(bytes.NewReader(b))
			if err == nil && families["kepmctl_hosts"] == nil {
				err = fmt.Errorf("no metric of hosts")
			}
			return err
		},
		"gitlab-terraform": func(b []byte) error {
			var n struct{ Create, Update, Delete *int }
			d := json.NewDecoder(bytes.NewReader(b))
			d.DisallowUnknownFields()
			if err := d.Decode(&n); err != nil || n.Create == nil || n.Update == nil || n.Delete == nil {
				return fmt.Errorf("%+v, %w", n, err)
			}
			return nil
		},
		"gitlab-codequality": codequality,
	}
	for _, format := range report.Formats() {
		check, ok := read[format]
		if !ok {
			t.Errorf("nothing reads %s", format)
			continue
		}
		for _, one := range []*report.Report{r, applied} {
			if b := bytesOf(t, one, format); check(b) != nil {
				t.Errorf("%s of %s: %v\n%s", format, one.Command, check(b), b)
			}
		}
		golden(t, "report-"+format+".txt", bytesOf(t, r, format))
	}
	golden(t, "report-junit-applied.txt", bytesOf(t, applied, "junit"))
	right := report.NewReport("0.1.0", "apply", at, ".", reported(), &plans.Outcome{Results: []plans.Result{{Host: "app-001.par1", Status: plans.Done}}})
	if b := bytesOf(t, right, "csv"); bytes.Contains(b, []byte("app-001.par1,allowed_hosts")) || !bytes.Contains(b, []byte("app-002.par1,allowed_hosts")) {
		t.Error("what was put right still differs, or more than that is left out")
	}
	if _, err := r.Bytes("docx"); err == nil {
		t.Error("an unknown format is written")
	}
}

func allJSON(lines [][]byte) error {
	for _, l := range lines {
		if err := json.Unmarshal(l, new(map[string]any)); err != nil {
			return err
		}
	}
	return nil
}

// inert: nothing that a host said is markup, a mention or a command of its own.
func inert(b []byte) error {
	for _, bad := range []string{"<script", "\x1b", "`x`", "@everyone", "[a](b)", "\n::error"} {
		if bytes.Contains(b, []byte(bad)) {
			return fmt.Errorf("%q stands in it", bad)
		}
	}
	return nil
}

// codequality reads what GitLab requires of each issue.
func codequality(b []byte) error {
	var list []struct {
		Description, Fingerprint, Severity string
		CheckName                          string `json:"check_name"`
		Location                           struct {
			Path  string
			Lines struct{ Begin int }
		}
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&list); err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, i := range list {
		if i.Description == "" || i.CheckName == "" || seen[i.Fingerprint] || i.Location.Path == "" || i.Location.Lines.Begin < 1 ||
			!strings.Contains("info minor major critical blocker", i.Severity) {
			return fmt.Errorf("%+v", i)
		}
		seen[i.Fingerprint] = true
	}
	return nil
}

// GitHub takes what a line says for a command: each annotation is one line, at most
// ten of them, at the line of the configuration.
func TestAnnotations(t *testing.T) {
	var out bytes.Buffer
	if err := report.NewReport("0.1.0", "drift", at, ".", reported(), nil).Annotations(&out); err != nil {
		t.Fatal(err)
	}
	golden(t, "report-annotations.txt", out.Bytes())
	for line := range strings.Lines(out.String()) {
		if strings.Count(line, "::") != 2 && !strings.Contains(line, "%250A::error::forged") {
			t.Errorf("%q", line)
		}
	}
	many := report.NewReport("0.1.0", "drift", at, ".", ways(300), nil)
	out.Reset()
	if err := many.Annotations(&out); err != nil || strings.Count(out.String(), "\n") != 10 {
		t.Errorf("%d annotations, %v", strings.Count(out.String(), "\n"), err)
	}
}

// ways is a plan of hosts that each differ in a way of their own.
func ways(n int) *plans.Plan {
	p := &plans.Plan{Created: at, Baselines: []plans.Baseline{{Wants: []plans.Want{{Control: "log_level", File: "f.kepm.hcl", Line: 3}}}}}
	for i := range n {
		severity := []provider.Severity{provider.Low, provider.Critical}[i%2]
		p.Findings = append(p.Findings, provider.Finding{
			Address: "log_level", Severity: severity, Mode: provider.Enforce, Outcome: provider.NonCompliant, Have: fmt.Sprintf("%d %s", i, strings.Repeat("x", 200)), Want: "Warning",
		})
		p.Hosts = append(p.Hosts, plans.HostPlan{Name: fmt.Sprintf("h%05d", i), Findings: []int{i}})
	}
	return p
}

// What is too much for a reader is left out, the least severe first, and said.
func TestBudgets(t *testing.T) {
	r := report.NewReport("0.1.0", "drift", at, ".", ways(8000), nil)
	for format, most := range map[string]int{"markdown": 60_000, "github": 900_000, "junit": 30 << 20} {
		b := bytesOf(t, r, format)
		if len(b) > most || len(b) < most/3 && format != "junit" {
			t.Errorf("%s has %d bytes of %d", format, len(b), most)
		}
		if format != "junit" && (!bytes.Contains(b, []byte("left out for want of room")) || bytes.Contains(b, []byte("| low |"))) {
			t.Errorf("%s does not say what it leaves out, or leaves out the wrong ways", format)
		}
		if format != "junit" && bytes.Count(b, []byte("<code>")) != bytes.Count(b, []byte("</code>")) {
			t.Errorf("%s is cut inside of code", format)
		}
	}
	doc, err := sarif.FromBytes(bytesOf(t, r, "sarif"))
	if err != nil || len(doc.Runs[0].Results) != 5000 {
		t.Fatalf("%v", err)
	}
	if n := doc.Runs[0].Invocations; len(n) != 1 || !strings.Contains(*n[0].ToolExecutionNotifications[0].Message.Text, "3000 of 8000 ways are left out") {
		t.Errorf("what is left out is not said: %+v", n)
	}
}

// One host's long value does not take the room of all others.
func TestLongValue(t *testing.T) {
	p := ways(3)
	p.Findings[0].Have = strings.Repeat("y", 200_000)
	for _, format := range []string{"markdown", "github"} {
		if b := bytesOf(t, report.NewReport("0.1.0", "drift", at, ".", p, nil), format); bytes.Count(b, []byte("log&#95;level")) != 3 || len(b) > 10_000 {
			t.Errorf("%s has %d bytes", format, len(b))
		}
	}
	for i := range 2000 {
		p.Waivers = append(p.Waivers, plans.Waiver{Name: fmt.Sprint("w", i), State: plans.WaiverExpired, Why: "it ended"})
	}
	if b := bytesOf(t, report.NewReport("0.1.0", "drift", at, ".", p, nil), "markdown"); len(b) > 10_000 || !bytes.Contains(b, []byte("And 1980 more waivers")) {
		t.Errorf("%d bytes", len(b))
	}
}

func TestWords(t *testing.T) {
	var got []string
	for _, w := range report.Words(`"localhost;intra;127.0.0.1"`, `"localhost;127.0.0.1"`) {
		mark := map[[2]bool]string{{true, false}: "-", {false, true}: "+"}[[2]bool{w.Removed, w.Added}]
		got = append(got, mark+w.Text)
	}
	if want := `"localhost; -intra; 127.0.0.1"`; strings.Join(got, " ") != want {
		t.Errorf("%s, want %s", strings.Join(got, " "), want)
	}
}
