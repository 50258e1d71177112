package hcl

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kepmctl/kepmctl/provider"
	"github.com/kepmctl/kepmctl/transport"
)

// What sets a variable last wins; every kind of value arrives.
func TestVariables(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	put("main.kepm.hcl", `
variable "a" { default = "block" }
variable "b" { default = "block" }
variable "c" { default = "block" }
variable "d" { default = "block" }
variable "e" { default = "block" }
variable "n" { type = number }
variable "l" { type = list(string) }
variable "o" {
  type    = object({ x = string, y = optional(number, 2) })
  default = { x = "1" }
}
variable "any" {}
locals {
  all    = "${var.a} ${var.b} ${var.c} ${var.d} ${var.e} ${var.n + 1} ${join("+", var.l)} ${var.o.x}${var.o.y} ${var.any}"
  labels = { all = local.all, file = file("text"), made = templatefile("text", { x = local.all }) }
}
host "h" { labels = local.labels }
`)
	put("text", "made of ${x}")
	put("1.auto.kepmvars", "c = \"auto1\"\nd = \"auto1\"\n")
	put("2.auto.kepmvars", "d = \"auto2\"\ne = \"auto2\"\n")
	config, d := Load(dir, Options{
		Env: func(name string) (string, bool) {
			v, ok := map[string]string{"KEPM_VAR_b": "env", "KEPM_VAR_c": "env", "KEPM_VAR_n": "3", "KEPM_VAR_any": "no list"}[name]
			return v, ok
		},
		VarFiles: []string{put("prod.kepmvars", "e = \"file\"\nl = [\"x\"]\n")},
		Vars:     []string{"l=[\"p\", \"q\"]"},
	})
	if d.HasErrors() {
		t.Fatal(text(t, d))
	}
	const all = "block env auto1 auto2 file 4 p+q 12 no list"
	want := map[string]string{"all": all, "file": "made of ${x}", "made": "made of " + all}
	if diff := cmp.Diff(want, config.Hosts[0].Labels); diff != "" {
		t.Errorf("labels (-want +got)\n%s", diff)
	}
}

func TestVariablesOfTheCommandLine(t *testing.T) {
	for name, c := range map[string]struct {
		vars []string
		says string
	}{
		"no assignment": {[]string{"x"}, "Write --var NAME=VALUE."},
		"unknown":       {[]string{"sit=par1"}, `There is no block variable "sit". Did you mean "site"?`},
		"no number":     {[]string{"n=many"}, `"n" is set by --var to what is no number`},
		"no expression": {[]string{"l=a, b"}, `"l" is set by --var to what is no expression`},
	} {
		_, d := load(".", []file{{"main.kepm.hcl", []byte(`
variable "site" { default = "x" }
variable "n" {
  type    = number
  default = 1
}
variable "l" {
  type    = list(string)
  default = []
}`)}}, nil, Options{Vars: c.vars})
		if said := strings.ReplaceAll(text(t, d), "There is", "there is"); !strings.Contains(said, strings.ReplaceAll(c.says, "There is", "there is")) {
			t.Errorf("%s: %s", name, said)
		}
	}
}

func TestFilesStayBelow(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("/etc/hostname", filepath.Join(dir, "out")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "big"), make([]byte, maxRead+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"out", "../x", "/etc/hostname", ".", "big", "nosuch"} {
		if got, err := readBelow(dir, path); err == nil {
			t.Errorf("%s: read %q", path, got)
		}
	}
}

func wantsOf(t *testing.T, src, assign string) []provider.Want {
	t.Helper()
	config, _ := loadText(t, oneHost+src+"\nassign \"a\" {\n  baseline = baseline.b\n  hosts    = [\"h\"]\n"+assign+"\n}\n")
	for _, w := range config.Goals[0].Wants {
		if err := w.Validate(); err != nil {
			t.Error(err)
		}
	}
	return config.Goals[0].Wants
}

func TestMatchesAndPlugins(t *testing.T) {
	got := map[string]string{}
	for _, w := range wantsOf(t, `
baseline "parent" {
  plugin_setting "KeeperLogger" "gone" { value = 1 }
  plugin_setting "KeeperLogger" "kept" { value = 1 }
}
baseline "b" {
  extends = [baseline.parent]
  agent { version = ">= 2.0.82" }
  certificate {
    kind         = "external"
    renew_before = "30d"
    max_age      = "1d12h"
  }
  app_setting "A:B" {
    value = 30
    match = "at_least"
  }
  app_setting "C" { match = "absent" }
  plugin_setting "keeperlogger" "GONE" { value = null }
  plugin_setting "KeeperLogger" "days" {
    value = [30, "x", true]
    match = "one_of"
  }
}`, "") {
		got[w.Control.String()] = string(w.Match) + " " + string(w.Value)
	}
	want := map[string]string{
		"agent_installed":                        " true",
		"agent_version":                          ` "\u003e= 2.0.82"`,
		`app_setting["A:B"]`:                     "at_least 30",
		`app_setting["C"]`:                       "absent null",
		"certificate":                            ` {"kind":"external","max_age":129600,"renew_before":2592000}`,
		"config_overrides":                       " true",
		`plugin_setting["KeeperLogger"]["days"]`: `one_of [30,"x",true]`,
		`plugin_setting["KeeperLogger"]["kept"]`: " 1",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("wants (-want +got)\n%s", d)
	}
}

