// Command kepmlab is a fleet on one machine: to try kepmctl, to test it, to
// measure it.
//
// The same program is the agent's stand-in on the hosts it makes: installed
// under the name of the agent or of its watchdog it behaves as that.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/kepmctl/kepmctl/cmd/kepmlab/standin"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	exe, err := os.Executable()
	if err != nil {
		fmt.Fprintf(os.Stderr, "Error: find this program: %s\n", err)
		return 1
	}
	root := rootCommand(exe)
	root.SetArgs(words(os.Args, exe))
	if err := root.ExecuteContext(ctx); err != nil {
		if code, ok := errors.AsType[exitCode](err); ok {
			return int(code)
		}
		fmt.Fprintf(os.Stderr, "Error: %s\n", err)
		return 1
	}
	return 0
}

// words are the command line, with the command that the program's name stands for.
func words(args []string, exe string) []string {
	switch filepath.Base(args[0]) {
	case standin.AgentUnit:
		return append([]string{"agent", "--root", filepath.Dir(exe)}, args[1:]...)
	case standin.WatchdogUnit:
		return append([]string{"watchdog", "--root", filepath.Dir(exe)}, args[1:]...)
	}
	return args[1:]
}

func rootCommand(exe string) *cobra.Command {
	cmd := &cobra.Command{
		Use:           "kepmlab",
		Short:         "A fleet on one machine, to try, to test, to measure",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	cmd.AddCommand(agentCommand(), watchdogCommand(), debCommand(exe), nspawnCommand(exe), fleetCommand())
	cmd.AddCommand(bareCommands(exe)...)
	return cmd
}
