//go:build e2e

// Package e2e tests kepmctl from outside, on real systemd hosts with OpenSSH.
package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kepmctl/kepmctl/cmd/kepmlab/nspawn"
)

// The programs under test: hold is built with the tag kepmhold, so that its
// transactions can be stopped at any step.
var (
	bin      string // directory of kepmctl, kepmctl-hold, kepmlab and the agent's package
	fleet    *nspawn.Lab
	nextHost = make(chan *nspawn.Host, 64)
)

// specs are the hosts: the strange ones first, then plain ones for the faults.
func specs() []nspawn.Spec {
	list := []nspawn.Spec{
		{Name: "root", Root: true},
		{Name: "kill", KillUserProcesses: true},
		{Name: "bare", Bare: true},
		{Name: "noforward", NoForwarding: true},
		{Name: "password", Sudo: nspawn.SudoPassword},
		{Name: "intercepted", Sudo: nspawn.SudoIntercepted},
	}
	for i := len(list); i < hostsTotal; i++ {
		list = append(list, nspawn.Spec{Name: fmt.Sprintf("web-%02d", i+1)})
	}
	return list
}

const hostsTotal = 25

func TestMain(m *testing.M) {
	code := 1
	defer func() { os.Exit(code) }()
	if os.Getuid() != 0 {
		fmt.Println("the end-to-end tests need root")
		return
	}
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "kepm-e2e-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	bin = dir
	if err := buildAll(ctx); err != nil {
		fmt.Println(err)
		return
	}
	began := time.Now()
	fleet, err = nspawn.Up(ctx, nspawn.Options{
		Dir: filepath.Join(dir, "lab"), Deb: filepath.Join(dir, "agent.deb"), Hosts: specs(),
		Progress: func(s string) { fmt.Printf("%5.1f s  %s\n", time.Since(began).Seconds(), s) },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%5.1f s  %d hosts are up\n", time.Since(began).Seconds(), len(fleet.Hosts()))
	for _, h := range fleet.Hosts()[6:] {
		nextHost <- h
	}
	code = m.Run()
	if err := fleet.Down(ctx); err != nil {
		fmt.Println(err)
		code = 1
	}
}

func buildAll(ctx context.Context) error {
	for _, args := range [][]string{
		{"build", "-trimpath", "-o", bin + "/kepmctl", "github.com/kepmctl/kepmctl/cmd/kepmctl"},
		{"build", "-trimpath", "-tags", "kepmhold", "-o", bin + "/kepmctl-hold", "github.com/kepmctl/kepmctl/cmd/kepmctl"},
		{"build", "-trimpath", "-o", bin + "/kepmlab", "github.com/kepmctl/kepmctl/cmd/kepmlab"},
	} {
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go %v: %w\n%s", args, err, out)
		}
	}
	if out, err := exec.CommandContext(ctx, bin+"/kepmlab", "deb", "--out", bin+"/agent.deb").CombinedOutput(); err != nil {
		return fmt.Errorf("make the agent's package: %w\n%s", err, out)
	}
	return nil
}

// borrow takes a plain host for the length of a test, and gives it back as the
// package installed it.
func borrow(t *testing.T) *host {
	t.Helper()
	h := &host{Host: <-nextHost}
	t.Cleanup(func() {
		h.reset(t)
		nextHost <- h.Host
	})
	h.reset(t)
	return h
}

// named is one of the strange hosts, as the package installed it.
func named(t *testing.T, name string) *host {
	t.Helper()
	n, err := fleet.Host(name)
	if err != nil {
		t.Fatal(err)
	}
	h := &host{Host: n}
	h.reset(t)
	return h
}

type host struct{ *nspawn.Host }

// sh runs a shell script on the host as root, from outside.
func (h *host) sh(t *testing.T, script string) string {
	t.Helper()
	out, err := h.try(script)
	if err != nil {
		t.Fatalf("%s: %v\n%s", h.Spec.Name, err, out)
	}
	return out
}

// patience is how long a host may take for what is asked of it here: a limit
// against hanging, far above what a busy machine needs.
const patience = 3 * time.Minute

// inside is a file of the running host, as it is seen from outside.
func (h *host) inside(path string) string { return fmt.Sprintf("/proc/%d/root%s", h.PID(), path) }

// until waits for something to be so, without starting a process.
func (h *host) until(t *testing.T, so func() bool, otherwise func() string) {
	t.Helper()
	for end := time.Now().Add(patience); !so(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: after %s %s", h.Spec.Name, patience, otherwise())
		}
	}
}

func (h *host) try(script string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return h.Exec(ctx, "sh", "-c", script)
}

var pristine sync.Map // host name -> true: its tree is kept in /root/pristine.tar

