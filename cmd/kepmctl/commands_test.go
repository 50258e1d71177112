package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kepmctl/kepmctl/hcl"
	"github.com/kepmctl/kepmctl/provider"
)

// program is the command line without a process.
func program() (*app, *bytes.Buffer) {
	var out bytes.Buffer
	return &app{
		in: strings.NewReader(""), out: &out, err: &out, now: time.Now, width: func() int { return 80 },
		env: func(string) (string, bool) { return "", false },
	}, &out
}

// Every command says what it is, gives an example, ends its help with the exit
// codes, and has a page of the manual.
func TestCommandsAreExplained(t *testing.T) {
	a, out := program()
	dir := t.TempDir()
	if code := a.run([]string{"man", dir}); code != exitOK {
		t.Fatalf("exit %d: %s", code, out)
	}
	root := a.root()
	for _, c := range append(root.Commands(), root) {
		if c.Short == "" || !strings.HasPrefix(c.Example, "  ") || !strings.Contains(c.Example, "kepmctl "+strings.TrimPrefix(c.Name(), "kepmctl")) {
			t.Errorf("%s: short %q, example %q", c.Name(), c.Short, c.Example)
		}
		helped, said := program()
		if code := helped.run(append(strings.Fields(c.CommandPath())[1:], "--help")); code != exitOK || !strings.HasSuffix(said.String(), exitsOf(c.Name())) {
			t.Errorf("%s: the help does not end with the exit codes: %s", c.Name(), said)
		}
		b, err := os.ReadFile(filepath.Join(dir, strings.ReplaceAll(c.CommandPath(), " ", "-")+".1"))
		switch {
		case c.Hidden && err == nil:
			t.Errorf("%s is hidden and has a page", c.Name())
		case c.Hidden:
		case err != nil:
			t.Error(err)
		case !strings.Contains(string(b), "an unreadable or altered plan file\n"):
			t.Errorf("%s: the page does not keep its lines:\n%s", c.Name(), b)
		}
	}
}

// How a control is written makes the control wanted.
func TestControlsAreWrittenAsTheyAreShown(t *testing.T) {
	for _, e := range provider.Catalogue() {
		text := writtenAs(e.Name)
		if text == "" {
			t.Errorf("%s: nothing says how it is written", e.Name)
			continue
		}
		dir := t.TempDir()
		file := `connection "ssh" "a" {}
host "h" {
  connection = connection.ssh.a
}
assign "a" {
  baseline = baseline.b
  hosts    = ["h"]
}
baseline "b" {
` + indent(text) + "\n}\n"
		if err := os.WriteFile(filepath.Join(dir, "a.kepm.hcl"), []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		config, d := hcl.Load(dir, hcl.Options{ToolVersion: version})
		if d.HasErrors() || d.Warnings() > 0 {
			t.Errorf("%s: %v\n%s", e.Name, d.All(), file)
			continue
		}
		found := false
		for _, w := range config.Goals[0].Wants {
			found = found || w.Control.Name == e.Name
		}
		if !found {
			t.Errorf("%s is not what this wants:\n%s", e.Name, file)
		}
		if formatted, _ := hcl.Format("x", []byte(file)); string(formatted) != file {
			t.Errorf("%s is not shown formatted:\n%s\nwant\n%s", e.Name, file, formatted)
		}
	}
}

// The first configuration is right as it is.
func TestStarterIsValid(t *testing.T) {
	a, out := program()
	dir := filepath.Join(t.TempDir(), "new")
	if code := a.run([]string{"init", dir}); code != exitOK {
		t.Fatalf("exit %d: %s", code, out)
	}
	config, d := hcl.Load(dir, hcl.Options{ToolVersion: version})
	if d.HasErrors() || d.Warnings() > 0 || len(config.Goals) != 1 || len(config.Goals[0].Wants) < 10 {
		t.Errorf("%v", d.All())
	}
}
