package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/kepmctl/kepmctl/cmd/kepmlab/simfleet"
)

func fleetCommand() *cobra.Command {
	var o simfleet.Options
	var faults string
	cmd := &cobra.Command{
		Use:   "fleet",
		Short: "Play thousands of hosts in one process",
		Long: `Play a large fleet in one process, to measure kepmctl and to see what it does when
hosts misbehave. Each host is an SSH endpoint of its own on 127.77.0.0 and what follows
it, and answers kepmctl's scripts from a state in memory: no shell runs. What the
scripts really do is shown by kepmlab up and kepmlab nspawn, not here.

Half of the hosts are as the guide demands, the others drifted in one to three ways.
Faults are NAME=NUMBER or NAME=SHARE%, by chance of the seed:
  refuse     nothing listens             garbage    it answers nonsense
  hang       it says nothing             flood      it never stops answering
  reset      it cuts its first answer    drip       it answers a byte at a time
  wrongkey   another host key            noauth     it refuses every login
  norestart  its agent does not come up with new settings

It plays until it is interrupted. The configuration is in DIR; on SIGUSR1 and at the
end what became of every host is written to DIR/state.json.`,
		Example: `  kepmlab fleet --hosts 1000 --latency 20ms --faults refuse=5%,norestart=5% --dir /tmp/fleet
  kepmctl plan --chdir /tmp/fleet --parallelism 256`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if o.Faults, err = simfleet.ParseFaults(faults); err != nil {
				return fmt.Errorf("--faults: %w", err)
			}
			if o.Dir == "" {
				return fmt.Errorf("--dir is missing: name a directory to make")
			}
			return playFleet(cmd, o)
		},
	}
	cmd.Flags().StringVar(&o.Dir, "dir", "", "the fleet's directory, made by this command")
	cmd.Flags().IntVar(&o.Hosts, "hosts", 1000, "how many hosts")
	cmd.Flags().IntVar(&o.Port, "port", 2200, "the port that each host listens on")
	cmd.Flags().DurationVar(&o.Latency, "latency", 0, "of a round trip to a host")
	cmd.Flags().DurationVar(&o.Restart, "restart", time.Second, "how long an agent takes to come up")
	cmd.Flags().StringVar(&faults, "faults", "", "what misbehaves, such as refuse=5%,hang=3")
	cmd.Flags().Uint64Var(&o.Seed, "seed", 1, "which hosts drifted and which misbehave")
	return cmd
}

// playFleet plays until it is interrupted.
func playFleet(cmd *cobra.Command, o simfleet.Options) error {
	ask := make(chan os.Signal, 1)
	signal.Notify(ask, syscall.SIGUSR1)
	defer signal.Stop(ask)
	f, err := simfleet.Up(cmd.Context(), o)
	if err != nil {
		return err
	}
	defer f.Close()
	fmt.Fprintf(cmd.OutOrStdout(), "%d hosts are up. In another terminal: kepmctl plan --chdir %s\nInterrupt this one to take them away.\n", o.Hosts, o.Dir)
	for {
		select {
		case <-ask:
			if err := f.WriteStates(); err != nil {
				return err
			}
		case <-cmd.Context().Done():
			return f.WriteStates()
		}
	}
}
