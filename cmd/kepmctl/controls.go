package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/kepmctl/kepmctl/hcl"
	"github.com/kepmctl/kepmctl/provider"
)

func (a *app) controlsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "controls [NAME]", Short: "List what is checked and mended, or explain one control",
		Long: `Lists every control: one line of desired state that is at once the check, the fix
and the report's row. With a name it says what the control is for, what a fix does
and how it is written. It reads no configuration and dials nobody.`,
		Example: `  kepmctl controls
  kepmctl controls allowed_hosts
  kepmctl controls 'permissions["Jobs"]'`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			list := provider.Catalogue()
			if len(args) == 1 {
				e, err := control(args[0])
				if err != nil {
					return err
				}
				list = []provider.Entry{e}
			}
			switch {
			case a.lines != nil:
				a.controlEvents(list)
				return nil
			case len(args) == 1:
				return a.explain(list[0])
			default:
				return a.controlsTable(list)
			}
		},
	}
	a.eventsFlag(cmd, "write JSON Lines: an event per control, then a summary")
	return cmd
}

// control finds a control by its name, with or without brackets.
func control(name string) (provider.Entry, error) {
	bare, key, brackets := strings.Cut(name, "[")
	e, ok := provider.EntryOf(bare)
	switch {
	case !ok:
		var names []string
		for _, e := range provider.Catalogue() {
			names = append(names, e.Name)
		}
		return e, fmt.Errorf("there is no control %q%s: kepmctl controls lists them all", name, didYouMean(hcl.Nearest(bare, names)))
	case brackets && !e.Keyed:
		return e, fmt.Errorf("the control %s has no brackets", bare)
	case brackets && (len(key) < 4 || !strings.HasPrefix(key, `"`) || !strings.HasSuffix(key, `"]`)):
		return e, fmt.Errorf(`the brackets of a control hold a text in quotes: '%s["..."]'`, bare)
	default:
		return e, nil
	}
}

func didYouMean(near string) string {
	if near == "" {
		return ""
	}
	return fmt.Sprintf(", did you mean %s?", near)
}

func (a *app) controlsTable(list []provider.Entry) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CONTROL\tSEVERITY\tRESTART\tSECTION\tTITLE")
	for _, e := range list {
		fmt.Fprintln(w, strings.Join([]string{address(e), string(e.Severity), yes(e.Restart), e.Section, e.Title}, "\t"))
	}
	return w.Flush()
}

func (a *app) explain(e provider.Entry) error {
	restart := "no"
	if e.Restart {
		restart = "yes: the fix restarts the agent's service"
	}
	_, err := fmt.Fprintf(a.out, `%s: %s

  severity  %s
  section   %s
  restart   %s

why
%s

fix
%s

how it is written, inside a baseline
%s
`, address(e), e.Title, e.Severity, e.Section, restart, wrap(e.Rationale), wrap(e.Fix), indent(writtenAs(e.Name)))
	return err
}

func (a *app) controlEvents(list []provider.Entry) {
	for _, e := range list {
		a.lines.Write("control", "info", address(e)+": "+e.Title, map[string]any{
			"control": e.Name, "keyed": e.Keyed, "title": e.Title, "severity": e.Severity, "section": e.Section,
			"rationale": e.Rationale, "fix": e.Fix, "restart": e.Restart, "written": writtenAs(e.Name),
		})
	}
	a.lines.Summary(map[string]any{"controls": len(list)})
}

// address is a control as reports name it.
func address(e provider.Entry) string {
	switch {
	case e.Name == provider.Permissions:
		return e.Name + `["PATH"]`
	case e.Keyed:
		return e.Name + `["KEY"]`
	default:
		return e.Name
	}
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "-"
}

// writtenAs is an example of how a baseline asks for a control; empty: it has no
// line of its own.
func writtenAs(name string) string {
	return map[string]string{
		provider.AllowedHosts:               "settings {\n  allowed_hosts = [\"localhost\", \"127.0.0.1\"]\n}",
		provider.LogLevel:                   "settings {\n  log_level = [\"Warning\", \"Information\"] # any of them is right\n}",
		provider.AlternativeSignatures:      "settings {\n  alternative_signatures = []\n}",
		provider.AllowedNonAdminExecutables: "settings {\n  allowed_non_admin_executables = []\n}",
		provider.CertPassword:               "settings {\n  cert_password = \"\" # the only value\n}",
		provider.AppSetting:                 "app_setting \"Watchdog:AutoRemediate\" {\n  value = true\n}",
		provider.PluginSetting:              "plugin_setting \"KeeperLogger\" \"logRetentionDays\" {\n  value = 30\n  match = \"at_least\" # or equal, at_most, one_of, absent\n}",
		provider.ConfigOverrides:            "settings { # wanted of itself wherever a setting is managed\n  log_level = \"Warning\"\n}",
		provider.AgentVersion:               "agent {\n  version = \">= 2.0.82\"\n}",
		provider.Certificate:                "certificate {\n  kind         = \"self_signed\" # or external: checked only\n  renew_before = \"30d\"\n}",
		provider.AgentInstalled:             "agent {\n  required = true\n}",
		provider.ServiceAccount:             "service {\n  account = \"privileged\"\n}",
		provider.ServiceRunning:             "service {\n  running = true\n}",
		provider.ServiceAtBoot:              "service {\n  at_boot = true\n}",
		provider.Watchdog:                   "service {\n  watchdog = \"running\"\n}",
		provider.LoopbackOnly:               "network {\n  loopback_only = true\n}",
		provider.TLSMinimum:                 "network {\n  tls_minimum = \"1.2\"\n}",
		provider.InstallTree:                "permissions {\n  profile = \"users_read_execute\" # any profile\n}",
		provider.Permissions: "permissions {\n  profile = \"users_read_execute\" # rows for all directories\n" +
			"  path \"Jobs\" {                  # changes or adds one\n    administrators = \"read_execute\"\n    users          = \"none\"\n  }\n}",
	}[name]
}

// wrap breaks a sentence into lines that fit a terminal, indented.
func wrap(text string) string {
	const width = 78
	var lines []string
	line := " "
	for word := range strings.FieldsSeq(text) {
		if len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = " "
		}
		line += " " + word
	}
	return strings.Join(append(lines, line), "\n")
}

func indent(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = "  " + lines[i]
	}
	return strings.Join(lines, "\n")
}
