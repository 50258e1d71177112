package main

import (
	"fmt"
	"maps"

	"github.com/spf13/cobra"

	"github.com/kepmctl/kepmctl/hcl"
	"github.com/kepmctl/kepmctl/plans"
	"github.com/kepmctl/kepmctl/plans/report"
)

// speaksEvents marks the commands whose --json is a stream of events.
const speaksEvents = "kepmctl-events"

// eventsFlag gives a command --json. While it runs, a.lines is nil without it.
func (a *app) eventsFlag(cmd *cobra.Command, help string) {
	cmd.Flags().Bool("json", false, help)
	cmd.Annotations = map[string]string{speaksEvents: ""}
}

// beginEvents starts the stream of a command that was asked for one.
func (a *app) beginEvents(cmd *cobra.Command) {
	if _, ok := cmd.Annotations[speaksEvents]; !ok || a.lines != nil {
		return
	}
	if asked, err := cmd.Flags().GetBool("json"); err == nil && asked {
		a.lines = report.NewLines(a.out, a.now, version, cmd.Name(), a.runID)
	}
}

// endEvents writes the error and the summary that end the stream, and returns the
// exit code: a stream that could not be written is an error.
func (a *app) endEvents(code int, problem, hint string) int {
	if a.lines == nil {
		return code
	}
	if err := a.lines.End(code, problem, hint); err != nil {
		fmt.Fprintln(a.err, "kepmctl: write the events: "+err.Error())
		if code == exitOK {
			return exitError
		}
	}
	return code
}

// tell writes what the configuration's reader found as events.
func (a *app) tell(diags hcl.Diagnostics) {
	if a.lines == nil {
		return
	}
	for _, d := range diags.All() {
		level := "warn"
		if d.Severity == "error" {
			level = "error"
		}
		line := map[string]any{"severity": d.Severity, "summary": d.Summary, "detail": d.Detail}
		if d.File != "" {
			line["file"], line["line"] = d.File, d.Line
		}
		a.lines.Write("diagnostic", level, d.Summary, line)
	}
}

// watch tells of events on stderr for people or on stdout for programs. Stop ends it.
func (a *app) watch(doing string) (watch func(plans.Event), stop func()) {
	if a.lines != nil {
		return a.lines.Event, func() {}
	}
	p := a.progress(doing)
	return p.event, p.end
}

// hostEvents is what kepmctl hosts lists, for programs.
func (a *app) hostEvents(config *hcl.Config) {
	for _, h := range config.Hosts {
		labels := maps.Clone(h.Labels)
		if labels == nil {
			labels = map[string]string{}
		}
		a.lines.Write("host", "info", h.Name, map[string]any{
			"host": h.Name, "address": h.Address, "os": h.OS, "connection": h.Connection, "labels": labels,
			"groups": append([]string{}, h.Groups...), "assignments": append([]string{}, h.Assignments...),
		})
	}
	a.countHosts(config)
}

func (a *app) countHosts(config *hcl.Config) {
	a.lines.Summary(map[string]any{"hosts": len(config.Hosts), "assigned": len(config.Goals)})
}
