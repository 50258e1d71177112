package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kepmctl/kepmctl/plans"
	"github.com/kepmctl/kepmctl/plans/report"
)

// reportFlags say into which files a command reports.
type reportFlags struct {
	reports []string // FORMAT=FILE
	ci      string

	files []reportFile
}

type reportFile struct{ format, path string }

func (f *reportFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.reports, "report", nil, "write a report into a file, FORMAT=FILE, with "+strings.Join(report.Formats(), ", ")+"; may be repeated")
	cmd.Flags().StringVar(&f.ci, "ci", "auto", "auto: in GitHub Actions write the step's summary and annotations too; none: do not")
}

// prepare finds what is wrong with the files before any host is touched.
func (a *app) prepare(f *reportFlags) error {
	if f.ci != "auto" && f.ci != "none" {
		return fmt.Errorf("--ci %q is neither auto nor none", f.ci)
	}
	f.files = nil
	for _, text := range f.reports {
		format, path, ok := strings.Cut(text, "=")
		if !ok || path == "" {
			return fmt.Errorf("--report %q is not FORMAT=FILE, such as markdown=plan.md", text)
		}
		if !slices.Contains(report.Formats(), format) {
			return fmt.Errorf("--report %q: there is no format %q, but %s", text, format, strings.Join(report.Formats(), ", "))
		}
		f.files = append(f.files, reportFile{format, path})
	}
	if summary, set := a.env("GITHUB_STEP_SUMMARY"); f.ci == "auto" && set && summary != "" && a.inGitHub() {
		f.files = append(f.files, reportFile{"github", summary})
	}
	for _, one := range f.files {
		if info, err := os.Lstat(one.path); err == nil && !info.Mode().IsRegular() { // it would be replaced
			return fmt.Errorf("--report %s=%s: it is there, and no regular file", one.format, one.path)
		}
		probe, err := os.CreateTemp(filepath.Dir(one.path), ".kepmctl-*")
		if err == nil {
			err = errors.Join(probe.Close(), os.Remove(probe.Name()))
		}
		if err != nil {
			return &advised{fmt.Errorf("--report %s=%s cannot be written: %w", one.format, one.path, err), "make the directory first; no host was touched"}
		}
	}
	return nil
}

func (a *app) inGitHub() bool {
	is, _ := a.env("GITHUB_ACTIONS")
	return is == "true"
}

// report writes the files. What goes wrong is said, and never hides how the command
// itself ended.
func (a *app) report(f reportFlags, command string, p *plans.Plan, o *plans.Outcome, ended error) error {
	if len(f.files) == 0 {
		return ended
	}
	r := report.NewReport(version, command, a.now(), filepath.ToSlash(a.chdir), p, o)
	var wrong []error
	for _, one := range f.files {
		if err := a.writeReport(r, one); err != nil {
			wrong = append(wrong, fmt.Errorf("write report %s=%s: %w", one.format, one.path, err))
		}
	}
	err := errors.Join(wrong...)
	switch {
	case err == nil:
		return ended
	case ended == nil:
		return err
	}
	for _, one := range wrong {
		fmt.Fprintln(a.err, a.freshLine()+"kepmctl: "+one.Error())
	}
	return ended
}

func (a *app) writeReport(r *report.Report, to reportFile) error {
	b, err := r.Bytes(to.format)
	if err != nil {
		return err
	}
	if to.format != "github" {
		return replaceFile(to.path, b, 0o644)
	}
	file, err := os.OpenFile(to.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644) // steps add to one summary
	if err != nil {
		return err
	}
	_, err = file.Write(b)
	err = errors.Join(err, file.Close())
	if err == nil && a.inGitHub() && a.lines == nil {
		err = r.Annotations(a.out)
	}
	return err
}
