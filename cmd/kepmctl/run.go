package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"github.com/kepmctl/kepmctl/plans"
	"github.com/kepmctl/kepmctl/plans/report"
	"github.com/kepmctl/kepmctl/plans/runs"
)

// runFlags are shared by what changes hosts.
type runFlags struct {
	state        string
	change       string // the ticket
	requireProof bool
	wait         bool
}

const finishing = "no further host is started, those in flight are finished; interrupt again to stop at once"

func (f *runFlags) register(a *app, cmd *cobra.Command) {
	f.registerState(a, cmd)
	f.registerProof(cmd)
	cmd.Flags().BoolVar(&f.wait, "wait-for-window", false, "wait where the window of a host's rollout is closed, instead of pausing")
}

func (f *runFlags) registerProof(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.requireProof, "require-proof", false, "undo a host when a question of the proof stays open")
}

func (f *runFlags) registerChange(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.change, "change", "", "ticket that the run carries, in its journal and in the hosts' logs, such as CHG0048812")
}

func (f *runFlags) registerState(a *app, cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.state, "state", "", "keep what runs did in this directory (default .kepmctl in the configuration's)")
	cmd.PreRun = func(*cobra.Command, []string) {
		if f.state == "" {
			f.state = filepath.Join(a.chdir, ".kepmctl")
		}
	}
}

var ticket = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/#-]{0,63}$`)

func (f *runFlags) checkChange() error {
	if f.change != "" && !ticket.MatchString(f.change) {
		return fmt.Errorf("--change %.80q is no ticket: write up to 64 letters, digits, \".\", \"-\", \"_\", \"/\" and \"#\"", f.change)
	}
	return nil
}

func (a *app) me() string { return a.user + "@" + a.host }

func (a *app) applyOptions(stop context.Context, p planFlags, f runFlags) plans.ApplyOptions {
	owner := a.me()
	if f.change != "" {
		owner += " for " + f.change
	}
	return plans.ApplyOptions{
		Run: a.runID, Owner: owner, RequireProof: f.requireProof, WaitForWindow: f.wait, Parallelism: p.parallelism, Stop: stop,
		Earlier: plans.Progress{Change: f.change},
	}
}

// goOn begins an attempt of a run and carries it to its end.
func (a *app) goOn(hard context.Context, r planned, run *runs.Run, o plans.ApplyOptions, f planFlags, kept bool) error {
	begun := plans.Entry{Type: plans.RunBegun, Time: a.now().UTC(), By: a.me(), Change: o.Earlier.Change, Attempt: o.Earlier.Attempts + 1, RequireProof: o.RequireProof}
	if err := run.Record(begun); err != nil {
		return &advised{fmt.Errorf("%w: no host was touched", err), "name another place with --state DIR"}
	}
	o.Run, o.Record = run.Name, run.Record
	stop, cancel := context.WithCancel(o.Stop)
	defer cancel()
	o.Stop = stop
	go a.heed(stop, cancel, run)
	err := a.applied(hard, r, run.Plan, o, f, kept)
	return errors.Join(err, run.Record(plans.Entry{Type: plans.RunEnded, Time: a.now().UTC()}))
}

// heed ends the run when somebody asks for it with runs stop.
func (a *app) heed(ctx context.Context, cancel context.CancelFunc, run *runs.Run) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if run.Stopped() {
				fmt.Fprintln(a.err, a.freshLine()+"kepmctl: stopped by kepmctl runs stop: "+finishing)
				cancel()
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// applied carries the plan out and reports what became of it.
func (a *app) applied(hard context.Context, r planned, p *plans.Plan, o plans.ApplyOptions, f planFlags, kept bool) error {
	watch, end := a.watch("applied")
	r.fleet.Watch = watch
	outcome, err := r.fleet.Apply(hard, p, r.config.Goals, o)
	end()
	if err != nil {
		return err
	}
	if err := a.showOutcome(p, outcome, f, kept); err != nil {
		return err
	}
	return a.report(f.report, "apply", p, &outcome, verdict(p, outcome))
}

func (a *app) showOutcome(p *plans.Plan, outcome plans.Outcome, f planFlags, kept bool) (err error) {
	if a.lines != nil {
		a.lines.Outcome(p, outcome)
		return nil
	}
	text := report.Text{Out: a.out, Color: a.color(a.outTerminal), View: report.View(f.view)}
	if kept {
		err = text.Silent(p)
	}
	return cmp.Or(text.Outcome(p, outcome), err)
}

// openRun takes a run up again; that another process has it is an exit of its own.
func openRun(state, name string) (*runs.Run, error) {
	run, err := runs.Open(state, name)
	if errors.Is(err, runs.ErrLocked) {
		return nil, &exit{exitLocked, &advised{err, "wait for it, or stop it: kepmctl runs stop " + name}}
	}
	return run, adviseRun(err)
}

// adviseRun says what to do about a run that cannot be read.
func adviseRun(err error) error {
	switch {
	case errors.Is(err, runs.ErrUnknown):
		return &advised{err, "kepmctl runs lists them; --state DIR names another place"}
	case errors.Is(err, runs.ErrBroken):
		return &advised{err, "what it says cannot be trusted: find out who changed it, then make a new plan"}
	}
	return err
}
