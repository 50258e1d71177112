package hcl

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kepmctl/kepmctl/provider"
)

func TestReadDir(t *testing.T) {
	write := func(t *testing.T, dir, name, src string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(src), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		set  func(t *testing.T, dir string)
		want string // in the diagnostics; empty: none
	}{
		"empty":    {func(*testing.T, string) {}, "No configuration"},
		"no files": {func(t *testing.T, dir string) { write(t, dir, "main.hcl", "x") }, "No configuration"},
		"others are left alone": {func(t *testing.T, dir string) {
			write(t, dir, "main.kepm.hcl", `host "a" {}`)
			write(t, dir, ".hidden.kepm.hcl", "{")
			write(t, dir, "x.kepm.hcl~", "{")
			if err := os.Mkdir(filepath.Join(dir, "below"), 0o700); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(dir, "below"), "x.kepm.hcl", "{")
		}, ""},
		"a link": {func(t *testing.T, dir string) {
			write(t, dir, "real", `host "a" {}`)
			if err := os.Symlink("real", filepath.Join(dir, "main.kepm.hcl")); err != nil {
				t.Skip(err)
			}
		}, "Not a regular file"},
		"a directory": {func(t *testing.T, dir string) {
			if err := os.Mkdir(filepath.Join(dir, "main.kepm.hcl"), 0o700); err != nil {
				t.Fatal(err)
			}
		}, "Not a regular file"},
		"too large": {func(t *testing.T, dir string) {
			write(t, dir, "main.kepm.hcl", strings.Repeat("#", maxFileBytes+1))
		}, "larger than 1 MiB"},
		"as large as may be": {func(t *testing.T, dir string) {
			write(t, dir, "main.kepm.hcl", strings.Repeat("#", maxFileBytes))
		}, ""},
		"gone": {func(t *testing.T, dir string) {
			if err := os.Remove(dir); err != nil {
				t.Fatal(err)
			}
		}, "Cannot read"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "conf")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			c.set(t, dir)
			_, d := Load(dir, Options{})
			if said := text(t, d); (c.want == "" && said != "") || !strings.Contains(said, c.want) {
				t.Errorf("want %q, said:\n%s", c.want, said)
			}
		})
	}
}

func TestRequiredVersion(t *testing.T) {
	for _, c := range []struct {
		wanted, version string
		ok              bool
	}{
		{">= 0.1", "0.1.0", true},
		{">= 0.1", "v0.1.0", true},
		{">= 0.1", "0.1.0-dev+abc", true},
		{">= 0.1, < 2", "1.9.9", true},
		{">= 0.1, < 2", "2.0.0", false},
		{">0.1", "0.1.0", false},
		{"<= 0.1", "0.1.0", true},
		{"<= 0.1", "0.1.1", false},
		{"1.2.3", "1.2.3", true},
		{"= 1.2.3", "1.2.4", false},
		{"!= 1.2.3", "1.2.3", false},
		{">= 10", "9.0.0", false},
		{">= 99", "dev", true},
		{">= 99", "", true},
		{"~> 1", "1.0.0", false},
		{"", "1.0.0", false},
		{">= 1,", "1.0.0", false},
		{">= v1", "1.0.0", false},
	} {
		src := `kepmctl { required_version = "` + c.wanted + `" }`
		_, d := load(".", []file{{"main.kepm.hcl", []byte(src)}}, nil, Options{ToolVersion: c.version})
		if d.HasErrors() == c.ok {
			t.Errorf("%q for %q:\n%s", c.wanted, c.version, text(t, d))
		}
	}
}

func TestShare(t *testing.T) {
	for _, c := range []struct {
		share provider.Share
		n, of int
		text  string
	}{
		{provider.Share{Value: 30, Percent: true}, 10, 3, "30%"},
		{provider.Share{Value: 30, Percent: true}, 9, 2, "30%"},
		{provider.Share{Value: 100, Percent: true}, 7, 7, "100%"},
		{provider.Share{Value: 5, Percent: false}, 2, 5, "5"},
		{provider.Share{}, 100, 0, "0"},
	} {
		if got := c.share.Of(c.n); got != c.of || c.share.String() != c.text {
			t.Errorf("%v of %d: %d, want %d", c.share, c.n, got, c.of)
		}
	}
}

