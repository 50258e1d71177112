package report

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/kepmctl/kepmctl/provider"
)

const home = "https://github.com/kepmctl/kepmctl"

// sarif has a result per way, at the line where it is wanted; what is waived is
// suppressed.
func (r *Report) sarif(n int) ([]byte, error) {
	levels := map[provider.Severity]string{provider.Critical: "error", provider.High: "error", provider.Medium: "warning", provider.Low: "note"}
	doc := sarif.NewReport()
	run := sarif.NewRunWithInformationURI("kepmctl", home)
	run.Tool.Driver.WithVersion(r.Tool)
	for _, g := range r.groups[:n] {
		if g.Outcome == provider.Unknown {
			continue
		}
		name := provider.ControlName(g.Control)
		e, _ := provider.EntryOf(name)
		run.AddRule(name).WithDescription(e.Title).WithHelp(sarif.NewMultiformatMessageString().WithText(e.Rationale + " " + e.Fix))
		result := run.CreateResultForRule(name).
			WithLevel(cmp.Or(levels[g.Severity], "note")).
			WithMessage(sarif.NewTextMessage(provider.Redact(sentence(g)))).
			WithPartialFingerprints(map[string]string{"kepmctlSignature/v1": strings.Join([]string{g.Signature, string(g.Mode), string(g.Outcome), g.Waiver}, "/")})
		if g.File != "" {
			result.AddLocation(sarif.NewLocationWithPhysicalLocation(sarif.NewPhysicalLocation().
				WithArtifactLocation(sarif.NewSimpleArtifactLocation((&url.URL{Path: g.File}).String())).
				WithRegion(sarif.NewSimpleRegion(max(g.Line, 1), max(g.Line, 1)))))
		}
		if g.Outcome == provider.Waived {
			result.AddSuppression(sarif.NewSuppression().WithKind("external").WithJustification("waiver " + g.Waiver))
		}
	}
	if left := r.left(n); left != "" {
		run.AddInvocation(sarif.NewInvocation().WithExecutionSuccessful(true).
			WithToolExecutionNotifications([]*sarif.Notification{sarif.NewNotification().WithLevel("warning").WithMessage(sarif.NewTextMessage(left))}))
	}
	doc.AddRun(run)
	var out bytes.Buffer
	err := doc.PrettyWrite(&out)
	return out.Bytes(), err
}

// A suite is a JUnit test suite as GitLab, GitHub's actions and Azure Pipelines read it.
type suite struct {
	XMLName  xml.Name   `xml:"testsuite"`
	Name     string     `xml:"name,attr"`
	Tests    int        `xml:"tests,attr"`
	Failures int        `xml:"failures,attr"`
	Skipped  int        `xml:"skipped,attr"`
	Time     string     `xml:"timestamp,attr"`
	Cases    []testCase `xml:"testcase"`
	Out      string     `xml:"system-out,omitempty"`
}

type testCase struct {
	Class   string   `xml:"classname,attr"`
	Name    string   `xml:"name,attr"`
	File    string   `xml:"file,attr,omitempty"`
	Failure *verdict `xml:"failure"`
	Skipped *verdict `xml:"skipped"`
}

type verdict struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// junit has a case per way, a failed one where it is enforced; and one per control that
// holds everywhere.
func (r *Report) junit(n int) ([]byte, error) {
	s := suite{Name: "kepmctl " + r.Command, Time: r.At.Format("2006-01-02T15:04:05"), Out: r.left(n)}
	wrong := map[string]bool{}
	for _, g := range r.groups {
		wrong[g.Control] = true
	}
	for _, g := range r.groups[:n] {
		c := testCase{Class: "kepmctl." + g.Control, Name: provider.Redact(sentence(g)) + " (" + g.Signature + ")", File: g.File}
		v := &verdict{Message: standing(g), Text: provider.Redact(strings.Join(slices.DeleteFunc([]string{g.Reason, g.Hint, g.Waiver, some(g.Hosts)}, func(s string) bool { return s == "" }), "\n"))}
		if g.Drifted() {
			c.Failure = v
			s.Failures++
		} else {
			c.Skipped = v
			s.Skipped++
		}
		s.Cases = append(s.Cases, c)
	}
	for _, control := range r.controls() {
		if !wrong[control] {
			s.Cases = append(s.Cases, testCase{Class: "kepmctl." + control, Name: control + " holds on every host that answered"})
		}
	}
	s.fail("kepmctl.hosts", "%s gave no answer", r.silent()...)
	for _, g := range r.Plan.Gates {
		if !g.Pass {
			s.fail("kepmctl.gate."+g.Name, "gate %s: "+g.Message, g.Condition+" does not hold ("+g.Values+")")
		}
	}
	if r.Outcome != nil {
		for _, one := range r.Outcome.Results {
			if !one.AsPlanned() {
				s.fail("kepmctl.host."+one.Host, "%s: "+words(one.Status), one.Host+" "+provider.Redact(one.Reason))
			} else {
				s.Cases = append(s.Cases, testCase{Class: "kepmctl.host." + one.Host, Name: one.Host + " is as planned"})
			}
		}
	}
	s.Tests = len(s.Cases)
	b, err := xml.MarshalIndent(s, "", " ")
	return append([]byte(xml.Header), append(b, '\n')...), err
}

