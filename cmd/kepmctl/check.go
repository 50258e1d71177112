package main

import (
	"cmp"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/kepmctl/kepmctl/plans"
	"github.com/kepmctl/kepmctl/plans/report"
)

func (a *app) checkCommand() *cobra.Command {
	var f planFlags
	var full bool
	cmd := &cobra.Command{
		Use: "check", Short: "See whether every host can be reached, and what stands in the way",
		Long: `Dials every assigned host, sees who answers, elevates, and looks once. What stands
in the way is grouped by cause, each with its fix and its hosts. On the first few
hosts it also measures what a look costs: processes started, lines in the log. It
changes nothing.`,
		Example: `  kepmctl check
  kepmctl check --full
  kepmctl check --target @new-hosts.txt`,
		Args: exactly(0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			f.view = string(report.Changes)
			if full {
				f.view = string(report.Full)
			}
			if err := f.check(); err != nil {
				return err
			}
			_, stop, release := a.interrupts("no host was changed")
			defer release()
			r, err := a.ready(stop, f)
			if err != nil {
				return err
			}
			watch, end := a.watch("checked")
			r.fleet.Watch = watch
			hosts, err := r.fleet.Check(stop, r.config.Goals)
			end()
			if err != nil {
				return err
			}
			return a.finishCheck(r, hosts, report.View(f.view))
		},
	}
	cmd.Flags().Var((*parallelism)(&f.parallelism), "parallelism", "hosts looked at at once (50)")
	cmd.Flags().BoolVar(&full, "full", false, "name every host")
	f.pick.register(cmd)
	a.eventsFlag(cmd, "write JSON Lines: events as they happen, a line per host, a summary")
	return cmd
}

// finishCheck shows what was found, and chooses the exit code.
func (a *app) finishCheck(r planned, hosts []plans.Checked, view report.View) error {
	silent := 0
	for _, h := range hosts {
		if h.Problem != nil {
			silent++
		}
	}
	if a.lines != nil {
		a.lines.Check(hosts)
	} else {
		text := report.Text{Out: a.out, Color: a.color(a.outTerminal), View: view}
		if err := cmp.Or(text.Check(hosts), text.Selection(r.selection)); err != nil {
			return err
		}
	}
	if silent > r.config.MaxUnreachable.Of(len(hosts)) {
		return &exit{exitSilent, fmt.Errorf("%s not ready, more than max_unreachable in the kepmctl block tolerates (default 0)", number(silent, "host is", "hosts are"))}
	}
	return nil
}
