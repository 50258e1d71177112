package report_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/kepmctl/kepmctl/plans"
	"github.com/kepmctl/kepmctl/plans/report"
)

// Whatever shows a part of the fleet says so, and says nothing of a whole.
func TestSelectionIsShown(t *testing.T) {
	const want = "Selected: 212 of 1204 hosts, 2 of 21 controls (--target x\\x1b)."
	shows := map[string]func(*report.Text, *plans.Plan) error{
		"plan":    (*report.Text).Plan,
		"outcome": func(t *report.Text, p *plans.Plan) error { return t.Outcome(p, outcome()) },
		"alone":   func(t *report.Text, p *plans.Plan) error { return t.Selection(p.Selection) },
	}
	for name, show := range shows {
		for _, view := range []report.View{report.Changes, report.Hosts, report.Brief, report.Full} {
			p := fleet()
			var whole, part bytes.Buffer
			if err := show(&report.Text{Out: &whole, View: view}, p); err != nil {
				t.Fatal(err)
			}
			p.Selection = &plans.Selection{Hosts: 212, OfHosts: 1204, Controls: 2, OfControls: 21, Flags: []string{"--target x\x1b"}}
			if err := show(&report.Text{Out: &part, View: view}, p); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(whole.String(), "Selected") || strings.Count(part.String(), want+"\n") != 1 {
				t.Errorf("%s, %s:\n%s", name, view, &part)
			}
		}
	}
}

func TestSummaryEventNamesTheSelection(t *testing.T) {
	p := fleet()
	p.Selection = &plans.Selection{Hosts: 212, OfHosts: 1204, Flags: []string{"--sample 212"}}
	var out bytes.Buffer
	lines := report.NewLines(&out, epoch, "0", "plan", "r")
	lines.Plan(p)
	if err := lines.End(0, "", ""); err != nil {
		t.Fatal(err)
	}
	last := out.String()[strings.LastIndex(strings.TrimSpace(out.String()), "\n")+1:]
	if !strings.Contains(last, `"selection":{"hosts":212,"of_hosts":1204,"controls":0,"of_controls":0,"flags":["--sample 212"]}`) {
		t.Errorf("%s", last)
	}
}
