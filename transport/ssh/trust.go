package ssh

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
	xknownhosts "golang.org/x/crypto/ssh/knownhosts"

	"github.com/kepmctl/kepmctl/transport"
)

// A trust judges the host keys of one dial by a known_hosts file.
type trust struct {
	address string
	file    string
	db      *knownhosts.HostKeyDB
	seen    atomic.Pointer[string] // the key that was trusted; nil before
}

func (d *Dialer) trust(how transport.Connection, address string) (*trust, error) {
	file := d.path(how.KnownHostsFile)
	if file == "" {
		file = filepath.Join(d.Home, ".ssh", "known_hosts")
	}
	db, err := d.known.get(file, func() (*knownhosts.HostKeyDB, error) {
		db, err := knownhosts.NewDB(file)
		// Without the file no host is known; the fingerprint that is shown then
		// helps more than the missing file.
		if errors.Is(err, fs.ErrNotExist) {
			return knownhosts.NewDB()
		}
		return db, err
	})
	if err != nil {
		return nil, &transport.Error{
			Kind: transport.ErrHostKey, Doing: "dial " + address, Err: err,
			Hint: "correct known_hosts_file",
		}
	}
	return &trust{address: address, file: file, db: db}, nil
}

// algorithms are those of the keys the file holds for the host, so that a host
// with keys of several kinds shows the one that is known. For an unknown host
// it is every sound one.
func (t *trust) algorithms(address string) []string {
	sound := ssh.SupportedAlgorithms().HostKeys
	known := slices.DeleteFunc(t.db.HostKeyAlgorithms(address), func(a string) bool {
		return !slices.Contains(sound, a)
	})
	if len(known) == 0 {
		return sound
	}
	return known
}

// check is called at each exchange of keys, during the dial and later.
func (t *trust) check(hostname string, remote net.Addr, key ssh.PublicKey) error {
	err := t.db.HostKeyCallback()(hostname, remote, key)
	if err == nil {
		print := fingerprint(key)
		t.seen.CompareAndSwap(nil, &print)
		return nil
	}
	return t.explain(err, key)
}

// explain says why a key is not trusted.
func (t *trust) explain(err error, key ssh.PublicKey) error {
	e := &transport.Error{
		Kind: transport.ErrHostKey, Doing: "dial " + t.address, Err: errors.New(printable(err.Error())),
		Hint: "check the @cert-authority lines of " + t.file + ", and the host's certificate",
	}
	revoked, isRevoked := errors.AsType[*xknownhosts.RevokedError](err)
	mismatch, ok := errors.AsType[*xknownhosts.KeyError](err)
	switch {
	case isRevoked:
		e.Err = fmt.Errorf("the host presents a revoked key: %s (%s:%d)", fingerprint(key), revoked.Revoked.Filename, revoked.Revoked.Line)
		e.Hint = "give the host a new key"
	case ok && len(mismatch.Want) == 0:
		host, port, _ := net.SplitHostPort(t.address)
		e.Err = fmt.Errorf("unknown host: it presents %s, and %s holds no key of it", fingerprint(key), t.file)
		e.Hint = fmt.Sprintf("compare the fingerprint on the host itself, then: ssh-keyscan -p %s %s >> %s", port, host, t.file)
	case ok:
		var held []string
		for _, w := range mismatch.Want {
			held = append(held, fmt.Sprintf("%s (%s:%d)", fingerprint(w.Key), w.Filename, w.Line))
		}
		e.Err = fmt.Errorf("the key has changed: it presents %s, known is %s", fingerprint(key), strings.Join(held, ", "))
		e.Hint = fmt.Sprintf("someone may be listening in; if the host was reinstalled: ssh-keygen -R %q -f %s",
			knownhosts.Normalize(t.address), t.file)
	}
	return e
}

// fingerprint is the kind of a key and its SHA-256; of a certificate, those of
// the key it certifies.
func fingerprint(key ssh.PublicKey) string {
	if c, ok := key.(*ssh.Certificate); ok {
		key = c.Key
	}
	return key.Type() + " " + ssh.FingerprintSHA256(key)
}
