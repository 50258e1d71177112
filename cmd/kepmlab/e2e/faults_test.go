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
	"time"
)

// steps of a transaction, as tx.sh names them.
var steps = []string{
	"begin", "permissions", "tree", "stage", "stop", "stopped", "replace", "replaced", "start", "watchdog", "ready",
}

// faults are inflicted while a transaction is stopped at a step.
var faults = map[string]func(t *testing.T, h *host, controller *os.Process){
	"kill kepmctl": func(t *testing.T, _ *host, controller *os.Process) {
		if err := controller.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	},
	"kill the session": func(t *testing.T, h *host, _ *os.Process) { h.sh(t, "pkill -KILL -u ops; true") },
	"kill tx.sh": func(t *testing.T, h *host, _ *os.Process) {
		h.sh(t, `kill -KILL "$(systemctl show -P MainPID kepmctl-tx)"`)
	},
	"cut the network": func(t *testing.T, h *host, _ *os.Process) {
		if err := h.CutNetwork(context.Background()); err != nil {
			t.Fatal(err)
		}
	},
	"kill tx.sh and settle.sh": func(t *testing.T, h *host, _ *os.Process) {
		h.sh(t, `kill -KILL "$(systemctl show -P MainPID kepmctl-tx)"
			end=$(($(date +%s) + 5)); while [ "$(date +%s)" -lt $end ]; do
				p=$(systemctl show -P ControlPID kepmctl-tx); [ "$p" = 0 ] || { kill -KILL "$p"; break; }
			done; true`)
	},
	"kill kepmctl and cut the power": func(t *testing.T, h *host, controller *os.Process) {
		if err := controller.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if err := h.PowerCut(context.Background()); err != nil {
			t.Fatal(err)
		}
		h.boot(t)
	},
	"cut the power": func(t *testing.T, h *host, _ *os.Process) {
		if err := h.PowerCut(context.Background()); err != nil {
			t.Fatal(err)
		}
		h.boot(t)
	},
}

// The invariant: whatever dies at whatever step, the host is, once settled, byte
// for byte as before or as planned, its services as they were, nothing held.
func TestInvariant(t *testing.T) {
	planned := plannedState(t)
	for _, step := range steps {
		for name, inflict := range faults {
			t.Run(step+"/"+strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
				t.Parallel()
				h := borrow(t)
				before := h.state(t)
				dir := config(t, "", h)
				h.sh(t, "echo "+step+" >/run/kepmctl-hold")
				cmd, out, errs := command("kepmctl-hold", dir, "apply", "--auto-approve")
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				h.reaches(t, step)
				inflict(t, h, cmd.Process)
				h.sh(t, "rm -f /run/kepmctl-hold")
				h.settled(t)
				if err := h.RestoreNetwork(context.Background()); err != nil {
					t.Fatal(err)
				}
				e := wait(t, cmd, out, errs, cmd.Wait())
				after := h.state(t)
				switch {
				case after == planned && (e.code == 0 || e.code == 6 || e.code == -1):
				case after == before && (e.code == 6 || e.code == -1 || e.code == 5):
				case after == planned || after == before:
					t.Errorf("the host is well, but kepmctl ended with %s", e)
				default:
					t.Errorf("the host is neither as before nor as planned:\n%s\n%s\n%s", difference(before, after), e, h.story(t))
				}
			})
		}
	}
}

// plannedState is a hardened host's state, from a run without a fault.
func plannedState(t *testing.T) string {
	t.Helper()
	h := borrow(t)
	kepmctl(t, config(t, "", h), "apply", "--auto-approve").want(t, 0)
	h.settled(t)
	return h.state(t)
}

// reaches waits, from outside, for a step: twenty hosts that each poll with
// processes of their own are a load that makes every one of them late.
func (h *host) reaches(t *testing.T, step string) {
	t.Helper()
	var at string
	h.until(t, func() bool {
		text, _ := os.ReadFile(h.inside("/run/kepmctl-step"))
		at = strings.TrimSpace(string(text))
		return at == step
	}, func() string { return fmt.Sprintf("it is at step %q, not %q", at, step) })
}

