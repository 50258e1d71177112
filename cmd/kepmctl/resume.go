package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/kepmctl/kepmctl/plans"
)

type resumeFlags struct {
	planFlags
	runFlags
	approve bool
	rerun   []string
}

// again are the statuses that --rerun tries once more.
var again = map[string][]plans.Status{
	"failed":      {plans.Failed, plans.RolledBack},
	"unreachable": {plans.Unreachable},
	"stale":       {plans.Stale},
}

func (a *app) resumeCommand() *cobra.Command {
	var f resumeFlags
	cmd := &cobra.Command{
		Use: "resume RUN", Short: "Go on with a run that stopped",
		Long: `Goes on with a run that was interrupted, stopped or paused. First it asks the hosts
whose transactions were open: what is proven is committed. Hosts that ended are left
alone, the others are begun as the run's plan says, also when it has expired since.
Hosts that failed, gave no answer or were stale are tried again only with --rerun.`,
		Example: `  kepmctl resume 20261125t220000z-5f3a9c
  kepmctl resume --approve 20261125t220000z-5f3a9c
  kepmctl resume --rerun failed --rerun unreachable 20261125t220000z-5f3a9c`,
		Args: exactly(1, "the name of the run: kepmctl runs lists them"),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return err
			}
			for _, what := range f.rerun {
				if again[what] == nil {
					return fmt.Errorf("--rerun %q is none of failed, unreachable, stale", what)
				}
			}
			return a.resume(args[0], f)
		},
	}
	f.registerParallelism(cmd)
	f.registerView(cmd)
	a.eventsFlag(cmd, "write JSON Lines: events as they happen, a line per result, a summary")
	cmd.Flags().BoolVar(&f.approve, "approve", false, "approve the waves that passed and wait for a person")
	cmd.Flags().StringArrayVar(&f.rerun, "rerun", nil, "try again the hosts that are failed, unreachable or stale; may be repeated")
	f.runFlags.register(a, cmd)
	return cmd
}

func (a *app) resume(name string, f resumeFlags) error {
	hard, stop, release := a.interrupts(finishing)
	defer release()
	run, err := openRun(f.state, name)
	if err != nil {
		return err
	}
	defer run.Close()
	r, err := a.ready(stop, f.planFlags)
	if err != nil {
		return err
	}
	earlier := plans.Replay(run.Entries)
	if err := rolledBack(earlier, name); err != nil {
		return err
	}
	for _, what := range slices.Compact(slices.Sorted(slices.Values(f.rerun))) {
		earlier.Again(again[what]...)
	}
	waiting := earlier.Waiting(run.Plan)
	if f.approve && len(waiting) == 0 {
		return fmt.Errorf("resume run %s --approve: no wave of it waits for approval", name)
	}
	if f.approve {
		for _, e := range waiting {
			e.Time, e.By = a.now().UTC(), a.me()
			if err := run.Record(e); err != nil {
				return err
			}
			earlier.Approve(e)
		}
	}
	f.change, f.requireProof = earlier.Change, f.requireProof || earlier.RequireProof
	o := a.applyOptions(stop, f.planFlags, f.runFlags)
	o.Earlier = earlier
	return a.goOn(hard, r, run, o, f.planFlags, true)
}
