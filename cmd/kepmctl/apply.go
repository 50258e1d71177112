package main

import (
	"bufio"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kepmctl/kepmctl/plans"
	"github.com/kepmctl/kepmctl/plans/runs"
)

type applyFlags struct {
	planFlags
	approveFlags
	stale string
	runFlags
	kept bool   // the plan is from a file: it was not shown just now
	file string // that it is from
}

func (a *app) applyCommand() *cobra.Command {
	var f applyFlags
	cmd := &cobra.Command{
		Use: "apply [FILE]", Short: "Make hosts as a plan says",
		Long: `Carries out a plan that plan --out kept: what to change comes from the file alone,
how to reach the hosts from the configuration alone. Without a file it plans, shows
the plan and asks; then --target, --exclude, --where and --sample narrow it. Each host
is changed as one transaction that heals itself: it is looked at again, changed, proven
from outside, and only then kept. A host that hears nothing within its time limit undoes
everything by itself.

Hosts are changed in the waves of their rollout. Without a rollout a fleet of more
than ten hosts has a careful one: a first host, a tenth, the rest; it stops when more
than 2% fail. What a run did is kept in .kepmctl of the configuration's directory:
see kepmctl runs, and kepmctl resume to go on.

The first interrupt starts no further host and finishes those in flight; the second
stops at once and names the hosts in doubt.`,
		Example: `  kepmctl apply
  kepmctl apply monday.plan
  kepmctl apply --auto-approve --require-proof
  kepmctl apply --change CHG0048812 monday.plan`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("apply takes one plan file, or none to plan now; %d were given", len(args))
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return err
			}
			if f.stale != "skip" && f.stale != "fail" {
				return fmt.Errorf("--stale %q is neither skip nor fail", f.stale)
			}
			if len(args) == 1 {
				if err := f.pick.notOfKept(args[0], f.signature); err != nil {
					return err
				}
			}
			if err := errors.Join(f.checkChange(), a.prepare(&f.report)); err != nil {
				return err
			}
			hard, stop, release := a.interrupts(finishing)
			defer release()
			if len(args) == 1 {
				return a.applyFile(hard, stop, args[0], f)
			}
			return a.applyNow(hard, stop, f)
		},
	}
	f.planFlags.register(cmd)
	a.eventsFlag(cmd, "write JSON Lines: events as they happen, a line per result, a summary")
	f.approveFlags.register(cmd, "without FILE: ")
	cmd.Flags().StringVar(&f.stale, "stale", "skip", "hosts that changed since the plan: skip them, or fail before any is changed")
	f.registerChange(cmd)
	f.runFlags.register(a, cmd)
	return cmd
}

// applyFile carries out a kept plan: what to change comes from the file alone.
func (a *app) applyFile(hard, stop context.Context, path string, f applyFlags) error {
	p, text, err := readPlan(path)
	if err != nil {
		return err
	}
	if p.RollbackOf != "" {
		return &advised{fmt.Errorf("%s is the plan of a rollback, which is not applied", path), "kepmctl rollback RUN, and kepmctl resume RUN to go on with one"}
	}
	r, err := a.ready(stop, f.planFlags)
	if err != nil {
		return err
	}
	if err := cmp.Or(refused(p, judged(r.config, p)), a.mayChange(p, r, path, text)); err != nil {
		return err
	}
	f.kept, f.file = true, path
	if a.lines != nil {
		a.lines.Plan(p)
	}
	return a.carryOut(hard, stop, r, p, f)
}

