package plans

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kepmctl/kepmctl/provider"
)

// drifted is a plan of hosts of which most are alike, one is odd, and some are only
// audited or not known.
func drifted() *Plan {
	p := &Plan{
		Baselines: []Baseline{{Wants: []Want{{Control: "alternative_signatures", File: "a.kepm.hcl", Line: 7}, {Control: "certificate"}, {Control: "allowed_hosts"}}}},
		Changes: []provider.Change{
			{Control: "allowed_hosts", Attr: "AllowedHosts", Action: provider.Modify, From: `"*"`, To: `"localhost"`},
			{Control: "alternative_signatures", Attr: "Settings:AlternativeSignatures", Action: provider.Modify, From: `["AA"]`, To: "[]"},
			{Control: "alternative_signatures", Attr: "Settings:AlternativeSignatures", Action: provider.Modify, From: `["BB"]`, To: "[]"},
		},
		Findings: []provider.Finding{
			{Address: "allowed_hosts", Severity: provider.High, Mode: provider.Enforce, Outcome: provider.NonCompliant},
			{Address: "alternative_signatures", Severity: provider.High, Mode: provider.Enforce, Outcome: provider.NonCompliant, Have: "AA"},
			{Address: "alternative_signatures", Severity: provider.High, Mode: provider.Enforce, Outcome: provider.NonCompliant, Have: "BB"},
			{Address: "allowed_hosts", Severity: provider.High, Mode: provider.Audit, Outcome: provider.NonCompliant, Have: "*"},
		},
		Labels: []map[string]string{{"site": "par1"}, {"site": "fra2"}},
	}
	for i := range 300 {
		h := HostPlan{Name: fmt.Sprintf("h%03d", i), Version: "2", System: "linux", Labels: i % 2}
		switch {
		case i == 150:
			h.Findings, h.Changes = []int{2}, []int{2}
		case i < 120:
			h.Findings, h.Changes = []int{1}, []int{1}
		case i%2 == 1 && i < 299:
			h.Findings, h.Changes = []int{0}, []int{0}
		case i == 200:
			h.Findings = []int{3}
		case i > 290:
			p.Findings = append(p.Findings, provider.Finding{
				Address: "certificate", Severity: provider.Medium, Mode: provider.Enforce, Outcome: provider.NonCompliant,
				Have: fmt.Sprintf("CN=%s, ended on 2026-01-%02d", h.Name, i-280),
			})
			h.Findings = []int{len(p.Findings) - 1}
		}
		p.Hosts = append(p.Hosts, h)
	}
	p.Hosts[299].Problem, p.Hosts[299].Findings = &Problem{Kind: "unreachable"}, nil
	return p
}

func TestGroups(t *testing.T) {
	var got []string
	groups := drifted().Groups()
	for _, g := range groups {
		cause := ""
		if g.Cause != nil {
			cause = fmt.Sprintf(" %s=%s %d/%d", g.Cause.Attribute, g.Cause.Value, g.Cause.With, g.Cause.Of)
		}
		got = append(got, fmt.Sprintf("%s %s->%s %s %d/%d odd=%v%s", g.Control, g.From, g.To, g.Mode, len(g.Hosts), g.Of, g.Odd, cause))
		if len(g.Signature) != 12 {
			t.Errorf("signature %q", g.Signature)
		}
	}
	want := []string{
		`alternative_signatures ["BB"]->[] enforce 1/299 odd=true`,
		`alternative_signatures ["AA"]->[] enforce 120/299 odd=false`,
		`allowed_hosts "*"->"localhost" enforce 89/299 odd=false label site=fra2 89/149`,
		`allowed_hosts *-> audit 1/299 odd=false`,
		`certificate CN=HOST, ended on DATE-> enforce 4/299 odd=false`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if g := groups[1]; g.File != "a.kepm.hcl" || g.Line != 7 {
		t.Errorf("it is wanted at %s:%d", g.File, g.Line)
	}
	if n := drifted().Drifted(); n != 1+120+89+4 {
		t.Errorf("%d hosts drifted", n)
	}
}

// A plan of one signature has the hosts and changes of its group, and no others.
func TestOnlyOneSignature(t *testing.T) {
	p := drifted()
	signature := p.Groups()[0].Signature
	if err := p.only(signature); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(p.Hosts[150].Changes, []int{2}) || p.NeedsPerson(p.Hosts[0], p.Hosts[0].Findings[0]) {
		t.Errorf("%+v", p.Hosts[150])
	}
	if n := p.Summary(); n.Change != 1 || n.Hosts != 300 || n.Unreachable != 1 || n.NeedPerson != 0 {
		t.Errorf("%+v", n)
	}
	if groups := p.Groups(); len(groups) != 1 || groups[0].Signature != signature || len(groups[0].Hosts) != 1 || groups[0].Of != 299 || !groups[0].Odd {
		t.Errorf("%+v", groups)
	}
	if s := p.Selection.String(); s != "Selected: 300 of 300 hosts, 1 of 3 controls (--signature "+signature+")." {
		t.Error(s)
	}
	if err := drifted().only("0123456789"); !errors.Is(err, ErrNoGroup) {
		t.Errorf("of an unknown signature: %v", err)
	}
}
