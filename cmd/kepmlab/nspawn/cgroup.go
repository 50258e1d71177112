package nspawn

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// cgroupMount is where Linux distributions mount control groups.
const cgroupMount = "/sys/fs/cgroup"

// A cgroup is the control group that holds everything of one host: its
// supervisor and, in a namespace of their own, its processes. It is how they are
// found again, by whatever program.
type cgroup struct {
	dirs []string // one per hierarchy; the first is version 2
}

// below is a group in this one.
func (c cgroup) below(name string) cgroup {
	var b cgroup
	for _, dir := range c.dirs {
		b.dirs = append(b.dirs, filepath.Join(dir, name))
	}
	return b
}

// rootCgroup is the group of all labs, below the mounts of control groups in
// root, /sys/fs/cgroup: version 2 alone, or beside systemd's of version 1 (hybrid).
func rootCgroup(root string) (cgroup, error) {
	hierarchies := []string{root}
	if !exists(filepath.Join(root, "cgroup.procs")) {
		hierarchies = []string{filepath.Join(root, "unified"), filepath.Join(root, "systemd")}
	}
	var c cgroup
	for _, h := range hierarchies {
		if !exists(filepath.Join(h, "cgroup.procs")) {
			return c, fmt.Errorf("find control groups: %s is none: version 2 must be mounted, alone or in hybrid mode", h)
		}
		c.dirs = append(c.dirs, filepath.Join(h, "kepmlab"))
	}
	return c, nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func (c cgroup) make() error {
	for _, dir := range c.dirs {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	return nil
}

// start starts a program as a member of the group in version 2 from its first
// instruction on, so that nothing escapes a later kill.
func (c cgroup) start(cmd *exec.Cmd) error {
	dir, err := os.Open(c.dirs[0])
	if err != nil {
		return err
	}
	defer dir.Close()
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(dir.Fd())
	return cmd.Start()
}

// pids are the processes in the group and below. A group that is not there has none.
func (c cgroup) pids() []int {
	var pids []int
	_ = filepath.WalkDir(c.dirs[0], func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Base(path) != "cgroup.procs" {
			return nil //nolint:nilerr // groups come and go while they are looked at
		}
		b, _ := os.ReadFile(path)
		for word := range strings.FieldsSeq(string(b)) {
			if pid, err := strconv.Atoi(word); err == nil {
				pids = append(pids, pid)
			}
		}
		return nil
	})
	return pids
}

// init is the process that is number 1 in its namespace; 0: there is none.
func (c cgroup) init() int {
	for _, pid := range c.pids() {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err == nil && isInit(string(b)) {
			return pid
		}
	}
	return 0
}

// isInit reads the NSpid line of /proc/PID/status: the process's number in each
// namespace, from the outermost in.
func isInit(status string) bool {
	for line := range strings.Lines(status) {
		if numbers, ok := strings.CutPrefix(line, "NSpid:"); ok {
			words := strings.Fields(numbers)
			return len(words) > 1 && words[len(words)-1] == "1"
		}
	}
	return false
}

// kill ends everything in the group as a power cut would: number 1 first, whose
// end the kernel follows up with that of its whole namespace, so that the
// supervisor may still tidy up; then whatever is left. It returns once all are gone.
func (c cgroup) kill(ctx context.Context) error {
	if pid := c.init(); pid != 0 {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
		c.gone(ctx, 5*time.Second)
	}
	if len(c.pids()) == 0 {
		return nil
	}
	if err := os.WriteFile(filepath.Join(c.dirs[0], "cgroup.kill"), []byte("1"), 0); err != nil {
		return err
	}
	if !c.gone(ctx, 10*time.Second) {
		return fmt.Errorf("end processes %v: they outlive SIGKILL", c.pids())
	}
	return nil
}

func (c cgroup) gone(ctx context.Context, within time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return poll(ctx, 20*time.Millisecond, func() bool { return len(c.pids()) == 0 })
}

// remove removes the group, which must hold no process, and those below, deepest first.
func (c cgroup) remove() error {
	for _, dir := range c.dirs {
		var dirs []string
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, path)
			}
			return nil
		})
		for i := len(dirs) - 1; i >= 0; i-- {
			if err := syscall.Rmdir(dirs[i]); err != nil {
				return fmt.Errorf("remove control group %s: %w", dirs[i], err)
			}
		}
	}
	return nil
}

// poll asks again and again until the answer is yes or ctx ends.
func poll(ctx context.Context, every time.Duration, done func() bool) bool {
	for !done() {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(every):
		}
	}
	return true
}
