package bare

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// separate are the attributes of a process that begins a host. In a user namespace
// its root is whoever runs this, and there is nobody else.
func separate(root bool) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{
		Setsid:     true, // a Ctrl-C is not for the hosts
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
	}
	if !root {
		a.Cloneflags |= syscall.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	return a
}

// born is when a process began, as the kernel counts, with the boot it began in;
// empty if there is no such process, or only what is left of it.
func born(pid int) string {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(b[strings.LastIndexByte(string(b), ')')+1:]), " ")
	words := strings.Fields(rest)
	if len(words) < 20 || words[0] == "Z" || words[0] == "X" {
		return ""
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return words[19] + "." + strings.TrimSpace(string(boot))
}

// alive says whether a host's first process lives.
func (h *Host) alive() bool { return h.PID > 0 && h.Born != "" && born(h.PID) == h.Born }

// Down ends every host, which takes its processes, mounts and network along, and
// removes the lab's directory with all that is in it.
func (l *Lab) Down(ctx context.Context) error {
	for _, h := range l.hosts {
		if h.alive() {
			if err := syscall.Kill(h.PID, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
				return fmt.Errorf("end host %s (process %d): %w", h.Name, h.PID, err)
			}
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second) // an end half done helps nobody
	defer cancel()
	for _, h := range l.hosts {
		for h.alive() {
			select {
			case <-ctx.Done():
				return fmt.Errorf("end host %s (process %d): it is still there: %w", h.Name, h.PID, ctx.Err())
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
	if err := os.RemoveAll(l.dir); err != nil {
		return fmt.Errorf("remove the lab's directory: %w", err)
	}
	return nil
}
