package bare

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// shared are what a host has from this machine, to read: programs, libraries, and
// what these look up in /etc. All else is the host's own, in memory.
var shared = []string{
	"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix", "/gnu",
	"/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/localtime", "/etc/ssl", "/etc/static",
}

// devices are the only ones there are.
var devices = []string{"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"}

// makeRoot makes a file system in memory at a mount point that nobody else sees,
// and makes it the root. Nothing of this machine can be written to from then on.
func makeRoot(at, exe string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("separate its mounts from this machine's: %w", err)
	}
	if err := unix.Mount("kepmlab", at, "tmpfs", unix.MS_NOSUID, "mode=0755,size=512m"); err != nil {
		return fmt.Errorf("mount its root file system: %w", err)
	}
	for _, dir := range []string{"dev", "etc", "opt/kepmlab", "proc", "old"} {
		if err := os.MkdirAll(filepath.Join(at, dir), 0o755); err != nil {
			return err
		}
	}
	for _, path := range shared {
		if err := share(path, filepath.Join(at, path), true); err != nil {
			return err
		}
	}
	for _, path := range devices {
		if err := share(path, filepath.Join(at, path), false); err != nil {
			return err
		}
	}
	if err := share(exe, filepath.Join(at, program), true); err != nil {
		return err
	}
	// While this machine's /proc is still in sight: a new one is only given to who could see all of that.
	if err := unix.Mount("proc", filepath.Join(at, "proc"), "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount its /proc: %w", err)
	}
	return enter(at)
}

// enter makes a mount the root, and lets go of the old one.
func enter(at string) error {
	if err := unix.PivotRoot(at, filepath.Join(at, "old")); err != nil {
		return fmt.Errorf("enter its root file system: %w", err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	if err := unix.Unmount("/old", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leave this machine's root file system: %w", err)
	}
	if err := os.Remove("/old"); err != nil {
		return err
	}
	// What was added to this machine by hand is none of the host's; its own commands come here.
	if err := unix.Mount("kepmlab", "/usr/local", "tmpfs", unix.MS_NOSUID, "mode=0755"); err != nil {
		return fmt.Errorf("mount its /usr/local: %w", err)
	}
	return nil
}

// share makes a file, directory or link of this machine appear on the host. What
// this machine does not have, the host has not either.
func share(source, target string, readOnly bool) error {
	info, err := os.Lstat(source)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode()&fs.ModeSymlink != 0:
		to, err := os.Readlink(source)
		if err != nil {
			return err
		}
		return os.Symlink(to, target)
	case info.IsDir():
		err = os.MkdirAll(target, 0o755)
	default:
		err = os.WriteFile(target, nil, 0o644)
	}
	if err != nil {
		return err
	}
	if err := unix.Mount(source, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("share %s with it: %w", source, err)
	}
	if !readOnly {
		return nil
	}
	if err := remountReadOnly(target); err != nil {
		return fmt.Errorf("share %s with it, to read: %w", source, err)
	}
	return nil
}

// remountReadOnly keeps the flags that a user namespace may not take away.
func remountReadOnly(target string) error {
	var st unix.Statfs_t
	if err := unix.Statfs(target, &st); err != nil {
		return err
	}
	flags := uintptr(unix.MS_BIND | unix.MS_REMOUNT | unix.MS_RDONLY)
	for _, f := range []struct{ has, keep uintptr }{
		{unix.ST_NOSUID, unix.MS_NOSUID},
		{unix.ST_NODEV, unix.MS_NODEV},
		{unix.ST_NOEXEC, unix.MS_NOEXEC},
		{unix.ST_NOATIME, unix.MS_NOATIME},
		{unix.ST_NODIRATIME, unix.MS_NODIRATIME},
		{unix.ST_RELATIME, unix.MS_RELATIME},
	} {
		if uintptr(st.Flags)&f.has != 0 {
			flags |= f.keep
		}
	}
	return unix.Mount("", target, "", flags, "")
}
