//go:build unix

package ssh

import (
	"os"
	"syscall"
)

// lock waits until no other process works on the file. Closing it ends the lock.
func lock(f *os.File) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if err != syscall.EINTR {
			return err
		}
	}
}

// mine says whether nobody but this account and root can write a file.
func mine(info os.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && (s.Uid == 0 || int(s.Uid) == os.Getuid()) && info.Mode().Perm()&0o022 == 0
}
