package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/kepmctl/kepmctl/plans"
	"github.com/kepmctl/kepmctl/plans/report"
	"github.com/kepmctl/kepmctl/provider"
	"github.com/kepmctl/kepmctl/transport"
)

type driftFlags struct {
	planFlags
	failOn string
}

// fails are the findings for which drift ends with exit 2, by --fail-on.
var fails = map[string]func(plans.Group) bool{
	"new": plans.Group.Drifted,
	"any": func(g plans.Group) bool { return g.Outcome == provider.NonCompliant },
	"unknown": func(g plans.Group) bool {
		return g.Drifted() || g.Outcome == provider.Unknown
	},
	"none": func(plans.Group) bool { return false },
}

func (a *app) driftCommand() *cobra.Command {
	var f driftFlags
	cmd := &cobra.Command{
		Use: "drift", Short: "Report how hosts differ from what is declared",
		Long: `Looks at every assigned host and reports in which ways hosts are not as declared,
grouped: how many hosts share a way, since which attribute (agent version, system, a
label) tells them apart where one does, and a signature that names the way from day
to day. It changes no host and can not: only scripts that look are sent. It also asks
the agents whether their Host filter works. Exit code 2 says that there is drift;
--fail-on says of which kind:

  new      an enforced control is not as declared (default)
  any      also what is only audited
  unknown  new, or something could not be told
  none     never`,
		Example: `  kepmctl drift
  kepmctl drift --view summary --fail-on none
  kepmctl drift --signature 3f9c12ab80d4 --view full
  kepmctl drift --save-facts recorded`,
		Args: exactly(0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			if err := f.check(); err != nil {
				return err
			}
			if fails[f.failOn] == nil {
				return fmt.Errorf("--fail-on %q is none of new, any, unknown, none", f.failOn)
			}
			if err := a.prepare(&f.report); err != nil {
				return err
			}
			_, stop, release := a.interrupts("no host was changed")
			defer release()
			return a.drift(stop, f)
		},
	}
	f.planFlags.register(cmd)
	f.registerFacts(cmd)
	cmd.Flags().StringVar(&f.failOn, "fail-on", "new", "exit with 2 for: new, any, unknown or none")
	a.eventsFlag(cmd, "write JSON Lines: an event per host, per way of drift, a summary")
	return cmd
}

func (a *app) drift(ctx context.Context, f driftFlags) error {
	r, err := a.ready(ctx, f.planFlags)
	if err != nil {
		return err
	}
	r.fleet = onlyLooking(r.fleet)
	p, err := a.make(ctx, r, f.planFlags)
	if err != nil {
		return err
	}
	groups := p.Groups()
	if a.lines != nil {
		a.lines.Drift(p, groups)
	} else {
		text := report.Text{Out: a.out, Color: a.color(a.outTerminal), View: report.View(f.view)}
		if err := text.Drift(p, groups); err != nil {
			return err
		}
	}
	return a.report(f.report, "drift", p, nil, f.verdict(p, groups))
}

// verdict is how a drift report ends.
func (f driftFlags) verdict(p *plans.Plan, groups []plans.Group) error {
	switch {
	case !p.Complete:
		return tooSilent(p)
	case slices.ContainsFunc(groups, fails[f.failOn]):
		return &exit{exitChanges, nil}
	}
	return nil
}

// onlyLooking is a fleet that has no way to change a host: it knows no script that
// does, and what it does not know is not sent.
func onlyLooking(f plans.Fleet) plans.Fleet {
	f.Family.Changer, f.Family.Keeper = nil, nil
	f.Dialer, f.Filter = transport.Only(f.Dialer, "observe.sh", "ask.sh"), true
	return f
}
