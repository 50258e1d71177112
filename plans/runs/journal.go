package runs

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/kepmctl/kepmctl/plans"
)

const (
	journalFile = "journal.jsonl"
	headFile    = "head"
	maxJournal  = 4 << 30 // bytes
)

// ErrBroken says that a journal is not as it was written.
var ErrBroken = errors.New("it was changed after it was written")

// A line is an entry in its place in the chain: it carries the hash of the line
// before it; the first one that of the plan.
type line struct {
	Seq  int    `json:"seq"`
	Prev string `json:"prev"`
	plans.Entry
}

// seed is what stands before the first line.
func seed(p *plans.Plan) string { return hash([]byte(p.Checksum)) }

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// A head is how far a journal came, kept beside it: so missing last lines are found.
type head struct {
	seq  int
	last string // hash of that line
}

const headLayout = "%010d %s\n"

func readHead(dir string) head {
	var h head
	if regular(filepath.Join(dir, headFile)) != nil {
		return h
	}
	b, err := os.ReadFile(filepath.Join(dir, headFile))
	if err != nil {
		return head{}
	}
	if _, err := fmt.Sscanf(string(b), headLayout, &h.seq, &h.last); err != nil || h.seq < 0 {
		return head{} // a crash may have torn it: the journal is synced, it is not
	}
	return h
}

// regular refuses links, devices and pipes: the directory may be shared.
func regular(path string) error {
	info, err := os.Lstat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", path)
	}
	return err
}

// readJournal is the journal up to its last whole line.
func readJournal(dir string) ([]byte, error) {
	if err := regular(filepath.Join(dir, journalFile)); err != nil {
		return nil, err
	}
	f, err := os.Open(filepath.Join(dir, journalFile))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxJournal+1))
	if err == nil && len(text) > maxJournal {
		err = fmt.Errorf("it is larger than %d GiB", maxJournal>>30)
	}
	return text[:bytes.LastIndexByte(text, '\n')+1], err
}

// verify reads the lines and checks the chain.
func verify(text []byte, prev string, h head) ([]plans.Entry, error) {
	var entries []plans.Entry
	for raw := range bytes.Lines(text) {
		raw = bytes.TrimSuffix(raw, []byte("\n"))
		var l line
		if err := json.Unmarshal(raw, &l); err != nil {
			return nil, fmt.Errorf("line %d: %w: it is no entry", len(entries)+1, ErrBroken)
		}
		if l.Seq != len(entries)+1 || l.Prev != prev {
			return nil, fmt.Errorf("line %d: %w: it does not follow the line before it", len(entries)+1, ErrBroken)
		}
		prev = hash(raw)
		if l.Seq == h.seq && prev != h.last {
			return nil, fmt.Errorf("line %d: %w", l.Seq, ErrBroken)
		}
		entries = append(entries, l.Entry)
	}
	if h.seq > len(entries) {
		return nil, fmt.Errorf("%w: it has %d lines, and had %d", ErrBroken, len(entries), h.seq)
	}
	return entries, nil
}

// A journal is a chain that is being written.
type journal struct {
	mu   sync.Mutex
	file *os.File
	head *os.File
	seq  int
	prev string
	err  error // the first: nothing is written after it
}

// openJournal opens a journal behind its whole lines.
func openJournal(dir, seed string, text []byte) (*journal, error) {
	j := &journal{prev: seed}
	for raw := range bytes.Lines(text) {
		j.seq++
		j.prev = hash(bytes.TrimSuffix(raw, []byte("\n")))
	}
	var err error
	for _, name := range []string{journalFile, headFile} {
		if err := regular(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("open the journal: %w", err)
		}
	}
	if j.file, err = os.OpenFile(filepath.Join(dir, journalFile), os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
		err = j.file.Truncate(int64(len(text)))
	}
	if err == nil {
		_, err = j.file.Seek(0, io.SeekEnd)
	}
	if err == nil {
		j.head, err = os.OpenFile(filepath.Join(dir, headFile), os.O_CREATE|os.O_WRONLY, 0o600)
	}
	if err != nil {
		j.close()
		return nil, fmt.Errorf("open the journal: %w", err)
	}
	return j, nil
}

func (j *journal) add(e plans.Entry) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil {
		return j.err
	}
	raw, err := json.Marshal(line{Seq: j.seq + 1, Prev: j.prev, Entry: e})
	if err == nil {
		_, err = j.file.Write(append(raw, '\n'))
	}
	if err == nil {
		err = j.file.Sync()
	}
	if err != nil {
		j.err = err
		return err
	}
	j.seq, j.prev = j.seq+1, hash(raw)
	_, j.err = j.head.WriteAt(fmt.Appendf(nil, headLayout, j.seq, j.prev), 0)
	return j.err
}

func (j *journal) close() {
	for _, f := range []*os.File{j.file, j.head} {
		if f != nil {
			_ = f.Close() // every line was synced
		}
	}
}