// reset brings the host back to how the package installed it, nothing open.
func (h *host) reset(t *testing.T) {
	t.Helper()
	if h.PID() == 0 {
		h.boot(t)
	}
	if err := h.RestoreNetwork(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, kept := pristine.LoadOrStore(h.Spec.Name, true); !kept {
		h.sh(t, "tar -C /opt/keeper -cpf /root/pristine.tar sbin")
	}
	h.sh(t, `
		rm -f /run/kepmctl-hold /run/kepmctl-step /etc/keeper-lab.env
		i=0; while systemctl is-active -q kepmctl-tx && [ $i -lt 100 ]; do sleep 0.3; i=$((i+1)); done
		systemctl stop keeper-watchdog keeper-privilege-manager
		chattr -i /opt/keeper/sbin/appsettings.json 2>/dev/null
		rm -rf /opt/keeper/sbin /var/lib/kepmctl /etc/systemd/system/kepmctl-settle.service /etc/systemd/system/multi-user.target.wants/kepmctl-settle.service
		tar -C /opt/keeper -xpf /root/pristine.tar
		systemctl reset-failed 2>/dev/null
		systemctl start keeper-privilege-manager keeper-watchdog`)
	if err := h.WaitAgent(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func (h *host) boot(t *testing.T) {
	t.Helper()
	if err := h.Boot(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// state is everything of a host that a transaction may touch, without what
// changes by itself (logs, process numbers).
func (h *host) state(t *testing.T) string {
	t.Helper()
	return h.sh(t, `
		cd /opt/keeper/sbin || { echo no root; exit 0; }
		find . ! -path './Plugins/bin/KeeperLogger/Log*' -printf '%p %y %m %U:%G\n' | sort
		find . -type f ! -path './Plugins/bin/KeeperLogger/Log*' -exec sha256sum {} + | sort -k2
		systemctl is-active keeper-privilege-manager keeper-watchdog
		systemctl is-enabled keeper-privilege-manager keeper-watchdog
		true`)
}

// settled waits until no transaction is open and the services are at rest, then
// checks that nothing is held or armed.
func (h *host) settled(t *testing.T) {
	t.Helper()
	h.until(t, func() bool {
		_, err := os.Lstat(h.inside("/var/lib/kepmctl/open"))
		return h.PID() != 0 && errors.Is(err, os.ErrNotExist)
	}, func() string { return "a transaction is still open" })
	h.sh(t, `
		i=0
		while systemctl is-active -q kepmctl-tx && [ $i -lt 100 ]; do sleep 0.3; i=$((i+1)); done
		i=0
		while ! { systemctl is-active -q keeper-privilege-manager && systemctl is-active -q keeper-watchdog; } && [ $i -lt 100 ]; do sleep 0.3; i=$((i+1)); done
		if systemctl is-active -q kepmctl-tx || [ -e /etc/systemd/system/kepmctl-settle.service ] || [ -L /etc/systemd/system/multi-user.target.wants/kepmctl-settle.service ]; then
			echo something is armed >&2; exit 1
		fi
		[ "$(echo /opt/keeper/sbin/*.kepmctl-*)" = '/opt/keeper/sbin/*.kepmctl-*' ] || { echo staged files are left >&2; exit 1; }`)
}

// config writes a configuration directory for some hosts. More is added to it.
func config(t *testing.T, more string, hosts ...*host) string {
	t.Helper()
	dir := t.TempDir()
	var b strings.Builder
	fmt.Fprintf(&b, `
connection "ssh" "ops" {
  user             = "ops"
  private_key_file = %[1]q
  known_hosts_file = %[2]q
  become           = "sudo"
}
connection "ssh" "ops_password" {
  user             = "ops"
  private_key_file = %[1]q
  known_hosts_file = %[2]q
  become           = "sudo"
  become_password  = secret::file(%[3]q)
}
connection "ssh" "root" {
  user             = "root"
  private_key_file = %[1]q
  known_hosts_file = %[2]q
}
group "all" { hosts = ["*"] }
assign "all" {
  baseline = baseline.lab
  to       = [group.all]
  rollout  = rollout.quick
}
rollout "quick" { confirm_timeout = "10s" }
`, fleet.PrivateKeyFile(), fleet.KnownHostsFile(), fleet.PasswordFile())
	for _, h := range hosts {
		connection := "ops"
		switch {
		case h.Spec.Root:
			connection = "root"
		case h.Spec.Sudo == nspawn.SudoPassword:
			connection = "ops_password"
		}
		fmt.Fprintf(&b, "host %q {\n  address    = %q\n  connection = connection.ssh.%s\n}\n", h.Spec.Name, h.Address, connection)
	}
	if more == "" {
		more = `baseline "lab" {
  extends = [builtin.hardening_guide]
  service { start_timeout = "8s" }
}`
	}
	b.WriteString(more)
	if err := os.WriteFile(filepath.Join(dir, "lab.kepm.hcl"), []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// ended is how a run of kepmctl ended.
type ended struct {
	code     int
	out, err string
}

func (e ended) String() string { return fmt.Sprintf("exit %d\n%s%s", e.code, e.out, e.err) }

// kepmctl runs the program to its end.
func kepmctl(t *testing.T, dir string, args ...string) ended {
	t.Helper()
	return with(t, "kepmctl", dir, args...)
}

// with runs one of the programs to its end.
func with(t *testing.T, program, dir string, args ...string) ended {
	t.Helper()
	cmd, out, errs := command(program, dir, args...)
	return wait(t, cmd, out, errs, cmd.Run())
}

func command(name, dir string, args ...string) (cmd *exec.Cmd, out, errs *bytes.Buffer) {
	cmd = exec.Command(filepath.Join(bin, name), append(args, "--chdir", dir)...)
	out, errs = &bytes.Buffer{}, &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = out, errs
	return cmd, out, errs
}

func wait(t *testing.T, cmd *exec.Cmd, out, errs *bytes.Buffer, err error) ended {
	t.Helper()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Fatal(err)
	}
	return ended{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// want fails unless the run ended with the code, and its output holds all texts.
func (e ended) want(t *testing.T, code int, texts ...string) {
	t.Helper()
	if e.code != code {
		t.Fatalf("want exit %d, got %s", code, e)
	}
	for _, text := range texts {
		if !strings.Contains(e.out+e.err, text) {
			t.Fatalf("want %q in it, got %s", text, e)
		}
	}
}
