package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"github.com/kepmctl/kepmctl/hcl"
	"github.com/kepmctl/kepmctl/plans"
	"github.com/kepmctl/kepmctl/plans/facts"
	"github.com/kepmctl/kepmctl/plans/report"
)

// planFlags are shared by plan and apply.
type planFlags struct {
	parallelism int
	ttl         time.Duration
	view        string
	facts       string // a directory of recorded facts to plan from
	saveFacts   string // a directory to record facts in
	pick        selectFlags
	signature   string // only this way of differing
	report      reportFlags
}

const mostParallel = 50 // hosts looked at at once unless told otherwise

func (f *planFlags) register(cmd *cobra.Command) {
	f.registerParallelism(cmd)
	f.registerView(cmd)
	f.pick.register(cmd)
	f.report.register(cmd)
	cmd.Flags().StringVar(&f.signature, "signature", "", "only what differs in the way that this names: kepmctl drift shows signatures")
}

func (f *planFlags) registerFacts(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.facts, "facts", "", "use the facts recorded in this directory: without credentials, reaching no host")
	cmd.Flags().StringVar(&f.saveFacts, "save-facts", "", "record what hosts have in this directory, without secrets, for --facts")
	cmd.MarkFlagsMutuallyExclusive("facts", "save-facts")
}

func (f *planFlags) registerView(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.view, "view", "changes", "what to show: changes, hosts, summary or full")
}

func (f *planFlags) registerParallelism(cmd *cobra.Command) {
	cmd.Flags().Var((*parallelism)(&f.parallelism), "parallelism", "hosts at work at once: looked at 50, changed as many as their rollout says, which this can only lower")
}

func (f *planFlags) check() error {
	switch report.View(f.view) {
	case report.Changes, report.Hosts, report.Brief, report.Full:
	default:
		return fmt.Errorf("--view %q is none of changes, hosts, summary, full", f.view)
	}
	if f.ttl < 0 {
		return fmt.Errorf("--plan-ttl %s is negative", f.ttl)
	}
	return f.pick.check()
}

func (a *app) planCommand() *cobra.Command {
	var f planFlags
	var out string
	var detailed bool
	cmd := &cobra.Command{
		Use: "plan", Short: "Show what would change on which hosts",
		Long: `Looks at every assigned host, over one connection and with one read-only script,
and shows what must change to make the configuration true. With --out the plan is
kept, and apply carries out exactly that. --target, --exclude, --where and --sample
narrow it to some hosts and some controls; the plan says so.`,
		Example: `  kepmctl plan
  kepmctl plan --out monday.plan
  kepmctl plan --detailed-exitcode --view summary
  kepmctl plan --target group.prod --exclude 'db-*' --sample 5%
  kepmctl plan --target control.log_level --where 'host.labels.env == "prod"'
  kepmctl plan --facts recorded`,
		Args: exactly(0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			if err := f.check(); err != nil {
				return err
			}
			if err := errors.Join(mayKeep(out), a.prepare(&f.report)); err != nil {
				return err
			}
			_, stop, release := a.interrupts("no host was changed")
			defer release()
			_, p, err := a.makePlan(stop, f)
			if err != nil {
				return err
			}
			return a.report(f.report, "plan", p, nil, a.finishPlan(p, f, out, detailed))
		},
	}
	cmd.AddCommand(a.signCommand(), a.verifyCommand())
	f.register(cmd)
	a.eventsFlag(cmd, "write JSON Lines: events as they happen, the plan's lines, a summary")
	cmd.Flags().StringVar(&out, "out", "", "keep the plan in this file")
	f.registerFacts(cmd)
	cmd.Flags().BoolVar(&detailed, "detailed-exitcode", false, "exit with 2 when there are changes to make; 0 says there are none, not that every host is as wanted")
	f.ttl = 24 * time.Hour
	cmd.Flags().Var((*duration)(&f.ttl), "plan-ttl", "how long the plan that --out keeps may be applied, such as 12h or 7d")
	return cmd
}

// planned is a configuration ready to reach its hosts.
type planned struct {
	config    *hcl.Config // what is selected of it
	selection *plans.Selection
	fleet     plans.Fleet
}

// makePlan loads the configuration and looks at its hosts.
func (a *app) makePlan(ctx context.Context, f planFlags) (planned, *plans.Plan, error) {
	r, err := a.ready(ctx, f)
	if err != nil {
		return r, nil, err
	}
	p, err := a.make(ctx, r, f)
	if err == nil {
		p.Gates = judged(r.config, p)
	}
	if err == nil && a.lines != nil {
		a.lines.Plan(p)
	}
	return r, p, err
}

// make looks at the hosts and plans.
func (a *app) make(ctx context.Context, r planned, f planFlags) (*plans.Plan, error) {
	watch, stop := a.watch("looked at")
	r.fleet.Watch = watch
	p, err := r.fleet.Make(ctx, r.config.Goals, a.terms(r, f))
	stop()
	if errors.Is(err, plans.ErrNoGroup) {
		err = fmt.Errorf("--signature %s: %w", f.signature, err)
	}
	return p, err
}

