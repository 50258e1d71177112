package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kepmctl/kepmctl/hcl"
	"github.com/kepmctl/kepmctl/plans"
	"github.com/kepmctl/kepmctl/provider"
	"github.com/kepmctl/kepmctl/provider/posix"
	"github.com/kepmctl/kepmctl/transport"
	"github.com/kepmctl/kepmctl/transport/loopback"
	"github.com/kepmctl/kepmctl/transport/ssh"
)

// load reads the configuration and prints what is doubtful or wrong about it.
func (a *app) load() (*hcl.Config, error) {
	config, diags := hcl.Load(a.chdir, hcl.Options{ToolVersion: version})
	if err := diags.Write(a.err, 100, a.color(a.errTerminal)); err != nil {
		return nil, err
	}
	if diags.HasErrors() {
		return nil, fmt.Errorf("the configuration in %s has %s: no host was touched", a.dir(), number(diags.Errors(), "error", "errors"))
	}
	return config, nil
}

func (a *app) dir() string {
	if dir, err := filepath.Abs(a.chdir); err == nil {
		return dir
	}
	return a.chdir
}

// fleet is how this program reaches and changes hosts: the one place where
// transports and families of systems meet the rest.
func (a *app) fleet(config *hcl.Config, parallelism int) (plans.Fleet, error) {
	secrets, err := a.secrets(config.Goals)
	if err != nil {
		return plans.Fleet{}, err
	}
	if err := a.localFiles(config.Goals); err != nil {
		return plans.Fleet{}, err
	}
	socket, _ := a.env("SSH_AUTH_SOCK")
	if config.Parallelism > 0 && config.Parallelism < parallelism {
		parallelism = config.Parallelism
	}
	return plans.Fleet{
		Dialer:      &ssh.Dialer{Secrets: secrets, AgentSocket: socket, Home: a.home, User: a.user},
		Family:      posix.Family(),
		Ask:         loopback.Ask,
		Now:         a.now,
		Parallelism: parallelism,
	}, nil
}

// secrets resolves every reference once, before any host is dialled. They stay in
// memory.
func (a *app) secrets(goals []provider.Goal) (transport.Secrets, error) {
	values := map[transport.SecretRef]string{}
	var missing []error
	for _, g := range goals {
		for _, ref := range g.Host.Connection.Secrets() {
			if _, known := values[ref]; known {
				continue
			}
			value, err := a.secret(ref)
			if err != nil {
				missing = append(missing, err)
			}
			values[ref] = value
		}
	}
	return func(ref transport.SecretRef) (string, error) {
		value, ok := values[ref]
		if !ok {
			return "", fmt.Errorf("%s was not resolved", ref)
		}
		return value, nil
	}, errors.Join(missing...)
}

// localFiles finds what is missing on this side before hosts are blamed for it.
func (a *app) localFiles(goals []provider.Goal) error {
	seen := map[string]bool{}
	var missing []error
	for _, g := range goals {
		c := g.Host.Connection
		for what, path := range map[string]string{"private_key_file": c.PrivateKeyFile, "known_hosts_file": cmp.Or(c.KnownHostsFile, "~/.ssh/known_hosts")} {
			if path == "" || seen[path] {
				continue
			}
			seen[path] = true
			if _, err := os.Stat(a.expand(path)); err != nil {
				missing = append(missing, fmt.Errorf("%s: %s: %w", c.Reference(), what, err))
			}
		}
	}
	slices.SortFunc(missing, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
	return errors.Join(missing...)
}

// expand puts the home directory in the place of "~".
func (a *app) expand(path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		return filepath.Join(a.home, rest)
	}
	return path
}

// secret reads one. A single newline at its end is cut.
func (a *app) secret(ref transport.SecretRef) (string, error) {
	switch ref.Source {
	case "env":
		value, ok := a.env(ref.Name)
		if !ok {
			return "", fmt.Errorf("resolve %s: the variable is not set", ref)
		}
		return strings.TrimSuffix(value, "\n"), nil
	case "file":
		b, err := readFile(a.expand(ref.Name), 64<<10)
		if err != nil {
			return "", fmt.Errorf("resolve %s: %w", ref, err)
		}
		return strings.TrimSuffix(string(b), "\n"), nil
	default:
		return "", fmt.Errorf("resolve %s: there is no such source", ref)
	}
}

func (a *app) validateCommand() *cobra.Command {
	return &cobra.Command{
		Use: "validate", Short: "Check the configuration without touching any host",
		Long: "Reads every *.kepm.hcl file of the directory and reports all mistakes at once,\nwith their places. It runs no program and dials nobody." + "\n" + exitExplanation,
		Example: `  kepmctl validate
  kepmctl validate --chdir production`,
		Args: exactly(0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			config, err := a.load()
			if err != nil {
				return err
			}
			fmt.Fprintf(a.out, "The configuration is valid: %s, %s with an assignment.\n",
				number(len(config.Hosts), "host", "hosts"), number(len(config.Goals), "host", "hosts"))
			if len(config.Goals) == 0 {
				fmt.Fprintln(a.out, "Nothing is wanted of any host: write an assign block.")
			}
			return a.unassigned(config)
		},
	}
}

// unassigned names the hosts of which nothing is wanted: they look managed and are not.
func (a *app) unassigned(config *hcl.Config) error {
	var names []string
	for _, h := range config.Hosts {
		if len(h.Assignments) == 0 {
			names = append(names, h.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	_, err := fmt.Fprintf(a.out, "In no assignment: %s: %s\n", number(len(names), "host", "hosts"), strings.Join(names, ", "))
	return err
}

func number(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
