//go:build e2e

package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Five kinds of drift, made by hand on real hosts: one command tells what happened on
// each, touches nothing, and gives a pipeline its files.
func TestDriftByHand(t *testing.T) {
	var hosts []*host
	for range 5 {
		hosts = append(hosts, borrow(t))
	}
	dir := config(t, "", hosts...)
	kepmctl(t, dir, "apply", "--auto-approve").want(t, 0, "Apply complete! Hosts: 5 changed")
	kepmctl(t, dir, "drift").want(t, 0, "No drift. 5 as declared.")

	hosts[0].sh(t, "chmod 777 /opt/keeper/sbin/Jobs")
	hosts[1].sh(t, "sed -i 's/Warning/Debug/' /opt/keeper/sbin/appsettings.json; systemctl restart keeper-privilege-manager")
	hosts[2].sh(t, "systemctl disable -q keeper-privilege-manager")
	hosts[3].sh(t, "cd /opt/keeper/sbin/Plugins/bin && touch helper && chmod 666 helper")
	// The file is right again, but the agent still runs with what stood in it before.
	hosts[4].sh(t, "cd /opt/keeper/sbin && cp -p appsettings.json /root/right && sed -i 's/localhost;127.0.0.1/*/' appsettings.json && systemctl restart keeper-privilege-manager")
	if err := hosts[4].WaitAgent(t.Context()); err != nil {
		t.Fatal(err)
	}
	hosts[4].sh(t, "cp -p /root/right /opt/keeper/sbin/appsettings.json && touch -d '1 day ago' /opt/keeper/sbin/appsettings.json")
	if err := hosts[1].WaitAgent(t.Context()); err != nil {
		t.Fatal(err)
	}
	var before []string
	for _, h := range hosts {
		before = append(before, h.state(t))
	}
	out := t.TempDir()
	files := map[string]string{"sarif": "d.sarif", "junit": "d.xml", "markdown": "d.md", "gitlab-codequality": "q.json", "json": "d.json"}
	args := []string{"drift"}
	for format, name := range files {
		args = append(args, "--report", format+"="+filepath.Join(out, name))
	}
	e := kepmctl(t, dir, args...)
	e.want(t, 2, "Drift: 5 of 5 hosts in 5 ways.", `permissions["Jobs"]`, `"Debug" -> "Warning"`, "at boot   disabled -> enabled", "writable by everyone", "right in the file, but GET / as the made-up host")
	if lines := strings.Count(e.out, "\n"); lines > 50 {
		t.Errorf("it does not fit on a screen: %d lines", lines)
	}
	for i, h := range hosts {
		if now := h.state(t); now != before[i] {
			t.Errorf("%s was changed:\n%s", h.Spec.Name, difference(before[i], now))
		}
	}
	for _, name := range files {
		if b, err := os.ReadFile(filepath.Join(out, name)); err != nil || len(b) < 200 {
			t.Errorf("%s has %d bytes, %v", name, len(b), err)
		}
	}
	var report struct {
		Groups []struct{ Signature, Control, File string }
	}
	b, err := os.ReadFile(filepath.Join(out, "d.json"))
	if err == nil {
		err = json.Unmarshal(b, &report)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range report.Groups {
		if !strings.HasSuffix(g.File, "lab.kepm.hcl") {
			t.Errorf("%s is wanted at %q", g.Control, g.File)
		}
		if g.Control == "log_level" {
			kepmctl(t, dir, "apply", "--auto-approve", "--signature", g.Signature).want(t, 0, "Apply complete! Hosts: 1 changed")
		}
	}
	kepmctl(t, dir, "drift", "--view", "summary").want(t, 2, "Drift: 4 of 5 hosts in 4 ways.")
}
