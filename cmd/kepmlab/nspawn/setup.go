package nspawn

import (
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

//go:embed scripts/layer.sh
var layerScript string

// What plays the agent's part in elevation on hosts with SudoIntercepted.
var (
	//go:embed files/sudo.sh
	interceptedSudo string
	//go:embed files/keepersudo.sh
	keepersudoScript string
)

// makeLayer makes what all hosts of the lab share on top of the base image, in
// dir: the agent's package, the lab's key and the account's password. What it runs
// there is in group, so that Down can end it, should this program be killed.
func makeLayer(ctx context.Context, dir string, group cgroup, image, deb, publicKey, password string) (err error) {
	root := filepath.Join(dir, "root")
	if err := mountOverlay(root, image, filepath.Join(dir, "upper"), filepath.Join(dir, "work")); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unmount(root)) }()
	b, err := os.ReadFile(deb)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(root, "agent.deb"), b, 0o600); err != nil {
		return err
	}
	install := chroot(ctx, root, layerScript, User, publicKey)
	install.Stdin = strings.NewReader(User + ":" + password + "\n")
	if err := finish(install, func() error { return group.start(install) }); err != nil {
		return fmt.Errorf("install %s: %w", deb, err)
	}
	return nil
}

// newKey makes a key pair of OpenSSH without a passphrase and returns its public half.
func newKey(ctx context.Context, path, comment string) (string, error) {
	if err := run(ctx, "", "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path); err != nil {
		return "", err
	}
	b, err := os.ReadFile(path + ".pub")
	return strings.TrimSpace(string(b)), err
}

// prepare makes the host's own files in Root: who it is, and what its Spec says.
// It returns the public half of the host's key.
func (h *Host) prepare(ctx context.Context) (string, error) {
	if err := h.Mount(); err != nil {
		return "", err
	}
	for path, f := range h.ownFiles() {
		path = filepath.Join(h.Root(), path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return "", err
		}
		if err := os.WriteFile(path, []byte(f.text), f.mode); err != nil {
			return "", err
		}
	}
	if h.Spec.Bare {
		for _, program := range []string{"curl", "openssl", "python3", "python3.11"} {
			if err := os.Remove(filepath.Join(h.Root(), "usr/bin", program)); err != nil {
				return "", err
			}
		}
	}
	return newKey(ctx, filepath.Join(h.Root(), "etc/ssh/ssh_host_ed25519_key"), h.Spec.Name)
}

type ownFile struct {
	text string
	mode fs.FileMode
}

func (h *Host) ownFiles() map[string]ownFile {
	files := map[string]ownFile{
		"etc/hostname":   {h.Spec.Name + "\n", 0o644},
		"etc/hosts":      {"127.0.0.1 localhost\n::1 localhost\n127.0.1.1 " + h.Spec.Name + "\n", 0o644},
		"etc/machine-id": {randomHex(16) + "\n", 0o444},
	}
	sshd := "PermitRootLogin no\n"
	if h.Spec.Root {
		sshd = "PermitRootLogin prohibit-password\n"
	}
	if h.Spec.NoForwarding {
		sshd += "DisableForwarding yes\n"
	}
	files["etc/ssh/sshd_config.d/host.conf"] = ownFile{sshd, 0o644}
	if h.Spec.Sudo != SudoPassword {
		files["etc/sudoers.d/kepmlab"] = ownFile{User + " ALL=(ALL:ALL) NOPASSWD: ALL\n", 0o440}
	}
	if h.Spec.Sudo == SudoIntercepted {
		files["usr/local/bin/sudo"] = ownFile{interceptedSudo, 0o755} // before /usr/bin/sudo on every path
		files["usr/local/bin/keepersudo"] = ownFile{keepersudoScript, 0o755}
		files["usr/local/bin/keeperagent"] = ownFile{keepersudoScript, 0o755}
	}
	if h.Spec.KillUserProcesses {
		files["etc/systemd/logind.conf.d/kepmlab.conf"] = ownFile{"[Login]\nKillUserProcesses=yes\n", 0o644}
	}
	return files
}

// randomHex is a text of 2n hex digits that nobody can guess.
func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
