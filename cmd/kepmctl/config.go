package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kepmctl/kepmctl/hcl"
	"github.com/kepmctl/kepmctl/plans"
	"github.com/kepmctl/kepmctl/plans/facts"
	"github.com/kepmctl/kepmctl/provider"
	"github.com/kepmctl/kepmctl/provider/posix"
	"github.com/kepmctl/kepmctl/transport"
	"github.com/kepmctl/kepmctl/transport/loopback"
	"github.com/kepmctl/kepmctl/transport/ssh"
)

// load reads the configuration, running the programs of its inventories, and prints
// what is doubtful or wrong about it.
func (a *app) load(ctx context.Context) (*hcl.Config, error) {
	return a.read(hcl.Options{Run: a.running(ctx)})
}

// running runs the programs of inventories, or says what they printed a while ago.
func (a *app) running(ctx context.Context) func(hcl.Program) ([]byte, error) {
	return func(p hcl.Program) ([]byte, error) {
		if p.Cache == 0 || a.noExec {
			return a.inventoryProgram(ctx, p)
		}
		path := a.cached(p)
		if info, err := os.Stat(path); err == nil {
			if age := a.now().Sub(info.ModTime()); age >= 0 && age < p.Cache {
				return readFile(path, int64(p.Most))
			}
		}
		out, err := a.inventoryProgram(ctx, p)
		if err == nil {
			err = errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), writeFile(path, out))
		}
		return out, err
	}
}

// cached is where what a program printed is kept.
func (a *app) cached(p hcl.Program) string {
	sum := sha256.Sum256([]byte(strings.Join(p.Command, "\x00")))
	return filepath.Join(a.chdir, ".kepmctl", "cache", hex.EncodeToString(sum[:16]))
}

// inventoryProgram runs a program in the configuration's directory for its hosts.
func (a *app) inventoryProgram(ctx context.Context, p hcl.Program) ([]byte, error) {
	out, errs, err := a.program(ctx, p.Command, p.Limit, p.Most)
	if e, ok := errors.AsType[*exit](err); ok { // it would be told as a mistake in a file
		a.forbidden = e
	}
	if err != nil {
		return nil, fmt.Errorf("%w%s", err, complaint(errs, ""))
	}
	return []byte(out), nil
}

// read is load with what the options say about programs.
func (a *app) read(o hcl.Options) (*hcl.Config, error) {
	config, diags := hcl.Load(a.chdir, a.given(o))
	a.tell(diags)
	if err := diags.Write(a.err, 100, a.color(a.errTerminal)); err != nil {
		return nil, err
	}
	if a.forbidden != nil {
		return nil, a.forbidden
	}
	if diags.HasErrors() {
		return nil, fmt.Errorf("the configuration in %s has %s: no host was touched", a.dir(), number(diags.Errors(), "error", "errors"))
	}
	return config, nil
}

// given adds what the command line and the environment say to options.
func (a *app) given(o hcl.Options) hcl.Options {
	o.ToolVersion, o.Vars, o.VarFiles, o.Env, o.Now = version, a.vars, a.varFiles, a.env, a.now()
	return o
}

func (a *app) dir() string {
	if dir, err := filepath.Abs(a.chdir); err == nil {
		return dir
	}
	return a.chdir
}

// fleet is how this program reaches and changes hosts: the one place where
// transports and families of systems meet the rest.
func (a *app) fleet(ctx context.Context, config *hcl.Config, parallelism int) (plans.Fleet, error) {
	if err := a.mayReach(config.Goals); err != nil {
		return plans.Fleet{}, err
	}
	secrets, err := a.secrets(ctx, config.Goals)
	wrong := append(each(err), each(a.localFiles(config.Goals))...)
	socket, _ := a.env("SSH_AUTH_SOCK")
	dialer := &ssh.Dialer{
		Secrets: secrets, AgentSocket: socket, Home: a.home, Dir: a.chdir, User: a.user, Now: a.now,
		ConfigFile: filepath.Join(a.home, ".ssh", "config"),
	}
	a.hangUp = dialer.Close
	if errors.Join(wrong...) == nil {
		wrong = prepare(dialer, config.Goals)
	}
	if err := errors.Join(wrong...); err != nil {
		return plans.Fleet{}, &advised{err, "no host was dialled: put this right here, or change the connections that name it"}
	}
	return plans.Fleet{
		Dialer:      a.traced(dialer),
		Family:      posix.Family(),
		Ask:         loopback.Ask,
		Now:         a.now,
		Parallelism: parallelism,
	}, nil
}

