package ssh

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
	xknownhosts "golang.org/x/crypto/ssh/knownhosts"

	"github.com/kepmctl/kepmctl/transport"
)

// A trust judges the host keys of one dial by known_hosts files.
type trust struct {
	hop     *hop
	address string // under which the files have the machine
	known   *knownHosts
	held    []knownhosts.PublicKey
	seen    atomic.Pointer[string] // the key that was trusted; nil before
}

func (d *Dialer) trust(h *hop) (*trust, error) {
	known, err := d.known.get(strings.Join(h.known, "\x00"), func() (*knownHosts, error) { return openKnownHosts(h.known) })
	if err != nil {
		return nil, &transport.Error{
			Kind: transport.ErrHostKey, Doing: h.doing(), Err: err,
			Hint: "correct known_hosts_file",
		}
	}
	// Names are in lower case there, and an alias stands alone, without a port.
	t := &trust{hop: h, address: strings.ToLower(h.address), known: known}
	if h.alias != "" {
		t.address = net.JoinHostPort(strings.ToLower(h.alias), "22")
	}
	t.held = known.held(t.address)
	return t, nil
}

// algorithms begin with those of the keys the files hold for the host, so that a
// host with keys of several kinds shows the one that is known. A certificate is
// asked for only where there is an authority for the host.
func (t *trust) algorithms() []string {
	var known, certificates, rest []string
	for _, a := range ssh.SupportedAlgorithms().HostKeys {
		certificate := strings.Contains(a, "-cert-v01@")
		switch {
		case certificate:
			certificates = append(certificates, a)
		case slices.ContainsFunc(t.held, func(k knownhosts.PublicKey) bool { return !k.Cert && kindOf(a) == k.Type() }):
			known = append(known, a)
		default:
			rest = append(rest, a)
		}
	}
	if !slices.ContainsFunc(t.held, func(k knownhosts.PublicKey) bool { return k.Cert }) {
		certificates = nil
	}
	return slices.Concat(certificates, known, rest)
}

// kindOf is the type of the keys that a signature algorithm uses.
func kindOf(algorithm string) string {
	if algorithm == ssh.KeyAlgoRSASHA256 || algorithm == ssh.KeyAlgoRSASHA512 {
		return ssh.KeyAlgoRSA
	}
	return algorithm
}

// check is called at each exchange of keys, during the dial and later.
func (t *trust) check(_ string, _ net.Addr, key ssh.PublicKey) error {
	remote := &net.TCPAddr{IP: net.IPv4zero} // the name counts, and behind a bastion there is no address
	err := t.known.check(t.address, remote, key)
	if t.hop.how.HostKeys == transport.HostKeysAcceptNew && knownhosts.IsHostUnknown(err) {
		if err = t.known.accept(t.address, remote, key); err != nil && !errors.As(err, new(*xknownhosts.KeyError)) {
			err = fmt.Errorf("add the new key %s to %s: %w", fingerprint(key), t.file(), err)
		}
	}
	if err == nil && t.isAuthority(key) {
		err = errors.New("the host presents its authority's key as its own")
	}
	if err == nil {
		print := fingerprint(key)
		t.seen.CompareAndSwap(nil, &print)
		return nil
	}
	return t.explain(err, key)
}

// isAuthority says whether a plain key is known only as an authority's, which
// vouches for hosts but is no host's own.
func (t *trust) isAuthority(key ssh.PublicKey) bool {
	authority := false
	for _, k := range t.held {
		if bytes.Equal(k.Marshal(), key.Marshal()) {
			if !k.Cert {
				return false
			}
			authority = true
		}
	}
	return authority
}

func (t *trust) file() string {
	if len(t.known.files) == 0 {
		return os.DevNull
	}
	return t.known.files[0]
}

// explain says why a key is not trusted.
func (t *trust) explain(err error, key ssh.PublicKey) error {
	e := &transport.Error{
		Kind: transport.ErrHostKey, Doing: t.hop.doing(), Err: errors.New(printable(err.Error())),
		Hint: "check the @cert-authority lines of " + t.file() + ", and the host's certificate",
	}
	revoked, isRevoked := errors.AsType[*xknownhosts.RevokedError](err)
	mismatch, ok := errors.AsType[*xknownhosts.KeyError](err)
	_, isFile := errors.AsType[*os.PathError](err)
	switch {
	case isRevoked:
		e.Err = fmt.Errorf("the host presents a revoked key: %s (%s:%d)", fingerprint(key), revoked.Revoked.Filename, revoked.Revoked.Line)
		e.Hint = "give the host a new key"
	case isFile:
		e.Err, e.Hint = err, "host_keys = \"accept_new\" writes to known_hosts_file: make it writable, or use \"strict\""
	case ok && len(mismatch.Want) == 0:
		host, port, _ := net.SplitHostPort(t.hop.address)
		e.Err = fmt.Errorf("unknown host: it presents %s, and %s holds no key of it", fingerprint(key), strings.Join(t.known.files, ", "))
		e.Hint = fmt.Sprintf("compare the fingerprint on the host itself, then: ssh-keyscan -p %s %s >> %s", port, host, t.file())
	case ok && t.onlyAuthorities():
		e.Err = fmt.Errorf("it presents the plain key %s, and %s wants a certificate of its authority (line %d)", fingerprint(key), mismatch.Want[0].Filename, mismatch.Want[0].Line)
		e.Hint = "give the host its certificate (sshd_config: HostCertificate), or add its key to " + t.file()
	case ok:
		var held []string
		for _, w := range mismatch.Want {
			held = append(held, fmt.Sprintf("%s (%s:%d)", fingerprint(w.Key), w.Filename, w.Line))
		}
		e.Err = fmt.Errorf("the key has changed: it presents %s, known is %s", fingerprint(key), strings.Join(held, ", "))
		e.Hint = fmt.Sprintf("someone may be listening in; if the host was reinstalled: ssh-keygen -R %q -f %s",
			knownhosts.Normalize(t.address), t.file())
	}
	return e
}

func (t *trust) onlyAuthorities() bool {
	return len(t.held) > 0 && !slices.ContainsFunc(t.held, func(k knownhosts.PublicKey) bool { return !k.Cert })
}

// fingerprint is the kind of a key and its SHA-256; of a certificate, those of
// the key it certifies.
func fingerprint(key ssh.PublicKey) string {
	if c, ok := key.(*ssh.Certificate); ok {
		key = c.Key
	}
	return key.Type() + " " + ssh.FingerprintSHA256(key)
}
