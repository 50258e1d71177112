package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/kepmctl/kepmctl/cmd/kepmlab/nspawn"
	"github.com/kepmctl/kepmctl/cmd/kepmlab/standin"
)

func nspawnCommand(exe string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "nspawn",
		Short: "Run real systemd hosts on this machine (needs root)",
	}
	dir := cmd.PersistentFlags().String("dir", "", "the lab's directory")
	_ = cmd.MarkPersistentFlagRequired("dir") // the flag is defined above
	cmd.AddCommand(upCommand(exe, dir), downCommand(dir), powerCycleCommand(dir), execCommand(dir))
	return cmd
}

func upCommand(exe string, dir *string) *cobra.Command {
	var (
		o     nspawn.Options
		hosts int
	)
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Make a lab and boot its hosts",
		Long: `Make a lab and boot its hosts. With five hosts or more, the first five differ:
lab-01 login as root            lab-02 logind ends what a session leaves behind
lab-03 no curl, no openssl      lab-04 sshd refuses forwarding
lab-05 sudo asks for a password`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			began := time.Now()
			o.Dir, o.Hosts = *dir, labSpecs(hosts)
			o.Progress = func(s string) { cmd.PrintErrf("%5.1f s  %s\n", time.Since(began).Seconds(), s) }
			lab, err := up(cmd, o, exe)
			if err != nil {
				return err
			}
			o.Progress("up")
			printNext(cmd, lab, exe)
			return nil
		},
	}
	f := cmd.Flags()
	f.IntVar(&hosts, "hosts", 3, "how many hosts")
	f.StringVar(&o.Cache, "cache", nspawn.DefaultCache, "where base images are kept")
	f.StringVar(&o.Deb, "deb", "", "package of the agent (default: the stand-in, made from this program)")
	f.StringVar(&o.Mirror, "mirror", "", "URL of a Debian mirror (default: the one apt uses)")
	f.IntVar(&o.Parallel, "parallelism", 10, "how many hosts boot side by side")
	f.DurationVar(&o.Timeout, "timeout", 90*time.Second, "how long one host may take")
	return cmd
}

func up(cmd *cobra.Command, o nspawn.Options, exe string) (*nspawn.Lab, error) {
	if o.Deb == "" {
		temp, err := os.MkdirTemp("", "kepmlab-")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(temp)
		o.Deb = filepath.Join(temp, "agent.deb")
		if err := standin.BuildDeb(cmd.Context(), o.Deb, exe); err != nil {
			return nil, err
		}
	}
	lab, err := nspawn.Up(cmd.Context(), o)
	if err != nil {
		return nil, err
	}
	return lab, writeFleet(lab)
}

func printNext(cmd *cobra.Command, lab *nspawn.Lab, exe string) {
	host := lab.Hosts()[len(lab.Hosts())-1]
	fmt.Fprintf(cmd.OutOrStdout(), `%[1]d hosts are up. Look at them:
  kepmctl plan --chdir %[2]s/config
  ssh -i %[2]s/id_ed25519 -o UserKnownHostsFile=%[2]s/known_hosts %[3]s@%[4]s
  %[5]s nspawn exec %[6]s --dir %[2]s -- systemctl status
And when you are done:
  %[5]s nspawn down --dir %[2]s
`, len(lab.Hosts()), lab.Dir(), nspawn.User, host.Address, exe, host.Spec.Name)
}

func downCommand(dir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "Take a lab off this machine, with everything in its directory",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			lab, err := nspawn.Open(*dir)
			if err != nil {
				return err
			}
			return lab.Down(cmd.Context())
		},
	}
}

func powerCycleCommand(dir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "power-cycle HOST",
		Short: "Cut a host's power and boot it again",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			host, err := openHost(*dir, args[0])
			if err != nil {
				return err
			}
			if err := host.PowerCut(cmd.Context()); err != nil {
				return err
			}
			return host.Boot(cmd.Context())
		},
	}
}

func execCommand(dir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "exec HOST --dir DIR -- COMMAND...",
		Short: "Run a command on a host as root, without its network",
		Args:  cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			host, err := openHost(*dir, args[0])
			if err != nil {
				return err
			}
			c, err := host.Command(cmd.Context(), args[1:]...)
			if err != nil {
				return err
			}
			c.Stdin, c.Stdout, c.Stderr = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
			if err := c.Run(); err != nil {
				return fmt.Errorf("run %v on %s: %w", args[1:], args[0], err)
			}
			return nil
		},
	}
}

func openHost(dir, name string) (*nspawn.Host, error) {
	lab, err := nspawn.Open(dir)
	if err != nil {
		return nil, err
	}
	return lab.Host(name)
}
