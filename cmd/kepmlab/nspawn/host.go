package nspawn

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

//go:embed scripts/join.sh
var joinScript string

// A Host is one machine of a lab. Its methods may be called for different hosts
// at once, for one host one after the other; Command and Exec at any time.
type Host struct {
	Spec    Spec
	Address string // IPv4, reachable from this machine; sshd listens on port 22

	dir     string // what is this host's in the lab's directory
	lower   string // its read-only layers, as overlayfs takes them
	machine string // unique on this machine
	cgroup  cgroup
	wire    wire
	timeout time.Duration
}

// Root is the host's file system as this machine sees it. It is there while the
// host runs, and after Mount.
func (h *Host) Root() string { return filepath.Join(h.dir, "root") }

// ConsoleLog is the file that holds what the host's boots wrote on the console.
func (h *Host) ConsoleLog() string { return filepath.Join(h.dir, "console.log") }

// PID is the host's process number 1 as this machine counts; 0: it is off.
func (h *Host) PID() int { return h.cgroup.init() }

// Mount makes Root of a host that is off, to change it before the next Boot.
func (h *Host) Mount() error {
	if isMountpoint(h.Root()) {
		return nil
	}
	return mountOverlay(h.Root(), h.lower, filepath.Join(h.dir, "upper"), filepath.Join(h.dir, "work"))
}

// Boot starts a host that is off and returns once one can log in. It waits as
// long as Options.Timeout said; its error ends with the last lines of the console.
func (h *Host) Boot(ctx context.Context) error {
	if h.PID() != 0 {
		return fmt.Errorf("boot %s: it runs already", h.Spec.Name)
	}
	if err := errors.Join(h.Mount(), h.cgroup.make()); err != nil {
		return fmt.Errorf("boot %s: %w", h.Spec.Name, err)
	}
	ended, err := h.spawn()
	if err != nil {
		return fmt.Errorf("boot %s: %w", h.Spec.Name, err)
	}
	within, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	over := false
	came := poll(within, 100*time.Millisecond, func() bool {
		select {
		case <-ended:
			over = true
		default:
		}
		pid := h.PID()
		return over || pid != 0 && acceptsLogins(pid)
	})
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("boot %s: %w", h.Spec.Name, ctx.Err())
	case over:
		return fmt.Errorf("boot %s: it ended at once; %s", h.Spec.Name, h.lastWords())
	case !came:
		return fmt.Errorf("boot %s: it did not come up within %s; %s", h.Spec.Name, h.timeout, h.lastWords())
	}
	return nil
}

// lastWords is the end of the console's log, for messages.
func (h *Host) lastWords() string {
	b, err := os.ReadFile(h.ConsoleLog())
	if err != nil {
		return err.Error()
	}
	return "the end of " + h.ConsoleLog() + ":\n" + lastLines(string(b), 10)
}

// spawn starts the container in a session of its own, so that it outlives this
// program. The channel is closed when its supervisor ends.
func (h *Host) spawn() (<-chan struct{}, error) {
	console, err := os.OpenFile(h.ConsoleLog(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer console.Close()
	args := append([]string{"-c", joinScript, "kepmlab"}, h.cgroup.dirs[1:]...)
	cmd := exec.Command("/bin/sh", append(args, "--",
		"systemd-nspawn", "--quiet", "--boot",
		"--keep-unit", "--register=no", "--settings=no", // this machine's systemd, if it has one, is not asked
		"--machine="+h.machine, "--hostname="+h.Spec.Name, "--directory="+h.Root(),
		"--network-namespace-path="+h.wire.path(),
		"--link-journal=no", "--resolv-conf=off", "--timezone=off", "--console=read-only")...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "SYSTEMD_NSPAWN_LOCK=0"}
	cmd.Stdout, cmd.Stderr = console, console
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := h.cgroup.start(cmd); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // a power cut is no error
		close(ended)
	}()
	return ended, nil
}

// WaitAgent waits until the agent's HTTPS port is open, as long as
// Options.Timeout said. Its error ends with the last lines of the agent's unit.
func (h *Host) WaitAgent(ctx context.Context) error {
	within, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	if poll(within, 100*time.Millisecond, func() bool {
		pid := h.PID()
		return pid != 0 && listening(pid, agentPort)
	}) {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("wait for the agent on %s: %w", h.Spec.Name, ctx.Err())
	}
	why, err := h.Exec(ctx, "systemctl", "status", "--no-pager", "--lines=5", "keeper-privilege-manager")
	if why == "" && err != nil {
		why = err.Error()
	}
	return fmt.Errorf("wait for the agent on %s: port %d is not open after %s:\n%s", h.Spec.Name, agentPort, h.timeout, why)
}

// PowerCut ends the host at once, as if its plug were pulled: nothing is told,
// nothing is finished. What was written to its disk is there at the next Boot;
// /run and /tmp are not. It returns when every process is gone. A host that is
// off stays off.
func (h *Host) PowerCut(ctx context.Context) error {
	if err := h.cgroup.kill(ctx); err != nil {
		return fmt.Errorf("cut the power of %s: %w", h.Spec.Name, err)
	}
	if err := errors.Join(unmount(h.Root()), h.cgroup.remove()); err != nil {
		return fmt.Errorf("cut the power of %s: %w", h.Spec.Name, err)
	}
	return nil
}

// CutNetwork unplugs the host: connections hang, nobody is told. Its loopback
// interface goes on working.
func (h *Host) CutNetwork(ctx context.Context) error { return h.wire.set(ctx, "down") }

// RestoreNetwork plugs the host in again, under the same address.
func (h *Host) RestoreNetwork(ctx context.Context) error { return h.wire.set(ctx, "up") }

// Command prepares a program to run inside the host as root, whatever the state
// of its network. The caller may set its streams, then runs it. Ending ctx kills it.
func (h *Host) Command(ctx context.Context, argv ...string) (*exec.Cmd, error) {
	pid := h.PID()
	if pid == 0 {
		return nil, fmt.Errorf("run %v on %s: it is off", argv, h.Spec.Name)
	}
	args := append([]string{
		"--target", strconv.Itoa(pid), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--",
		"env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C", "TERM=dumb",
	}, argv...)
	cmd := exec.CommandContext(ctx, "nsenter", args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd, nil
}

// Exec runs a program inside the host as root and returns its standard output.
// An exit other than 0 is an error, an *exec.ExitError inside, that carries the
// end of its standard error.
func (h *Host) Exec(ctx context.Context, argv ...string) (string, error) {
	cmd, err := h.Command(ctx, argv...)
	if err != nil {
		return "", err
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("run %v on %s: %w: %s", argv, h.Spec.Name, err, lastLines(errs.String(), 5))
	}
	return out.String(), nil
}

// remove takes everything of the host off the machine, but its directory.
func (h *Host) remove(ctx context.Context) error {
	propagated := filepath.Join("/run/systemd/nspawn/propagate", h.machine)
	return errors.Join(h.PowerCut(ctx), h.wire.remove(ctx), os.RemoveAll(propagated))
}
