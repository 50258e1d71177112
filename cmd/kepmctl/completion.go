package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/kepmctl/kepmctl/provider"
)

func (a *app) completionCommand() *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use: "completion SHELL", Short: "Write a script that completes commands, flags and names",
		Long: `Writes a script for bash, zsh, fish or powershell that completes commands, flags,
their values, plan files and the names of controls. It reads no configuration and
dials nobody.`,
		Example: `  # bash: once, with the package bash-completion installed
  kepmctl completion bash >~/.local/share/bash-completion/completions/kepmctl

  # zsh: once, in a directory of $fpath
  kepmctl completion zsh >~/.zfunc/_kepmctl

  # fish: once
  kepmctl completion fish >~/.config/fish/completions/kepmctl.fish

  # powershell: in every session, from $PROFILE
  kepmctl completion powershell | Out-String | Invoke-Expression`,
		ValidArgs: shells,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 || !slices.Contains(shells, args[0]) {
				return fmt.Errorf("completion takes one of bash, zsh, fish, powershell")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(a.out, true)
			case "zsh":
				return root.GenZshCompletion(a.out)
			case "fish":
				return root.GenFishCompletion(a.out, true)
			default:
				return root.GenPowerShellCompletionWithDesc(a.out)
			}
		},
	}
}

// completions say what may stand where: flags and arguments of all commands.
func completions(root *cobra.Command) error {
	flags := map[string]cobra.CompletionFunc{
		"view":     cobra.FixedCompletions([]string{"changes", "hosts", "summary", "full"}, cobra.ShellCompDirectiveNoFileComp),
		"stale":    cobra.FixedCompletions([]string{"skip", "fail"}, cobra.ShellCompDirectiveNoFileComp),
		"out":      files("plan"),
		"plan-ttl": cobra.NoFileCompletions,
		"chdir":    directories,
		"target":   targets, "exclude": targets,
		"where": cobra.NoFileCompletions, "sample": cobra.NoFileCompletions, "seed": cobra.NoFileCompletions,
	}
	arguments := map[string]cobra.CompletionFunc{
		"show": files("plan"), "apply": files("plan"), "fmt": files("hcl"), "init": directories, "controls": controlNames,
	}
	if err := root.RegisterFlagCompletionFunc("chdir", directories); err != nil {
		return err
	}
	for _, cmd := range root.Commands() {
		if cmd.ValidArgsFunction = arguments[cmd.Name()]; cmd.ValidArgsFunction == nil && cmd.ValidArgs == nil {
			cmd.ValidArgsFunction = cobra.NoFileCompletions
		}
		for name, values := range flags {
			if cmd.Flags().Lookup(name) == nil {
				continue
			}
			if err := cmd.RegisterFlagCompletionFunc(name, values); err != nil {
				return err
			}
		}
	}
	return nil
}

// files completes names of files that end so.
func files(ending string) cobra.CompletionFunc {
	return cobra.FixedCompletions([]string{ending}, cobra.ShellCompDirectiveFilterFileExt)
}

func directories(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

// targets completes controls: hosts and groups are in the configuration, which is
// not read.
func targets(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	names, directive := controlNames(nil, nil, "")
	for i, name := range names {
		names[i] = "control." + name
	}
	return names, directive
}

func controlNames(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var names []string
	if len(args) == 0 {
		for _, e := range provider.Catalogue() {
			names = append(names, e.Name+"\t"+e.Title)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