func TestParseDuration(t *testing.T) {
	const day = 24 * time.Hour
	for s, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "30d": 30 * day, "1d12h": day + 12*time.Hour, "0d": 0, "1h30m": 90 * time.Minute,
		"": -1, "d": -1, "1": -1, "1d2": -1, "1.5d": -1, "999999d": -1, "12h1d": -1,
	} {
		got, err := ParseDuration(s)
		if (err != nil) != (want < 0) || (err == nil && got != want) {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
}

func TestSuggestions(t *testing.T) {
	names := []string{"group.prod_linux", "group.lab", "env", "site", "warning", "host"}
	for given, want := range map[string]string{
		"group.prod_linx": "group.prod_linux", "group.prod": "group.prod_linux", "hots": "host", "evn": "env", "WARNING": "warning",
		"x": "", "": "", "group.x": "", strings.Repeat("env", 100): "",
	} {
		if got := nearest(given, names); got != want {
			t.Errorf("%q: %q, want %q", given, got, want)
		}
	}
}

// TestTerminal makes sure that a file cannot steer the terminal that shows it.
func TestTerminal(t *testing.T) {
	src := "host \"a\x1b[31m\" {\r\n  adress = \"\u202e\u009b\"\r\n}\r\n"
	_, d := load(".", []file{{"main.kepm.hcl", []byte(src)}}, nil, Options{})
	said := text(t, d)
	if strings.ContainsAny(said, "\x1b\u202e\u009b\r") {
		t.Errorf("control characters: %q", said)
	}
	if !strings.Contains(said, `a?[31m`) {
		t.Errorf("no excerpt: %q", said)
	}
	var colored bytes.Buffer
	if err := d.Write(&colored, 40, true); err != nil || !strings.Contains(colored.String(), "\x1b[31m") {
		t.Errorf("no colour: %q, %v", colored.String(), err)
	}
}

func TestDiagnosticsForMachines(t *testing.T) {
	_, d := load(".", []file{
		{"b.kepm.hcl", []byte("\nhots \"x\" {}\n")},
		{"a.kepm.hcl", []byte("group \"g\" { hosts = [\"x*\"] }\n")},
	}, nil, Options{})
	all := d.All()
	if len(all) != 3 || d.Errors() != 1 || d.Warnings() != 2 {
		t.Fatalf("%+v", all)
	}
	if all[0].File != "a.kepm.hcl" || all[0].Severity != "warning" || all[2].File != "b.kepm.hcl" || all[2].Line != 2 || all[2].Severity != "error" {
		t.Errorf("%+v", all)
	}
}

// TestDepth feeds what would end the process, were it parsed or evaluated.
func TestDepth(t *testing.T) {
	for name, src := range map[string]string{
		"parentheses": "a = " + strings.Repeat("(", 1<<14),
		"balanced":    "a = " + strings.Repeat("(", 1<<14) + "1" + strings.Repeat(")", 1<<14),
		"lists":       "a = " + strings.Repeat("[", 1<<14),
		"not":         "a = " + strings.Repeat("!", 1<<14) + "true",
		"sum":         "a = 1" + strings.Repeat("+1", 1<<14),
		"conditional": "a = " + strings.Repeat("1?1:", 1<<14) + "1",
		"template":    "a = " + strings.Repeat(`"${`, 1<<14),
		"directives":  `a = "` + strings.Repeat(`%{if true}`, 1<<14),
		"blocks":      strings.Repeat("a {\n", 1<<14),
		"index":       "a = b" + strings.Repeat("[b]", 1<<14),
		"closed":      strings.Repeat("}", 1<<14) + strings.Repeat("(", 1<<14),
	} {
		t.Run(name, func(t *testing.T) {
			_, d := load(".", []file{{"main.kepm.hcl", []byte(src)}}, nil, Options{})
			if all := d.All(); len(all) != 1 || all[0].Summary != "Nested too deeply" {
				t.Errorf("%d diagnostics", len(all))
			}
		})
	}
}
