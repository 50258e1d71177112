package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/kepmctl/kepmctl/hcl"
	"github.com/kepmctl/kepmctl/plans"
	"github.com/kepmctl/kepmctl/plans/report"
	"github.com/kepmctl/kepmctl/provider"
	"github.com/kepmctl/kepmctl/transport"
)

// version of this build; releases set it with -ldflags.
var version = "0.1.0"

// app is what the process hands to the commands.
type app struct {
	in       io.Reader
	out, err io.Writer

	inTerminal, outTerminal, errTerminal bool
	width                                func() int // of stderr's terminal, in columns

	env        func(string) (string, bool)
	now        func() time.Time
	home       string
	user, host string       // who runs this, for the hosts' logs
	signal     atomic.Int32 // the first signal that came; 0: none

	chdir    string
	noColor  bool
	noExec   bool
	policy   string // a policy beside the machine's
	vars     []string
	varFiles []string

	lines *report.Lines // of --json; nil: results are text for people
	log   *slog.Logger  // of KEPM_LOG; nil: none
	runID string        // names this run in events, in logs and on hosts

	sitePolicy string       // where the machine's is
	policies   []hcl.Policy // that count
	forbidden  error        // the program that a policy forbade

	hangUp func() error // ends what is shared between hosts; nil: nothing was dialled
}

// Exit codes: see operations.md. They are part of the public interface.
const (
	exitOK      = 0
	exitError   = 1
	exitChanges = 2
	exitSilent  = 3
	exitRefused = 4
	exitUnfit   = 5
	exitNotAll  = 6
	exitLocked  = 7
	exitSignal  = 128 // plus the signal's number
)

// An exit ends the program with a code of its own. A nil err has nothing to say.
type exit struct {
	code int
	err  error
}

func (e *exit) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exit) Unwrap() error { return e.err }

// run is the program: arguments in, exit code out.
func (a *app) run(args []string) int {
	a.runID = a.newRun()
	root := a.root()
	if err := completions(root); err != nil {
		return a.code(err)
	}
	root.SetArgs(longFlags(root, args))
	if len(args) > 1 && !strings.HasPrefix(args[0], "-") && args[0] != "help" && slices.Contains(args, "--help") {
		if found, _, err := root.Find(args); err == nil && found == root {
			return a.code(unknownCommand(root, args[:1])) // there is no help on it: kepmctl's own would hide that
		}
	}
	cmd, err := root.ExecuteC()
	if a.hangUp != nil {
		_ = a.hangUp() // the run is over: nothing is owed to what it shared
	}
	a.beginEvents(cmd) // also when it is only to say that the arguments are wrong
	return a.code(err)
}

// code prints what went wrong, with its hint, and names the exit code.
func (a *app) code(err error) int {
	if err == nil {
		return a.endEvents(exitOK, "", "")
	}
	code := exitError
	if e, ok := errors.AsType[*exit](err); ok {
		code, err = e.code, e.err
	}
	hint := transport.Hint(err)
	if e, ok := errors.AsType[*advised](err); ok {
		hint = e.hint
	}
	if unfit, ok := errors.AsType[*plans.UnfitError](err); ok {
		code, hint = exitUnfit, unfit.Hint
	}
	if s := a.signal.Load(); s != 0 {
		code = exitSignal + int(s)
	}
	problem := ""
	if err != nil {
		problem = err.Error()
		for _, one := range each(err) {
			fmt.Fprintln(a.err, "kepmctl: "+provider.Printable(one.Error()))
		}
		if hint != "" {
			fmt.Fprintln(a.err, "hint: "+provider.Printable(hint))
		}
	}
	return a.endEvents(code, problem, hint)
}

// each is what errors.Join put together, or the error itself.
func each(err error) []error {
	if advice, ok := err.(*advised); ok {
		err = advice.error
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		if list := joined.Unwrap(); errors.Join(list...).Error() == err.Error() {
			return list
		}
	}
	return []error{err}
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "kepmctl",
		Short: "Harden the agents of Keeper Endpoint Privilege Manager on a fleet",
		Long: `kepmctl compares what *.kepm.hcl files in a directory declare with what hosts
have, shows the difference as a plan, and makes it so. A host that is changed
heals itself: without kepmctl's verdict in time it goes back to what it was.`,
		Example: `  kepmctl validate
  kepmctl plan --out monday.plan
  kepmctl apply monday.plan`,
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          unknownCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			a.beginEvents(cmd)
			return cmp.Or(a.beginLog(), a.readPolicies())
		},
	}
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetHelpCommand(a.helpCommand())
	root.SetFlagErrorFunc(unknownFlag)
	root.CompletionOptions.DisableDefaultCmd = true // ours says how to install it
	endWithExits(root)
	root.SetVersionTemplate("kepmctl {{.Version}}\n")
	root.PersistentFlags().StringVar(&a.chdir, "chdir", ".", "read the configuration from this directory")
	root.PersistentFlags().BoolVar(&a.noColor, "no-color", false, "write without colour")
	root.PersistentFlags().BoolVar(&a.noExec, "no-exec", false, "run no program that the configuration names")
	root.PersistentFlags().StringVar(&a.policy, "policy", "", "a site policy to keep beside the machine's own, "+sitePolicy)
	root.PersistentFlags().StringArrayVar(&a.vars, "var", nil, "set a variable, NAME=VALUE; may be repeated")
	root.PersistentFlags().StringArrayVar(&a.varFiles, "var-file", nil, "read values of variables from this file; may be repeated")
	root.AddCommand(a.validateCommand(), a.hostsCommand(), a.checkCommand(), a.planCommand(), a.showCommand(), a.applyCommand(), a.driftCommand(), a.resumeCommand(), a.rollbackCommand(), a.runsCommand(), a.versionCommand())
	root.AddCommand(a.initCommand(), a.discoverCommand(), a.fmtCommand(), a.controlsCommand(), a.waiversCommand(), a.completionCommand(), a.manCommand())
	return root
}

func (a *app) versionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "version", Short: "Print the version", Long: "Prints the version.", Example: "  kepmctl version", Args: exactly(0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			if a.lines != nil {
				return nil // every stream begins with the version
			}
			_, err := fmt.Fprintln(a.out, "kepmctl "+version)
			return err
		},
	}
	a.eventsFlag(cmd, "write JSON Lines: the version, a summary")
	return cmd
}

// color says whether to write colours: not when told so, not into files.
func (a *app) color(terminal bool) bool {
	_, unwanted := a.env("NO_COLOR")
	return terminal && !a.noColor && !unwanted
}

// longFlags accepts Terraform's single dash: -out=x becomes --out=x. There are no
// short flags but -h.
func longFlags(root *cobra.Command, args []string) []string {
	out := make([]string, len(args))
	for i, arg := range args {
		if arg == "--" {
			return append(out[:i], args[i:]...)
		}
		if out[i] = arg; len(arg) > 2 && arg[0] == '-' && arg[1] != '-' && (i == 0 || !takesValue(root, args[i-1])) {
			out[i] = "-" + arg
		}
	}
	return out
}

// takesValue says whether the argument is a flag whose value is the next one.
func takesValue(root *cobra.Command, arg string) bool {
	name := strings.TrimLeft(arg, "-")
	if name == arg || strings.Contains(arg, "=") {
		return false
	}
	for _, c := range append(root.Commands(), root) {
		if f := cmp.Or(c.Flags().Lookup(name), c.PersistentFlags().Lookup(name)); f != nil {
			return f.NoOptDefVal == ""
		}
	}
	return false
}