func TestOverrides(t *testing.T) {
	const src = `
baseline "parent" {
  extends = [builtin.hardening_guide]
  override {
    controls = [control.permissions, control.log_level]
    mode     = "audit"
    reason   = "first"
    expires  = "2027-03-31"
  }
}
baseline "b" {
  extends = [baseline.parent]
  override {
    controls = [control.permissions["jobs"], control.tls_minimum]
    mode     = "off"
    reason   = "second"
    expires  = "2027-01-01T00:00:00+02:00"
  }
  override {
    controls = [control.log_level]
    mode     = "enforce"
    severity = "critical"
  }
}`
	modes := func(assign string) map[string]string {
		got := map[string]string{}
		for _, w := range wantsOf(t, src, assign) {
			if w.Mode != provider.Enforce || w.Severity != "" {
				got[w.Control.String()] = strings.TrimSpace(string(w.Mode) + " " + string(w.Severity) + " " + w.Override.Reason)
			}
		}
		return got
	}
	want := map[string]string{
		`permissions["."]`: "audit  first", `permissions["Plugins"]`: "audit  first", `permissions["KeeperStorage"]`: "audit  first",
		`permissions["policies"]`: "audit  first", `permissions["Jobs"]`: "off  second", "tls_minimum": "off  second", "log_level": "enforce critical",
	}
	if d := cmp.Diff(want, modes("")); d != "" {
		t.Errorf("modes (-want +got)\n%s", d)
	}
	audit := modes(`mode = "audit"`)
	if audit["tls_minimum"] != "off  second" || audit["log_level"] != "audit critical" || audit["allowed_hosts"] != "audit" {
		t.Errorf("in audit: %v", audit)
	}
	for _, w := range wantsOf(t, src, "") {
		if end := time.Date(2027, 4, 1, 0, 0, 0, 0, time.UTC); w.Override.Reason == "first" && !w.Override.Expires.Equal(end) {
			t.Errorf("%s ends at %s, want %s", w.Control, w.Override.Expires, end)
		}
	}
}

// An implied control takes the stronger mode of two assignments.
func TestImpliedControlsDoNotDisagree(t *testing.T) {
	config, _ := loadText(t, oneHost+`
baseline "x" {
  settings { log_level = "Error" }
}
baseline "y" {
  app_setting "A" { value = 1 }
}
assign "a" {
  baseline = baseline.x
  hosts    = ["h"]
  mode     = "audit"
}
assign "b" {
  baseline = baseline.y
  hosts    = ["h"]
}`)
	want := []string{`app_setting["A"] 1 enforce`, overrides, `log_level ["Error"] audit`}
	if d := cmp.Diff(want, wanted(config.Goals[0])); d != "" {
		t.Errorf("wants (-want +got)\n%s", d)
	}
}

func TestConnections(t *testing.T) {
	config, _ := loadText(t, `
connection "ssh" "edge" {
  address    = "edge.${host.labels.site}"
  user       = "hop"
  proxy_jump = "root@outer:2200"
}
connection "ssh" "ops" {
  user                   = "ops"
  private_key            = secret::exec(["vault", host.name])
  private_key_passphrase = secret::env("PASS")
  certificate_file       = "~/c.pub"
  password               = secret::file("p")
  host_keys              = "accept_new"
  via                    = connection.ssh.edge
  become                 = "keepersudo"
}
host "h" {
  labels     = { site = "par1" }
  connection = connection.ssh.ops
}
baseline "b" {
  settings { log_level = "Error" }
}
assign "a" {
  baseline = baseline.b
  hosts    = ["h"]
}`)
	hop := transport.Connection{
		Kind: "ssh", Name: "edge", Address: "edge.par1", User: "hop", HostKeys: transport.HostKeysStrict,
		Become: transport.BecomeNone, ConnectTimeout: defaultConnectTimeout, CommandTimeout: defaultCommandTimeout,
	}
	outer := hop
	outer.Address, outer.User, outer.Port, outer.Become = "outer", "root", 2200, ""
	hop.Via = &outer
	want := transport.Connection{
		Kind: "ssh", Name: "ops", User: "ops", HostKeys: transport.HostKeysAcceptNew, Become: transport.BecomeKeeperSudo,
		PrivateKey:           transport.SecretRef{Source: "exec", Name: `["vault","h"]`},
		PrivateKeyPassphrase: transport.SecretRef{Source: "env", Name: "PASS"},
		Password:             transport.SecretRef{Source: "file", Name: "p"},
		CertificateFile:      "~/c.pub", Via: &hop,
		ConnectTimeout: defaultConnectTimeout, CommandTimeout: defaultCommandTimeout,
	}
	got := config.Goals[0].Host.Connection
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("connection (-want +got)\n%s", d)
	}
	if text := got.PrivateKey.String(); text != `secret::exec(["vault", ...])` {
		t.Errorf("the reference is shown as %s", text)
	}
	if n := len(got.Secrets()); n != 3 {
		t.Errorf("%d secrets", n)
	}
}
