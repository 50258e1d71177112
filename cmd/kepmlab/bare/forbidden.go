package bare

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// errForbidden is the error of a system that does not let this user make hosts.
var errForbidden = errors.New("this system does not allow it")

// forbidden says whether an error is a system's refusal to give a process namespaces
// or what belongs to them.
func forbidden(err error) bool {
	for _, e := range []error{syscall.EPERM, syscall.EACCES, syscall.ENOSPC, syscall.EUSERS, syscall.ENOSYS, syscall.EINVAL} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// explain adds to a refusal what to enable.
func explain(err error, root bool) error {
	if _, is := errors.AsType[syscall.Errno](err); is && !forbidden(err) {
		return err
	}
	if root {
		return fmt.Errorf("make its namespaces: %w: %w even for root; a container must be privileged for it "+
			"(docker run --privileged), or run kepmlab outside of the container", err, errForbidden)
	}
	return fmt.Errorf("make its namespaces: %w: %w to ordinary users; %s", err, errForbidden, remedy(readSetting))
}

// remedy says what to enable, as this system's settings suggest.
func remedy(read func(path string) string) string {
	var fixes []string
	for _, s := range []struct{ path, bad, fix string }{
		{"/proc/sys/kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"},
		{"/proc/sys/user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=15000"},
		{
			"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1",
			"sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 (AppArmor on Ubuntu 23.10 and later; " +
				"or give kepmlab an AppArmor profile with the rule userns)",
		},
	} {
		if read(s.path) == s.bad {
			fixes = append(fixes, s.fix)
		}
	}
	if len(fixes) == 0 {
		return "no setting of the kernel says why (kernel.unprivileged_userns_clone, user.max_user_namespaces, " +
			"kernel.apparmor_restrict_unprivileged_userns): a container or a security module forbids it; " +
			"run kepmlab as root, or outside of the container"
	}
	return "enable it until the next boot, as root, with: " + strings.Join(fixes, "; ") + "; or run kepmlab as root"
}

func readSetting(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return "" // a kernel without this setting
	}
	return strings.TrimSpace(string(b))
}
