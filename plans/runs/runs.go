// Package runs keeps what a run leaves on this side: its plan and its journal.
//
// A run directory holds plan.json, journal.jsonl (a chain of hashes, see journal.go),
// head (how far the journal came) and, when somebody asked for it, stop. Losing it
// loses history only: a fresh plan and apply is always a safe substitute.
package runs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/kepmctl/kepmctl/plans"
	"github.com/kepmctl/kepmctl/provider"
)

// Errors of run directories.
var (
	ErrLocked  = errors.New("another kepmctl is at work on it")
	ErrUnknown = errors.New("there is no such run")
)

// A Run is a run directory that this process alone writes.
type Run struct {
	Name    string
	Plan    *plans.Plan
	Entries []plans.Entry // that were there when it was opened

	dir     string
	lock    *flock.Flock
	journal *journal
}

func directory(state, run string) string { return filepath.Join(state, "runs", run) }

// Create makes the directory of a new run with its plan, in a state directory that
// is made too. It fails before anything was done.
func Create(state, run string, p *plans.Plan) (*Run, error) {
	b, err := p.Encode()
	if err != nil {
		return nil, err
	}
	if p, err = plans.Decode(bytes.NewReader(b)); err != nil { // what is carried out is what is kept
		return nil, err
	}
	dir := directory(state, run)
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return nil, fmt.Errorf("make the run's directory: %w", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the run's directory: %w", err)
	}
	r := &Run{Name: run, Plan: p, dir: dir}
	if err := r.begin(b); err != nil {
		r.Close()
		_ = os.RemoveAll(dir) // it holds nothing yet
		return nil, err
	}
	return r, nil
}

// PlanFile is where the run's plan is kept, and its bytes; none if it cannot be read.
func (r *Run) PlanFile() (path string, text []byte) {
	text, err := r.Plan.Encode()
	if err != nil {
		text = nil
	}
	return filepath.Join(r.dir, "plan.json"), text
}

func (r *Run) begin(plan []byte) error {
	if err := r.alone(); err != nil {
		return err
	}
	if err := writeNew(filepath.Join(r.dir, "plan.json"), plan); err != nil {
		return fmt.Errorf("keep the run's plan: %w", err)
	}
	var err error
	if r.journal, err = openJournal(r.dir, seed(r.Plan), nil); err != nil {
		return err
	}
	return errors.Join(syncDir(r.dir), syncDir(filepath.Dir(r.dir)))
}

// alone takes the run's lock, which the system gives back when the process ends.
func (r *Run) alone() error {
	r.lock = flock.New(filepath.Join(r.dir, "lock"), flock.SetPermissions(0o600))
	switch got, err := r.lock.TryLock(); {
	case err != nil:
		return fmt.Errorf("lock run %s: %w", r.Name, err)
	case !got:
		return fmt.Errorf("run %s: %w", r.Name, ErrLocked)
	}
	return nil
}

// Open opens a run to go on with it. A line of the journal that a crash cut off
// is dropped; what it tells was not done yet.
func Open(state, run string) (*Run, error) {
	r, err := read(state, run)
	if err != nil {
		return nil, err
	}
	if err := r.alone(); err != nil {
		return nil, err
	}
	text, err := r.load() // again: it may have grown until the lock was ours
	if err == nil {
		r.journal, err = openJournal(r.dir, seed(r.Plan), text)
	}
	if err == nil {
		err = os.Remove(filepath.Join(r.dir, "stop"))
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	if err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// Read reads a run, which another process may be at work on. Its Record and Close
// must not be called.
func Read(state, run string) (*Run, error) { return read(state, run) }

func read(state, run string) (*Run, error) {
	if !provider.ValidRun(run) {
		return nil, fmt.Errorf("%.80q is no name of a run", run)
	}
	r := &Run{Name: run, dir: directory(state, run)}
	f, err := os.Open(filepath.Join(r.dir, "plan.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("run %s in %s: %w", run, state, ErrUnknown)
	}
	if err != nil {
		return nil, fmt.Errorf("read run %s: %w", run, err)
	}
	defer f.Close()
	if r.Plan, err = plans.Decode(f); err != nil {
		return nil, fmt.Errorf("run %s: %w", run, err)
	}
	_, err = r.load()
	return r, err
}

// load reads the journal's whole lines.
func (r *Run) load() ([]byte, error) {
	h := readHead(r.dir) // first: the journal may grow meanwhile
	text, err := readJournal(r.dir)
	if err != nil {
		return nil, fmt.Errorf("read the journal of run %s: %w", r.Name, err)
	}
	if r.Entries, err = verify(text, seed(r.Plan), h); err == nil {
		err = r.ours()
	}
	if err != nil {
		return nil, fmt.Errorf("the journal of run %s: %w", r.Name, err)
	}
	return text, nil
}

// ours checks that the transactions are the run's own: their names are directories on
// hosts.
func (r *Run) ours() error {
	for i, e := range r.Entries {
		own := e.Transaction == r.Name || (strings.HasPrefix(e.Transaction, r.Name+"-") && provider.ValidRun(e.Transaction))
		if (e.Type == plans.HostBegun && !own) || (e.Type == plans.RunBegun && e.Attempt < 1) {
			return fmt.Errorf("line %d: %w: it is none of this run", i+1, ErrBroken)
		}
	}
	return nil
}

// Discard takes the run away: nothing was done in it.
func (r *Run) Discard() error {
	r.Close()
	return os.RemoveAll(r.dir)
}

// AtWork says whether another process is at work on the run.
func (r *Run) AtWork() bool {
	lock := flock.New(filepath.Join(r.dir, "lock"), flock.SetPermissions(0o600))
	got, err := lock.TryRLock()
	if got {
		_ = lock.Close() // nothing was written
	}
	return err == nil && !got
}

// Record adds an entry to the journal and waits until it is on the disk. It may be
// called concurrently.
func (r *Run) Record(e plans.Entry) error {
	if err := r.journal.add(e); err != nil {
		return fmt.Errorf("write the journal of run %s: %w", r.Name, err)
	}
	return nil
}

// Close ends the work on the run.
func (r *Run) Close() {
	if r.journal != nil {
		r.journal.close()
	}
	if r.lock != nil {
		_ = r.lock.Close() // the lock goes with the process in any case
	}
}

// Stop asks whoever is at work on the run to start no further host.
func (r *Run) Stop() error {
	f, err := os.OpenFile(filepath.Join(r.dir, "stop"), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("stop run %s: %w", r.Name, err)
	}
	return f.Close()
}

// Stopped says whether somebody asked for it.
func (r *Run) Stopped() bool {
	_, err := os.Lstat(filepath.Join(r.dir, "stop"))
	return err == nil
}

// Began is when the run first began; zero: it left no entry.
func (r *Run) Began() time.Time {
	if len(r.Entries) == 0 {
		return time.Time{}
	}
	return r.Entries[0].Time
}

// List are the names of the runs in a state directory, oldest first. A directory
// that is not there has none.
func List(state string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(state, "runs"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list the runs: %w", err)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && provider.ValidRun(e.Name()) {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

// writeNew writes a file that must not be there, and waits until it is on the disk.
func writeNew(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
