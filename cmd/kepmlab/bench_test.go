package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestBenchFleet prints what plans and applies of large simulated fleets take, the
// simulator on the same machine: make bench-fleet. It judges nothing.
func TestBenchFleet(t *testing.T) {
	if os.Getenv("KEPM_BENCH") == "" {
		t.Skip("it measures, and tests nothing: make bench-fleet")
	}
	b := built(t, "kepmctl", "kepmlab")
	fmt.Printf("%d processors, %s\n", runtime.NumCPU(), runtime.GOARCH)
	fmt.Printf("%-62s %8s %12s %8s\n", "", "wall", "cpu", "memory")
	small := b.played(1000, "20ms", "")
	b.measure("plan 1,000 hosts, 20 ms away", "plan", "--chdir", small, "--parallelism", "256", "--view", "summary")
	all := b.played(10_000, "20ms", "")
	facts, kept := filepath.Join(b.bin, "facts"), filepath.Join(b.bin, "kept.plan")
	b.measure("plan 10,000 hosts", "plan", "--chdir", all, "--parallelism", "256", "--view", "summary", "--out", kept, "--save-facts", facts)
	b.measure("plan 10,000 hosts from recorded facts", "plan", "--chdir", all, "--facts", facts, "--view", "summary")
	tenfold, more := b.tenfold(all, facts)
	b.measure("plan 100,000 hosts of a table from recorded facts", "plan", "--chdir", tenfold, "--facts", more, "--view", "summary")
	b.measure("validate 10,000 host blocks", "validate", "--chdir", all)
	b.measure("show a plan of 10,000 hosts", "show", kept)
	dead := b.played(10_000, "20ms", "hang=10%")
	b.measure("plan 10,000 hosts, one in ten silent (connect timeout 10 s)", "plan", "--chdir", dead, "--parallelism", "256", "--view", "summary")
	waves := b.played(1000, "20ms", "norestart=5%")
	b.measure("apply to 1,000 hosts, 5 % fail, stops by itself", "apply", "--auto-approve", "--chdir", waves, "--view", "summary")
}

// tenfold is a fleet of ten times as many hosts, of which each ten have the same facts.
func (b *bench) tenfold(fleet, facts string) (dir, more string) {
	b.t.Helper()
	dir, more = b.t.TempDir(), b.t.TempDir()
	var table bytes.Buffer
	table.WriteString("name,address,port,os,site\n")
	files, err := os.ReadDir(facts)
	if err != nil {
		b.t.Fatal(err)
	}
	for i, f := range files {
		text, err := os.ReadFile(filepath.Join(facts, f.Name()))
		if err != nil {
			b.t.Fatal(err)
		}
		name := strings.TrimSuffix(f.Name(), ".facts.json")
		for n := range 10 {
			other := fmt.Sprintf("%s-%d", name, n)
			fmt.Fprintf(&table, "%s,10.%d.%d.%d,2200,linux,%s\n", other, n, i/256, i%256, []string{"par1", "fra2", "nyc3"}[i%3])
			if err := os.WriteFile(filepath.Join(more, other+".facts.json"), bytes.Replace(text, []byte(name), []byte(other), 1), 0o600); err != nil {
				b.t.Fatal(err)
			}
		}
	}
	const inventory = "inventory \"csv\" \"fleet\" {\n  path = \"hosts.csv\"\n  connection = connection.ssh.fleet\n}\n"
	for name, body := range map[string][]byte{"hosts.csv": table.Bytes(), "hosts.kepm.hcl": []byte(inventory)} {
		if err := os.WriteFile(filepath.Join(dir, name), body, 0o600); err != nil {
			b.t.Fatal(err)
		}
	}
	for _, name := range []string{"fleet.kepm.hcl", "id_ed25519"} {
		body, err := os.ReadFile(filepath.Join(fleet, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), body, 0o600)
		}
		if err != nil {
			b.t.Fatal(err)
		}
	}
	return dir, more
}

// played plays a fleet in a process of its own until the test ends.
func (b *bench) played(hosts int, latency, faults string) string {
	b.t.Helper()
	dir := filepath.Join(b.t.TempDir(), "fleet")
	cmd := exec.Command(filepath.Join(b.bin, "kepmlab"), "fleet", "--hosts", fmt.Sprint(hosts), "--latency", latency, "--faults", faults, "--port", fmt.Sprint(freePort(b.t)), "--dir", dir)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		_ = cmd.Process.Kill() // nothing of it is kept
		_ = cmd.Wait()
	})
	if _, err := out.Read(make([]byte, 1)); err != nil { // it says when it is ready
		b.t.Fatal("kepmlab fleet did not begin")
	}
	return dir
}

// measure runs kepmctl and prints what it took.
func (b *bench) measure(what string, args ...string) {
	b.t.Helper()
	cmd := exec.Command(filepath.Join(b.bin, "kepmctl"), args...)
	cmd.Env = append(os.Environ(), "HOME="+b.bin)
	began := time.Now()
	out, err := cmd.CombinedOutput()
	took := time.Since(began)
	if code := cmd.ProcessState.ExitCode(); code != 0 && code != 3 && code != 6 {
		b.t.Fatalf("%v: %v\n%s", args, err, out)
	}
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	fmt.Printf("%-62s %6.1f s %10.1f s %5d MB\n", what, took.Seconds(), cpu.Seconds(), usage.Maxrss>>10)
}
