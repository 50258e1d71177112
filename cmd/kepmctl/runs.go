package main

import (
	"cmp"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/kepmctl/kepmctl/plans"
	"github.com/kepmctl/kepmctl/plans/report"
	"github.com/kepmctl/kepmctl/plans/runs"
)

func (a *app) runsCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use: "runs", Short: "List what apply did, and stop a run",
		Long: "Lists the runs that apply and resume keep in the state directory, the newest last.",
		Example: `  kepmctl runs
  kepmctl runs show 20261125t220000z-5f3a9c
  kepmctl runs stop 20261125t220000z-5f3a9c`,
		Args: exactly(0, "no arguments, or one of show and stop"),
		RunE: func(*cobra.Command, []string) error { return a.listRuns(f.state) },
	}
	f.registerState(a, cmd)
	a.eventsFlag(cmd, "write JSON Lines: a line per run, a summary")
	cmd.AddCommand(a.showRunCommand(), a.stopRunCommand())
	return cmd
}

func (a *app) showRunCommand() *cobra.Command {
	var f runFlags
	var p planFlags
	cmd := &cobra.Command{
		Use: "show RUN", Short: "Tell the story of a run",
		Long:    "Tells who began and went on with a run, how its waves went, and what became of\nevery host, from the run's journal, whose chain of hashes is checked. It dials nobody.",
		Example: "  kepmctl runs show 20261125t220000z-5f3a9c\n  kepmctl runs show --view full 20261125t220000z-5f3a9c",
		Args:    exactly(1, "the name of the run: kepmctl runs lists them"),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := p.check(); err != nil {
				return err
			}
			run, err := runs.Read(f.state, args[0])
			if err != nil {
				return adviseRun(err)
			}
			outcome := plans.Replay(run.Entries).Outcome(run.Name, run.Plan)
			if a.lines != nil {
				for _, e := range run.Entries {
					a.lines.Write("entry", "info", string(e.Type), map[string]any{"entry": e})
				}
				a.lines.Outcome(run.Plan, outcome)
				return nil
			}
			text := report.Text{Out: a.out, Color: a.color(a.outTerminal), View: report.View(p.view)}
			return cmp.Or(text.Story(run.Plan, run.Entries), text.Outcome(run.Plan, outcome))
		},
	}
	p.registerView(cmd)
	f.registerState(a, cmd)
	a.eventsFlag(cmd, "write JSON Lines: a line per entry of the journal, a line per result, a summary")
	return cmd
}

func (a *app) stopRunCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use: "stop RUN", Short: "Let a run start no further host",
		Long:    "Asks the kepmctl that is at work on a run, in another terminal or on another machine\nwith the same state directory, to start no further host and to finish those in flight.",
		Example: "  kepmctl runs stop 20261125t220000z-5f3a9c",
		Args:    exactly(1, "the name of the run: kepmctl runs lists them"),
		RunE: func(_ *cobra.Command, args []string) error {
			run, err := runs.Read(f.state, args[0])
			if err != nil {
				return adviseRun(err)
			}
			if !run.AtWork() {
				return fmt.Errorf("stop run %s: no kepmctl is at work on it", run.Name)
			}
			if err := run.Stop(); err != nil {
				return err
			}
			_, err = fmt.Fprintf(a.out, "Run %s starts no further host. Go on later with: kepmctl resume %s\n", run.Name, run.Name)
			return err
		},
	}
	f.registerState(a, cmd)
	return cmd
}

// listRuns shows a line per run; one that cannot be read costs its own line only.
func (a *app) listRuns(state string) error {
	names, err := runs.List(state)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(a.out, 0, 0, 3, ' ', 0)
	if a.lines == nil && len(names) > 0 {
		fmt.Fprintln(table, "RUN\tBEGAN\tBY\tCHANGE\tSTATE\tHOSTS")
	}
	for _, name := range names {
		l := summaryOf(state, name)
		if a.lines != nil {
			a.lines.Write("run", "info", name+": "+l.state, map[string]any{
				"run": name, "began": l.began, "by": l.by, "change": l.change, "state": l.state, "hosts": l.hosts,
			})
			continue
		}
		fmt.Fprintln(table, strings.Join([]string{name, l.began, l.by, cmp.Or(l.change, "-"), l.state, l.hosts}, "\t"))
	}
	if a.lines != nil {
		a.lines.Summary(map[string]any{"runs": len(names)})
		return nil
	}
	if len(names) == 0 {
		_, err := fmt.Fprintf(a.out, "No runs in %s.\n", state)
		return err
	}
	return table.Flush()
}

// A runLine is a run in a list.
type runLine struct{ began, by, change, state, hosts string }

func summaryOf(state, name string) runLine {
	run, err := runs.Read(state, name)
	if err != nil {
		return runLine{began: "-", by: "-", state: "unreadable", hosts: "kepmctl runs show " + name + " says why"}
	}
	p := plans.Replay(run.Entries)
	o := p.Outcome(name, run.Plan)
	l := runLine{began: "-", by: "-", change: p.Change, hosts: report.Counts(o)}
	if len(run.Entries) > 0 {
		l.began, l.by = run.Began().Format("2006-01-02 15:04:05Z"), run.Entries[0].By
	}
	switch {
	case run.AtWork():
		l.state = "at work"
	case p.RolledBack != "":
		l.state = "rolled back"
	case !p.Ended:
		l.state = "cut off"
	case len(p.Stopped) > 0 && p.Stopped[0].Kind.Pauses():
		l.state = "paused"
	case len(p.Stopped) > 0:
		l.state = "stopped"
	default:
		l.state = "ended"
	}
	return l
}
