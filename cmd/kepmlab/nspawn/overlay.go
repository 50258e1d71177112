package nspawn

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// mountOverlay lays upper over lower, a ":"-separated list of which the first
// lies on top. It makes the directories it needs.
func mountOverlay(root, lower, upper, work string) error {
	for _, dir := range []string{root, upper, work} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	options := "lowerdir=" + lower + ",upperdir=" + upper + ",workdir=" + work
	if err := syscall.Mount("kepmlab", root, "overlay", 0, options); err != nil {
		return fmt.Errorf("mount an overlay on %s: %w", root, err)
	}
	return nil
}

// isMountpoint says whether a file system of its own begins at dir.
func isMountpoint(dir string) bool {
	var here, above syscall.Stat_t
	if syscall.Lstat(dir, &here) != nil || syscall.Lstat(filepath.Dir(dir), &above) != nil {
		return false
	}
	return here.Dev != above.Dev
}

// unmount undoes mountOverlay, if it was done.
func unmount(root string) error {
	if !isMountpoint(root) {
		return nil
	}
	if err := syscall.Unmount(root, 0); err != nil {
		return fmt.Errorf("unmount %s: %w", root, err)
	}
	return nil
}
