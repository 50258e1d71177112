//go:build e2e

package nspawn_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kepmctl/kepmctl/cmd/kepmlab/nspawn"
)

// buildDeb makes the stand-in's package with a kepmlab built for it.
func buildDeb(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	kepmlab, deb := filepath.Join(dir, "kepmlab"), filepath.Join(dir, "agent.deb")
	build := exec.Command("go", "build", "-o", kepmlab, "github.com/kepmctl/kepmctl/cmd/kepmlab")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	for _, cmd := range []*exec.Cmd{build, exec.Command(kepmlab, "deb", "--out", deb)} {
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s: %s", cmd.Args, err, out)
		}
	}
	return deb
}

// traces are what a lab has left on the machine. Other labs may be about; what
// all share has to be gone once there is none.
func traces(t *testing.T, dir string, slot int) string {
	t.Helper()
	out, err := exec.Command("sh", "-c", `
		grep -F " $1/" /proc/self/mountinfo
		ip -o link | grep -w "kl$2"
		ip netns | grep -w "kepmlab-$2"
		pgrep -af -- "--machine=kepmlab-$2-"
		find /sys/fs/cgroup -maxdepth 3 -path "*/kepmlab/$2"
		find /run/kepmlab /run/netns /run/systemd/nspawn 2>/dev/null | grep -wE "slot-$2|kepmlab-$2"
		[ -d /run/kepmlab ] || ip -o link | grep -w kepmlab0
		[ -d /run/kepmlab ] || find /sys/fs/cgroup -maxdepth 2 -name kepmlab
		[ -d "$1" ] && echo "$1"
		true`, "traces", dir, strconv.Itoa(slot)).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// slotOf reads the number that the lab's name on the machine is made of.
func slotOf(t *testing.T, dir string) int {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "hosts.json"))
	if err != nil {
		t.Fatal(err)
	}
	var s struct{ Slot int }
	if err := json.Unmarshal(b, &s); err != nil || s.Slot == 0 {
		t.Fatalf("hosts.json: %v: %s", err, b)
	}
	return s.Slot
}

