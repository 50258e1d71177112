package ssh

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/kepmctl/kepmctl/transport"
)

// A login is what a dial has to show: keys, a password, or both.
type login struct {
	signers []ssh.Signer
	tried   []string // where keys were looked for, and with what success
	remarks []string // what may be the reason if no key is accepted
	agent   net.Conn // signs until it is closed; nil: no agent
	free    func() bool
}

// String says what was tried.
func (l *login) String() string { return strings.Join(l.tried, ", ") }

func (l *login) close() {
	if l.agent != nil {
		l.free()
		_ = l.agent.Close()
	}
}

// login collects keys: those the connection names, by the agent too if it asks
// for it; or, if it names neither key nor password, the agent's and those of the
// user's own configuration, or the usual ones.
func (d *Dialer) login(ctx context.Context, h *hop) (*login, error) {
	l := &login{}
	if h.agentFirst {
		if err := l.askAgent(ctx, d, h); err != nil && h.how.Agent {
			l.close()
			return nil, authError(h, fmt.Errorf("ask the agent for keys: %w", err),
				"start ssh-agent and set SSH_AUTH_SOCK, or name a private_key_file with agent = false")
		}
	}
	err := d.addKeys(l, h)
	if err == nil {
		err = d.addCertificates(l, h)
	}
	if err == nil && len(l.signers) == 0 && h.how.Password.IsZero() {
		err = authError(h, fmt.Errorf("there is no key to log in with (%s)", strings.Join(append(l.tried, h.looked()...), ", ")),
			"name a private_key_file, or start ssh-agent and set SSH_AUTH_SOCK")
	}
	if err != nil {
		l.close()
		return nil, err
	}
	if !h.how.Password.IsZero() {
		l.tried = append(l.tried, "the password "+h.how.Password.String())
	}
	return l, nil
}

// Prepare settles how a host is reached and opens the keys and certificates that
// its connection, and those of the machines in between, name. It dials nobody: what
// it returns is wrong on this side, and would be so for every host.
func (d *Dialer) Prepare(h transport.Host) error {
	to, err := d.settle(h.Connection, h.Address, h.Address == h.Name, h.Port)
	if err != nil {
		return err
	}
	hops, err := d.chain(to)
	if err != nil {
		return err
	}
	for _, hop := range append(hops, to) {
		if !hop.named {
			continue
		}
		l := &login{}
		if err := d.addKeys(l, hop); err != nil {
			return err
		}
		if hop.how.Agent { // the certificate may be of a key that the agent holds
			continue
		}
		if err := d.addCertificates(l, hop); err != nil {
			return err
		}
	}
	return nil
}

// addKeys reads the private keys. One that the connection names must be there
// and open; of the others what can be had is taken.
func (d *Dialer) addKeys(l *login, h *hop) error {
	for _, key := range h.keys {
		opened := key
		opened.path = d.path(key.path)
		signer, err := d.keys.get(opened, func() (ssh.Signer, error) { return d.readKey(opened) })
		switch {
		case err == nil:
			l.signers = append(l.signers, signer)
			l.tried = append(l.tried, key.String())
			d.addBeside(l, h, opened.path, signer)
		case h.named:
			return authError(h, fmt.Errorf("read key %s: %w", opened, err), keyHint(err))
		case !errors.Is(err, fs.ErrNotExist):
			l.tried = append(l.tried, fmt.Sprintf("%s (%s)", key, err))
		}
	}
	return nil
}

// addBeside offers the certificate that lies beside a key's file, as ssh does.
// One that is of no use is left out, and said if the login fails.
func (d *Dialer) addBeside(l *login, h *hop, path string, signer ssh.Signer) {
	if path == "" || len(h.certificates) > 0 {
		return
	}
	file := path + "-cert.pub"
	c, err := d.certificates.get(file, func() (*ssh.Certificate, error) { return readCertificate(file) })
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var both ssh.Signer
	if err == nil {
		err = validity(c, d.now())
	}
	if err == nil {
		both, err = certified(c, []ssh.Signer{signer})
	}
	if err != nil {
		l.remarks = append(l.remarks, fmt.Sprintf("%s was not used: %s", file, err))
		return
	}
	l.offer(both, file, c, h.how.User)
}

// addCertificates offers the certificates that are named before any plain key.
func (d *Dialer) addCertificates(l *login, h *hop) error {
	for _, named := range h.certificates {
		file := d.path(named)
		c, err := d.certificates.get(file, func() (*ssh.Certificate, error) { return readCertificate(file) })
		var both ssh.Signer
		if err == nil {
			err = validity(c, d.now())
		}
		if err == nil {
			both, err = certified(c, l.signers)
		}
		switch {
		case err == nil:
			l.offer(both, file, c, h.how.User)
		case h.how.CertificateFile == "": // of the SSH configuration, which may name several
			l.remarks = append(l.remarks, fmt.Sprintf("%s was not used: %s", file, err))
		default:
			return authError(h, fmt.Errorf("use certificate %s: %w", file, err),
				"have a new certificate issued for this key (ssh-keygen -L -f "+file+" shows it), or leave certificate_file out")
		}
	}
	return nil
}

func (l *login) offer(s ssh.Signer, file string, c *ssh.Certificate, user string) {
	l.signers = slices.Insert(l.signers, 0, s)
	l.tried = append(l.tried, "certificate "+file)
	if doubt := misfit(c, user); doubt != "" {
		l.remarks = append(l.remarks, file+" "+doubt)
	}
}

func authError(h *hop, err error, hint string) error {
	return &transport.Error{Kind: transport.ErrAuth, Doing: h.doing(), Err: err, Hint: hint}
}

func keyHint(err error) string {
	if errors.Is(err, errEncrypted) {
		return "set private_key_passphrase, or load the key into ssh-agent and set agent = true"
	}
	return "check private_key_file, private_key and private_key_passphrase"
}

// askAgent adds the agent's keys and certificates, and keeps the agent for
// signing with them.
func (l *login) askAgent(ctx context.Context, d *Dialer, h *hop) error {
	if h.agentSocket == "" {
		return errors.New("there is no agent")
	}
	c, err := new(net.Dialer).DialContext(ctx, "unix", h.agentSocket)
	if err != nil {
		l.tried = append(l.tried, "agent (not running)")
		return err
	}
	// An agent may ask its user before it signs, for ever if nobody is there.
	l.agent, l.free = c, context.AfterFunc(ctx, func() { _ = c.Close() })
	signers, err := agent.NewClient(c).Signers()
	if err != nil {
		l.tried = append(l.tried, "agent (no answer)")
		return err
	}
	if h.onlyNamed {
		signers = d.among(signers, h)
	}
	l.signers = append(l.signers, signers...)
	l.tried = append(l.tried, fmt.Sprintf("agent (%d keys)", len(signers)))
	return nil
}

// among is those of the agent's keys whose files the configuration names
// (IdentitiesOnly).
func (d *Dialer) among(signers []ssh.Signer, h *hop) []ssh.Signer {
	wanted := map[string]bool{}
	for _, key := range h.keys {
		if public := publicHalf(d.path(key.path)); public != nil {
			wanted[fingerprint(public)] = true
		}
	}
	return slices.DeleteFunc(signers, func(s ssh.Signer) bool { return !wanted[agentPrint(s.PublicKey())] })
}

// agentPrint is the fingerprint of a key as the agent hands it out: in bytes, a
// certificate too.
func agentPrint(key ssh.PublicKey) string {
	if parsed, err := ssh.ParsePublicKey(key.Marshal()); err == nil {
		key = parsed
	}
	return fingerprint(key)
}
