package bare

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/kepmctl/kepmctl/cmd/kepmlab/standin"
)

// files are the commands of a host: those that packages and services are managed
// with where there is no systemd.
//
//go:embed files
var files embed.FS

// services of a host, in the order they start in.
var services = []string{standin.AgentUnit, standin.WatchdogUnit}

// furnish lays out what a host has of its own. Programs of this machine are there already.
func furnish(name string) error {
	for dir, mode := range map[string]fs.FileMode{
		"/etc/init.d": 0o755, "/etc/rc2.d": 0o755, "/opt/keeper": 0o755, "/root": 0o700, "/run/lock": 0o755, "/tmp": 0o1777,
		"/usr/local/bin": 0o755, "/usr/local/sbin": 0o755, "/var/lib": 0o755, "/var/log": 0o755, "/var/tmp": 0o1777, "/dev/shm": 0o1777,
	} {
		if err := makeDir(dir, mode); err != nil {
			return err
		}
	}
	for path, to := range map[string]string{
		"/var/run": "/run", "/dev/fd": "/proc/self/fd", "/dev/stdin": "/proc/self/fd/0", "/dev/stdout": "/proc/self/fd/1", "/dev/stderr": "/proc/self/fd/2",
	} {
		if err := os.Symlink(to, path); err != nil {
			return err
		}
	}
	for path, text := range map[string]string{
		"/etc/passwd":        "root:x:0:0:root:/root:/bin/sh\n",
		"/etc/group":         "root:x:0:\n",
		"/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
		"/etc/hosts":         "127.0.0.1 localhost " + name + "\n",
		"/etc/hostname":      name + "\n",
	} {
		if err := writeFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	if err := installCommands(); err != nil {
		return err
	}
	return installAgent()
}

func installCommands() error {
	entries, err := files.ReadDir("files")
	if err != nil {
		return err
	}
	for _, e := range entries {
		b, err := files.ReadFile("files/" + e.Name())
		if err != nil {
			return err
		}
		text := strings.NewReplacer("@PROGRAM@", program, "@PACKAGE@", standin.Package, "@VERSION@", standin.Version).Replace(string(b))
		if err := writeFile("/usr/local/sbin/"+e.Name(), []byte(text), 0o755); err != nil {
			return err
		}
	}
	for _, s := range services {
		text := fmt.Sprintf("#!/bin/sh\nexec %s service %s \"$1\"\n", program, s)
		if err := writeFile("/etc/init.d/"+s, []byte(text), 0o755); err != nil {
			return err
		}
		if err := os.Symlink("../init.d/"+s, bootLink(s)); err != nil {
			return err
		}
	}
	return nil
}

// bootLink is there for a service that starts at boot.
func bootLink(service string) string { return "/etc/rc2.d/S01" + service }

// installAgent installs the stand-in. Its watchdog is a program of its own, as the
// agent's is: processes are told apart by their programs.
func installAgent() error {
	if err := standin.Install(standin.Root, program); err != nil {
		return err
	}
	watchdog := filepath.Join(standin.Root, standin.WatchdogUnit)
	b, err := os.ReadFile(program)
	return errors.Join(err, os.Remove(watchdog), writeFile(watchdog, b, 0o755))
}

// makeDir and writeFile set modes themselves: the umask would narrow them.
func makeDir(path string, mode fs.FileMode) error {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return err
	}
	if err := os.Chmod(path, mode.Perm()); err != nil || mode == mode.Perm() {
		return err
	}
	return os.Chmod(path, mode.Perm()|fs.ModeSticky)
}

func writeFile(path string, b []byte, mode fs.FileMode) error {
	if err := os.WriteFile(path, b, mode); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}
