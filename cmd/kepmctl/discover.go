package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/kepmctl/kepmctl/hcl"
	"github.com/kepmctl/kepmctl/plans"
	"github.com/kepmctl/kepmctl/plans/report"
	"github.com/kepmctl/kepmctl/provider"
)

type discoverFlags struct {
	planFlags
	scaffold    hcl.Scaffold
	inventories []string
	out         string
}

func (a *app) discoverCommand() *cobra.Command {
	var f discoverFlags
	cmd := &cobra.Command{
		Use: "discover [HOST...]", Short: "Write a configuration of what hosts have",
		Long: `Looks at hosts and writes what they have as HCL: what most of them share becomes a
baseline, those that differ alike get one of their own that extends it, with comments
that say how many. The result is valid and plans to no changes; change it to what the
hosts must have. Without arguments it looks at the hosts of the configuration that are
in no assignment; with names, addresses or --inventory it needs no configuration and
writes how the hosts are reached, too: paths are then relative to the configuration's
directory (--chdir), where the result is to lie. It changes no host.`,
		Example: `  kepmctl discover app-01 app-02 --user ops --become sudo
  kepmctl discover --inventory ansible=inventory/hosts.yml --out fleet.kepm.hcl
  kepmctl discover --target 'edge-*' --out edge.kepm.hcl`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return err
			}
			if err := f.complete(cmd, args); err != nil {
				return err
			}
			_, stop, release := a.interrupts("no host was changed")
			defer release()
			return a.discover(stop, f)
		},
	}
	cmd.Flags().StringVar(&f.scaffold.User, "user", "", "log in as this user (default: the current one)")
	cmd.Flags().IntVar(&f.scaffold.Port, "port", 0, "port of SSH (default 22)")
	cmd.Flags().StringVar(&f.scaffold.Become, "become", "", "become root by none, sudo, keepersudo or keeperagent (default none)")
	cmd.Flags().StringVar(&f.scaffold.BecomePasswordEnv, "become-password-env", "", "environment variable that holds the password for it")
	cmd.Flags().StringVar(&f.scaffold.PrivateKeyFile, "private-key-file", "", "key to log in with (default: the SSH agent's and ~/.ssh/id_*)")
	cmd.Flags().StringVar(&f.scaffold.KnownHostsFile, "known-hosts-file", "", "host keys that are trusted (default ~/.ssh/known_hosts)")
	cmd.Flags().StringArrayVar(&f.inventories, "inventory", nil, "hosts of an inventory, KIND=PATH: ansible, csv, or exec with a program; may be repeated")
	cmd.Flags().StringVar(&f.out, "out", "", "write to this file, which must not be there, instead of standard output")
	cmd.Flags().Var((*parallelism)(&f.parallelism), "parallelism", "hosts looked at at once (50)")
	f.view = string(report.Changes)
	f.pick.register(cmd)
	return cmd
}

// complete reads hosts and inventories, and refuses flags that would mean nothing.
func (f *discoverFlags) complete(cmd *cobra.Command, args []string) error {
	for _, text := range f.inventories {
		kind, path, ok := strings.Cut(text, "=")
		if !ok || path == "" {
			return fmt.Errorf("--inventory %q is not KIND=PATH, such as ansible=hosts.yml", text)
		}
		f.scaffold.Inventories = append(f.scaffold.Inventories, [2]string{kind, path})
	}
	f.scaffold.Hosts = slices.Compact(slices.Sorted(slices.Values(args)))
	if f.alone() {
		return nil
	}
	for _, name := range []string{"user", "port", "become", "become-password-env", "private-key-file", "known-hosts-file"} {
		if cmd.Flags().Changed(name) {
			return fmt.Errorf("--%s is for hosts that are named here, or of --inventory; those of the configuration have their connections", name)
		}
	}
	return nil
}

// alone says whether no configuration is read.
func (f *discoverFlags) alone() bool {
	return len(f.scaffold.Hosts)+len(f.scaffold.Inventories) > 0
}