func (a *app) ready(ctx context.Context, f planFlags) (planned, error) {
	config, err := a.load(ctx)
	if err != nil {
		return planned{}, err
	}
	if len(config.Goals) == 0 {
		return planned{}, errors.New("no host has an assignment: write an assign block")
	}
	return a.chosen(ctx, config, f)
}

// chosen is the part of a configuration that flags select, and how it is reached.
func (a *app) chosen(ctx context.Context, config *hcl.Config, f planFlags) (planned, error) {
	config, selection, err := a.choose(config, &f.pick)
	if err != nil {
		return planned{}, err
	}
	config.Forget()
	r := planned{config: config, selection: selection}
	if f.facts != "" {
		r.fleet = a.recalled(f.facts)
		return r, nil
	}
	r.fleet, err = a.fleet(ctx, config, cmp.Or(f.parallelism, mostParallel))
	if err == nil && f.saveFacts != "" {
		dir := facts.Dir(f.saveFacts)
		err, r.fleet.Keep = dir.Make(), dir.Write
	}
	return r, err
}

// finishPlan shows and keeps the plan, and chooses the exit code.
func (a *app) finishPlan(p *plans.Plan, f planFlags, out string, detailed bool) error {
	if out != "" {
		b, err := p.Encode()
		if err != nil {
			return err
		}
		if err := mayKeep(out); err != nil { // it may have come meanwhile
			return err
		}
		if err := writeFile(out, b); err != nil {
			return fmt.Errorf("keep the plan: %w", err)
		}
	}
	if a.lines == nil {
		if err := a.showPlan(p, f); err != nil {
			return err
		}
	}
	if out != "" && a.lines == nil {
		fmt.Fprintf(a.out, "\nThe plan is kept in %s.", out)
		if !a.automated() && p.Summary().Change > 0 && p.Refused() == nil {
			fmt.Fprintf(a.out, " Carry it out with: kepmctl apply%s %s", inDir(a.chdir), out)
		}
		fmt.Fprintln(a.out)
	}
	if err := refused(p, nil); err != nil {
		return err
	}
	switch {
	case !p.Complete:
		return tooSilent(p)
	case detailed && p.Summary().Change > 0:
		return &exit{code: exitChanges}
	}
	return nil
}

func tooSilent(p *plans.Plan) error {
	return &exit{exitSilent, fmt.Errorf("%s gave no answer, more than max_unreachable in the kepmctl block tolerates (default 0)", number(len(p.Silent()), "host", "hosts"))}
}

func (a *app) showPlan(p *plans.Plan, f planFlags) error {
	text := report.Text{Out: a.out, Color: a.color(a.outTerminal), View: report.View(f.view)}
	return text.Plan(p)
}

func (a *app) showCommand() *cobra.Command {
	var f planFlags
	var document bool
	cmd := &cobra.Command{
		Use: "show FILE", Short: "Show a kept plan",
		Long: "Shows a plan that plan --out kept. It dials nobody. With --json it writes the\nplan document itself.",
		Example: `  kepmctl show monday.plan
  kepmctl show --view hosts monday.plan
  kepmctl show --json monday.plan | jq .changes`,
		Args: exactly(1, "the file that plan --out kept"),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return err
			}
			p, _, err := readPlan(args[0])
			if err != nil {
				return err
			}
			if document {
				b, err := p.Encode()
				if err != nil {
					return err
				}
				_, err = a.out.Write(b)
				return err
			}
			if err := a.showPlan(p, f); err != nil {
				return err
			}
			return (&report.Text{Out: a.out}).Dates(p)
		},
	}
	f.registerView(cmd)
	cmd.Flags().BoolVar(&document, "json", false, "write the plan document")
	return cmd
}

func readPlan(path string) (*plans.Plan, []byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("read the plan: %w", err)
	}
	defer f.Close()
	var text bytes.Buffer
	p, err := plans.Decode(io.TeeReader(f, &text))
	if err != nil {
		return nil, nil, &advised{fmt.Errorf("%s: %w", path, err), "make a new one: kepmctl plan --out FILE"}
	}
	return p, text.Bytes(), nil
}

// mayKeep says, before any host is looked at, why a plan cannot be kept in a file:
// only an older plan is ever replaced.
func mayKeep(path string) error {
	if path == "" {
		return nil
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
		return fmt.Errorf("keep the plan in %s: there is no directory %s", path, filepath.Dir(path))
	}
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("keep the plan: %w", err)
	}
	var head []byte
	if info.Mode().IsRegular() {
		head, _ = readStart(path, 64) // what cannot be read is no plan of ours
	}
	if !planHead.Match(head) {
		return fmt.Errorf("keep the plan in %s: the file exists and is no plan; name another one", path)
	}
	return nil
}

// planHead is how the documents of plans.Encode begin.
var planHead = regexp.MustCompile(`^\{\n "format_version": "[0-9.]+",\n "tool": `)

func exactly(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return fmt.Errorf("%s takes %s: see kepmctl %s --help", cmd.Name(), what, cmd.Name())
		}
		return nil
	}
}
