package runs

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kepmctl/kepmctl/plans"
)

// aPlan is one that was just made: it has no checksum yet.
func aPlan() *plans.Plan {
	return &plans.Plan{FormatVersion: plans.FormatVersion, Tool: "0", Scripts: "d"}
}

func entry(n int) plans.Entry {
	return plans.Entry{Type: plans.HostBegun, Time: time.Unix(int64(n), 0).UTC(), Host: fmt.Sprint("h", n), Transaction: "r"}
}

// begun is a state directory with a run "r" of so many entries.
func begun(t *testing.T, entries int) string {
	t.Helper()
	state := filepath.Join(t.TempDir(), "state")
	r, err := Create(state, "r", aPlan())
	if err != nil {
		t.Fatal(err)
	}
	for n := range entries {
		if err := r.Record(entry(n)); err != nil {
			t.Fatal(err)
		}
	}
	r.Close()
	return state
}

func TestRun(t *testing.T) {
	state := begun(t, 2)
	r, err := Open(state, "r")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]plans.Entry{entry(0), entry(1)}, r.Entries); d != "" || r.Plan.Scripts != "d" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if _, err := Open(state, "r"); !errors.Is(err, ErrLocked) {
		t.Errorf("opened twice: %v", err)
	}
	other, err := Read(state, "r")
	if err != nil || !other.AtWork() || r.Stopped() {
		t.Errorf("read meanwhile: %v", err)
	}
	if err := other.Stop(); err != nil || !r.Stopped() {
		t.Errorf("stop: %v", err)
	}
	var group sync.WaitGroup
	for n := range 20 {
		group.Go(func() {
			if err := r.Record(entry(n)); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	r.Close()
	if r, err = Open(state, "r"); err != nil || len(r.Entries) != 22 || r.Stopped() || other.AtWork() != true {
		t.Errorf("opened again: %v", err)
	}
	r.Close()
	if other.AtWork() {
		t.Error("still locked")
	}
	if names, err := List(state); err != nil || !cmp.Equal(names, []string{"r"}) {
		t.Errorf("listed %v, %v", names, err)
	}
}

// A line that was changed, taken out, added or cut off is found.
func TestBrokenJournal(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(lines []string) []string
		ok   bool
	}{
		"untouched":     {func(l []string) []string { return l }, true},
		"torn":          {func(l []string) []string { return append(l, `{"seq":5,"pr`) }, true},
		"changed":       {func(l []string) []string { l[1] = strings.Replace(l[1], "h1", "h9", 1); return l }, false},
		"last changed":  {func(l []string) []string { l[3] = strings.Replace(l[3], "h3", "h9", 1); return l }, false},
		"taken out":     {func(l []string) []string { return append(l[:1], l[2:]...) }, false},
		"first missing": {func(l []string) []string { return l[1:] }, false},
		"last missing":  {func(l []string) []string { return l[:3] }, false},
		"all missing":   {func([]string) []string { return nil }, false},
		"doubled":       {func(l []string) []string { return append(l, l[3]) }, false},
		"forged":        {func(l []string) []string { return append(l, forged(l[3])) }, false},
		"nonsense":      {func(l []string) []string { return append(l, "x\n") }, false},
	} {
		t.Run(name, func(t *testing.T) {
			state := begun(t, 4)
			path := filepath.Join(state, "runs", "r", journalFile)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			text := strings.Join(c.edit(strings.SplitAfter(strings.TrimSuffix(string(b), "\n")+"\n", "\n")[:4]), "")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			r, err := Open(state, "r")
			if err == nil {
				defer r.Close()
			}
			if c.ok && (err != nil || len(r.Entries) != 4) || !c.ok && !errors.Is(err, ErrBroken) {
				t.Fatalf("opened: %v", err)
			}
			if name == "torn" { // and goes on behind the last whole line
				if err := r.Record(entry(4)); err != nil {
					t.Fatal(err)
				}
				if again, err := Read(state, "r"); err != nil || len(again.Entries) != 5 {
					t.Errorf("read again: %v", err)
				}
			}
		})
	}
}

func TestCreateRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(file, "r", aPlan()); err == nil {
		t.Error("made below a file")
	}
	state := begun(t, 0)
	if _, err := Create(state, "r", aPlan()); err == nil {
		t.Error("made twice")
	}
	for _, name := range []string{"", "../r", "none", "R"} {
		if _, err := Open(state, name); err == nil {
			t.Errorf("opened %q", name)
		}
	}
}

// forged is a line that follows another in the chain, and names a directory of its own.
func forged(before string) string {
	e := entry(4)
	e.Transaction = "../../tmp/x"
	b, err := json.Marshal(line{Seq: 5, Prev: hash([]byte(strings.TrimSuffix(before, "\n"))), Entry: e})
	if err != nil {
		panic(err)
	}
	return string(b) + "\n"
}

func FuzzJournal(f *testing.F) {
	first, _ := line{Seq: 1, Prev: "p", Entry: entry(1)}, 0
	f.Add([]byte(fmt.Sprintf("{\"seq\":%d,\"prev\":%q}\n", first.Seq, first.Prev)))
	f.Fuzz(func(t *testing.T, text []byte) {
		entries, err := verify(text, "p", head{})
		if err == nil {
			plans.Replay(entries)
		}
	})
}
