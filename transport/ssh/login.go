package ssh

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/kepmctl/kepmctl/transport"
)

var errEncrypted = errors.New("the key is encrypted, and no passphrase is configured")

// A login is the keys that a dial offers.
type login struct {
	signers []ssh.Signer
	tried   []string // where keys were looked for, and with what success
	agent   net.Conn // signs until it is closed; nil: no agent
}

// String says what was tried.
func (l *login) String() string { return strings.Join(l.tried, ", ") }

func (l *login) close() {
	if l.agent != nil {
		_ = l.agent.Close()
	}
}

// A keyFile is a private key and what opens it.
type keyFile struct {
	path       string
	passphrase transport.SecretRef
}

// login collects keys: from the agent if the connection asks for it or names no
// key file, then from that file, or from the usual ones.
func (d *Dialer) login(ctx context.Context, how transport.Connection, address string) (*login, error) {
	l := &login{}
	named := how.PrivateKeyFile != ""
	if how.Agent || !named {
		if err := l.askAgent(ctx, d.AgentSocket); err != nil && how.Agent {
			l.close()
			return nil, authError(address, fmt.Errorf("ask the agent for keys: %w", err),
				"start ssh-agent and set SSH_AUTH_SOCK, or name a private_key_file with agent = false")
		}
	}
	files := []string{how.PrivateKeyFile}
	if !named {
		files = []string{"~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa"}
	}
	for _, file := range files {
		key := keyFile{d.path(file), how.PrivateKeyPassphrase}
		signer, err := d.keys.get(key, func() (ssh.Signer, error) { return d.readKey(key) })
		switch {
		case err == nil:
			l.signers = append(l.signers, signer)
			l.tried = append(l.tried, file)
		case named:
			l.close()
			return nil, authError(address, fmt.Errorf("read key %s: %w", key.path, err), keyHint(err))
		case !errors.Is(err, fs.ErrNotExist):
			l.tried = append(l.tried, fmt.Sprintf("%s (%s)", file, err))
		}
	}
	if len(l.signers) == 0 {
		l.close()
		return nil, authError(address, fmt.Errorf("there is no key to log in with (%s)", strings.Join(append(l.tried, files...), ", ")),
			"name a private_key_file, or start ssh-agent and set SSH_AUTH_SOCK")
	}
	return l, nil
}

func authError(address string, err error, hint string) error {
	return &transport.Error{Kind: transport.ErrAuth, Doing: "dial " + address, Err: err, Hint: hint}
}

func keyHint(err error) string {
	if errors.Is(err, errEncrypted) {
		return "set private_key_passphrase, or load the key into ssh-agent and set agent = true"
	}
	return "check private_key_file and private_key_passphrase"
}

// askAgent adds the agent's keys, and keeps the agent for signing with them.
func (l *login) askAgent(ctx context.Context, socket string) error {
	if socket == "" {
		return errors.New("there is no agent")
	}
	c, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		l.tried = append(l.tried, "agent (not running)")
		return err
	}
	// An agent may ask its user before it signs, for ever if nobody is there.
	if deadline, ok := ctx.Deadline(); ok {
		_ = c.SetDeadline(deadline)
	}
	l.agent = c
	signers, err := agent.NewClient(c).Signers()
	if err != nil {
		l.tried = append(l.tried, "agent (no answer)")
		return err
	}
	l.signers = append(l.signers, signers...)
	l.tried = append(l.tried, fmt.Sprintf("agent (%d keys)", len(signers)))
	return nil
}

// readKey reads a private key. Its errors never show what is in the file, nor
// the passphrase.
func (d *Dialer) readKey(key keyFile) (ssh.Signer, error) {
	pem, err := os.ReadFile(filepath.Clean(key.path))
	if err != nil {
		return nil, err
	}
	signer, err := ssh.ParsePrivateKey(pem)
	if _, missing := errors.AsType[*ssh.PassphraseMissingError](err); !missing {
		return signer, err
	}
	if key.passphrase.IsZero() || d.Secrets == nil {
		return nil, errEncrypted
	}
	passphrase, err := d.Secrets(key.passphrase)
	if err != nil {
		return nil, err
	}
	signer, err = ssh.ParsePrivateKeyWithPassphrase(pem, []byte(passphrase))
	if errors.Is(err, x509.IncorrectPasswordError) {
		return nil, fmt.Errorf("%s does not open it", key.passphrase)
	}
	return signer, err
}
