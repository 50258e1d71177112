package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/kepmctl/kepmctl/plans"
	"github.com/kepmctl/kepmctl/plans/runs"
	"github.com/kepmctl/kepmctl/provider"
)

type resumeFlags struct {
	planFlags
	runFlags
	approve   bool
	rerun     []string
	fromHosts bool
	plan      string // the file that the run's plan was kept in, for fromHosts
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
Hosts that failed, gave no answer or were stale are tried again only with --rerun.

With --from-hosts the run's directory may be lost: it is made again from the plan that
was kept, and from what the hosts know of the run.`,
		Example: `  kepmctl resume 20261125t220000z-5f3a9c
  kepmctl resume --approve 20261125t220000z-5f3a9c
  kepmctl resume --from-hosts --plan monday.plan 20261125t220000z-5f3a9c
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
			if err := a.prepare(&f.report); err != nil {
				return err
			}
			if f.fromHosts != (f.plan != "") {
				return errors.New("--from-hosts makes the run's directory again from the plan that was kept: give both, --from-hosts and --plan FILE; without such a file plan and apply anew")
			}
			return a.resume(args[0], f)
		},
	}
	f.registerParallelism(cmd)
	f.registerView(cmd)
	f.report.register(cmd)
	a.eventsFlag(cmd, "write JSON Lines: events as they happen, a line per result, a summary")
	cmd.Flags().BoolVar(&f.approve, "approve", false, "approve the waves that passed and wait for a person")
	cmd.Flags().StringArrayVar(&f.rerun, "rerun", nil, "try again the hosts that are failed, unreachable or stale; may be repeated")
	cmd.Flags().BoolVar(&f.fromHosts, "from-hosts", false, "make a lost run directory again by asking the hosts")
	cmd.Flags().StringVar(&f.plan, "plan", "", "the plan of the run, as plan --out kept it, for --from-hosts")
	f.runFlags.register(a, cmd)
	return cmd
}

// takeUp opens the run, or makes it again.
func (a *app) takeUp(stop context.Context, name string, f resumeFlags) (*runs.Run, planned, error) {
	if f.fromHosts {
		return a.rebuild(stop, name, f)
	}
	run, err := openRun(f.state, name)
	if err != nil {
		return nil, planned{}, err
	}
	r, err := a.ready(stop, f.planFlags)
	if err != nil {
		run.Close()
	}
	return run, r, err
}

// rebuild makes a lost run again from its plan and from what its hosts know.
func (a *app) rebuild(stop context.Context, name string, f resumeFlags) (*runs.Run, planned, error) {
	if !provider.ValidRun(name) {
		return nil, planned{}, fmt.Errorf("%.80q is no name of a run", name)
	}
	if _, err := runs.Read(f.state, name); !errors.Is(err, runs.ErrUnknown) {
		return nil, planned{}, &advised{fmt.Errorf("resume run %s --from-hosts: its directory is there", name), "leave --from-hosts out; or, if the directory cannot be used, name another place with --state DIR"}
	}
	p, text, err := readPlan(f.plan)
	if err != nil {
		return nil, planned{}, err
	}
	r, err := a.ready(stop, f.planFlags)
	if err == nil { // nothing here shows that it is the plan that the run began with
		err = cmp.Or(refused(p, judged(r.config, p)), a.mayChange(p, r, f.plan, text))
	}
	if err != nil {
		return nil, r, err
	}
	watch, end := a.watch("asked")
	r.fleet.Watch = watch
	entries, silent, err := r.fleet.Rebuild(stop, p, r.config.Goals, name)
	end()
	if err != nil {
		return nil, r, err
	}
	if len(entries) == 0 {
		return nil, r, &advised{fmt.Errorf("resume run %s --from-hosts: no host that answered knows the run", name), "see that its name is right, or apply the plan as a new run"}
	}
	fmt.Fprintln(a.err, "kepmctl: which ticket the run carried, and whether it required proof, is lost: say --require-proof again if it did")
	if len(silent) > 0 {
		fmt.Fprintf(a.err, "kepmctl: %s gave no answer; what they know of the run is found out when they are begun again\n", number(len(silent), "host", "hosts"))
	}
	run, err := runs.Create(f.state, name, p)
	if err != nil {
		return nil, r, err
	}
	if err := keepSignatures(f.plan, run); err != nil {
		return nil, r, errors.Join(err, run.Discard())
	}
	begun := plans.Entry{Type: plans.RunBegun, Time: a.now().UTC(), By: a.me() + ", from hosts", Attempt: plans.Attempts(entries, name)}
	for _, e := range append([]plans.Entry{begun}, entries...) {
		if err := run.Record(e); err != nil {
			return nil, r, errors.Join(err, run.Discard())
		}
		run.Entries = append(run.Entries, e)
	}
	return run, r, nil
}

func (a *app) resume(name string, f resumeFlags) error {
	hard, stop, release := a.interrupts(finishing)
	defer release()
	run, r, err := a.takeUp(stop, name, f)
	if err != nil {
		return err
	}
	defer run.Close()
	if run.Plan.RollbackOf == "" { // of a rollback a policy has nothing to say
		path, text := run.PlanFile()
		if err := a.mayChange(run.Plan, r, path, text); err != nil {
			return err
		}
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