func (a *app) discover(ctx context.Context, f discoverFlags) error {
	if err := mayKeep(f.out); err != nil {
		return err
	}
	o := hcl.Options{Probe: true, Alone: f.alone(), Run: a.running(ctx)}
	if o.Alone {
		o.Extra = []byte(f.scaffold.Text())
	}
	config, err := a.read(o)
	if err != nil {
		return err
	}
	if len(config.Hosts) == 0 {
		return errors.New("there are no hosts: name some here, or an inventory with --inventory")
	}
	if len(config.Goals) == 0 {
		return errors.New("every host of the configuration has an assignment: there is nothing to discover")
	}
	r, err := a.chosen(ctx, config, f.planFlags)
	if err != nil {
		return err
	}
	found, silent, err := a.describe(ctx, r)
	if err != nil {
		return err
	}
	names := make([]string, len(silent))
	for i, h := range silent {
		names[i] = h.Name
	}
	text, err := a.composed(o, found, names)
	if err != nil {
		return err
	}
	if err := a.wrote(text, f.out); err != nil {
		return err
	}
	return a.silentIn(r, silent)
}

// describe looks at the hosts, and keeps of each look only what it says.
func (a *app) describe(ctx context.Context, r planned) ([]hcl.Description, []plans.HostPlan, error) {
	var describer hcl.Describer
	var mu sync.Mutex
	var found []hcl.Description
	r.fleet.Keep = func(host string, _ []string, l provider.Look) error {
		d := describer.Describe(host, l)
		mu.Lock()
		defer mu.Unlock()
		found = append(found, d)
		return nil
	}
	watch, end := a.watch("looked at")
	r.fleet.Watch = watch
	p, err := r.fleet.Make(ctx, r.config.Goals, plans.Terms{})
	end()
	if err != nil {
		return nil, nil, err
	}
	return found, p.Silent(), nil
}

// composed is the text of what was found, under names that the configuration does not
// have yet, and checked as any configuration is.
func (a *app) composed(o hcl.Options, found []hcl.Description, silent []string) ([]byte, error) {
	const most = 20 // discoveries in one directory
	scaffold := o.Extra
	o.Probe, o.Run = false, nil
	o = a.given(o)
	for n := 1; ; n++ {
		name := "discovered"
		if n > 1 {
			name = fmt.Sprintf("discovered_again_%d", n)
		}
		o.Extra = hcl.Compose(scaffold, name, found, silent)
		_, diags := hcl.Load(a.chdir, o)
		if !diags.HasErrors() {
			return o.Extra, nil
		}
		if n == most {
			err := diags.Write(a.err, 100, a.color(a.errTerminal))
			return nil, errors.Join(err, errors.New("what was found does not fit the configuration: nothing was written"))
		}
	}
}

// wrote writes the text to a file, or shows it.
func (a *app) wrote(text []byte, out string) error {
	if out == "" {
		_, err := a.out.Write(text)
		return err
	}
	if err := newFile(out, text); err != nil {
		return fmt.Errorf("write what was found: %w", err)
	}
	_, err := fmt.Fprintf(a.out, "Written to %s. See that it holds: kepmctl plan%s\n", out, inDir(filepath.Dir(out)))
	return err
}

// silentIn shows which hosts gave no answer, and chooses the exit code.
func (a *app) silentIn(r planned, silent []plans.HostPlan) error {
	if len(silent) == 0 {
		return nil
	}
	text := report.Text{Out: a.err, Color: a.color(a.errTerminal)}
	if err := text.Silent(&plans.Plan{Hosts: silent}); err != nil {
		return err
	}
	if len(silent) > r.config.MaxUnreachable.Of(len(r.config.Goals)) {
		return &exit{exitSilent, fmt.Errorf("%s: they are left out of what was found", number(len(silent), "host gave no answer", "hosts gave no answer"))}
	}
	return nil
}

// inDir is the flag that makes a command read a directory.
func inDir(dir string) string {
	if dir == "." {
		return ""
	}
	return " --chdir " + typed(dir)
}
