package main

import (
	"cmp"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/kepmctl/kepmctl/hcl"
	"github.com/kepmctl/kepmctl/plans"
)

func (a *app) waiversCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "waivers", Short: "List what is accepted, by whom and until when",
		Long: `Lists every waiver with its state. Only an active one has an effect: it is not
expired, granted already, approved by somebody who is not its owner, and for hosts of
which its controls are wanted. It dials nobody; kepmctl drift shows what each accepts.`,
		Example: `  kepmctl waivers
  kepmctl waivers --json`,
		Args: exactly(0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			_, stop, release := a.interrupts("no host was touched")
			defer release()
			config, err := a.load(stop)
			if err != nil {
				return err
			}
			return a.listWaivers(waiversOf(config))
		},
	}
	a.eventsFlag(cmd, "write JSON Lines: an event per waiver, then a summary")
	return cmd
}

func (a *app) listWaivers(list []plans.Waiver) error {
	active := 0
	table := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	if a.lines == nil && len(list) > 0 {
		fmt.Fprintln(table, "WAIVER\tSTATE\tENDS\tHOSTS\tOWNER\tTICKET\tCONTROLS\tREASON")
	}
	for _, w := range list {
		state := strings.ReplaceAll(string(w.State), "_", " ")
		if w.State == plans.WaiverActive {
			active++
		}
		if w.EndsSoon(a.now()) {
			state += ", ends soon"
		}
		if a.lines != nil {
			a.lines.Write("waiver", "info", w.Name+": "+state, map[string]any{"waiver": w})
			continue
		}
		ends := w.Expires.UTC().Format("2006-01-02 15:04Z")
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\n", w.Name, state, ends, w.Hosts, w.Owner, cmp.Or(w.Ticket, "-"), strings.Join(w.Controls, " "), w.Reason)
	}
	if a.lines != nil {
		a.lines.Summary(map[string]any{"waivers": len(list), "active": active})
		return nil
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(a.out, "%s, %d in effect.\n", number(len(list), "waiver", "waivers"), active)
	return err
}

// waiversOf are the configuration's waivers as plans know them.
func waiversOf(config *hcl.Config) []plans.Waiver {
	var list []plans.Waiver
	for _, w := range config.Waivers {
		list = append(list, plans.Waiver{
			Name: w.Name, State: plans.WaiverState(w.State), Why: w.Why, Controls: w.Controls, Accepts: w.Accepts, Reason: w.Reason, Owner: w.Owner,
			ApprovedBy: w.ApprovedBy, Ticket: w.Ticket, Granted: w.Granted.UTC(), Expires: w.Expires.UTC(), Hosts: w.Hosts, File: w.Source.File, Line: w.Source.Line,
		})
	}
	return list
}
