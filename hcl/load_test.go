package hcl

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kepmctl/kepmctl/provider"
	"github.com/kepmctl/kepmctl/transport"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func text(t *testing.T, d Diagnostics) string {
	t.Helper()
	var out bytes.Buffer
	if err := d.Write(&out, 0, false); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestMistakes compares what is said of each directory of mistakes with its
// want.txt.
func TestMistakes(t *testing.T) {
	dirs, err := filepath.Glob("testdata/mistakes/*")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			config, d := Load(dir, Options{ToolVersion: "0.3.0", Now: time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)})
			if (config == nil) != d.HasErrors() {
				t.Errorf("config is nil: %v, has errors: %v", config == nil, d.HasErrors())
			}
			golden := filepath.Join(dir, "want.txt")
			got := text(t, d)
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("diagnostics (-want +got):\n%s", diff)
			}
		})
	}
}

func TestExample(t *testing.T) {
	dir := "testdata/example"
	config, d := Load(dir, Options{ToolVersion: "0.1.0-dev"})
	if got := text(t, d); got != "" {
		t.Fatalf("diagnostics:\n%s", got)
	}
	if config.MaxUnreachable != (provider.Share{Value: 30, Percent: true}) || config.Rollouts[0].Parallelism != 10 {
		t.Errorf("max_unreachable %v, rollouts %+v", config.MaxUnreachable, config.Rollouts)
	}
	var names []string
	for _, g := range config.Goals {
		names = append(names, g.Host.Name)
	}
	if diff := cmp.Diff([]string{"app-01", "app-02", "edge-01", "edge-99"}, names); diff != "" {
		t.Errorf("goals (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(exampleGoal(), config.Goals[0]); diff != "" {
		t.Errorf("app-01 (-want +got):\n%s", diff)
	}
	hosts := []Host{
		{
			Name: "app-01", Address: "10.20.0.11", Port: 2222, OS: "linux", Labels: map[string]string{"env": "prod", "site": "par1"},
			Connection: "connection.ssh.ops", InstallRoot: "/opt/keeper/sbin", Groups: []string{"prod_linux"}, Assignments: []string{"production"},
		},
		{
			Name: "app-02", Address: "app-02", OS: "linux", Labels: map[string]string{"env": "prod"},
			Connection: "connection.ssh.ops", Groups: []string{"prod_linux"}, Assignments: []string{"production"},
		},
		{Name: "edge-01", Address: "edge-01", Labels: map[string]string{}, Connection: "connection.ssh.jump_free", Assignments: []string{"production"}},
		{
			Name: "edge-99", Address: "edge-99", OS: "linux", Labels: map[string]string{"env": "lab"},
			Connection: "connection.ssh.ops", Groups: []string{"lab"}, Assignments: []string{"watch"},
		},
		{Name: "spare", Address: "spare", Labels: map[string]string{}},
	}
	if diff := cmp.Diff(hosts, config.Hosts); diff != "" {
		t.Errorf("hosts (-want +got):\n%s", diff)
	}
	for _, g := range config.Goals {
		for _, w := range g.Wants {
			if err := w.Validate(); err != nil {
				t.Errorf("%s: %v", g.Host.Name, err)
			}
		}
	}
}

func exampleGoal() provider.Goal {
	want := func(control, value, file string, line int) provider.Want {
		return provider.Want{
			Control: provider.Control{Name: control}, Value: provider.Value(value), Mode: provider.Enforce,
			Source: provider.Source{File: file, Line: line},
		}
	}
	keyed := func(control, key, value, file string, line int) provider.Want {
		w := want(control, value, file, line)
		w.Control.Key = key
		return w
	}
	const policy = "policy.kepm.hcl"
	bound := func(admins, users string) string {
		return `{"administrators":"` + admins + `","users":"` + users + `"}`
	}
	return provider.Goal{
		Host: transport.Host{
			Name: "app-01", Address: "10.20.0.11", Port: 2222, OS: transport.Linux,
			Connection: transport.Connection{
				Kind: "ssh", Name: "ops", User: "ops", Port: 22, PrivateKeyFile: "~/.ssh/id_ed25519",
				PrivateKeyPassphrase: transport.SecretRef{Source: "env", Name: "KEPM_KEY_PASSPHRASE"},
				KnownHostsFile:       "known_hosts",
				HostKeys:             transport.HostKeysStrict,
				Become:               transport.BecomeSudo,
				BecomePassword:       transport.SecretRef{Source: "file", Name: "become/app-01"},
				ConnectTimeout:       15e9, CommandTimeout: 120e9,
			},
		},
		InstallRoot: "/opt/keeper/sbin",
		Options:     provider.Options{AdministratorsGroup: "wheel", StartTimeout: 90e9, ConfirmTimeout: 45e9},
		Wants: []provider.Want{
			want("agent_installed", "true", policy, 34),
			want("allowed_hosts", `["LOCALHOST","127.0.0.1"]`, policy, 27),
			want("alternative_signatures", `["A94A8FE5CCB19BA61C4C0873D391E987982FBBD3"]`, policy, 29),
			keyed("app_setting", "Watchdog:AutoRemediate", "true", policy, 32),
			keyed("app_setting", "Watchdog:CheckIntervalSec", "10", policy, 33),
			want("cert_password", `""`, "policy.kepm.hcl", 24),
			want("certificate", `{"kind":"self_signed","max_age":0,"renew_before":2592000}`, "policy.kepm.hcl", 24),
			want("config_overrides", "true", policy, 22),
			want("install_tree", "true", "policy.kepm.hcl", 24),
			want("log_level", `["Warning"]`, policy, 28),
			want("loopback_only", "true", "policy.kepm.hcl", 24),
			keyed("permissions", ".", bound("read_execute", "read_execute"), "policy.kepm.hcl", 24),
			keyed("permissions", "Jobs", bound("read_execute", "read_execute"), "policy.kepm.hcl", 24),
			keyed("permissions", "KeeperStorage", bound("read", "none"), "policy.kepm.hcl", 24),
			keyed("permissions", "Plugins", bound("read_execute", "none"), policy, 44),
			keyed("permissions", "Plugins/bin", bound("read_execute", "none"), policy, 47),
			keyed("permissions", "policies", bound("read", "none"), "policy.kepm.hcl", 24),
			want("service_account", `"privileged"`, "policy.kepm.hcl", 24),
			want("service_at_boot", "true", "policy.kepm.hcl", 24),
			want("service_running", "true", "policy.kepm.hcl", 24),
			want("tls_minimum", `"1.2"`, "policy.kepm.hcl", 24),
			want("watchdog", `"running"`, policy, 38),
		},
	}
}
