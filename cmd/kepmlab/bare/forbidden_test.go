package bare

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestExplain(t *testing.T) {
	err := &fs.PathError{Op: "fork/exec", Path: "kepmlab", Err: syscall.EPERM}
	for name, c := range map[string]struct {
		root bool
		want string
	}{
		"user": {false, "to ordinary users"},
		"root": {true, "privileged"},
	} {
		got := explain(err, c.root)
		if !errors.Is(got, errForbidden) || !errors.Is(got, syscall.EPERM) || !strings.Contains(got.Error(), c.want) {
			t.Errorf("%s: %s", name, got)
		}
	}
	if got := explain(syscall.ENOENT, false); errors.Is(got, errForbidden) {
		t.Errorf("what is not there is not forbidden: %s", got)
	}
}

func TestRemedy(t *testing.T) {
	for setting, c := range map[string]struct{ value, want string }{
		"unprivileged_userns_clone":             {"0", "sysctl -w kernel.unprivileged_userns_clone=1"},
		"max_user_namespaces":                   {"0", "sysctl -w user.max_user_namespaces="},
		"apparmor_restrict_unprivileged_userns": {"1", "AppArmor"},
		"nothing":                               {"", "no setting of the kernel says why"},
	} {
		got := remedy(func(path string) string {
			if strings.HasSuffix(path, "/"+setting) {
				return c.value
			}
			return ""
		})
		if !strings.Contains(got, c.want) || strings.Count(got, "sysctl") > 1 {
			t.Errorf("%s: %s", setting, got)
		}
	}
}

func TestBorn(t *testing.T) {
	me := born(os.Getpid())
	if me == "" || me != born(os.Getpid()) {
		t.Errorf("this process: %q", me)
	}
	if h := (&Host{PID: os.Getpid(), Born: "1." + me}); h.alive() {
		t.Error("a later process of the same number passes for a host")
	}
	if b := born(1 << 30); b != "" {
		t.Errorf("a process that cannot be: %q", b)
	}
}
