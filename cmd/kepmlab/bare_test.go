package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kepmctl/kepmctl/cmd/kepmlab/bare"
)

// A bench is a lab with the real programs, built for the test.
type bench struct {
	t        *testing.T
	bin, lab string
}

// built has programs, and no lab yet.
func built(t *testing.T, programs ...string) *bench {
	t.Helper()
	b := &bench{t: t, bin: t.TempDir(), lab: filepath.Join(t.TempDir(), "lab")}
	noticed(t)
	for _, name := range programs {
		build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(b.bin, name), "github.com/kepmctl/kepmctl/cmd/"+name)
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %s\n%s", name, err, out)
		}
	}
	return b
}

// noticed lets Go's cache of test results know what is built here: it sees only the
// files that a test itself asks about.
func noticed(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.HasPrefix(d.Name(), ".") && d.Name() != "../.." && d.Name() != ".." {
			return filepath.SkipDir
		}
		if ext := filepath.Ext(path); err == nil && (ext == ".go" || ext == ".sh") {
			_, err = os.Stat(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// newBench brings a lab up. Where the system forbids that, the test is left out.
func newBench(t *testing.T, hosts int) *bench {
	t.Helper()
	b := built(t, "kepmctl", "kepmlab")
	out, code := b.run("kepmlab", "up", "--hosts", strconv.Itoa(hosts), "--dir", b.lab)
	if code != 0 && strings.Contains(out, "this system does not allow it") {
		t.Skipf("LEFT OUT: no hosts can be made here: %s", out)
	}
	if code != 0 {
		t.Fatalf("kepmlab up: exit %d\n%s", code, out)
	}
	t.Cleanup(func() {
		if _, err := os.Stat(b.lab); err == nil {
			b.must(0, "kepmlab", "down", "--dir", b.lab)
		}
	})
	return b
}

// run runs a program and returns all it said, and how it ended.
func (b *bench) run(name string, args ...string) (string, int) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(b.bin, name), args...)
	cmd.Env = append(os.Environ(), "KEPM_IN_AUTOMATION=1", "HOME="+b.bin)
	out, err := cmd.CombinedOutput()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		b.t.Fatalf("%s %v: %s", name, args, err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func (b *bench) must(want int, name string, args ...string) string {
	b.t.Helper()
	out, code := b.run(name, args...)
	if code != want {
		b.t.Fatalf("%s %v: exit %d, want %d\n%s", name, args, code, want, out)
	}
	return out
}

func (b *bench) plan(want int) string {
	b.t.Helper()
	return b.must(want, "kepmctl", "plan", "--chdir", b.lab+"/config", "--detailed-exitcode")
}

// left is what there still is of a lab. An ended process that nobody has waited for is
// this machine's own affair.
func (b *bench) left(hosts []*bare.Host) (left []string) {
	for _, h := range hosts {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(h.PID) + "/stat")
		if err == nil && !bytes.Contains(stat, []byte(") Z ")) {
			left = append(left, fmt.Sprintf("process %d of %s", h.PID, h.Name))
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		b.t.Fatal(err)
	}
	if bytes.Contains(mounts, []byte(b.lab)) {
		left = append(left, "mounts")
	}
	if _, err := os.Stat(b.lab); !errors.Is(err, os.ErrNotExist) {
		left = append(left, "files")
	}
	return left
}

// Two hosts, looked at, changed with kepmctl killed in between, changed, and taken down.
func TestBareLab(t *testing.T) {
	b := newBench(t, 2)
	lab, err := bare.Open(b.lab)
	if err != nil {
		t.Fatal(err)
	}
	before := b.plan(2)
	if !strings.Contains(before, "2 of 2 hosts to change") || !strings.Contains(before, "lab-[01-02]") {
		t.Fatalf("the first plan:\n%s", before)
	}
	shortenVerdict(t, b)
	killInBetween(t, b)
	if out := b.plan(2); !strings.Contains(out, "2 of 2 hosts to change") {
		t.Fatalf("after kepmctl was killed, its hosts are not as they were:\n%s", out)
	}
	if out := b.must(0, "kepmlab", "ask", "lab-01", "evil.example", "--dir", b.lab); !strings.Contains(out, "200 OK") {
		t.Fatalf("before the change: %s", out)
	}
	b.must(0, "kepmctl", "apply", "--chdir", b.lab+"/config", "--auto-approve")
	if out := b.plan(0); !strings.Contains(out, "2 of 2 hosts match") || strings.Contains(out, "Not known") {
		t.Fatalf("after the change:\n%s", out)
	}
	if out := b.must(0, "kepmlab", "ask", "lab-01", "evil.example", "--dir", b.lab); !strings.Contains(out, "400 Bad Request") {
		t.Fatalf("after the change: %s", out)
	}
	driftAll(t, b)
	b.must(0, "kepmlab", "down", "--dir", b.lab)
	if left := b.left(lab.Hosts()); left != nil {
		t.Errorf("down left behind: %v", left)
	}
}

// shortenVerdict has a changed host wait for its verdict ten seconds only.
func shortenVerdict(t *testing.T, b *bench) {
	t.Helper()
	path := b.lab + "/config/fleet.kepm.hcl"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	fleet := strings.Replace(string(text), "  baseline = baseline.lab\n", "  baseline = baseline.lab\n  rollout  = rollout.test\n", 1) +
		"\nrollout \"test\" {\n  confirm_timeout = \"10s\"\n}\n"
	if err := os.WriteFile(path, []byte(fleet), 0o600); err != nil {
		t.Fatal(err)
	}
}

// killInBetween kills kepmctl while both hosts have a transaction open, and waits
// until they have none.
func killInBetween(t *testing.T, b *bench) {
	t.Helper()
	cmd := exec.Command(b.bin+"/kepmctl", "apply", "--chdir", b.lab+"/config", "--auto-approve")
	cmd.Env = append(os.Environ(), "HOME="+b.bin)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	b.until("a transaction is open", true)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatalf("kepmctl was faster: %s", err)
	}
	<-ended
	b.until("no transaction is open", false)
}

func (b *bench) until(what string, open bool) {
	b.t.Helper()
	for _, host := range []string{"lab-01", "lab-02"} {
		deadline := time.Now().Add(40 * time.Second)
		for {
			_, code := b.run("kepmlab", "exec", host, "--dir", b.lab, "--", "test", "-L", "/var/lib/kepmctl/open")
			if open == (code == 0) {
				break
			}
			if time.Now().After(deadline) {
				b.t.Fatalf("%s: not within 40 s: %s", host, what)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
}

// driftAll lets a hardened host drift in ways that have nothing to do with each
// other, and finds all of them in one plan; what there is not is refused.
func driftAll(t *testing.T, b *bench) {
	t.Helper()
	for _, kind := range []string{"log_level", "signatures", "executables", "cert_password", "plugin_retention", "jobs_writable", "file_writable", "override_env", "not_at_boot", "watchdog_stopped"} {
		b.must(0, "kepmlab", "drift", "lab-02", kind, "--dir", b.lab)
	}
	out := b.plan(2)
	for _, want := range []string{
		"log_level", "alternative_signatures", "allowed_non_admin_executables", "cert_password",
		`plugin_setting["KeeperLogger"]["logRetentionDays"]`, `permissions["Jobs"]`, "install_tree", "service_at_boot", "watchdog", "config_overrides", "1 of 2 hosts to change",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s in the plan after the drift:\n%s", want, out)
		}
	}
	if out := b.must(1, "kepmlab", "drift", "lab-02", "jobs", "--dir", b.lab); !strings.Contains(out, "jobs_writable, file_writable") {
		t.Errorf("an unknown kind: %s", out)
	}
	if os.Getuid() != 0 {
		b.must(1, "kepmlab", "drift", "lab-02", "foreign_owner", "--dir", b.lab)
	}
}
