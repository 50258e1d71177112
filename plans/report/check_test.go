package report_test

import (
	"bytes"
	"testing"

	"github.com/kepmctl/kepmctl/plans"
	"github.com/kepmctl/kepmctl/plans/report"
	"github.com/kepmctl/kepmctl/provider"
)

func TestCheckText(t *testing.T) {
	unknown := func(host, address, key string) plans.Checked {
		return plans.Checked{Host: host, Problem: &plans.Problem{
			Kind: "host key not trusted", Message: "dial " + address + ": host key not trusted: unknown host: it presents ssh-ed25519 " + key, Hint: "compare the fingerprint",
		}}
	}
	hosts := []plans.Checked{
		{Host: "web-1", Cost: &provider.Cost{Processes: 71, LogLines: 6}},
		{Host: "web-2", Cost: &provider.Cost{Processes: -1, LogLines: 8}, Notes: []plans.Problem{{Kind: "no agent", Message: "no agent was found", Hint: "install it"}}},
		unknown("web-3", "10.0.0.3:22", "SHA256:abc"),
		unknown("web-4", "10.0.0.4:22", "SHA256:def"),
		{Host: "web-5", Problem: &plans.Problem{Kind: "authentication failed", Message: "dial [fe80::1]:22: authentication failed: \x1b[31m"}},
	}
	var out bytes.Buffer
	text := report.Text{Out: &out}
	if err := text.Check(hosts); err != nil {
		t.Fatal(err)
	}
	golden(t, "check.txt", out.Bytes())
}
