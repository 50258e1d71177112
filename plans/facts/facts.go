// Package facts keeps what looks returned, a file for each host, for plans that
// reach no host.
package facts

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kepmctl/kepmctl/provider"
)

// FormatVersion of the files: a minor one adds, a major one is refused.
const FormatVersion = "1.0"

const (
	suffix   = ".facts.json"
	maxBytes = 16 << 20 // of one file
)

// ErrNone says that nothing is recorded of a host.
var ErrNone = errors.New("no facts of it are recorded")

type document struct {
	FormatVersion string        `json:"format_version"`
	Host          string        `json:"host"`
	Asked         []string      `json:"asked"` // what the look asked: another one may want more
	Look          provider.Look `json:"look"`
}

// A Dir is a directory of recorded looks.
type Dir string

func (d Dir) path(host string) string { return filepath.Join(string(d), host+suffix) }

// Make makes the directory where it is missing, and proves that it can be written.
func (d Dir) Make() error {
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return fmt.Errorf("save facts: %w", err)
	}
	f, err := os.CreateTemp(string(d), ".kepmctl-*")
	if err != nil {
		return fmt.Errorf("save facts: %w", err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// Write keeps a look in its recorded form, which holds no secret. It replaces an
// older one whole or not at all. It may be called concurrently for different hosts.
func (d Dir) Write(host string, asked []string, look provider.Look) error {
	b, err := json.Marshal(document{FormatVersion, host, asked, look.Recorded()})
	if err != nil {
		return fmt.Errorf("save the facts of %s: %w", host, err)
	}
	f, err := os.CreateTemp(string(d), ".kepmctl-*")
	if err != nil {
		return fmt.Errorf("save the facts of %s: %w", host, err)
	}
	_, err = f.Write(append(b, '\n'))
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), d.path(host))
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the first error counts
		return fmt.Errorf("save the facts of %s: %w", host, err)
	}
	return nil
}

// Read is what is recorded of a host that was asked the same: hostile input, until
// it is judged. What is not there is ErrNone.
func (d Dir) Read(host string, asked []string) (provider.Look, error) {
	f, err := os.Open(d.path(host))
	if errors.Is(err, fs.ErrNotExist) {
		return provider.Look{}, fmt.Errorf("%w in %s", ErrNone, d)
	}
	if err != nil {
		return provider.Look{}, fmt.Errorf("read its facts: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err == nil && len(b) > maxBytes {
		err = fmt.Errorf("they are larger than %d MiB", maxBytes>>20)
	}
	if err != nil {
		return provider.Look{}, fmt.Errorf("read its facts: %w", err)
	}
	return decode(host, asked, b)
}

func decode(host string, asked []string, b []byte) (provider.Look, error) {
	var doc document
	d := json.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(&doc); err != nil {
		return provider.Look{}, fmt.Errorf("read its facts: they are none of kepmctl, or were cut off: %w", err)
	}
	switch major, _, _ := strings.Cut(doc.FormatVersion, "."); {
	case major != "1":
		return provider.Look{}, fmt.Errorf("read its facts: their format version is %.20q, this program reads %s: save them again", doc.FormatVersion, FormatVersion)
	case doc.Host != host:
		return provider.Look{}, fmt.Errorf("read its facts: they are of another host, %.80q", doc.Host)
	case !slices.Equal(doc.Asked, asked):
		return provider.Look{}, errors.New("read its facts: they were recorded for a configuration that asked other things of the host: record them again")
	case doc.Look.At.IsZero():
		return provider.Look{}, errors.New("read its facts: they do not say when they were recorded")
	}
	return doc.Look, nil
}
