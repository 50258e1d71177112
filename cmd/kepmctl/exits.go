package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// exits says what the exit codes mean.
var exits = []struct {
	code    string
	meaning string
}{
	{"0", "done as asked; silent hosts within max_unreachable"},
	{"1", "error: configuration, flags, an unreadable or altered plan file"},
	{"2", "plan --detailed-exitcode: changes to make; drift: there is some; fmt --check: a file is not formatted"},
	{"3", "more hosts without an answer than max_unreachable tolerates"},
	{"4", "refused: by a gate or the site policy; approval missing or declined, a wave waits for it, a window is closed"},
	{"5", "the plan no longer fits, nothing was changed"},
	{"6", "apply, resume or rollback began and not every host ended as planned"},
	{"7", "every host was locked by another transaction, or the run by another kepmctl"},
	{"129, 130, 143", "ended by a signal before everything was done"},
}

// exitsOf are the codes of a command beside 0 and 1; of kepmctl itself all.
func exitsOf(name string) string {
	const signals = "129, 130, 143"
	own := map[string][]string{
		"kepmctl": {"2", "3", "4", "5", "6", "7", signals},
		"plan":    {"2", "3", "4", signals},
		"check":   {"3", signals},

		"discover": {"3", signals},
		"verify":   {"4"},
		"drift":    {"2", "3", signals},
		"apply":    {"3", "4", "5", "6", "7", signals},
		"resume":   {"3", "4", "5", "6", "7", signals},
		"fmt":      {"2"},

		"rollback": {"3", "4", "5", "6", "7", signals},
	}[name]
	text := "\nExit codes:\n"
	for _, e := range exits {
		if e.code == "0" || e.code == "1" || slices.Contains(own, e.code) {
			text += fmt.Sprintf("  %s  %s\n", e.code, e.meaning)
		}
	}
	return text
}

// endWithExits lets every command's help end with its codes.
func endWithExits(root *cobra.Command) {
	cobra.AddTemplateFunc("exits", exitsOf)
	root.SetHelpTemplate(strings.TrimSpace(`
{{with (or .Long .Short)}}{{. | trimTrailingWhitespaces}}

{{end}}{{if or .Runnable .HasSubCommands}}{{.UsageString}}{{end}}{{exits .Name}}`))
}
