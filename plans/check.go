package plans

import (
	"context"
	"fmt"
	"slices"

	"github.com/kepmctl/kepmctl/provider"
	"github.com/kepmctl/kepmctl/transport"
)

// metered is on how many hosts a check measures what a look costs: it logs in
// there once more.
const metered = 5

// A Checked is what stands between this program and one host.
type Checked struct {
	Host    string         `json:"host"`
	Problem *Problem       `json:"problem,omitempty"` // nil: the host is ready
	Notes   []Problem      `json:"notes,omitempty"`   // what does not stand in the way, but lessens what can be known or done
	HostKey string         `json:"host_key,omitempty"`
	User    string         `json:"user,omitempty"` // the login account
	System  string         `json:"system,omitempty"`
	Version string         `json:"agent_version,omitempty"`
	Root    string         `json:"root,omitempty"`
	Cost    *provider.Cost `json:"cost,omitempty"` // of one look; measured on a few hosts only
}

// Check dials every goal's host, identifies and elevates, and looks once. Results
// are in the order of the goals; only a cancelled context is an error.
func (f Fleet) Check(ctx context.Context, goals []provider.Goal) ([]Checked, error) {
	results := make([]Checked, len(goals))
	report := f.counter(len(goals))
	eachPatiently(ctx, len(goals), f.Parallelism, func(ctx context.Context, i int, w waiting) {
		results[i] = f.check(ctx, goals[i], i < metered, w)
		report(Event{Type: HostLooked, Host: results[i].Host, Problem: results[i].Problem})
	})
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("check: interrupted before every host was asked: %w", err)
	}
	return results, nil
}

func (f Fleet) check(ctx context.Context, g provider.Goal, measure bool, w waiting) Checked {
	c := Checked{Host: g.Host.Name}
	var conn transport.Conn
	var err error
	w(func() { conn, err = f.Dialer.Dial(ctx, g.Host) })
	if err != nil {
		c.Problem = problemOf(err)
		return c
	}
	defer conn.Close()
	c.HostKey, c.User = conn.Peer().HostKey, conn.Peer().User
	before, err := conn.Run(ctx, f.Family.Looker.Meter(""))
	if err != nil { // it could not elevate
		c.Problem = problemOf(err)
		return c
	}
	var l looked
	if measure {
		l = f.lookAt(ctx, g, notLong) // as a plan does: from the login on
	} else {
		l = f.lookOver(ctx, conn, g)
	}
	if c.Problem = l.problem; c.Problem != nil {
		return c
	}
	c.learn(l.look.Facts)
	if measure {
		first := provider.ReadMeter(before.Stdout)
		if after, err := conn.Run(ctx, f.Family.Looker.Meter(first.Cursor)); err == nil {
			cost := provider.CostOf(first, provider.ReadMeter(after.Stdout))
			c.Cost = &cost
		}
	}
	return c
}

// learn takes over what a look says of the host itself.
func (c *Checked) learn(f provider.Facts) {
	c.System, c.Version, c.Root = string(f.System.OS), provider.Printable(f.Version), provider.Printable(f.Root())
	note := func(kind, message, hint string) {
		c.Notes = append(c.Notes, Problem{Kind: kind, Message: provider.Printable(message), Hint: hint})
	}
	if t := f.Transaction; t != nil {
		note("transaction open", fmt.Sprintf("transaction %s by %s is open", t.Run, t.Owner), "it settles by itself; nothing can be planned there before")
	}
	switch {
	case len(f.Roots) > 1:
		note("install root", "more than one directory holds an agent", "name the right one with install_root in the host block")
	case f.Root() == "" && !f.Service.Loaded:
		note("no agent", "no agent was found", "install the agent, or take the host out of the assignment")
	case f.Root() == "":
		note("install root", "the service is there, but its install root cannot be told", "name it with install_root in the host block")
	}
	if slices.ContainsFunc(f.Answers, func(a transport.Answer) bool { return a.Means != "" && a.Means != transport.ByTunnel }) {
		note(transport.ErrNoTunnel.Error(), "the server forwards no connections, so services are asked by programs on the host, which is less exact",
			"allow it in sshd_config: AllowTcpForwarding local, PermitOpen 127.0.0.1:*")
	}
}