// applyNow plans, shows, asks and applies.
func (a *app) applyNow(hard, stop context.Context, f applyFlags) error {
	if err := a.canAsk(f.approveFlags, "apply without a plan file", "give a plan file, or --auto-approve"); err != nil {
		return err
	}
	if !f.approve && f.pick.readsInput() {
		return errors.New("apply reads the hosts of @- and the answer to its question from one standard input: give a file with @FILE, or --auto-approve")
	}
	if err := a.maySkipFile(); err != nil {
		return err
	}
	f.ttl = 24 * time.Hour
	r, p, err := a.makePlan(stop, f.planFlags)
	if err != nil {
		return err
	}
	if a.lines == nil {
		if err := a.showPlan(p, f.planFlags); err != nil {
			return err
		}
	}
	if err := cmp.Or(refused(p, nil), a.mayChange(p, r, "", nil)); err != nil {
		return err
	}
	if !p.Complete {
		return tooSilent(p)
	}
	if p.Summary().Change == 0 && a.lines == nil {
		return a.report(f.report, "apply", p, nil, nil)
	}
	if !f.approve && !a.asked(stop) {
		return &exit{exitRefused, errors.New("apply was not approved: no host was changed")}
	}
	return a.carryOut(hard, stop, r, p, f)
}

// asked waits for the answer, or for an interrupt, which is a no.
func (a *app) asked(stop context.Context) bool {
	fmt.Fprint(a.out, "\nCarry this out? Only \"yes\" does: ")
	answer := make(chan string, 1)
	go func() { // it ends with the program, which reads nothing else from there
		line, _ := bufio.NewReader(a.in).ReadString('\n') // no answer is a no
		answer <- line
	}()
	select {
	case line := <-answer:
		return strings.TrimSpace(line) == "yes" && stop.Err() == nil
	case <-stop.Done():
		return false
	}
}

// carryOut applies the plan in a run of its own, and reports what became of it.
func (a *app) carryOut(hard, stop context.Context, r planned, p *plans.Plan, f applyFlags) error {
	o := a.applyOptions(stop, f.planFlags, f.runFlags)
	o.FailStale = f.stale == "fail"
	if p.Summary().Change == 0 { // nothing to write down
		return a.applied(hard, r, p, o, f.planFlags, f.kept)
	}
	run, err := runs.Create(f.state, a.runID, p)
	if err != nil {
		return &advised{fmt.Errorf("%w: no host was touched", err), "name another place with --state DIR"}
	}
	defer run.Close()
	if err := keepSignatures(f.file, run); err != nil {
		return errors.Join(err, run.Discard())
	}
	err = a.goOn(hard, r, run, o, f.planFlags, f.kept)
	if _, unfit := errors.AsType[*plans.UnfitError](err); unfit { // no host was touched: there is nothing to resume
		err = errors.Join(err, run.Discard())
	}
	return err
}

// verdict is the exit code of an apply: the first of 6, 5, 7, 3 that holds.
func verdict(p *plans.Plan, o plans.Outcome) error {
	n := len(o.Results)
	asPlanned, began := 0, 0
	for _, r := range o.Results {
		if r.AsPlanned() {
			asPlanned++
		}
		if r.Status != plans.Stale && r.Status != plans.Locked {
			began++
		}
	}
	skipped := o.Count(plans.Skipped)
	paused := skipped > 0 && !slices.ContainsFunc(o.Stops, func(s plans.Stop) bool { return !s.Kind.Pauses() })
	switch {
	case paused && asPlanned+skipped == n:
		return &exit{exitRefused, nil}
	case asPlanned == n && !p.Complete:
		return tooSilent(p)
	case asPlanned == n:
		return nil
	case began == 0 && o.Count(plans.Stale) == n:
		return &exit{exitUnfit, errors.New("every host is stale: nothing was changed")}
	case began == 0 && o.Count(plans.Locked) == n:
		return &exit{exitLocked, errors.New("every host is locked by another transaction: nothing was changed")}
	default:
		return &exit{code: exitNotAll}
	}
}

// newRun names a run: its time first, so that names sort by age.
func (a *app) newRun() string {
	var b [3]byte
	_, _ = rand.Read(b[:]) // it never fails: crypto/rand
	return strings.ToLower(a.now().UTC().Format("20060102t150405z")) + "-" + hex.EncodeToString(b[:])
}
