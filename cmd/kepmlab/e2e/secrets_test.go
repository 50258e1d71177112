//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// canaries are secrets of every kind that a run meets: those it uses, and those it
// comes across on a host.
func canaries(t *testing.T) map[string]string {
	t.Helper()
	return map[string]string{
		"become_password":              strings.TrimSpace(readFile(t, fleet.PasswordFile())),
		"passphrase":                   "canary-passphrase-7c1d",
		"a password in appsettings":    "canary-cert-90ab",
		"a plug-in's key":              "canary-plugin-2b6e",
		"the agent's environment":      "canary-environ-f3c0",
		"a deployment token":           "canary-token-5d8812345678",
		"a setting's value in a layer": "canary-layer-11de",
	}
}

// Secrets are nowhere but in memory: not in what kepmctl says in any form, its log
// included, nor in plans, process lists on both sides, or the host's log.
func TestNoSecretLeaks(t *testing.T) {
	h, secrets := named(t, "password"), canaries(t)
	h.sh(t, fmt.Sprintf(`cd /opt/keeper/sbin
		sed -i 's/"CertPassword": ""/"CertPassword": "%s"/' appsettings.json
		printf '{"metadata":{"apiKey":"%s","note":"EU:%s:MIGHAgEA"}}' >Plugins/Vault.json
		printf '{"AllowedHosts":"%s"}' >appsettings.Production.json
		printf 'KEEPER_SECRET=%s\n' >/etc/keeper-lab.env
		systemctl restart keeper-privilege-manager`,
		secrets["a password in appsettings"], secrets["a plug-in's key"], secrets["a deployment token"],
		secrets["a setting's value in a layer"], secrets["the agent's environment"])+onPorts)
	t.Cleanup(func() { h.sh(t, unset) })
	dir := secretConfig(t, h, secrets["passphrase"])

	seen := map[string]string{}
	stop := watchProcesses(h, seen)
	file := filepath.Join(t.TempDir(), "p")
	t.Setenv("KEPM_LOG", "debug")
	for _, args := range [][]string{
		{"validate"},
		{"hosts", "--json"},
		{"check", "--json"},
		{"plan"},
		{"plan", "--json"},
		{"plan", "--out", file, "--view", "full"},
		{"show", file},
		{"apply", "--json", file},
		{"plan", "--view", "hosts"},
		{"apply", "--auto-approve"},
		{"plan", "--no-exec"},
	} {
		got := kepmctl(t, dir, args...)
		if args[0] == "apply" && got.code != 0 {
			t.Errorf("%v ends with %s", args, got)
		}
		seen["output of "+strings.Join(args, " ")] = got.String()
	}
	stop()
	seen["plan file"] = readFile(t, file)
	seen["host's log"] = h.sh(t, "journalctl --no-pager; cat /var/log/*.log 2>/dev/null; true")
	seen["host's files"] = h.sh(t, "find /tmp /run/user /home /var/lib/kepmctl -type f ! -name 'was.*' ! -name 'new.*' -exec cat {} +")
	for where, text := range seen {
		for what, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%s is in the %s", what, where)
			}
		}
	}
}

// secretConfig reaches the host with a key that a program gives and a passphrase
// opens, and wants what comes near every canary.
func secretConfig(t *testing.T, h *host, passphrase string) string {
	t.Helper()
	keys := t.TempDir()
	for name, text := range map[string]string{"key": readFile(t, fleet.PrivateKeyFile()), "pass": passphrase + "\n"} {
		if err := os.WriteFile(filepath.Join(keys, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("ssh-keygen", "-q", "-p", "-N", passphrase, "-f", keys+"/key").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	dir := reach(t, h, fmt.Sprintf(`user = "ops"
private_key = secret::exec(["cat", "%[1]s/key"])
private_key_passphrase = secret::file("%[1]s/pass")
known_hosts_file = "KNOWN"
become = "sudo"
become_password = secret::file("PASSWORD")`, keys), "")
	file := filepath.Join(dir, "lab.kepm.hcl")
	text := strings.Replace(readFile(t, file), "extends = [builtin.hardening_guide]", `extends = [builtin.hardening_guide]
  plugin_setting "Vault" "apiKey" { value = "" }
  plugin_setting "Vault" "note" { match = "absent" }
  override {
    controls = [control.plugin_setting["Vault"]["apiKey"]]
    mode     = "audit"
    reason   = "the plug-in needs it"
    expires  = "2099-01-01"
  }`, 1)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// watchProcesses collects the command lines of all processes here and on the host
// until it is stopped.
func watchProcesses(h *host, seen map[string]string) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	var here, there strings.Builder
	watch := func(all *strings.Builder, look func() string) {
		group.Go(func() {
			for ctx.Err() == nil {
				all.WriteString(look())
				select {
				case <-time.After(50 * time.Millisecond):
				case <-ctx.Done():
				}
			}
		})
	}
	const list = "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '; true"
	watch(&here, func() string {
		out, _ := exec.Command("sh", "-c", list).Output() // a process may end while it is read
		return string(out)
	})
	watch(&there, func() string {
		out, _ := h.try(list)
		return out
	})
	return func() {
		cancel()
		group.Wait()
		seen["processes here"], seen["processes on the host"] = here.String(), there.String()
	}
}
