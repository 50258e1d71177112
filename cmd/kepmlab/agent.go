package main

import (
	"context"
	"os"
	"os/exec"
	"time"

	"github.com/spf13/cobra"

	"github.com/kepmctl/kepmctl/cmd/kepmlab/standin"
)

func agentCommand() *cobra.Command {
	var a standin.Agent
	cmd := &cobra.Command{
		Use:   "agent",
		Short: "Behave as the agent does",
		Long: `Behave as the agent is documented to behave, with the files in --root.

The environment makes it misbehave:
  KEEPER_LAB_FAIL=never_up | dies_after_2s | loses_plugin
  KEEPER_LAB_WHEN=hardened    only if AllowedHosts is not "*"
  KEEPER_LAB_TLS_MIN=1.0      accept TLS 1.0 and 1.1
  KEEPER_LAB_BIND=ADDRESS     where the HTTPS port listens
On a host of the lab they stand in /etc/keeper-lab.env.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a.Environ, a.Now, a.After = os.Environ(), time.Now, time.After
			return a.Run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVar(&a.Root, "root", standin.Root, "directory that holds appsettings.json")
	f.IntVar(&a.HTTP, "http", 0, "HTTP port (default: as configured)")
	f.IntVar(&a.HTTPS, "https", 0, "HTTPS port (default: as configured)")
	f.IntVar(&a.MQTT, "mqtt", 0, "MQTT port (default 8675)")
	return cmd
}

func watchdogCommand() *cobra.Command {
	w := standin.Watchdog{
		Systemctl: func(ctx context.Context, args ...string) error {
			if _, err := os.Stat("/run/systemd/system"); err != nil {
				return manageService(ctx, args...)
			}
			return exec.CommandContext(ctx, "systemctl", args...).Run()
		},
		After: time.After,
	}
	cmd := &cobra.Command{
		Use:   "watchdog",
		Short: "Start the agent's unit whenever it is down",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w.Log = cmd.ErrOrStderr()
			return w.Run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&w.Root, "root", standin.Root, "directory that holds appsettings.json")
	cmd.Flags().StringVar(&w.Unit, "unit", standin.AgentUnit, "unit to watch")
	return cmd
}

func debCommand(exe string) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "deb",
		Short: "Pack the stand-in as a Debian package",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return standin.BuildDeb(cmd.Context(), out, exe)
		},
	}
	cmd.Flags().StringVar(&out, "out", standin.Package+"_"+standin.Version+".deb", "file to write")
	return cmd
}