// story is what the host's log says of its transactions.
func (h *host) story(t *testing.T) string {
	t.Helper()
	return h.sh(t, `journalctl --no-pager -o cat -u kepmctl-tx -u kepmctl-settle | tail -n 30; cat /var/lib/kepmctl/*/journal; ls -l /var/lib/kepmctl/*/`)
}

// difference are the lines that are not in both.
func difference(a, b string) string {
	var out strings.Builder
	in := func(line, text string) bool { return strings.Contains("\n"+text+"\n", "\n"+line+"\n") }
	for _, l := range strings.Split(a, "\n") {
		if !in(l, b) {
			out.WriteString("- " + l + "\n")
		}
	}
	for _, l := range strings.Split(b, "\n") {
		if !in(l, a) {
			out.WriteString("+ " + l + "\n")
		}
	}
	return out.String()
}

// An agent that does not come up with its new settings, in three ways.
func TestAgentFails(t *testing.T) {
	for failure, says := range map[string]string{
		"never_up":      "was not ready after 8 s",
		"dies_after_2s": "ended within 3 s of its start",
		"loses_plugin":  "before it showed",
	} {
		t.Run(failure, func(t *testing.T) {
			t.Parallel()
			h := borrow(t)
			before := h.state(t)
			h.sh(t, "printf 'KEEPER_LAB_FAIL="+failure+"\nKEEPER_LAB_WHEN=hardened\n' >/etc/keeper-lab.env; systemctl restart keeper-privilege-manager")
			if err := h.WaitAgent(context.Background()); err != nil {
				t.Fatal(err)
			}
			kepmctl(t, config(t, "", h), "apply", "--auto-approve").want(t, 6, "1 rolled back", says)
			h.settled(t)
			if after := h.state(t); after != before {
				t.Errorf("not as before:\n%s", difference(before, after))
			}
		})
	}
}

// File systems that refuse: nothing is changed, or everything is undone.
func TestFileSystemRefuses(t *testing.T) {
	for name, c := range map[string]struct{ set, reset, says string }{
		"immutable file": {
			"chattr +i /opt/keeper/sbin/appsettings.json", "chattr -i /opt/keeper/sbin/appsettings.json", "immutable",
		},
		"read-only root": {
			"mount --bind /opt/keeper/sbin /opt/keeper/sbin && mount -o remount,bind,ro /opt/keeper/sbin", "umount /opt/keeper/sbin", "annot",
		},
		"full root": {
			`systemctl stop keeper-watchdog keeper-privilege-manager; cp -a /opt/keeper/sbin /opt/keeper/kept
			 mount -t tmpfs -o size=32m,mode=755 tmpfs /opt/keeper/sbin && cp -a /opt/keeper/kept/. /opt/keeper/sbin/ && rm -rf /opt/keeper/kept
			 systemctl start keeper-privilege-manager keeper-watchdog; sleep 1
			 dd if=/dev/zero of=/opt/keeper/sbin/fill bs=4096 2>/dev/null; true`,
			"systemctl stop keeper-watchdog keeper-privilege-manager; umount -l /opt/keeper/sbin; systemctl start keeper-privilege-manager keeper-watchdog", "No space left",
		},
		"full state directory": {
			"mkdir -p /var/lib/kepmctl && mount -t tmpfs -o size=16k,mode=700 tmpfs /var/lib/kepmctl", "umount -l /var/lib/kepmctl; rm -rf /var/lib/kepmctl", "annot write",
		},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			h := borrow(t)
			h.sh(t, c.set)
			t.Cleanup(func() { h.sh(t, c.reset) })
			if err := h.WaitAgent(context.Background()); err != nil {
				t.Fatal(err)
			}
			before := h.state(t)
			kepmctl(t, config(t, "", h), "apply", "--auto-approve").want(t, 6, c.says)
			h.settled(t)
			if after := h.state(t); after != before {
				t.Errorf("not as before:\n%s", difference(before, after))
			}
		})
	}
}

