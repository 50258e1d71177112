package nspawn

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// checkMachine says what this machine or this account lacks, before anything is made.
func checkMachine() error {
	if os.Geteuid() != 0 {
		return errors.New("make a lab: only root can")
	}
	var missing []string
	for _, p := range []struct{ program, pkg string }{
		{"debootstrap", "debootstrap"},
		{"systemd-nspawn", "systemd-container"},
		{"ip", "iproute2"},
		{"nsenter", "util-linux"},
		{"ssh-keygen", "openssh-client"},
	} {
		if _, err := exec.LookPath(p.program); err != nil {
			missing = append(missing, p.pkg)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("make a lab: programs are missing: apt-get install %s", strings.Join(missing, " "))
	}
	return nil
}

// run runs a program of this machine, with text on its standard input. Its error
// carries the end of what the program said.
func run(ctx context.Context, text, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin = strings.NewReader(text)
	return finish(cmd, cmd.Start)
}

// finish starts a program, by whatever means, and waits for its end.
func finish(cmd *exec.Cmd, start func() error) error {
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	err := start()
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		return fmt.Errorf("run %s: %w: %s", strings.Join(firstWords(cmd.Args), " "), err, lastLines(said.String(), 5))
	}
	return nil
}

// firstWords keeps scripts and long lists out of messages.
func firstWords(args []string) []string { return args[:min(len(args), 3)] }

// lastLines is the end of a text, for messages.
func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// chroot prepares a script to run inside root, before it is a host: with a clean
// environment, and without a systemd to talk to.
func chroot(ctx context.Context, root, script string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "chroot", append([]string{root, "/bin/sh", "-c", script, "kepmlab"}, args...)...)
	cmd.Env = []string{
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C",
		"DEBIAN_FRONTEND=noninteractive", "SYSTEMD_OFFLINE=1",
	}
	return cmd
}
