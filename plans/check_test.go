package plans

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kepmctl/kepmctl/provider"
	"github.com/kepmctl/kepmctl/transport"
)

func TestCheck(t *testing.T) {
	ready := Checked{Host: "web", HostKey: "ssh-ed25519 SHA256:x", System: "linux", Version: "2.0.82", Root: "/opt/keeper", Cost: &provider.Cost{Processes: 100, LogLines: 6}}
	note := func(kind string) Checked {
		c := ready
		c.Notes = []Problem{{Kind: kind}}
		return c
	}
	barred := func(kind string, key string) Checked {
		return Checked{Host: "web", HostKey: key, Problem: &Problem{Kind: kind}}
	}
	for name, c := range map[string]struct {
		host *standIn
		ask  func(context.Context, transport.Conn, []transport.Question) []transport.Answer
		want Checked
	}{
		"ready":         {&standIn{}, nil, ready},
		"not reached":   {&standIn{dialErr: &transport.Error{Kind: transport.ErrUnreachable, Doing: "dial"}}, nil, barred("unreachable", "")},
		"not elevated":  {&standIn{noFresh: true}, nil, barred("elevation failed", "ssh-ed25519 SHA256:x")},
		"a transaction": {&standIn{open: true}, nil, note("transaction open")},
		"asked on the host": {&standIn{}, func(_ context.Context, _ transport.Conn, qs []transport.Question) []transport.Answer {
			return []transport.Answer{{Question: qs[0], Means: "curl"}}
		}, note("forwarding refused")},
	} {
		t.Run(name, func(t *testing.T) {
			f := one(c.host)
			if c.ask != nil {
				f.Ask = c.ask
			}
			g := goal("web")
			g.Wants = append(g.Wants, provider.Want{Control: provider.Control{Name: provider.TLSMinimum}, Value: `"1.2"`, Mode: provider.Enforce})
			got, err := f.Check(context.Background(), []provider.Goal{g})
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range append(got[0].Notes, orNone(got[0].Problem)) {
				if p.Kind != "" && p.Message == "" {
					t.Errorf("%s says nothing", p.Kind)
				}
			}
			words := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Message" || p.Last().String() == ".Hint" }, cmp.Ignore())
			if d := cmp.Diff(c.want, got[0], words); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

func orNone(p *Problem) Problem {
	if p == nil {
		return Problem{}
	}
	return *p
}
