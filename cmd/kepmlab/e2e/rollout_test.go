//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const canaryFirst = `
baseline "lab" {
  extends = [builtin.hardening_guide]
  service { start_timeout = "8s" }
}
group "all_but" { hosts = ["*"] }
assign "waves" {
  baseline = baseline.lab
  to       = [group.all_but]
  rollout  = rollout.waves
}
rollout "waves" {
  confirm_timeout = "10s"
  max_failed      = 0
  wave "canary" {
    where   = host.name == %q
    approve = %q
  }
  wave "rest" {}
}
`

// assignedToAll stands in every configuration of the laboratory.
const assignedToAll = "assign \"all\" {\n  baseline = baseline.lab\n  to       = [group.all]\n  rollout  = rollout.quick\n}\n"

// inWaves is a configuration whose first host is the canary.
func inWaves(t *testing.T, approve string, hosts ...*host) string {
	t.Helper()
	dir := config(t, fmt.Sprintf(canaryFirst, hosts[0].Spec.Name, approve), hosts...)
	file := filepath.Join(dir, "lab.kepm.hcl")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(b), assignedToAll, "", 1)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil || text == string(b) {
		t.Fatal("the plain assignment is another one", err)
	}
	return dir
}

// run is the name of the only run in a configuration.
func run(t *testing.T, dir string) string {
	t.Helper()
	names, err := os.ReadDir(filepath.Join(dir, ".kepmctl", "runs"))
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	return names[0].Name()
}

// A bad change stops at the canary and says why; mended, the same run goes on, and
// nobody is restarted twice.
func TestStopsAtTheCanary(t *testing.T) {
	a, b := borrow(t), borrow(t)
	before := b.state(t)
	a.sh(t, "printf 'KEEPER_LAB_FAIL=never_up\nKEEPER_LAB_WHEN=hardened\n' >/etc/keeper-lab.env; systemctl restart keeper-privilege-manager")
	if err := a.WaitAgent(context.Background()); err != nil {
		t.Fatal(err)
	}
	dir := inWaves(t, "none", a, b)
	kepmctl(t, dir, "apply", "--auto-approve", "--change", "CHG0048812").want(t, 6,
		`stopped in wave "canary" of rollout "waves": 1 of 1 hosts failed (0 allowed)`, "1 rolled back, 1 untouched",
		"the service's last lines on "+a.Spec.Name, "was not ready after 8 s", "next: mend the cause")
	name := run(t, dir)
	if after := b.state(t); after != before {
		t.Errorf("the other host was touched:\n%s", difference(before, after))
	}
	if log := a.sh(t, "journalctl --no-pager -o cat | grep CHG0048812 || true"); log == "" {
		t.Error("the host's log does not name the change")
	}
	kepmctl(t, dir, "resume", name).want(t, 6, "1 of 1 hosts failed (0 allowed)") // nothing was mended
	a.sh(t, "rm /etc/keeper-lab.env; systemctl restart keeper-privilege-manager")
	if err := a.WaitAgent(context.Background()); err != nil {
		t.Fatal(err)
	}
	kepmctl(t, dir, "resume", "--rerun", "failed", name).want(t, 0, "Apply complete! Hosts: 2 changed")
	kepmctl(t, dir, "runs").want(t, 0, name, "CHG0048812", "ended", "2 done")
	kepmctl(t, dir, "runs", "show", name).want(t, 0, `wave "canary" of rollout "waves" passed`, "resumed by")
	pid := b.sh(t, "systemctl show -P MainPID keeper-privilege-manager")
	kepmctl(t, dir, "resume", name).want(t, 0, "2 changed") // over: it touches nobody
	if now := b.sh(t, "systemctl show -P MainPID keeper-privilege-manager"); now != pid {
		t.Error("a finished host was restarted again")
	}
}

// A wave waits for a person; a kept run is whole until then.
func TestApproval(t *testing.T) {
	a, b := borrow(t), borrow(t)
	dir := inWaves(t, "manual", a, b)
	kepmctl(t, dir, "apply", "--auto-approve").want(t, 4, `Apply paused in wave "canary" of rollout "waves"`, "1 changed", "1 untouched", "kepmctl resume --approve")
	name := run(t, dir)
	kepmctl(t, dir, "resume", name).want(t, 4, "Apply paused")
	kepmctl(t, dir, "resume", "--approve", name).want(t, 0, "Apply complete! Hosts: 2 changed")
	kepmctl(t, dir, "resume", "--approve", name).want(t, 1, "no wave of it waits for approval")
	journal := filepath.Join(dir, ".kepmctl", "runs", name, "journal.jsonl")
	text, err := os.ReadFile(journal)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(journal, []byte(strings.Replace(string(text), `"status":"done"`, `"status":"failed"`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	kepmctl(t, dir, "resume", name).want(t, 1, "it was changed after it was written")
}

// kepmctl dies while a host waits for its verdict: resume proves and commits it,
// without another restart, and then goes on. Meanwhile another kepmctl is kept out.
func TestResumeAfterKill(t *testing.T) {
	a, b := borrow(t), borrow(t)
	dir := inWaves(t, "none", a, b)
	a.sh(t, "echo ready >/run/kepmctl-hold")
	cmd, out, errs := command("kepmctl-hold", dir, "apply", "--auto-approve")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	a.reaches(t, "ready")
	name := run(t, dir)
	kepmctl(t, dir, "resume", name).want(t, 7, "another kepmctl is at work on it", "runs stop")
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = wait(t, cmd, out, errs, cmd.Wait())
	pid := a.sh(t, "rm /run/kepmctl-hold; systemctl show -P MainPID keeper-privilege-manager")
	kepmctl(t, dir, "runs").want(t, 0, "cut off", "1 in doubt, 1 untouched")
	e := with(t, "kepmctl-hold", dir, "resume", name)
	e.want(t, 0, "Apply complete! Hosts: 2 changed", "Unverified: 1")
	if now := a.sh(t, "systemctl show -P MainPID keeper-privilege-manager"); now != pid {
		t.Errorf("it was restarted again: %s", e)
	}
	for _, h := range []*host{a, b} {
		h.settled(t)
	}
	kepmctl(t, dir, "plan").want(t, 0, "No changes.")
}

// A run is taken back: both hosts are what they were, to the byte, the owner and the
// mode; where somebody changed the same since, nothing is touched.
func TestRollback(t *testing.T) {
	a, b := borrow(t), borrow(t)
	for _, h := range []*host{a, b} {
		h.sh(t, `cd /opt/keeper/sbin/Plugins/bin && cp /bin/true helper && chmod 4777 helper && cp /bin/true theirs && chown ops theirs && chmod 4775 theirs
			mkdir -p 'deep one/b/c' && touch 'deep one/b/c/f' && chown -R ops 'deep one' && chmod 777 'deep one' && chmod 2775 'deep one/b' && chmod 707 'deep one/b/c' && chown root 'deep one/b/c'`)
	}
	before := []string{a.state(t), b.state(t)}
	dir := inWaves(t, "none", a, b)
	kepmctl(t, dir, "apply", "--auto-approve").want(t, 0, "Apply complete! Hosts: 2 changed")
	first := run(t, dir)
	kepmctl(t, dir, "rollback", first).want(t, 4, "nobody can answer here")
	b.sh(t, `sed -i 's/localhost;127.0.0.1/localhost;elsewhere/' /opt/keeper/sbin/appsettings.json`)
	changed := b.state(t)
	kepmctl(t, dir, "rollback", "--auto-approve", "--change", "INC7", first).want(t, 6, `"localhost;127.0.0.1" -> "*"`,
		"Rollback of run "+first+": 2 hosts to change back. 2 restarts.", "1 changed back, 1 stale", `allowed_hosts is now "localhost;elsewhere"`)
	if now := b.state(t); now != changed {
		t.Errorf("the stale host was touched:\n%s", difference(changed, now))
	}
	kepmctl(t, dir, "resume", first).want(t, 1, "took its changes back")
	b.sh(t, `sed -i 's/localhost;elsewhere/localhost;127.0.0.1/' /opt/keeper/sbin/appsettings.json`)
	kepmctl(t, dir, "rollback", "--auto-approve", first).want(t, 0, "Rollback complete!", "1 changed back, 1 unchanged")
	for i, h := range []*host{a, b} {
		if now := h.state(t); now != before[i] {
			t.Errorf("%s is not what it was:\n%s", h.Spec.Name, difference(before[i], now))
		}
	}
	kepmctl(t, dir, "runs").want(t, 0, "rolled back", "INC7")
	if log := a.sh(t, "journalctl --no-pager -o cat | grep INC7 || true"); log == "" {
		t.Error("the host's log does not name the rollback's ticket")
	}
}

// What a run does cannot be written down: no host is touched.
func TestNoRoomForTheJournal(t *testing.T) {
	h := borrow(t)
	before := h.state(t)
	dir := config(t, "", h)
	for name, mount := range map[string]struct {
		flags uintptr
		data  string
	}{"full": {0, "size=4k"}, "read-only": {syscall.MS_RDONLY, ""}} {
		state := filepath.Join(t.TempDir(), "state")
		if err := os.Mkdir(state, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mount("tmpfs", state, "tmpfs", mount.flags, mount.data); err != nil {
			t.Fatal(name, err)
		}
		t.Cleanup(func() { _ = syscall.Unmount(state, syscall.MNT_DETACH) })
		e := kepmctl(t, dir, "apply", "--auto-approve", "--state", state)
		e.want(t, 1, "no host was touched", "name another place with --state DIR")
	}
	if now := h.state(t); now != before {
		t.Errorf("the host was changed:\n%s", difference(before, now))
	}
}

// What is discovered on real hosts is valid, and plans to no changes.
func TestDiscover(t *testing.T) {
	a, b := borrow(t), borrow(t)
	b.sh(t, "chmod 777 /opt/keeper/sbin/Jobs; systemctl disable -q keeper-privilege-manager")
	dir := config(t, "", a, b)
	file := filepath.Join(dir, "lab.kepm.hcl")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	bare := strings.Replace(string(text), assignedToAll, "", 1)
	if err := os.WriteFile(file, []byte(bare), 0o600); err != nil || bare == string(text) {
		t.Fatal("the plain assignment is another one", err)
	}
	before := []string{a.state(t), b.state(t)}
	found := filepath.Join(dir, "found.kepm.hcl")
	kepmctl(t, dir, "discover", "--out", found).want(t, 0, "Written to")
	kepmctl(t, dir, "validate").want(t, 0, "2 hosts")
	kepmctl(t, dir, "plan", "--detailed-exitcode").want(t, 0, "No changes. 2 of 2 hosts match the configuration.")
	if text, err := os.ReadFile(found); err != nil || !strings.Contains(string(text), "1 of 2 hosts, with another") || !strings.Contains(string(text), `allowed_hosts                 = ["*"]`) {
		t.Errorf("%v\n%s", err, text)
	}
	for i, h := range []*host{a, b} {
		if now := h.state(t); now != before[i] {
			t.Errorf("%s was changed:\n%s", h.Spec.Name, difference(before[i], now))
		}
	}
}

// runs stop, from elsewhere: hosts in flight are finished, no further one is begun.
func TestRunsStop(t *testing.T) {
	a, b := borrow(t), borrow(t)
	dir := inWaves(t, "none", a, b)
	a.sh(t, "echo stopped >/run/kepmctl-hold")
	cmd, out, errs := command("kepmctl-hold", dir, "apply", "--auto-approve")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	a.reaches(t, "stopped")
	name := run(t, dir)
	kepmctl(t, dir, "runs", "stop", name).want(t, 0, "starts no further host")
	a.sh(t, "sleep 2; rm /run/kepmctl-hold")
	wait(t, cmd, out, errs, cmd.Wait()).want(t, 6, "stopped by kepmctl runs stop", "1 changed", "1 untouched")
	kepmctl(t, dir, "runs", "stop", name).want(t, 1, "no kepmctl is at work on it")
	with(t, "kepmctl-hold", dir, "resume", name).want(t, 0, "Apply complete! Hosts: 2 changed")
}