// recalled is a fleet of which only recorded facts are known.
func (a *app) recalled(dir string) plans.Fleet {
	return plans.Fleet{Family: posix.Family(), Now: a.now, Parallelism: runtime.NumCPU(), Recall: facts.Dir(dir).Read}
}

// prepare opens the keys that connections name, and says once what is wrong with
// each.
func prepare(dialer *ssh.Dialer, goals []provider.Goal) []error {
	said := map[string]bool{}
	var wrong []error
	for _, g := range goals {
		err := dialer.Prepare(g.Host)
		if e, ok := errors.AsType[*transport.Error](err); ok { // without the host's address: it was not dialled
			err = fmt.Errorf("%s: %w", g.Host.Connection.Reference(), e.Err)
			if e.Hint != "" {
				err = fmt.Errorf("%w (%s)", err, e.Hint)
			}
		}
		if err != nil && !said[err.Error()] {
			said[err.Error()] = true
			wrong = append(wrong, err)
		}
	}
	return wrong
}

// localFiles finds what is missing on this side before hosts are blamed for it.
func (a *app) localFiles(goals []provider.Goal) error {
	seen := map[string]bool{}
	var missing []error
	for _, g := range goals {
		for c := &g.Host.Connection; c != nil; c = c.Via {
			files := map[string]string{"private_key_file": c.PrivateKeyFile, "certificate_file": c.CertificateFile}
			if c.HostKeys != transport.HostKeysAcceptNew {
				files["known_hosts_file"] = c.KnownHostsFile
			}
			for what, path := range files {
				if path == "" || seen[path] {
					continue
				}
				seen[path] = true
				if _, err := os.Stat(a.expand(path)); err != nil {
					missing = append(missing, fmt.Errorf("%s: %s: %w", c.Reference(), what, err))
				}
			}
		}
	}
	slices.SortFunc(missing, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
	return errors.Join(missing...)
}

// expand is where a file of the configuration lies: "~/" is the home, and what is
// relative lies in the configuration's directory.
func (a *app) expand(path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		return filepath.Join(a.home, rest)
	}
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(a.chdir, path)
}

func (a *app) validateCommand() *cobra.Command {
	var strict bool
	cmd := &cobra.Command{
		Use: "validate", Short: "Check the configuration without touching any host",
		Long: "Reads every *.kepm.hcl file of the directory and reports all mistakes at once,\nwith their places. It runs no program and dials nobody.",
		Example: `  kepmctl validate
  kepmctl validate --chdir production
  kepmctl validate --strict
  kepmctl validate --json`,
		Args: exactly(0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			config, err := a.read(hcl.Options{Strict: strict})
			if err != nil {
				return err
			}
			if a.lines != nil {
				a.countHosts(config)
				return nil
			}
			fmt.Fprintf(a.out, "The configuration is valid: %s, %s with an assignment.\n",
				number(len(config.Hosts), "host", "hosts"), number(len(config.Goals), "host", "hosts"))
			if len(config.Goals) == 0 {
				fmt.Fprintln(a.out, "Nothing is wanted of any host: write an assign block.")
			}
			return a.unassigned(config)
		},
	}
	cmd.Flags().BoolVar(&strict, "strict", false, "a waiver without effect is a mistake, not a doubt")
	a.eventsFlag(cmd, "write JSON Lines: an event per mistake or doubt, then a summary")
	return cmd
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
