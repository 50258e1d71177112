package ssh

import (
	"bytes"
	"fmt"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
	xknownhosts "golang.org/x/crypto/ssh/knownhosts"
)

// plainKeys are known_hosts files in which every line is a key of hosts by name, as
// ssh-keyscan writes them, by name. The library compares a host with every line:
// for a fleet that is the square of its size. Patterns, hashed names and markers are
// left to it.
type plainKeys map[string][]xknownhosts.KnownKey

// add reads a file; false: it has more than plain names, or a line that cannot be read.
func (p plainKeys) add(file string, text []byte) bool {
	number := 0
	for line := range bytes.Lines(text) {
		number++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		marker, hosts, key, _, rest, err := ssh.ParseKnownHosts(line)
		if err != nil || marker != "" || len(rest) > 0 {
			return false
		}
		for _, host := range hosts {
			if host == "" || bytes.ContainsAny([]byte(host), "*?!|") {
				return false
			}
			name := knownhosts.Normalize(host)
			p[name] = append(p[name], xknownhosts.KnownKey{Key: key, Filename: file, Line: number})
		}
	}
	return true
}

// check judges a key as the library does: a host without any key is unknown, and a
// certificate needs an authority, of which there is none here.
func (p plainKeys) check(known []xknownhosts.KnownKey, address string, key ssh.PublicKey) error {
	if _, ok := key.(*ssh.Certificate); ok {
		return fmt.Errorf("ssh: no authorities for hostname: %v", address)
	}
	for _, k := range known {
		if bytes.Equal(k.Key.Marshal(), key.Marshal()) {
			return nil
		}
	}
	return &xknownhosts.KeyError{Want: known}
}