// The journal's disk fills up after the upload: nothing is changed that could not
// be undone.
func TestNoSpaceToNoteTheUndo(t *testing.T) {
	h := borrow(t)
	h.sh(t, `for i in $(seq 300); do echo x >/opt/keeper/sbin/Jobs/f$i; chmod 666 /opt/keeper/sbin/Jobs/f$i; done
		mkdir -p -m 700 /var/lib/kepmctl && mount -t tmpfs -o size=256k,mode=700 tmpfs /var/lib/kepmctl`)
	t.Cleanup(func() { h.sh(t, "umount -l /var/lib/kepmctl; rm -rf /var/lib/kepmctl") })
	before := h.state(t)
	h.sh(t, "echo begin >/run/kepmctl-hold")
	cmd, out, errs := command("kepmctl-hold", config(t, "", h), "apply", "--auto-approve")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	h.reaches(t, "begin")
	h.sh(t, "dd if=/dev/zero of=/var/lib/kepmctl/fill bs=4096 2>/dev/null; rm -f /run/kepmctl-hold; sleep 2; rm -f /var/lib/kepmctl/fill")
	wait(t, cmd, out, errs, cmd.Wait()).want(t, 6)
	h.settled(t)
	if after := h.state(t); after != before {
		t.Errorf("not as before:\n%s", difference(before, after))
	}
}

// A transaction that does not end is ended by systemd, and undone.
func TestTimeLimit(t *testing.T) {
	t.Parallel()
	h := borrow(t)
	before := h.state(t)
	h.sh(t, "echo replaced >/run/kepmctl-hold")
	cmd, out, errs := command("kepmctl-hold", config(t, "", h), "apply", "--auto-approve")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	wait(t, cmd, out, errs, cmd.Wait()).want(t, 6, "1 rolled back") // 8 s to start, 6 to confirm, 30 of grace
	h.settled(t)
	if after := h.state(t); after != before {
		t.Errorf("not as before:\n%s", difference(before, after))
	}
}

// The first interrupt finishes the host in flight; the second leaves it to itself.
func TestInterrupt(t *testing.T) {
	for times, c := range map[int]struct {
		code int
		says string
	}{1: {0, "Apply complete! Hosts: 1 changed."}, 2: {130, "in doubt"}} {
		t.Run(fmt.Sprint(times), func(t *testing.T) {
			t.Parallel()
			h := borrow(t)
			before := h.state(t)
			h.sh(t, "echo stopped >/run/kepmctl-hold")
			cmd, out, errs := command("kepmctl-hold", config(t, "", h), "apply", "--auto-approve")
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			h.reaches(t, "stopped")
			for range times {
				if err := cmd.Process.Signal(os.Interrupt); err != nil {
					t.Fatal(err)
				}
				time.Sleep(300 * time.Millisecond)
			}
			h.sh(t, "rm -f /run/kepmctl-hold")
			wait(t, cmd, out, errs, cmd.Wait()).want(t, c.code, c.says, "interrupted: no further host is started")
			h.settled(t)
			if after := h.state(t); times == 2 && after != before {
				t.Errorf("not as before:\n%s", difference(before, after))
			}
		})
	}
}

