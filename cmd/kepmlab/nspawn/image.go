package nspawn

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

//go:embed scripts/image.sh
var imageScript string

// packages of the base image, beside Debian's minimal set. curl, openssl and acl
// are what an ordinary server has; a bare host loses them again.
const packages = "systemd,systemd-sysv,dbus,libpam-systemd,openssh-server,sudo,iproute2,procps,curl,openssl,acl,python3"

// baseImage returns the base image's directory in the cache, and makes it first
// if need be: built beside its place, then renamed, so that what has the name is
// whole. The name is a digest of what goes in.
func baseImage(ctx context.Context, o Options) (string, error) {
	alone, err := lock(o.Cache)
	if err != nil {
		return "", err
	}
	defer alone.Close()
	digest := sha256.Sum256([]byte(packages + "\n" + User + "\n" + imageScript))
	image := filepath.Join(o.Cache, suite+"-"+hex.EncodeToString(digest[:6]))
	if _, err := os.Stat(image); !errors.Is(err, fs.ErrNotExist) {
		return image, err
	}
	o.Progress("making the base image in " + image + " (about a minute, once)")
	build := filepath.Join(o.Cache, "unfinished")
	if err := removeTree(build); err != nil { // what a killed program left
		return "", err
	}
	if err := buildImage(ctx, o, build, alone); err != nil {
		return "", errors.Join(fmt.Errorf("make the base image: %w", err), removeTree(build))
	}
	return image, os.Rename(build, image)
}

// buildImage makes an image in dir. The lock is handed on to debootstrap: should
// this program be killed, the next one waits for debootstrap's end.
func buildImage(ctx context.Context, o Options, dir string, alone *os.File) error {
	m := mirror{url: o.Mirror}
	if m.url == "" {
		var err error
		if m, err = aptMirror("/etc/apt"); err != nil {
			return err
		}
	}
	// In namespaces of its own, so that an interrupt leaves no process and no mount.
	args := []string{"--mount", "--pid", "--fork", "--kill-child", "debootstrap", "--variant=minbase", "--include=" + packages}
	if m.keyring != "" {
		args = append(args, "--keyring="+m.keyring)
	}
	bootstrap := exec.CommandContext(ctx, "unshare", append(args, suite, dir, m.url)...)
	bootstrap.ExtraFiles = []*os.File{alone}
	if err := finish(bootstrap, bootstrap.Start); err != nil {
		return err
	}
	trim := chroot(ctx, dir, imageScript, User)
	return finish(trim, trim.Start)
}

// lock makes dir if need be and waits for the right to be alone with it, among
// all that ask here, until the file is closed. Its holder may remove the directory.
func lock(dir string) (*os.File, error) {
	for {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
		f, err := os.Open(dir)
		if err != nil {
			return nil, err
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
			_ = f.Close()
			return nil, fmt.Errorf("lock %s: %w", dir, err)
		}
		held, err1 := f.Stat()
		there, err2 := os.Stat(dir)
		if err1 == nil && err2 == nil && os.SameFile(held, there) {
			return f, nil
		}
		_ = f.Close() // its last holder removed it
	}
}

// removeTree removes a directory, unless something is mounted in it.
func removeTree(dir string) error {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	if strings.Contains(string(mounts), " "+dir+"/") || strings.Contains(string(mounts), " "+dir+" ") {
		return fmt.Errorf("remove %s: something is still mounted there", dir)
	}
	return os.RemoveAll(dir)
}
