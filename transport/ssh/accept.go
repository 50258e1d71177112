package ssh

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
	xknownhosts "golang.org/x/crypto/ssh/knownhosts"
)

// knownHosts is what known_hosts files say, and what was added to the first of
// them since. It may be used by many goroutines.
type knownHosts struct {
	files   []string
	writing sync.Mutex // held by whoever adds a key

	mu    sync.Mutex
	plain plainKeys                         // nil: the files have more than plain names, and db is asked
	db    *knownhosts.HostKeyDB             // nil: plain is asked
	size  int64                             // of the first file, when db was read or we last wrote
	lines int                               // in it
	added map[string][]xknownhosts.KnownKey // by address, since db was read
}

// openKnownHosts reads the files. One that is missing holds nothing: the
// fingerprint that is shown then helps more than the missing file.
func openKnownHosts(files []string) (*knownHosts, error) {
	k := &knownHosts{files: files}
	return k, k.read()
}

func (k *knownHosts) read() error {
	var present []string
	plain := plainKeys{}
	for i, file := range k.files {
		b, err := os.ReadFile(filepath.Clean(file))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if i == 0 {
			k.size, k.lines = int64(len(b)), bytes.Count(b, []byte("\n"))
		}
		present = append(present, file)
		if plain != nil && !plain.add(file, b) {
			plain = nil
		}
	}
	if plain != nil {
		k.plain, k.db, k.added = plain, nil, map[string][]xknownhosts.KnownKey{}
		return nil
	}
	db, err := knownhosts.NewDB(present...)
	if err != nil {
		return err
	}
	k.plain, k.db, k.added = nil, db, map[string][]xknownhosts.KnownKey{}
	return nil
}

// held is the keys of an address, those of authorities too.
func (k *knownHosts) held(address string) []knownhosts.PublicKey {
	k.mu.Lock()
	db, plain, added := k.db, k.plain, k.added[address]
	k.mu.Unlock()
	var keys []knownhosts.PublicKey
	if plain == nil {
		keys = db.HostKeys(address)
	}
	for _, a := range append(slices.Clone(plain[knownhosts.Normalize(address)]), added...) {
		keys = append(keys, knownhosts.PublicKey{PublicKey: a.Key})
	}
	return keys
}

// check judges the key of an address.
func (k *knownHosts) check(address string, remote net.Addr, key ssh.PublicKey) error {
	k.mu.Lock()
	db, plain, added := k.db, k.plain, k.added[address]
	k.mu.Unlock()
	if plain != nil {
		return plain.check(append(slices.Clone(plain[knownhosts.Normalize(address)]), added...), address, key)
	}
	err := db.HostKeyCallback()(address, remote, key)
	if len(added) == 0 || !knownhosts.IsHostUnknown(err) {
		return err
	}
	if slices.ContainsFunc(added, func(a xknownhosts.KnownKey) bool { return bytes.Equal(a.Key.Marshal(), key.Marshal()) }) {
		return nil
	}
	return &xknownhosts.KeyError{Want: added}
}

// accept adds the key of an address that has none yet, and judges it then: what
// another dial or another program added in the meantime counts.
func (k *knownHosts) accept(address string, remote net.Addr, key ssh.PublicKey) error {
	if len(k.files) == 0 {
		return errors.New("there is no known_hosts file to add it to")
	}
	k.writing.Lock()
	defer k.writing.Unlock()
	name := k.files[0]
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Clean(name), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // lets go of the lock too
	if err := lock(f); err != nil {
		return fmt.Errorf("lock %s: %w", name, err)
	}
	if err := k.catchUp(f); err != nil {
		return err
	}
	if err := k.check(address, remote, key); !knownhosts.IsHostUnknown(err) {
		return err
	}
	return k.add(f, address, key)
}

// catchUp reads the files again if somebody else wrote.
func (k *knownHosts) catchUp(f *os.File) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	info, err := f.Stat()
	if err != nil || info.Size() == k.size {
		return err
	}
	return k.read()
}

// add appends a line, hashed where the file's names are.
func (k *knownHosts) add(f *os.File, address string, key ssh.PublicKey) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	b, err := os.ReadFile(f.Name())
	if err != nil {
		return err
	}
	host := knownhosts.Normalize(address)
	if strings.ContainsAny(host, " \t\r\n,*?!|#\"") {
		return fmt.Errorf("%q is no name for a known_hosts file", host)
	}
	line := xknownhosts.Line([]string{host}, key) + "\n"
	if bytes.HasPrefix(b, []byte("|1|")) || bytes.Contains(b, []byte("\n|1|")) {
		line = xknownhosts.HashHostname(host) + " " + string(ssh.MarshalAuthorizedKey(key))
	}
	lines := k.lines + 1
	if len(b) > 0 && b[len(b)-1] != '\n' {
		line, lines = "\n"+line, lines+1
	}
	if _, err := f.WriteString(line); err != nil {
		return err
	}
	k.size, k.lines = int64(len(b)+len(line)), lines
	k.added[address] = append(k.added[address], xknownhosts.KnownKey{Key: key, Filename: f.Name(), Line: lines})
	return nil
}