// Settling that nobody is left to finish is started again by the next apply.
func TestNextApplyUnlocks(t *testing.T) {
	h := borrow(t)
	dir := config(t, "", h)
	kepmctl(t, dir, "apply", "--auto-approve").want(t, 0)
	h.sh(t, `cd /var/lib/kepmctl && ln -s "$(ls | tail -n 1)" open && rm open/outcome open/verdict; chmod 0777 /opt/keeper/sbin/Jobs`)
	file := t.TempDir() + "/p"
	kepmctl(t, dir, "plan", "--out", file).want(t, 0, "is open")
	h.sh(t, `cd /var/lib/kepmctl && mv open aside`)
	kepmctl(t, dir, "plan", "--out", file).want(t, 0, "1 of 1 host to change")
	h.sh(t, `cd /var/lib/kepmctl && mv aside open`)
	kepmctl(t, dir, "apply", file).want(t, 7, "is open")
	h.settled(t)
}

// Directories named * that lead in circles, made to have root expand globs.
func TestGlobBomb(t *testing.T) {
	h := borrow(t)
	h.sh(t, `cd /opt/keeper/sbin/Jobs && d=. && for i in 1 2 3 4 5 6 7; do mkdir "$d/*"; d="$d/*"; for j in $(seq 30); do ln -s . "$d/l$j"; done; done; chown -R ops .`)
	began := time.Now()
	kepmctl(t, config(t, "", h), "apply", "--auto-approve").want(t, 0)
	if took := time.Since(began); took > time.Minute {
		t.Errorf("it took %s", took)
	}
}

// A unit that starts the agent through a wrapper does not make the wrapper's
// directory the install root.
func TestWrapperIsNoRoot(t *testing.T) {
	h := borrow(t)
	h.sh(t, `mkdir -p /run/systemd/system/keeper-privilege-manager.service.d /opt/custom
		printf '[Service]\nExecStart=\nExecStart=/usr/bin/env /opt/custom/sbin/keeper-privilege-manager\n' >/run/systemd/system/keeper-privilege-manager.service.d/w.conf
		systemctl daemon-reload; mv /opt/keeper/sbin /opt/custom/sbin`)
	t.Cleanup(func() {
		h.sh(t, "rm -rf /run/systemd/system/keeper-privilege-manager.service.d; systemctl daemon-reload; rm -rf /opt/keeper/sbin; mv /opt/custom/sbin /opt/keeper/sbin")
	})
	kepmctl(t, config(t, "", h), "plan", "--detailed-exitcode").want(t, 0, "install root cannot be told", "install_root in the host block")
}

// A file that the agent could not start with again is left to a person: the agent
// that still runs is not restarted.
func TestBrokenSettingsAreLeftAlone(t *testing.T) {
	h := borrow(t)
	h.sh(t, "sleep 3; printf '{{{' >/opt/keeper/sbin/appsettings.json")
	pid := h.sh(t, "systemctl show -P MainPID keeper-privilege-manager")
	dir := config(t, "", h)
	kepmctl(t, dir, "plan").want(t, 0, "put the file right by hand, then restart the service")
	kepmctl(t, dir, "apply", "--auto-approve").want(t, 0)
	if now := h.sh(t, "systemctl show -P MainPID keeper-privilege-manager"); now != pid {
		t.Errorf("the agent was restarted: %s, then %s", pid, now)
	}
}

// A directory without the agent's settings is not taken for its root.
func TestWrongRootIsLeftAlone(t *testing.T) {
	h := borrow(t)
	h.sh(t, "mkdir -p -m 1777 /srv/data")
	dir := config(t, "", h)
	file := filepath.Join(dir, "lab.kepm.hcl")
	text := strings.Replace(readFile(t, file), "  address ", "  install_root = \"/srv/data\"\n  address ", 1)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	kepmctl(t, dir, "apply", "--auto-approve").want(t, 0, "there is no appsettings.json in /srv/data")
	if mode := h.sh(t, "stat -c %a /srv/data"); mode != "1777\n" {
		t.Errorf("it was changed: %s", mode)
	}
}

