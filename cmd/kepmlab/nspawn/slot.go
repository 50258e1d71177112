package nspawn

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	runDir       = "/run/kepmlab" // one file per lab on this machine, named by its slot, holding its directory
	bridge       = "kepmlab0"
	bridgeNet    = "198.18.0.1/15" // for tests of network devices, RFC 2544
	maxSlots     = 511             // 198.18.1.0/24 to 198.19.255.0/24
	instancesKey = "/proc/sys/fs/inotify/max_user_instances"
	instances    = 8192 // each systemd takes about eight; 128 are usual, and end at the 17th host
)

// claim takes the first free slot for the lab in dir. The first lab on the
// machine also makes what all share: the bridge, the control group, the limit.
func claim(ctx context.Context, dir string, all cgroup) (int, error) {
	alone, err := lock(runDir)
	if err != nil {
		return 0, err
	}
	defer alone.Close()
	if len(slots()) == 0 {
		if err := makeShared(ctx, all); err != nil {
			return 0, errors.Join(err, removeShared(context.WithoutCancel(ctx), all))
		}
	}
	for n := 1; n <= maxSlots; n++ {
		if !exists(slotFile(n)) {
			return n, os.WriteFile(slotFile(n), []byte(dir), 0o600)
		}
	}
	return 0, fmt.Errorf("make a lab: %d run on this machine already", maxSlots)
}

// release gives a slot back. The last lab on the machine removes what all shared.
func release(ctx context.Context, n int, all cgroup) error {
	alone, err := lock(runDir)
	if err != nil {
		return err
	}
	defer alone.Close()
	if err := os.Remove(slotFile(n)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(slots()) > 0 {
		return nil
	}
	return removeShared(ctx, all)
}

// owns says whether a slot is that of the lab in dir. After a restart of the
// machine it may be another's, and everything under its name too.
func owns(dir string, n int) bool {
	b, err := os.ReadFile(slotFile(n))
	return err == nil && string(b) == dir
}

func slotFile(n int) string { return filepath.Join(runDir, "slot-"+strconv.Itoa(n)) }

func slots() []string {
	paths, _ := filepath.Glob(filepath.Join(runDir, "slot-*")) // the pattern is well-formed
	return paths
}

func makeShared(ctx context.Context, all cgroup) error {
	if err := all.make(); err != nil {
		return err
	}
	if err := raiseInstances(); err != nil {
		return err
	}
	if !exists("/run/netns") { // ip netns leaves a mount there that nobody asked for
		if err := os.WriteFile(filepath.Join(runDir, "netns"), nil, 0o600); err != nil {
			return err
		}
	}
	commands := "link add " + bridge + " type bridge\naddr add " + bridgeNet + " dev " + bridge + "\nlink set " + bridge + " up\n"
	return run(ctx, commands, "ip", "-batch", "-")
}

func removeShared(ctx context.Context, all cgroup) error {
	var errs []error
	if exists("/sys/class/net/" + bridge) {
		errs = append(errs, run(ctx, "", "ip", "link", "del", bridge))
	}
	if exists(filepath.Join(runDir, "netns")) && os.Remove("/run/netns") != nil {
		_ = run(ctx, "", "umount", "/run/netns") // kept if another program uses it by now
		_ = os.Remove("/run/netns")
	}
	errs = append(errs, restoreInstances(), all.remove(), os.RemoveAll(runDir))
	return errors.Join(errs...)
}

// raiseInstances raises the limit, if it is lower, and notes what it was.
func raiseInstances() error {
	b, err := os.ReadFile(instancesKey)
	if err != nil {
		return err
	}
	if n, err := strconv.Atoi(strings.TrimSpace(string(b))); err != nil || n >= instances {
		return err
	}
	if err := os.WriteFile(filepath.Join(runDir, "instances"), b, 0o600); err != nil {
		return err
	}
	return os.WriteFile(instancesKey, []byte(strconv.Itoa(instances)), 0)
}

// restoreInstances puts the limit back, unless somebody else has set it since.
func restoreInstances() error {
	was, err := os.ReadFile(filepath.Join(runDir, "instances"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	is, err := os.ReadFile(instancesKey)
	if err != nil || strings.TrimSpace(string(is)) != strconv.Itoa(instances) {
		return err
	}
	return os.WriteFile(instancesKey, was, 0)
}
