//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// reach writes a configuration for one host that is reached by a connection "c" of
// these attributes; KEY is the lab's key, KNOWN its known_hosts, PASSWORD the file
// of the account's password.
func reach(t *testing.T, h *host, connection, more string) string {
	t.Helper()
	dir := t.TempDir()
	text := "connection \"ssh\" \"c\" {\n" + connection + "\n}\n" + more
	text = strings.NewReplacer("KEY", fleet.PrivateKeyFile(), "KNOWN", fleet.KnownHostsFile(), "PASSWORD", fleet.PasswordFile()).Replace(text)
	text += fmt.Sprintf(`
host %q {
  address    = %q
  connection = connection.ssh.c
}
baseline "lab" {
  extends = [builtin.hardening_guide]
}
assign "all" {
  baseline = baseline.lab
  hosts    = ["*"]
}
`, h.Spec.Name, h.Address)
	if err := os.WriteFile(filepath.Join(dir, "lab.kepm.hcl"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

const byKey = "user = \"ops\"\nprivate_key_file = \"KEY\"\nknown_hosts_file = \"KNOWN\"\n"

// sudo is intercepted by the agent: that is said, and its own sudo is the way.
func TestInterceptedSudo(t *testing.T) {
	h := named(t, "intercepted")
	kepmctl(t, reach(t, h, byKey+`become = "sudo"`, ""), "plan").
		want(t, 3, "elevation failed", "the agent intercepts sudo", `become = "keepersudo"`)
	for _, become := range []string{"keepersudo", "keeperagent"} {
		h.reset(t)
		dir := reach(t, h, byKey+fmt.Sprintf("become = %q", become), "")
		kepmctl(t, dir, "apply", "--auto-approve").want(t, 0, "Apply complete! Hosts: 1 changed.")
		h.settled(t)
	}
	h.sh(t, "touch /etc/keeper-approval")
	t.Cleanup(func() { h.sh(t, "rm -f /etc/keeper-approval") })
	kepmctl(t, reach(t, h, byKey+`become = "keepersudo"`, ""), "check").
		want(t, 3, "x elevation failed   1 host", "approval")
}

// A host behind another is reached through it, and sees only that one.
func TestBastion(t *testing.T) {
	bastion, h := named(t, "root"), borrow(t)
	via := fmt.Sprintf("address = %q\nuser = \"root\"\nprivate_key_file = \"KEY\"\nknown_hosts_file = \"KNOWN\"\n", bastion.Address)
	dir := reach(t, h, byKey+"become = \"sudo\"\nvia = connection.ssh.jump", "connection \"ssh\" \"jump\" {\n"+via+"}\n")
	h.sh(t, "journalctl -q --rotate; journalctl -q --vacuum-time=1s >/dev/null 2>&1; true")
	kepmctl(t, dir, "apply", "--auto-approve").want(t, 0, "Apply complete! Hosts: 1 changed.")
	h.settled(t)
	if log := h.sh(t, "journalctl -q --no-pager -o cat -u ssh"); !strings.Contains(log, "from "+bastion.Address) {
		t.Errorf("%s did not see the bastion %s: %s", h.Spec.Name, bastion.Address, log)
	}
	bastion.sh(t, "systemctl stop ssh.socket 2>/dev/null; systemctl stop ssh")
	t.Cleanup(func() { bastion.sh(t, "systemctl start ssh") })
	kepmctl(t, dir, "check").want(t, 3, "unreachable", "connection.ssh.jump")
}

// Passwords, certificates and new host keys.
func TestLogins(t *testing.T) {
	h := borrow(t)
	t.Cleanup(func() { h.sh(t, "rm -f /etc/ssh/sshd_config.d/00-test.conf /etc/ssh/ca.pub; systemctl reload ssh") })
	h.sh(t, "echo 'PasswordAuthentication yes' >/etc/ssh/sshd_config.d/00-test.conf; systemctl reload ssh; sleep 0.5")
	kepmctl(t, reach(t, h, "user = \"ops\"\npassword = secret::file(\"PASSWORD\")\nknown_hosts_file = \"KNOWN\"\nbecome = \"sudo\"", ""), "check").
		want(t, 0, "Check: 1 of 1 host ready", "A look costs a host about", "in its log")

	keys := t.TempDir()
	run := func(name string, args ...string) {
		if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
	}
	run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", keys+"/ca")
	run("ssh-keygen", "-q", "-t", "ed25519", "-N", "hunter2", "-f", keys+"/user")
	run("ssh-keygen", "-q", "-s", keys+"/ca", "-I", "test", "-n", "ops", "-V", "+1h", keys+"/user.pub")
	h.sh(t, "echo '"+strings.TrimSpace(readFile(t, keys+"/ca.pub"))+"' >/etc/ssh/ca.pub; echo 'TrustedUserCAKeys /etc/ssh/ca.pub' >>/etc/ssh/sshd_config.d/00-test.conf; systemctl reload ssh; sleep 0.5")
	if err := os.WriteFile(keys+"/pass", []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	login := fmt.Sprintf("user = \"ops\"\nprivate_key = secret::exec([\"cat\", \"%[1]s/user\"])\nprivate_key_passphrase = secret::file(\"%[1]s/pass\")\ncertificate_file = \"%[1]s/user-cert.pub\"\nbecome = \"sudo\"\nknown_hosts_file = \"%[1]s/known_hosts\"\n", keys)
	got := kepmctl(t, reach(t, h, login, ""), "check")
	got.want(t, 1, "known_hosts")
	login += "host_keys = \"accept_new\"\n"
	kepmctl(t, reach(t, h, login, ""), "check").want(t, 0, "1 of 1 host ready")
	if known := readFile(t, keys+"/known_hosts"); strings.Count(known, "\n") != 1 || !strings.Contains(known, h.Address) {
		t.Errorf("known_hosts holds %q", known)
	}
	// Another key under the same name is refused, whatever was asked for.
	h.sh(t, "mkdir /root/keys; cp -p /etc/ssh/ssh_host_* /root/keys/; rm /etc/ssh/ssh_host_*; ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key; systemctl restart ssh")
	t.Cleanup(func() { h.sh(t, "cp -p /root/keys/* /etc/ssh/; rm -r /root/keys; systemctl restart ssh") })
	kepmctl(t, reach(t, h, login, ""), "check").want(t, 3, "host key not trusted", "the key has changed")
}
