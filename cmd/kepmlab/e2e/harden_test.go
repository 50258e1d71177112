//go:build e2e

package e2e

import (
	"path/filepath"
	"strings"
	"testing"
)

// Every kind of host is hardened, proven, and left alone by the next plan.
func TestHarden(t *testing.T) {
	var hosts []*host
	for _, name := range []string{"root", "kill", "bare", "noforward", "password"} {
		hosts = append(hosts, named(t, name))
	}
	dir := config(t, "", hosts...)
	file := filepath.Join(t.TempDir(), "lab.plan")
	kepmctl(t, dir, "plan", "--detailed-exitcode", "--out", file).want(t, 2, "Plan: 5 of 5 hosts to change", `"*" -> "localhost;127.0.0.1"`, "Carry it out with: kepmctl apply")
	kepmctl(t, dir, "show", file).want(t, 0, "Plan: 5 of 5 hosts to change")
	kepmctl(t, dir, "apply", file).want(t, 0, "Apply complete! Hosts: 5 changed. Restarts: 5.")
	kepmctl(t, dir, "plan", "--detailed-exitcode").want(t, 0, "No changes. 5 of 5 hosts match the configuration.")
	kepmctl(t, dir, "apply", file).want(t, 0, "5 unchanged")
	for _, h := range hosts {
		h.settled(t)
		if h.Spec.Bare {
			continue
		}
		if got := h.sh(t, `curl -sk -o /dev/null -w '%{http_code} ' -H 'Host: evil.example' https://127.0.0.1:6889/; curl -sk -o /dev/null -w '%{http_code}' https://localhost:6889/`); got != "400 200" {
			t.Errorf("%s: the Host filter answers %q", h.Spec.Name, got)
		}
		settings := h.sh(t, "cat /opt/keeper/sbin/appsettings.json")
		if !strings.HasPrefix(settings, "\xef\xbb\xbf") || strings.Contains(strings.ReplaceAll(settings, "\r\n", ""), "\n") {
			t.Errorf("%s: BOM or line ends were lost: %q", h.Spec.Name, settings)
		}
	}
}

// A set-uid helper keeps its bit, a file somebody owns goes to root.
func TestTreeKeepsSetuid(t *testing.T) {
	h := borrow(t)
	h.sh(t, `cd /opt/keeper/sbin/Plugins/bin && cp /bin/true helper && chmod 4777 helper && cp /bin/true theirs && chown ops theirs && chmod 4775 theirs`)
	dir := config(t, "", h)
	kepmctl(t, dir, "apply", "--auto-approve").want(t, 0, "Apply complete!")
	if got := h.sh(t, `cd /opt/keeper/sbin/Plugins/bin && stat -c '%a %U' helper theirs`); got != "4755 root\n755 root\n" {
		t.Errorf("helper and theirs are %q", got)
	}
}

// Users plant links in a directory they may write, while its permissions are set:
// nothing outside the tree changes.
func TestPlantedLinks(t *testing.T) {
	h := borrow(t)
	h.sh(t, `mkdir -p /srv/victim && touch /srv/victim/file && chmod 777 /srv/victim && chmod 666 /srv/victim/file && chown -R ops /srv/victim
		mkdir -p /opt/keeper/sbin/Jobs/deep && chown ops /opt/keeper/sbin/Jobs/deep && chmod 777 /opt/keeper/sbin/Jobs/deep
		for i in 0 1 2 3 4 5 6 7 8 9; do mkdir -p /opt/keeper/sbin/Jobs/d$i && chmod 777 /opt/keeper/sbin/Jobs/d$i; done
		systemd-run -q --unit=planter -p User=ops sh -c 'cd /opt/keeper/sbin/Jobs; while :; do
			for i in 0 1 2 3 4 5 6 7 8 9; do mv d$i x$i 2>/dev/null; ln -s /srv/victim d$i 2>/dev/null; rm -f d$i; mv x$i d$i 2>/dev/null; done
			touch deep/f; rm -f deep/f; ln -s /srv/victim/file deep/f; rm -f deep/f; done'`)
	t.Cleanup(func() { h.sh(t, "systemctl stop planter; rm -rf /srv/victim") })
	dir := config(t, "", h)
	for range 5 {
		h.sh(t, "cd /opt/keeper/sbin/Jobs && chmod 777 . && chown root . && chmod 777 d? deep 2>/dev/null; true")
		kepmctl(t, dir, "apply", "--auto-approve")
		if got := h.sh(t, `stat -c '%a %U' /srv/victim /srv/victim/file`); got != "777 ops\n666 ops\n" {
			t.Fatalf("outside the tree: %q", got)
		}
	}
}
