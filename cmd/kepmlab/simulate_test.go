package main

import (
	"encoding/json"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kepmctl/kepmctl/cmd/kepmlab/simfleet"
)

// simulated plays a fleet, with a rollout of its own.
func (b *bench) simulated(hosts int, faults, rollout string) *simfleet.Fleet {
	b.t.Helper()
	shares, err := simfleet.ParseFaults(faults)
	if err != nil {
		b.t.Fatal(err)
	}
	f, err := simfleet.Up(b.t.Context(), simfleet.Options{
		Dir: b.lab, Hosts: hosts, Port: freePort(b.t), Latency: 2 * time.Millisecond, Restart: 300 * time.Millisecond, Faults: shares, Seed: 7,
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(f.Close)
	file := filepath.Join(b.lab, "fleet.kepm.hcl")
	text, err := os.ReadFile(file)
	if err != nil {
		b.t.Fatal(err)
	}
	short := strings.NewReplacer(
		`known_hosts_file = "known_hosts"`, "known_hosts_file = \"known_hosts\"\n  connect_timeout = \"2s\"\n  command_timeout = \"4s\"",
		"to       = [group.fleet]", "to = [group.fleet]\n  rollout = rollout.r",
	).Replace(string(text))
	if err := os.WriteFile(file, []byte(short+"rollout \"r\" {\n"+rollout+"\n}\n"), 0o600); err != nil {
		b.t.Fatal(err)
	}
	return f
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// whole checks what became of every host: as before or as planned, nothing open, no
// agent restarted more often than its attempts tell.
func whole(t *testing.T, f *simfleet.Fleet) (planned int) {
	t.Helper()
	for _, s := range f.States() {
		switch {
		case s.State == "other", s.Open != "", s.Committed > 1, s.Restarts > s.Committed+2*s.Undone:
			t.Errorf("%+v", s)
		case s.State == "planned":
			planned++
		}
	}
	return planned
}

// Each fault costs its own host's result, no other's.
func TestSimulatedFaults(t *testing.T) {
	b := built(t, "kepmctl")
	f := b.simulated(40, "refuse=1,hang=1,reset=1,garbage=1,drip=1,wrongkey=1,noauth=1,norestart=2", `confirm_timeout = "5s"
  max_failed = 1
  wave "first" { size = "50%" }`)
	out := b.must(0, "kepmctl", "plan", "--chdir", b.lab, "--view", "summary", "--out", b.bin+"/p")
	for _, want := range []string{
		"connection refused", "not logged in within 2s", "connection lost while running observe.sh", "no end within 4s",
		"the key has changed", "the server accepted none of", "7 unreachable",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	out = b.must(6, "kepmctl", "apply", "--chdir", b.lab, b.bin+"/p")
	for _, want := range []string{"2 rolled back", "hosts failed (1 allowed)", "fatal: cannot bind"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	before := whole(t, f)
	if before == 0 {
		t.Error("no host was changed")
	}
	out = b.must(6, "kepmctl", "resume", "--chdir", b.lab, "--rerun", "failed", "--rerun", "unreachable", b.runs()[0])
	if !strings.Contains(out, "hosts failed (1 allowed)") && !strings.Contains(out, "gave no answer (") {
		t.Error(out)
	}
	if after := whole(t, f); after < before {
		t.Errorf("%d hosts were as planned before the resumption, %d after it", before, after)
	}
}

// kepmctl is killed at random instants of an apply, again and again, and resumed:
// every host ends as planned, none is restarted for nothing, the journal is whole.
// KEPM_KILLS says how often; KEPM_HOSTS of how many hosts.
func TestKilledAndResumed(t *testing.T) {
	number := func(name string, usual int) int {
		if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
			return n
		}
		return usual
	}
	kills, hosts := number("KEPM_KILLS", 4), number("KEPM_HOSTS", 40)
	b := built(t, "kepmctl")
	chance := rand.New(rand.NewPCG(1, 2))
	for kill := 0; kill < kills; {
		b.lab = filepath.Join(t.TempDir(), "lab")
		f := b.simulated(hosts, "", `confirm_timeout = "3s"
  parallelism = 10
  wave "first" { size = 2 }
  wave "rest" {}`)
		b.must(0, "kepmctl", "plan", "--chdir", b.lab, "--view", "summary", "--out", b.bin+"/p")
		command := []string{"apply", "--chdir", b.lab, b.bin + "/p"}
		for over := false; !over; kill++ {
			over = b.killed(time.Duration(chance.IntN(1500))*time.Millisecond, command...)
			names, err := os.ReadDir(filepath.Join(b.lab, ".kepmctl", "runs"))
			if err == nil && len(names) == 1 {
				command = []string{"resume", "--chdir", b.lab, names[0].Name()}
				b.must(0, "kepmctl", "runs", "show", "--chdir", b.lab, names[0].Name())
			}
		}
		b.must(0, "kepmctl", command...)
		if out := b.must(0, "kepmctl", "plan", "--chdir", b.lab, "--view", "summary"); !strings.Contains(out, "No changes.") {
			t.Error(out)
		}
		whole(t, f)
		f.Close()
	}
}

// A rollback that is killed and resumed leaves every host as it was before the run; the
// run it takes back, and the rollback, tell of each other.
func TestRolledBackWhileKilled(t *testing.T) {
	b := built(t, "kepmctl")
	f := b.simulated(30, "", `confirm_timeout = "3s"
  parallelism = 10
  wave "first" {
    size    = 2
    soak    = "1s"
    approve = "manual"
  }
  wave "rest" {}`)
	b.must(4, "kepmctl", "apply", "--chdir", b.lab, "--auto-approve")
	first := b.runs()[0]
	b.must(0, "kepmctl", "resume", "--chdir", b.lab, "--approve", first)
	whole(t, f)
	chance := rand.New(rand.NewPCG(3, 4))
	var second string
	for tries := 0; second == ""; tries++ { // killed before it wrote anything down, it is asked for again
		b.killed(time.Duration(200+tries*100+chance.IntN(700))*time.Millisecond, "rollback", "--chdir", b.lab, "--auto-approve", "--change", "INC1", first)
		if names := b.runs(); len(names) > 1 {
			second = names[1]
		}
	}
	for !b.killed(time.Duration(chance.IntN(1500))*time.Millisecond, "resume", "--chdir", b.lab, second) {
	}
	back := 0
	for _, s := range f.States() {
		services := s.State == "planned" && s.Committed == 1 // only these were changed, and they stay
		if (s.State != "before" && !services) || s.Open != "" || s.Committed > 2 {
			t.Errorf("%+v", s)
		}
		if s.Committed == 2 {
			back++
		}
	}
	out := b.must(0, "kepmctl", "runs", "--chdir", b.lab)
	out += b.must(0, "kepmctl", "runs", "show", "--chdir", b.lab, first) + b.must(0, "kepmctl", "runs", "show", "--chdir", b.lab, second)
	for _, want := range []string{"rolled back", "INC1", "with run " + second, "Rollback of run " + first, strconv.Itoa(back) + " changed back"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	for _, c := range [][]string{{"resume", first, "took its changes back"}, {"rollback", second, "it is a rollback itself"}} {
		args := []string{c[0], "--chdir", b.lab, c[1]}
		if c[0] == "rollback" {
			args = append(args, "--auto-approve")
		}
		if out := b.must(1, "kepmctl", args...); !strings.Contains(out, c[2]) {
			t.Errorf("%s: %s", args, out)
		}
	}
}

// runs are the names of the laboratory's runs.
func (b *bench) runs() []string {
	entries, _ := os.ReadDir(filepath.Join(b.lab, ".kepmctl", "runs"))
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// Drift tells the ways in which hosts differ and sends nothing but looks; a plan of one
// way mends just that one.
func TestDriftOfSimulatedHosts(t *testing.T) {
	b := built(t, "kepmctl")
	f := b.simulated(60, "", `max_failed = "100%"`)
	t.Setenv("KEPM_LOG", "debug")
	out := b.must(2, "kepmctl", "drift", "--chdir", b.lab)
	for line := range strings.Lines(out) {
		if strings.Contains(line, "script=") && !strings.Contains(line, "script=observe.sh") && !strings.Contains(line, "script=ask.sh") {
			t.Errorf("sent: %s", line)
		}
	}
	if !strings.Contains(out, "script=observe.sh") {
		t.Error("the log says nothing of scripts")
	}
	for _, s := range f.States() {
		if s.State != "before" || s.Committed+s.Undone+s.Restarts > 0 {
			t.Errorf("%+v", s)
		}
	}
	os.Unsetenv("KEPM_LOG")
	out = b.must(2, "kepmctl", "drift", "--chdir", b.lab)
	_, rest, found := strings.Cut(out, "kepmctl plan --signature ")
	signature, _, _ := strings.Cut(rest, " ")
	if !found || strings.Count(out, signature) != 2 {
		t.Fatalf("signature %q in\n%s", signature, out)
	}
	b.must(0, "kepmctl", "plan", "--chdir", b.lab, "--signature", signature, "--out", b.bin+"/one")
	b.must(0, "kepmctl", "apply", "--chdir", b.lab, b.bin+"/one")
	if out := b.must(2, "kepmctl", "drift", "--chdir", b.lab); strings.Contains(out, signature) {
		t.Errorf("it is still there:\n%s", out)
	}
	if out := b.must(1, "kepmctl", "plan", "--chdir", b.lab, "--signature", signature); !strings.Contains(out, "no host that answered differs in that way now") {
		t.Error(out)
	}
	policy := filepath.Join(b.bin, "policy.kepm.hcl")
	if err := os.WriteFile(policy, []byte("max_hosts = \"1%\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := b.must(4, "kepmctl", "apply", "--chdir", b.lab, "--auto-approve", "--policy", policy); !strings.Contains(out, "rule max_hosts: the plan changes") {
		t.Error(out)
	}
	b.must(0, "kepmctl", "drift", "--chdir", b.lab, "--fail-on", "none", "--view", "summary")
	b.must(0, "kepmctl", "apply", "--chdir", b.lab, "--auto-approve")
	if out := b.must(0, "kepmctl", "drift", "--chdir", b.lab); !strings.Contains(out, "No drift.") {
		t.Error(out)
	}
}

// A run whose directory is lost is made again from its plan and from what hosts know:
// nobody is restarted twice.
func TestRunIsMadeAgainFromHosts(t *testing.T) {
	b := built(t, "kepmctl")
	f := b.simulated(30, "", `confirm_timeout = "3s"
  parallelism = 2
  max_failed = "100%"`)
	b.must(0, "kepmctl", "plan", "--chdir", b.lab, "--view", "summary", "--out", b.bin+"/p")
	var name string
	for tries := 1; name == ""; tries++ { // killed early, nothing is begun
		if b.killed(time.Duration(tries)*400*time.Millisecond, "apply", "--chdir", b.lab, b.bin+"/p") {
			t.Fatal("it came to its end")
		}
		if begun := slices.ContainsFunc(f.States(), func(s simfleet.State) bool { return s.Committed > 0 }); begun {
			name = b.runs()[len(b.runs())-1]
		}
		if err := os.RemoveAll(filepath.Join(b.lab, ".kepmctl")); err != nil {
			t.Fatal(err)
		}
	}
	if out := b.must(1, "kepmctl", "resume", "--chdir", b.lab, "--from-hosts", name); !strings.Contains(out, "give both") {
		t.Error(out)
	}
	if out := b.must(1, "kepmctl", "resume", "--chdir", b.lab, "--from-hosts", "--plan", b.bin+"/p", "20200101t000000z-aaaaaa"); !strings.Contains(out, "no host that answered knows the run") {
		t.Error(out)
	}
	out := b.must(0, "kepmctl", "resume", "--chdir", b.lab, "--from-hosts", "--plan", b.bin+"/p", name)
	if !strings.Contains(out, "Apply complete!") || !strings.Contains(out, "the journal was lost") {
		t.Error(out)
	}
	if planned := whole(t, f); planned == 0 {
		t.Error("no host was changed")
	}
	b.must(0, "kepmctl", "runs", "show", "--chdir", b.lab, name)
	if out := b.must(1, "kepmctl", "resume", "--chdir", b.lab, "--from-hosts", "--plan", b.bin+"/p", name); !strings.Contains(out, "its directory is there") {
		t.Error(out)
	}
}

// killed runs kepmctl and kills it after a while; true: it had ended before.
func (b *bench) killed(after time.Duration, args ...string) bool {
	b.t.Helper()
	cmd := exec.Command(filepath.Join(b.bin, "kepmctl"), args...)
	cmd.Env = append(os.Environ(), "HOME="+b.bin)
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		return err == nil
	case <-time.After(after):
		_ = cmd.Process.Kill() // it may have ended just now
		<-ended
		return false
	}
}

func TestFaultsAreRead(t *testing.T) {
	for text, says := range map[string]string{
		"refuse=5%,hang=3": "", "": "", "sulk=1": `"sulk" is no fault: write refuse,`, "hang=x": `"x" is neither`, "hang=101%": "neither", "hang": "neither",
	} {
		if _, err := simfleet.ParseFaults(text); (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", text, err, says)
		}
	}
	f := built(t).simulatedStates(20, "refuse=50%,norestart=2")
	if n := len(slices.DeleteFunc(f, func(s simfleet.State) bool { return s.Fault == "" })); n != 12 {
		t.Errorf("%d hosts have a fault", n)
	}
}

func (b *bench) simulatedStates(hosts int, faults string) (list []simfleet.State) {
	b.t.Helper()
	f := b.simulated(hosts, faults, "")
	if err := f.WriteStates(); err != nil {
		b.t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(b.lab, "state.json"))
	if err == nil {
		err = json.Unmarshal(text, &list)
	}
	if err != nil || len(list) != hosts {
		b.t.Fatal(len(list), err)
	}
	return list
}
