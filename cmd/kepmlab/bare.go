package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"github.com/spf13/cobra"

	"github.com/kepmctl/kepmctl/cmd/kepmlab/bare"
)

//go:embed bare.kepm.hcl.tmpl
var bareTemplate string

// bareCommands make hosts of nothing but processes, and what is done with them.
func bareCommands(exe string) []*cobra.Command {
	return []*cobra.Command{
		bareUpCommand(exe), bareDownCommand(), driftCommand(), askCommand(), bareExecCommand(),
		initCommand(exe), serveCommand(), serviceCommand(),
	}
}

// dirFlag adds the flag that says which lab is meant.
func dirFlag(cmd *cobra.Command) *string {
	dir := cmd.Flags().String("dir", "", "the lab's directory")
	_ = cmd.MarkFlagRequired("dir") // the flag is defined above
	return dir
}

func bareUpCommand(exe string) *cobra.Command {
	o := bare.Options{Exe: exe, Args: []string{"host-init"}, Root: os.Getuid() == 0}
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Make hosts out of processes: no root, no container, no network needed",
		Long: `Make a lab of hosts that are processes, and write its configuration to DIR/config.

Each host has user, mount, process and network namespaces of its own: its own root,
127.0.0.1, /proc, /etc, /opt/keeper, /var and /tmp, in memory. It is reached by real SSH
on a port of this machine's 127.0.0.1 and runs this machine's real sh. The stand-in for
the agent and its watchdog run as services.

Such a host is not everything a host can be:
  - no systemd: its services are managed by service and /etc/init.d. kepmctl then watches
    over a change with its own supervisor. kepmlab nspawn up has real systemd.
  - no users and groups but root, and so no sudo: kepmctl logs in as root. If you are
    root here, files can at least belong to others.
  - no boot: down cuts its power, and nothing of it is kept.
  - no network but its own 127.0.0.1.`,
		Example: "  kepmlab up --hosts 5 --dir /tmp/lab\n  kepmctl plan --chdir /tmp/lab/config",
		Args:    cobra.NoArgs,
	}
	dir := dirFlag(cmd)
	cmd.Flags().IntVar(&o.Hosts, "hosts", 3, "how many hosts, 100 at most")
	cmd.Flags().DurationVar(&o.Timeout, "timeout", 60*time.Second, "how long one host may take")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		o.Dir = *dir
		lab, err := bare.Up(cmd.Context(), o)
		if err != nil {
			return err
		}
		if err := writeBareFleet(lab); err != nil {
			return fmt.Errorf("write the lab's configuration: %w (kepmlab down --dir %s removes the lab)", err, lab.Dir())
		}
		fmt.Fprintf(cmd.OutOrStdout(), `%[1]d hosts are up. Look at them:
  kepmctl plan --chdir %[2]s/config
  %[3]s exec lab-01 --dir %[2]s -- ls -l /opt/keeper/sbin
  %[3]s drift lab-01 jobs_writable --dir %[2]s
And when you are done:
  %[3]s down --dir %[2]s
`, len(lab.Hosts()), lab.Dir(), exe)
		return nil
	}
	return cmd
}

// writeBareFleet writes the configuration that describes a lab, in its directory.
func writeBareFleet(lab *bare.Lab) error {
	t, err := template.New("fleet").Funcs(template.FuncMap{"quote": hclQuote}).Parse(bareTemplate)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, lab); err != nil {
		return err
	}
	dir := filepath.Join(lab.Dir(), "config")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "fleet.kepm.hcl"), b.Bytes(), 0o644)
}

func bareDownCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "down",
		Short: "End the hosts of a lab, and remove its directory",
		Args:  cobra.NoArgs,
	}
	dir := dirFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		lab, err := bare.Open(*dir)
		if err != nil {
			return err
		}
		return lab.Down(cmd.Context())
	}
	return cmd
}

func driftCommand() *cobra.Command {
	var long strings.Builder
	long.WriteString("Let a host drift from what is wanted. After kepmctl apply, the kinds are:\n")
	for _, k := range bare.Kinds() {
		fmt.Fprintf(&long, "  %-17s %s\n", k.Name, k.Does)
	}
	cmd := &cobra.Command{
		Use:     "drift HOST KIND",
		Short:   "Let a host drift from what is wanted",
		Long:    long.String(),
		Example: "  kepmlab drift lab-02 jobs_writable --dir /tmp/lab",
		Args:    cobra.ExactArgs(2),
	}
	dir := dirFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		lab, err := bare.Open(*dir)
		if err != nil {
			return err
		}
		does, err := lab.Drift(cmd.Context(), args[0], args[1])
		if err == nil {
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", args[0], does)
		}
		return err
	}
	return cmd
}

func askCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ask HOST NAME",
		Short: "Ask the agent of a host under a name, as a web page read there could",
		Long: `Send the agent of a host one HTTPS request whose Host header is NAME, from that host.
A web page can do that: its owner lets the name stand for 127.0.0.1 (DNS rebinding).`,
		Example: "  kepmlab ask lab-01 evil.example --dir /tmp/lab",
		Args:    cobra.ExactArgs(2),
	}
	dir := dirFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		lab, err := bare.Open(*dir)
		if err != nil {
			return err
		}
		status, err := lab.Ask(cmd.Context(), args[0], args[1])
		if err == nil {
			fmt.Fprintf(cmd.OutOrStdout(), "Host: %s -> %s\n", args[1], status)
		}
		return err
	}
	return cmd
}

func bareExecCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "exec HOST --dir DIR -- COMMAND...",
		Short: "Run a command on a host as root",
		Args:  cobra.MinimumNArgs(2),
	}
	dir := dirFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		lab, err := bare.Open(*dir)
		if err != nil {
			return err
		}
		var line []string
		for _, word := range args[1:] {
			line = append(line, "'"+strings.ReplaceAll(word, "'", `'\''`)+"'")
		}
		return lab.Run(cmd.Context(), args[0], strings.Join(line, " "), cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr())
	}
	return cmd
}

func initCommand(exe string) *cobra.Command {
	return &cobra.Command{
		Use: "host-init", Short: "Be the first process of a host that up makes", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return bare.Init{
				Exe: exe, Args: []string{"host-serve"}, In: cmd.InOrStdin(),
				Listener: os.NewFile(3, "listener"), Answer: os.NewFile(4, "answer"), Log: os.Stderr,
			}.Run()
		},
	}
}

func serveCommand() *cobra.Command {
	return &cobra.Command{
		Use: "host-serve", Short: "Be the services and the SSH server of a host that up makes", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return bare.Server{
				In: cmd.InOrStdin(), Listener: os.NewFile(3, "listener"), Answer: os.NewFile(4, "answer"), Log: cmd.ErrOrStderr(),
			}.Run(cmd.Context())
		},
	}
}

// exitCode is how a service's script ends; its words are written already.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit status %d", int(c)) }

func serviceCommand() *cobra.Command {
	return &cobra.Command{
		Use: "service NAME ACTION", Short: "Manage a service, on a host that up made", Hidden: true, Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			code, message, err := bare.Service(cmd.Context(), args[0], args[1])
			if err != nil {
				return err
			}
			cmd.Println(message)
			if code != 0 {
				return exitCode(code)
			}
			return nil
		},
	}
}

// manageService does for the watchdog what systemctl would, where there is no systemd.
func manageService(ctx context.Context, args ...string) error {
	action, unit := args[0], args[len(args)-1]
	if action == "is-active" {
		action = "status"
	}
	code, _, err := bare.Service(ctx, unit, action)
	if err == nil && code != 0 {
		return exitCode(code)
	}
	return err
}
