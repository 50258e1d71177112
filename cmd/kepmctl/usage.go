package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kepmctl/kepmctl/hcl"
)

// An advised error says what to do next.
type advised struct {
	error
	hint string
}

func (e *advised) Unwrap() error { return e.error }

// unknownFlag names the flag that may have been meant, and where all are listed.
func unknownFlag(cmd *cobra.Command, err error) error {
	hint := cmd.CommandPath() + " --help lists the flags"
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok {
		return &advised{err, hint}
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	if near := hcl.Nearest(unknown.GetSpecifiedName(), names); near != "" {
		err = fmt.Errorf("%w%s", err, didYouMean("--"+near))
	}
	return &advised{err, hint}
}

// unknownCommand refuses a word that is no command, and names the nearest.
func unknownCommand(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return &advised{
		fmt.Errorf("unknown command %q%s", args[0], didYouMean(hcl.Nearest(args[0], names))),
		"kepmctl --help lists the commands",
	}
}

func (a *app) helpCommand() *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND]", Short: "Explain a command",
		Long: "Explains a command, as its --help does.", Example: "  kepmctl help plan",
		RunE: func(cmd *cobra.Command, args []string) error {
			found, rest, err := cmd.Root().Find(args)
			if err != nil {
				return err
			}
			if found == cmd.Root() {
				if err := unknownCommand(found, rest); err != nil {
					return err
				}
			}
			found.InitDefaultHelpFlag() // it is missing from what was not run
			return found.Help()
		},
	}
}