func ssh(ctx context.Context, lab *nspawn.Lab, login, command string) (string, error) {
	out, err := exec.CommandContext(ctx, "ssh", "-F", "none", "-i", lab.PrivateKeyFile(), "-o", "BatchMode=yes",
		"-o", "UserKnownHostsFile="+lab.KnownHostsFile(), "-o", "ConnectTimeout=2", login, command).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func up(t *testing.T, deb string, specs ...nspawn.Spec) *nspawn.Lab {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "lab")
	lab, err := nspawn.Up(t.Context(), nspawn.Options{Dir: dir, Deb: deb, Hosts: specs, Progress: func(s string) { t.Log(s) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		slot := slotOf(t, dir)
		if n := strings.Count(traces(t, dir, slot), "\n"); n < 5 { // or the test of what is left would prove nothing
			t.Errorf("a running lab has %d traces", n)
		}
		again, err := nspawn.Open(dir) // as a later program would
		if err == nil {
			err = again.Down(context.Background())
		}
		if err != nil {
			t.Error(err)
		}
		if left := traces(t, dir, slot); left != "" {
			t.Errorf("traces are left:\n%s", left)
		}
	})
	return lab
}

func TestLab(t *testing.T) {
	deb := buildDeb(t)
	t.Run("life", func(t *testing.T) { testLife(t, up(t, deb, nspawn.Spec{Name: "plain"})) })
	t.Run("specs", func(t *testing.T) { testSpecs(t, deb) })
	t.Run("failure", func(t *testing.T) { testFailure(t, deb) })
}

func testLife(t *testing.T, lab *nspawn.Lab) {
	ctx, h := t.Context(), lab.Hosts()[0]
	login := nspawn.User + "@" + h.Address
	const look = "hostname; sudo -n id -u; systemctl is-active keeper-privilege-manager keeper-watchdog; sudo systemd-run --wait --collect --quiet --pipe echo unit"
	if out, err := ssh(ctx, lab, login, look); err != nil || out != "plain\n0\nactive\nactive\nunit" {
		t.Errorf("log in: %q, %v", out, err)
	}
	if err := h.CutNetwork(ctx); err != nil {
		t.Fatal(err)
	}
	if out, err := ssh(ctx, lab, login, "true"); err == nil {
		t.Errorf("log in without a network: %q", out)
	}
	if out, err := h.Exec(ctx, "curl", "-sk", "https://localhost:6889/api/system/status"); err != nil || !strings.Contains(out, `"plugins":3`) {
		t.Errorf("ask the agent without a network: %q, %v", out, err)
	}
	if err := h.RestoreNetwork(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Exec(ctx, "sh", "-c", "echo kept >/root/kept; echo lost >/run/lost"); err != nil {
		t.Fatal(err)
	}
	pid := h.PID()
	if err := h.PowerCut(ctx); err != nil {
		t.Fatal(err)
	}
	if h.PID() != 0 {
		t.Error("it runs without power")
	}
	if _, err := h.Exec(ctx, "true"); err == nil {
		t.Error("it computes without power")
	}
	if err := errors.Join(h.Boot(ctx), h.WaitAgent(ctx)); err != nil {
		t.Fatal(err)
	}
	out, err := h.Exec(ctx, "cat", "/root/kept", "/run/lost")
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 1 || out != "kept\n" || h.PID() == pid {
		t.Errorf("after a power cut: %q, %v", out, err)
	}
	if out, err := ssh(ctx, lab, login, "hostname"); err != nil || out != "plain" {
		t.Errorf("log in after a power cut: %q, %v", out, err)
	}
	short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	if _, err := h.Exec(short, "sleep", "1234"); err == nil {
		t.Error("a program outlived its context")
	}
	if out, err := h.Exec(ctx, "pgrep", "-fx", "sleep 1234"); err == nil {
		t.Errorf("a program outlived its context inside: %s", out)
	}
}

func testSpecs(t *testing.T, deb string) {
	lab := up(t, deb,
		nspawn.Spec{Name: "root", Root: true}, nspawn.Spec{Name: "kills", KillUserProcesses: true},
		nspawn.Spec{Name: "bare", Bare: true}, nspawn.Spec{Name: "closed", NoForwarding: true},
		nspawn.Spec{Name: "asks", Sudo: nspawn.SudoPassword})
	password, err := os.ReadFile(lab.PasswordFile())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		host, user, command string
		fails               bool
		want                string // a regular expression
	}{
		{"root", "root", "id -u", false, `^0$`},
		{"kills", "root", "id -u", true, `Permission denied`},
		{"kills", nspawn.User, "setsid sleep 4321 >/dev/null 2>&1 </dev/null & sleep 0.3; pgrep -fx 'sleep 4321'", false, `^\d+$`},
		{"kills", nspawn.User, "sleep 1; pgrep -fx 'sleep 4321'", true, `^$`},
		{"bare", nspawn.User, "command -v curl openssl python3", true, `^$`},
		{"asks", nspawn.User, "sudo -n true", true, `a password is required`},
		{"asks", nspawn.User, "echo " + strings.TrimSpace(string(password)) + " | sudo -S -p '' id -u", false, `^0$`},
	} {
		h, err := lab.Host(c.host)
		if err != nil {
			t.Fatal(err)
		}
		out, err := ssh(t.Context(), lab, c.user+"@"+h.Address, c.command)
		if (err != nil) != c.fails || !regexp.MustCompile(c.want).MatchString(out) {
			t.Errorf("%s: %s: %q, %v", c.host, c.command, out, err)
		}
	}
	closed, err := lab.Host("closed")
	if err != nil {
		t.Fatal(err)
	}
	forward := exec.Command("ssh", "-F", "none", "-i", lab.PrivateKeyFile(), "-o", "BatchMode=yes",
		"-o", "UserKnownHostsFile="+lab.KnownHostsFile(), "-W", "127.0.0.1:6889", nspawn.User+"@"+closed.Address)
	if out, err := forward.CombinedOutput(); err == nil || !strings.Contains(string(out), "prohibited") {
		t.Errorf("forward: %q, %v", out, err)
	}
}

// testFailure wants an Up that fails to say why, and to leave nothing.
func testFailure(t *testing.T, deb string) {
	dir := filepath.Join(t.TempDir(), "lab")
	_, err := nspawn.Up(t.Context(), nspawn.Options{Dir: dir, Deb: deb, Hosts: []nspawn.Spec{{Name: "a"}}, Timeout: 50 * time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), "boot a: it did not come up within 50ms") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("its directory is left")
	}
}
