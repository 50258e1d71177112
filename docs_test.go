package kepmctl

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kepmctl/kepmctl/hcl"
	"github.com/kepmctl/kepmctl/provider"
)

var update = flag.Bool("update", false, "write generated documents anew")

// docs/controls.md is the catalogue, written for people.
func TestControlsDocument(t *testing.T) {
	var b strings.Builder
	b.WriteString(`# Controls

One line of desired state is at once the check, the fix and the report's row. This page is generated from the catalogue
(` + "`go test . -run Document -update`" + `).

| control | severity | section of the guide | restart |
|---|---|---|---|
`)
	for _, e := range provider.Catalogue() {
		restart := ""
		if e.Restart {
			restart = "yes"
		}
		fmt.Fprintf(&b, "| [`%s`](#%s) | %s | %s | %s |\n", written(e), e.Name, e.Severity, e.Section, restart)
	}
	for _, e := range provider.Catalogue() {
		fmt.Fprintf(&b, "\n## %s\n\n`%s` - %s.\n\n%s\n\nFix: %s\n", e.Name, written(e), e.Title, e.Rationale, e.Fix)
	}
	if *update {
		if err := os.WriteFile("docs/controls.md", []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("docs/controls.md")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(b.String(), string(got)); d != "" {
		t.Errorf("docs/controls.md is not the catalogue (-want +got)\n%s", d)
	}
}

func written(e provider.Entry) string {
	switch {
	case e.Name == provider.Permissions:
		return e.Name + `["PATH"]`
	case e.Name == provider.PluginSetting:
		return e.Name + `["PLUGIN"]["KEY"]`
	case e.Keyed:
		return e.Name + `["KEY"]`
	default:
		return e.Name
	}
}

// Every directory of examples is a configuration that validates.
func TestExamplesAreValid(t *testing.T) {
	files, err := filepath.Glob("examples/*/*.kepm.hcl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	seen := map[string]bool{}
	for _, f := range files {
		dir := filepath.Dir(f)
		if seen[dir] {
			continue
		}
		seen[dir] = true
		config, diags := hcl.Load(dir, hcl.Options{ToolVersion: "0.1.0"})
		if diags.HasErrors() || diags.Warnings() > 0 {
			t.Errorf("%s: %+v", dir, diags.All())
		} else if len(config.Goals) == 0 {
			t.Errorf("%s wants nothing of any host", dir)
		}
	}
}
