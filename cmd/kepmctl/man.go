package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// manCommand writes the manual; packagers run it, so it is in no list of commands.
func (a *app) manCommand() *cobra.Command {
	return &cobra.Command{
		Use: "man DIR", Short: "Write the manual's pages", Hidden: true,
		Long:    "Writes a page of section 1 for each command into a directory. SOURCE_DATE_EPOCH\nsets their date.",
		Example: "  kepmctl man /usr/local/share/man/man1",
		Args:    exactly(1, "a directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return fmt.Errorf("write the manual: %w", err)
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true
			for _, c := range append(root.Commands(), root) {
				c.Long = markdown(c.Long + "\n" + exitsOf(c.Name()))
			}
			header := &doc.GenManHeader{Section: "1", Source: "kepmctl " + version, Manual: "kepmctl"}
			if err := doc.GenManTree(root, header, args[0]); err != nil {
				return fmt.Errorf("write the manual: %w", err)
			}
			return nil
		},
	}
}

// markdown keeps what a help text looks like when it is set anew: indented lines
// stay lines, and an asterisk is one.
func markdown(help string) string {
	var b strings.Builder
	before := false
	for line := range strings.Lines(help) {
		table := strings.HasPrefix(line, "  ")
		switch {
		case table && !before:
			b.WriteString("\n    " + line)
		case table:
			b.WriteString("    " + line)
		default:
			b.WriteString(strings.ReplaceAll(line, "*", `\*`))
		}
		before = table
	}
	return b.String()
}
