package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/kepmctl/kepmctl/hcl"
	"github.com/kepmctl/kepmctl/plans/report"
)

func (a *app) hostsCommand() *cobra.Command {
	var f selectFlags
	cmd := &cobra.Command{
		Use: "hosts", Short: "List the hosts of the configuration and what applies to them",
		Long: "Lists every host with its address, system, connection, labels, groups and\nassignments, also those of inventories, whose programs it runs. It dials nobody. With --target and the like it lists the hosts that\nplan would look at with the same flags.",
		Example: `  kepmctl hosts
  kepmctl hosts --target group.prod --sample 5%
  kepmctl hosts --json`,
		Args: exactly(0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			_, stop, release := a.interrupts("no host was touched")
			defer release()
			config, err := a.load(stop)
			if err != nil {
				return err
			}
			config, selection, err := a.choose(config, &f)
			if err != nil {
				return err
			}
			if a.lines != nil {
				a.hostEvents(config)
				return nil
			}
			if err := a.hostsTable(config.Hosts); err != nil {
				return err
			}
			if selection != nil {
				fmt.Fprintln(a.out)
				return (&report.Text{Out: a.out}).Selection(selection)
			}
			fmt.Fprintf(a.out, "\n%s, %s with an assignment.\n",
				number(len(config.Hosts), "host", "hosts"), number(len(config.Goals), "host", "hosts"))
			return a.unassigned(config)
		},
	}
	f.register(cmd)
	a.eventsFlag(cmd, "write JSON Lines: an event per host, then a summary")
	return cmd
}

func (a *app) hostsTable(hosts []hcl.Host) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "HOST\tADDRESS\tSYSTEM\tCONNECTION\tLABELS\tGROUPS\tASSIGNMENTS")
	for _, h := range hosts {
		var labels []string
		for _, k := range slices.Sorted(maps.Keys(h.Labels)) {
			labels = append(labels, k+"="+h.Labels[k])
		}
		fmt.Fprintln(w, strings.Join([]string{
			h.Name, h.Address, or(string(h.OS)), or(h.Connection),
			or(strings.Join(labels, ",")), or(strings.Join(h.Groups, ",")), or(strings.Join(h.Assignments, ",")),
		}, "\t"))
	}
	return w.Flush()
}

func or(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