// A control in audit does not undo what is enforced.
func TestAuditedHostsDoNotUndoOthers(t *testing.T) {
	h := borrow(t)
	dir := config(t, `baseline "lab" {
  extends = [builtin.hardening_guide]
  settings { allowed_hosts = null }
}
baseline "watched" {
  settings { allowed_hosts = ["localhost"] }
}
assign "watched" {
  baseline = baseline.watched
  hosts    = ["*"]
  mode     = "audit"
  rollout  = rollout.quick
}`, h)
	kepmctl(t, dir, "apply", "--auto-approve").want(t, 0, "In audit", "Apply complete!")
}

// Somebody else writes the file during the transaction: their bytes are never lost.
func TestThirdParty(t *testing.T) {
	const theirs = `{"AllowedHosts":"*","theirs":true}`
	for step, says := range map[string]string{"stage": "changed meanwhile", "stopped": "changed meanwhile", "ready": "failed"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			h := borrow(t)
			h.sh(t, "echo "+step+" >/run/kepmctl-hold")
			cmd, out, errs := command("kepmctl-hold", config(t, "", h), "apply", "--auto-approve")
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			h.reaches(t, step)
			h.sh(t, "printf '%s' '"+theirs+"' >/opt/keeper/sbin/appsettings.json; rm -f /run/kepmctl-hold")
			e := wait(t, cmd, out, errs, cmd.Wait())
			e.want(t, map[string]int{"stage": 5, "stopped": 5, "ready": 6}[step], says)
			h.settled(t)
			if got := h.sh(t, "cat /opt/keeper/sbin/appsettings.json"); got != theirs {
				t.Errorf("their file is %q", got)
			}
		})
	}
}

// Two at once: one changes the host, the other finds it locked or done.
func TestTwoAtOnce(t *testing.T) {
	h := borrow(t)
	dir := config(t, "", h)
	h.sh(t, "echo stage >/run/kepmctl-hold")
	first, out, errs := command("kepmctl-hold", dir, "apply", "--auto-approve")
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	h.reaches(t, "stage")
	kepmctl(t, dir, "plan").want(t, 0, "is open", "Nothing that kepmctl can change. 0 of 1 host")
	second, out2, errs2 := command("kepmctl-hold", dir, "apply", "--auto-approve")
	if err := second.Start(); err != nil {
		t.Fatal(err)
	}
	if e := wait(t, second, out2, errs2, second.Wait()); !strings.Contains(e.String(), "is open") {
		t.Errorf("the second did not see the first: %s", e)
	}
	h.sh(t, "rm -f /run/kepmctl-hold")
	wait(t, first, out, errs, first.Wait()).want(t, 0, "Apply complete!")
	h.settled(t)
}

// A plan is carried out only where it still fits.
func TestStale(t *testing.T) {
	h := borrow(t)
	dir := config(t, "", h)
	file := t.TempDir() + "/p"
	kepmctl(t, dir, "plan", "--out", file).want(t, 0)
	h.sh(t, `sed -i 's/"AllowedHosts": *"\*"/"AllowedHosts": "other.example"/' /opt/keeper/sbin/appsettings.json; grep -q other.example /opt/keeper/sbin/appsettings.json`)
	before := h.state(t)
	kepmctl(t, dir, "apply", file).want(t, 5, "stale", "allowed_hosts is now")
	kepmctl(t, dir, "apply", "--stale", "fail", file).want(t, 5, "no longer what was planned for")
	if after := h.state(t); after != before {
		t.Errorf("a stale host was changed:\n%s", difference(before, after))
	}
	altered := strings.Replace(readFile(t, file), "127.0.0.1", "127.0.0.2", 1)
	if err := os.WriteFile(file, []byte(altered), 0o600); err != nil {
		t.Fatal(err)
	}
	kepmctl(t, dir, "apply", file).want(t, 1, "checksum")
	kepmctl(t, dir, "plan", "--out", file, "--plan-ttl", "1s").want(t, 0)
	time.Sleep(2 * time.Second)
	kepmctl(t, dir, "apply", file).want(t, 5, "expired")
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
