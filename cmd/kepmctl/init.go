package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kepmctl/kepmctl/hcl"
)

//go:embed starter.kepm.hcl
var starter []byte

const (
	starterFile = "fleet" + hcl.Suffix
	ignored     = ".kepmctl/\n*.plan\n" // what runs leave behind, for .gitignore
)

func (a *app) initCommand() *cobra.Command {
	return &cobra.Command{
		Use: "init [DIR]", Short: "Write a first configuration to start from",
		Long: `Writes a commented configuration of one host into a directory (default: the --chdir
directory), which is made where there is none, and a .gitignore. It is valid as it
is; its comments say what to change first. A directory that has *.kepm.hcl files is
left alone.`,
		Example: `  kepmctl init
  kepmctl init production`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			dir := a.chdir
			if len(args) == 1 {
				dir = args[0]
			}
			return a.start(dir)
		},
	}
}

// start writes the first files of a directory.
func (a *app) start(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("begin a configuration: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("begin a configuration: %w", err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), hcl.Suffix) {
			return fmt.Errorf("begin a configuration in %s: it has one, %s: nothing was written", dir, e.Name())
		}
	}
	path := filepath.Join(dir, starterFile)
	if err := newFile(path, starter); err != nil {
		return fmt.Errorf("begin a configuration: %w", err)
	}
	err = newFile(filepath.Join(dir, ".gitignore"), []byte(ignored))
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("begin a configuration: %w", err)
	}
	_, err = fmt.Fprintf(a.out, "Wrote %s. Change what it marks with CHANGE ME, then: kepmctl validate%s\n", path, inDir(dir))
	return err
}

// newFile writes a file where there is none.
func newFile(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}
