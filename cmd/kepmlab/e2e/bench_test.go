//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestBench measures a plan and an apply of all plain hosts against OpenSSH running
// the same script (the floor) and against Ansible with an equivalent playbook. It
// asserts nothing about time. KEPM_BENCH=1 makes it run.
func TestBench(t *testing.T) {
	if os.Getenv("KEPM_BENCH") == "" {
		t.Skip("a benchmark: make bench")
	}
	var hosts []*host
	for _, n := range fleet.Hosts()[5:] {
		hosts = append(hosts, &host{Host: n})
	}
	dir := config(t, "", hosts...)
	floor := floorCommand(t, hosts)
	playbook := ansible(t, hosts)
	all := func() { // as careless as installed
		var group sync.WaitGroup
		for _, h := range hosts {
			group.Go(func() { h.reset(t) })
		}
		group.Wait()
	}
	all()
	kepm := func(args ...string) *exec.Cmd {
		cmd, _, _ := command("kepmctl", dir, args...)
		return cmd
	}
	var plan, ssh, check, apply, play []time.Duration
	for range 5 {
		ssh = append(ssh, timed(t, floor()))
		plan = append(plan, timed(t, kepm("plan", "--out", filepath.Join(t.TempDir(), "p"))))
	}
	for range 2 {
		check = append(check, timed(t, playbook("--check", "--diff")))
	}
	for range 3 {
		all()
		apply = append(apply, timed(t, kepm("apply", "--auto-approve")))
	}
	for range 2 {
		all()
		play = append(play, timed(t, playbook()))
	}
	all()
	fmt.Printf("\n%d hosts on a machine with %d cores, medians:\n", len(hosts), runtime.NumCPU())
	for _, row := range []struct {
		what string
		d    []time.Duration
		n    int
	}{
		{"OpenSSH, xargs -P 20, the same observe.sh", ssh, 5},
		{"kepmctl plan", plan, 5},
		{"ansible-playbook --check --diff", check, 2},
		{"kepmctl apply (looks, changes, proves)", apply, 3},
		{"ansible-playbook", play, 2},
	} {
		fmt.Printf("  %-44s %6.2f s   (%d runs, %.2f to %.2f)\n", row.what, median(row.d).Seconds(), row.n,
			slices.Min(row.d).Seconds(), slices.Max(row.d).Seconds())
	}
}

func median(d []time.Duration) time.Duration {
	d = slices.Sorted(slices.Values(d))
	return d[len(d)/2]
}

func timed(t *testing.T, cmd *exec.Cmd) time.Duration {
	t.Helper()
	began := time.Now()
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %v\n%s%s", cmd.Args, err, cmd.Stdout, cmd.Stderr)
	}
	return time.Since(began)
}

// floorCommand runs the look's own script by OpenSSH on all hosts.
func floorCommand(t *testing.T, hosts []*host) func() *exec.Cmd {
	t.Helper()
	list := filepath.Join(t.TempDir(), "hosts")
	var addresses []string
	for _, h := range hosts {
		addresses = append(addresses, h.Address)
	}
	if err := os.WriteFile(list, []byte(strings.Join(addresses, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	look := "service=keeper-privilege-manager watchdog=keeper-watchdog package=keeper-privilege-manager state=/var/lib/kepmctl candidate=/opt/keeper/sbin " +
		"row=. pattern= row=Plugins pattern=Plugins row=Jobs pattern=Jobs row=KeeperStorage pattern=KeeperStorage row=policies pattern=policies " +
		"except=./. except=./Plugins except=./Jobs except=./KeeperStorage except=./policies"
	script := "../../../provider/posix/scripts/observe.sh"
	return func() *exec.Cmd {
		cmd := exec.Command("sh", "-c", fmt.Sprintf(
			`xargs -P 20 -I{} sh -c 'ssh -i %s -o UserKnownHostsFile=%s -o BatchMode=yes ops@{} "sudo sh -s -- %s" <%s >/dev/null' <%s`,
			fleet.PrivateKeyFile(), fleet.KnownHostsFile(), look, script, list))
		var errs strings.Builder
		cmd.Stderr = &errs
		return cmd
	}
}

// ansible runs the equivalent playbook with many forks and pipelining.
func ansible(t *testing.T, hosts []*host) func(...string) *exec.Cmd {
	t.Helper()
	dir := t.TempDir()
	var inventory strings.Builder
	for _, h := range hosts {
		fmt.Fprintf(&inventory, "%s ansible_host=%s ansible_user=ops ansible_python_interpreter=/usr/bin/python3\n", h.Spec.Name, h.Address)
	}
	configuration := fmt.Sprintf("[defaults]\nforks = 50\nprivate_key_file = %s\n[ssh_connection]\npipelining = True\nssh_args = -o UserKnownHostsFile=%s -o ControlMaster=auto -o ControlPersist=60s\n",
		fleet.PrivateKeyFile(), fleet.KnownHostsFile())
	for name, text := range map[string]string{"hosts": inventory.String(), "ansible.cfg": configuration} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	book, err := filepath.Abs("testdata/harden.yml")
	if err != nil {
		t.Fatal(err)
	}
	return func(args ...string) *exec.Cmd {
		cmd := exec.Command("ansible-playbook", append([]string{"-i", filepath.Join(dir, "hosts"), book}, args...)...)
		cmd.Env = append(os.Environ(), "ANSIBLE_CONFIG="+filepath.Join(dir, "ansible.cfg"), "LC_ALL=C.UTF-8")
		var out strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &out
		return cmd
	}
}
