package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/kepmctl/kepmctl/hcl"
	"github.com/kepmctl/kepmctl/plans/report"
)

type fmtFlags struct{ check, diff, write bool }

// formatted is one file before and after.
type formatted struct {
	hcl.Source
	after []byte
}

func (a *app) fmtCommand() *cobra.Command {
	var f fmtFlags
	cmd := &cobra.Command{
		Use: "fmt [FILE|DIR...]", Short: "Bring configuration files into the canonical layout",
		Long: `Formats *.kepm.hcl files: those named, those of the directories named, or those of
the --chdir directory. Only white space changes. Changed files are written and
their names printed. When one file does not parse, none is touched. A dash reads
standard input and writes standard output.

--diff shows what would change and writes nothing; with --write too it does both.
--check changes nothing and exits with 2 when a file is not formatted. It runs no
program and dials nobody.`,
		Example: `  kepmctl fmt
  kepmctl fmt --check --diff
  kepmctl fmt production/fleet.kepm.hcl
  kepmctl fmt - <fleet.kepm.hcl`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.check && f.write && cmd.Flags().Changed("write") {
				return errors.New("--check changes nothing: leave --write out")
			}
			if !cmd.Flags().Changed("write") {
				f.write = !f.check && !f.diff
			}
			if len(args) == 1 && args[0] == "-" {
				return a.formatStream(f)
			}
			if len(args) == 0 {
				args = []string{a.chdir}
			}
			return a.formatFiles(args, f)
		},
	}
	cmd.Flags().BoolVar(&f.check, "check", false, "change nothing; exit with 2 when a file is not formatted")
	cmd.Flags().BoolVar(&f.diff, "diff", false, "show what changes, and write nothing unless --write is given too")
	cmd.Flags().BoolVar(&f.write, "write", true, "write the changed files")
	return cmd
}

// formatFiles formats all files, or touches none.
func (a *app) formatFiles(paths []string, f fmtFlags) error {
	var changed []formatted
	seen, wrong := map[string]bool{}, 0
	complain := func(d hcl.Diagnostics) error {
		wrong += d.Errors()
		return d.Write(a.err, 100, a.color(a.errTerminal))
	}
	for _, path := range paths {
		list, d := hcl.Sources(path)
		if err := complain(d); err != nil {
			return err
		}
		for _, s := range list {
			after, d := hcl.Format(s.Path, s.Bytes)
			if err := complain(d); err != nil {
				return err
			}
			if !seen[s.Path] && string(after) != string(s.Bytes) {
				changed = append(changed, formatted{s, after})
			}
			seen[s.Path] = true
		}
	}
	if wrong > 0 {
		return fmt.Errorf("format: %s: no file was touched", number(wrong, "error", "errors"))
	}
	for _, one := range changed {
		if err := a.formatFile(one, f); err != nil {
			return err
		}
	}
	if f.check && len(changed) > 0 {
		return &exit{exitChanges, fmt.Errorf("%s not formatted: run kepmctl fmt", number(len(changed), "file is", "files are"))}
	}
	return nil
}

func (a *app) formatFile(one formatted, f fmtFlags) error {
	if f.write {
		if err := replaceFile(one.Path, one.after, one.Mode); err != nil {
			return fmt.Errorf("write %s: %w", one.Path, err)
		}
	}
	if f.diff {
		return a.formatDiff(one)
	}
	_, err := fmt.Fprintln(a.out, one.Path)
	return err
}

// formatDiff shows what formatting changes, but never a line that may hold a secret.
func (a *app) formatDiff(one formatted) error {
	return report.Diff(a.out,
		report.Side{Name: one.Path, Text: string(one.Bytes), Hidden: hcl.SecretLines(one.Bytes)},
		report.Side{Name: one.Path + " (formatted)", Text: string(one.after), Hidden: hcl.SecretLines(one.after)},
		a.color(a.outTerminal))
}

// formatStream formats standard input to standard output.
func (a *app) formatStream(f fmtFlags) error {
	const name, most = "standard input", 1 << 20
	src, err := io.ReadAll(io.LimitReader(a.in, most+1))
	if err != nil {
		return fmt.Errorf("read standard input: %w", err)
	}
	if len(src) > most {
		return fmt.Errorf("format standard input: it is larger than %d bytes", most)
	}
	after, d := hcl.Format(name, src)
	if err := d.Write(a.err, 100, a.color(a.errTerminal)); err != nil {
		return err
	}
	if d.HasErrors() {
		return fmt.Errorf("format standard input: %s: nothing was written", number(d.Errors(), "error", "errors"))
	}
	if f.diff {
		err = a.formatDiff(formatted{hcl.Source{Path: name, Bytes: src}, after})
	} else if !f.check {
		_, err = a.out.Write(after)
	}
	if err != nil {
		return err
	}
	if f.check && string(after) != string(src) {
		return &exit{exitChanges, errors.New("standard input is not formatted")}
	}
	return nil
}
