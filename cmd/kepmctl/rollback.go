package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/kepmctl/kepmctl/plans"
	"github.com/kepmctl/kepmctl/plans/report"
	"github.com/kepmctl/kepmctl/plans/runs"
)

type rollbackFlags struct {
	planFlags
	runFlags
	approveFlags
}

func (a *app) rollbackCommand() *cobra.Command {
	var f rollbackFlags
	cmd := &cobra.Command{
		Use: "rollback RUN", Short: "Take back what a run changed",
		Long: `Restores the files and permissions that a run replaced, from what its hosts keep, on
every host that the run changed: in the run's waves and within its budgets, but without
soak, approval and windows. Each host is changed as by apply: one transaction that heals
itself. What somebody changed since is not touched: its host is stale. The state of
services and certificates stay as they are.

A rollback is a run of its own: see kepmctl runs, and kepmctl resume to go on with it.
Until the configuration says otherwise too, the next apply changes the hosts again.`,
		Example: `  kepmctl rollback 20261125t220000z-5f3a9c
  kepmctl rollback --auto-approve --change INC0012345 20261125t220000z-5f3a9c`,
		Args: exactly(1, "the name of the run: kepmctl runs lists them"),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := errors.Join(f.check(), f.checkChange(), a.prepare(&f.report)); err != nil {
				return err
			}
			return a.rollback(args[0], f)
		},
	}
	f.registerParallelism(cmd)
	f.registerView(cmd)
	f.report.register(cmd)
	a.eventsFlag(cmd, "write JSON Lines: events as they happen, a line per result, a summary")
	f.approveFlags.register(cmd, "")
	f.registerChange(cmd)
	f.registerState(a, cmd)
	f.registerProof(cmd)
	return cmd
}

func (a *app) rollback(name string, f rollbackFlags) error {
	if err := a.canAsk(f.approveFlags, "rollback", "give --auto-approve"); err != nil {
		return err
	}
	hard, stop, release := a.interrupts(finishing)
	defer release()
	old, err := openRun(f.state, name)
	if err != nil {
		return err
	}
	defer old.Close()
	r, err := a.ready(stop, f.planFlags)
	if err != nil {
		return err
	}
	p, err := a.takingBack(old, r)
	if err != nil {
		return fmt.Errorf("rollback of run %s: %w", name, err)
	}
	if a.lines != nil {
		a.lines.Plan(p)
	} else {
		text := report.Text{Out: a.out, Color: a.color(a.outTerminal), View: report.View(f.view)}
		if err := text.Plan(p); err != nil {
			return err
		}
	}
	if !f.approve && !a.asked(stop) {
		return &exit{exitRefused, errors.New("the rollback was not approved: no host was changed")}
	}
	return a.beginRollback(hard, stop, old, p, r, f)
}

// takingBack is the plan of a rollback.
func (a *app) takingBack(old *runs.Run, r planned) (*plans.Plan, error) {
	earlier := plans.Replay(old.Entries)
	switch {
	case old.Plan.RollbackOf != "":
		return nil, &advised{errors.New("it is a rollback itself"), "to have the changes again, plan and apply them"}
	case len(earlier.Open) > 0:
		return nil, &advised{fmt.Errorf("%s still open or in doubt", number(len(earlier.Open), "transaction is", "transactions are")), "kepmctl resume " + old.Name + " settles them"}
	}
	return old.Plan.Rollback(old.Name, earlier.Results, a.now(), r.fleet.Family.Digest)
}

// beginRollback writes it down in both runs, then carries it out.
func (a *app) beginRollback(hard, stop context.Context, old *runs.Run, p *plans.Plan, r planned, f rollbackFlags) error {
	o := a.applyOptions(stop, f.planFlags, f.runFlags)
	if err := r.fleet.Fits(p, r.config.Goals); err != nil {
		return err
	}
	run, err := runs.Create(f.state, a.runID, p)
	if err != nil {
		return &advised{fmt.Errorf("%w: no host was touched", err), "name another place with --state DIR"}
	}
	defer run.Close()
	if err := old.Record(plans.Entry{Type: plans.RunRolledBack, Time: a.now().UTC(), By: a.me(), Change: f.change, Rollback: run.Name}); err != nil {
		return errors.Join(err, run.Discard())
	}
	return a.goOn(hard, r, run, o, f.planFlags, true)
}

// rolledBack refuses to go on with a run whose changes were taken back.
func rolledBack(p plans.Progress, name string) error {
	if p.RolledBack == "" {
		return nil
	}
	return &advised{fmt.Errorf("resume run %s: run %s took its changes back", name, p.RolledBack), "make a new plan"}
}

// approveFlags say who answers whether hosts are to be changed.
type approveFlags struct {
	approve bool
	input   bool
}

func (f *approveFlags) register(cmd *cobra.Command, when string) {
	cmd.Flags().BoolVar(&f.approve, "auto-approve", false, when+"do not ask")
	cmd.Flags().BoolVar(&f.input, "input", true, when+"--input=false never asks, and refuses where --auto-approve is missing")
}

// canAsk refuses where nobody can answer.
func (a *app) canAsk(f approveFlags, what, otherwise string) error {
	if err := a.mayApprove(f); err != nil {
		return err
	}
	if f.approve || (a.inTerminal && f.input && a.lines == nil) {
		return nil
	}
	return &exit{exitRefused, fmt.Errorf("%s asks for approval, and nobody can answer here: %s", what, otherwise)}
}
