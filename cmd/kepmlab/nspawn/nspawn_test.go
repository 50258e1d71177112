package nspawn

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestOptionsDefaults(t *testing.T) {
	o, err := Options{Dir: "x", Deb: "a.deb", Hosts: []Spec{{Name: "lab-01"}}}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	if !filepath.IsAbs(o.Dir) || o.Cache != DefaultCache || o.Parallel != 10 || o.Timeout != 90*time.Second || o.Progress == nil {
		t.Errorf("got %+v", o)
	}
}

func TestOptionsRefused(t *testing.T) {
	hosts := []Spec{{Name: "a"}}
	for name, c := range map[string]struct {
		o    Options
		want string
	}{
		"no package":      {Options{Dir: "x", Hosts: hosts}, "no package"},
		"colon in path":   {Options{Dir: "/a:b", Deb: "d", Hosts: hosts}, "may not contain"},
		"no hosts":        {Options{Dir: "x", Deb: "d"}, "1 to 250"},
		"too many hosts":  {Options{Dir: "x", Deb: "d", Hosts: make([]Spec, 251)}, "1 to 250"},
		"path as a name":  {Options{Dir: "x", Deb: "d", Hosts: []Spec{{Name: "../a"}}}, "a name is"},
		"same name twice": {Options{Dir: "x", Deb: "d", Hosts: []Spec{{Name: "a"}, {Name: "a"}}}, "another has this name"},
		"unknown sudo":    {Options{Dir: "x", Deb: "d", Hosts: []Spec{{Name: "a", Sudo: "x"}}}, "unknown kind of sudo"},
	} {
		if _, err := c.o.withDefaults(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func TestHasListener(t *testing.T) {
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid
   0: 0100007F:1AE9 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0
   1: 0100007F:0016 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0
   2: 00000000000000000000000000000000:21E3 00000000000000000000000000000000:0000 0A 0 0
`
	for port, want := range map[int]bool{6889: true, 22: false, 8675: true, 54321: false} {
		if got := hasListener(table, port); got != want {
			t.Errorf("port %d: %v", port, got)
		}
	}
}

func TestIsInit(t *testing.T) {
	for status, want := range map[string]bool{
		"Name:\tsystemd\nNSpid:\t14007\t1\n":    true,
		"Name:\tsystemd\nNSpid:\t9\t14007\t1\n": true,
		"Name:\tinit\nNSpid:\t1\n":              false, // this machine's own
		"Name:\tsshd\nNSpid:\t14041\t31\n":      false,
		"Name:\tx\n":                            false,
	} {
		if got := isInit(status); got != want {
			t.Errorf("%q: %v", status, got)
		}
	}
}

func TestRootCgroup(t *testing.T) {
	touch := func(t *testing.T, paths ...string) string {
		root := t.TempDir()
		for _, p := range paths {
			p = filepath.Join(root, p)
			if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(p, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return root
	}
	for _, c := range []struct {
		name  string
		files []string
		want  []string // below the root; none: refused
	}{
		{"version 2", []string{"cgroup.procs"}, []string{"kepmlab"}},
		{"hybrid", []string{"unified/cgroup.procs", "systemd/cgroup.procs"}, []string{"unified/kepmlab", "systemd/kepmlab"}},
		{"version 1", []string{"systemd/cgroup.procs"}, nil},
	} {
		root := touch(t, c.files...)
		got, err := rootCgroup(root)
		var want []string
		for _, w := range c.want {
			want = append(want, filepath.Join(root, w))
		}
		if want == nil {
			if err == nil {
				t.Errorf("%s: accepted: %v", c.name, got.dirs)
			}
			continue
		}
		if err != nil || strings.Join(got.dirs, " ") != strings.Join(want, " ") {
			t.Errorf("%s: got %v, %v, want %v", c.name, got.dirs, err, want)
		}
	}
}

func TestNewWire(t *testing.T) {
	for _, c := range []struct {
		slot, index   int
		address, plug string
	}{
		{1, 1, "198.18.1.1", "kl1-1"},
		{255, 250, "198.18.255.250", "kl255-250"},
		{256, 1, "198.19.0.1", "kl256-1"},
		{maxSlots, maxHosts, "198.19.255.250", "kl511-250"},
	} {
		w := newWire(c.slot, c.index)
		if w.address != c.address || w.plug != c.plug || len(w.plug) > 15 {
			t.Errorf("newWire(%d, %d) = %+v", c.slot, c.index, w)
		}
	}
}

func TestOwnFiles(t *testing.T) {
	text := func(s Spec, path string) string {
		h := &Host{Spec: s}
		return h.ownFiles()[path].text
	}
	for _, c := range []struct {
		spec Spec
		path string
		want string
	}{
		{Spec{}, "etc/sudoers.d/kepmlab", "ops ALL=(ALL:ALL) NOPASSWD: ALL\n"},
		{Spec{Sudo: SudoPassword}, "etc/sudoers.d/kepmlab", ""},
		{Spec{}, "etc/ssh/sshd_config.d/host.conf", "PermitRootLogin no\n"},
		{Spec{Root: true, NoForwarding: true}, "etc/ssh/sshd_config.d/host.conf", "PermitRootLogin prohibit-password\nDisableForwarding yes\n"},
		{Spec{}, "etc/systemd/logind.conf.d/kepmlab.conf", ""},
		{Spec{KillUserProcesses: true}, "etc/systemd/logind.conf.d/kepmlab.conf", "[Login]\nKillUserProcesses=yes\n"},
		{Spec{Name: "a"}, "etc/hostname", "a\n"},
	} {
		if got := text(c.spec, c.path); got != c.want {
			t.Errorf("%+v: %s is %q, want %q", c.spec, c.path, got, c.want)
		}
	}
	if a, b := text(Spec{}, "etc/machine-id"), text(Spec{}, "etc/machine-id"); len(a) != 33 || a == b {
		t.Errorf("machine ids %q and %q", a, b)
	}
}

func TestOpenFindsWhatWasWritten(t *testing.T) {
	dir := t.TempDir()
	s := state{Slot: 3, Image: "/image", Timeout: time.Second, Hosts: []hostState{{Spec: Spec{Name: "a", Bare: true}}, {Spec: Spec{Name: "b"}}}}
	if err := writeState(dir, s); err != nil {
		t.Fatal(err)
	}
	l, err := Open(dir)
	if err != nil {
		t.Skip(err) // a machine without the control groups that hosts need
	}
	h, err := l.Host("b")
	if err != nil {
		t.Fatal(err)
	}
	if h.Address != "198.18.3.2" || h.timeout != time.Second || !strings.HasSuffix(h.lower, ":/image") || !l.Hosts()[0].Spec.Bare {
		t.Errorf("got %+v", h)
	}
	if h.PID() != 0 {
		t.Error("a host that was never booted runs")
	}
	if _, err := l.Host("c"); err == nil {
		t.Error("a host that is not there was found")
	}
	if _, err := Open(t.TempDir()); err == nil {
		t.Error("an empty directory was opened")
	}
}

func TestLock(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	first, err := lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	second := make(chan error)
	go func() {
		f, err := lock(dir)
		if err == nil {
			err = f.Close()
		}
		second <- err
	}()
	select {
	case <-second:
		t.Fatal("two hold the lock")
	case <-time.After(50 * time.Millisecond):
	}
	if err := os.Remove(dir); err != nil { // its holder may: the second then makes it anew
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-second; err != nil || !exists(dir) {
		t.Errorf("second: %v, directory there: %v", err, exists(dir))
	}
}