// fail adds a case that failed for each of some things.
func (s *suite) fail(class, what string, list ...string) {
	for _, one := range list {
		s.Failures++
		s.Cases = append(s.Cases, testCase{Class: class, Name: one, Failure: &verdict{Message: provider.Printable(strings.ReplaceAll(what, "%s", one))}})
	}
}

// silent are the hosts that gave no answer, compressed.
func (r *Report) silent() []string {
	var names []string
	for _, h := range r.Plan.Silent() {
		names = append(names, h.Name)
	}
	if len(names) == 0 {
		return nil
	}
	return []string{list(names, false)}
}

// controls are all that are wanted of any host.
func (r *Report) controls() []string {
	seen := map[string]bool{}
	var list []string
	for _, b := range r.Plan.Baselines {
		for _, w := range b.Wants {
			control := provider.Control{Name: w.Control, Plugin: w.Plugin, Key: w.Key}.String()
			if w.Mode != provider.Off && !seen[control] {
				seen[control] = true
				list = append(list, control)
			}
		}
	}
	slices.Sort(list)
	return list
}

// prometheus is for node_exporter's textfile collector. No metric names a host.
func (r *Report) prometheus(int) ([]byte, error) {
	s := r.Plan.Summary()
	var families []*dto.MetricFamily
	gauge := func(name, help string, values map[string]float64, labels ...string) {
		f := &dto.MetricFamily{Name: &name, Help: &help, Type: dto.MetricType_GAUGE.Enum()}
		keys := make([]string, 0, len(values))
		for k := range values {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			m, v := &dto.Metric{}, values[k]
			m.Gauge = &dto.Gauge{Value: &v}
			for i, value := range strings.Split(k, "\x00") {
				if i < len(labels) {
					m.Label = append(m.Label, &dto.LabelPair{Name: &labels[i], Value: &value})
				}
			}
			f.Metric = append(f.Metric, m)
		}
		if len(f.Metric) > 0 {
			families = append(families, f)
		}
	}
	gauge("kepmctl_hosts", "Hosts by state, as last looked at.", map[string]float64{
		"assigned": float64(s.Hosts), "as_declared": float64(s.Compliant), "drifted": float64(r.Plan.Drifted()), "to_change": float64(s.Change), "unreachable": float64(s.Unreachable),
	}, "state")
	findings := map[string]float64{}
	for _, g := range r.groups {
		findings[strings.Join([]string{g.Control, string(g.Severity), string(g.Outcome), string(g.Mode)}, "\x00")] += float64(len(g.Hosts))
	}
	gauge("kepmctl_findings", "Hosts on which a control is not compliant, by what it is.", findings, "control", "severity", "outcome", "mode")
	waivers := map[string]float64{}
	for _, w := range r.Plan.Waivers {
		waivers[string(w.State)]++
	}
	gauge("kepmctl_waivers", "Waivers of the configuration by state.", waivers, "state")
	gauge("kepmctl_waivers_ending_soon", "Waivers in effect that end within 14 days.", map[string]float64{"": float64(s.WaiversSoon)})
	gauge("kepmctl_restarts_planned", "Hosts whose agent the plan restarts.", map[string]float64{"": float64(s.Restarts)})
	if r.Outcome != nil {
		statuses := map[string]float64{}
		for _, one := range r.Outcome.Results {
			statuses[string(one.Status)]++
		}
		gauge("kepmctl_apply_hosts", "Hosts of the last apply by how they ended.", statuses, "status")
	}
	gauge("kepmctl_last_report_timestamp_seconds", "When this was written.", map[string]float64{r.Command: float64(r.At.Unix())}, "command")
	var out bytes.Buffer
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&out, f); err != nil {
			return nil, fmt.Errorf("write metrics: %w", err)
		}
	}
	return out.Bytes(), nil
}
