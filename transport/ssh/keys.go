package ssh

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/kepmctl/kepmctl/transport"
)

var errEncrypted = errors.New("the key is encrypted, and no passphrase is configured")

// A keySource is where a private key comes from, a file or a secret, and what
// opens it.
type keySource struct {
	path       string
	secret     transport.SecretRef
	passphrase transport.SecretRef
}

func (k keySource) String() string {
	if k.secret.IsZero() {
		return k.path
	}
	return k.secret.String()
}

// readKey reads a private key. Its errors never show what is in it, nor the
// passphrase.
func (d *Dialer) readKey(key keySource) (ssh.Signer, error) {
	pem, err := d.keyBytes(key)
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

func (d *Dialer) keyBytes(key keySource) ([]byte, error) {
	if key.secret.IsZero() {
		return os.ReadFile(filepath.Clean(key.path))
	}
	if d.Secrets == nil {
		return nil, errors.New("the secret was not resolved")
	}
	text, err := d.Secrets(key.secret)
	if err != nil {
		return nil, err
	}
	// A secret comes without its last newline, which some keys need.
	return []byte(text + "\n"), nil
}

// publicHalf is the public key of a private key's file, also of one that is
// encrypted; nil if no file says it. The name may be that of the public key, when
// only the agent has the private one.
func publicHalf(path string) ssh.PublicKey {
	var b []byte
	for _, file := range []string{path + ".pub", path} {
		var err error
		if b, err = os.ReadFile(filepath.Clean(file)); err != nil {
			continue
		}
		if key, _, _, _, err := ssh.ParseAuthorizedKey(b); err == nil {
			return key
		}
	}
	signer, err := ssh.ParsePrivateKey(b)
	if err == nil {
		return signer.PublicKey()
	}
	if missing, ok := errors.AsType[*ssh.PassphraseMissingError](err); ok {
		return missing.PublicKey
	}
	return nil
}

// readCertificate reads an OpenSSH user certificate.
func readCertificate(path string) (*ssh.Certificate, error) {
	b, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return nil, err
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(b)
	if err != nil {
		return nil, errors.New("it is no OpenSSH public key or certificate")
	}
	c, ok := key.(*ssh.Certificate)
	switch {
	case !ok:
		return nil, errors.New("it is a plain public key, not a certificate")
	case c.CertType != ssh.UserCert:
		return nil, errors.New("it is a host's certificate, not a user's")
	}
	return c, nil
}

// validity says why a certificate is of no use now, or nil.
func validity(c *ssh.Certificate, now time.Time) error {
	at := now.Unix()
	from, until := int64(c.ValidAfter), int64(c.ValidBefore) //nolint:gosec // as OpenSSH's own tools show them
	forever := c.ValidBefore == ssh.CertTimeInfinity
	switch {
	case c.ValidAfter > 1<<62:
		return errors.New("it is never valid")
	case at < from:
		return fmt.Errorf("it is not yet valid: from %s, now it is %s", instant(from), instant(at))
	case !forever && (until < 0 || at >= until):
		return fmt.Errorf("it expired at %s, now it is %s", instant(until), instant(at))
	}
	return nil
}

func instant(unix int64) string { return time.Unix(unix, 0).UTC().Format(time.RFC3339) }

// misfit says that a certificate does not name the login user. That is no error
// by itself: a server may know the principals by other means
// (AuthorizedPrincipalsFile). It is what to look at when the login fails.
func misfit(c *ssh.Certificate, user string) string {
	if slices.Contains(c.ValidPrincipals, user) {
		return ""
	}
	if len(c.ValidPrincipals) == 0 {
		return "names no principal"
	}
	return fmt.Sprintf("is for %s, not for %s", printable(strings.Join(c.ValidPrincipals, ", ")), user)
}

// certified is the signer of the key that the certificate is for.
func certified(c *ssh.Certificate, signers []ssh.Signer) (ssh.Signer, error) {
	for _, s := range signers {
		if bytes.Equal(s.PublicKey().Marshal(), c.Key.Marshal()) {
			return ssh.NewCertSigner(c, s)
		}
	}
	return nil, fmt.Errorf("it is for another key (%s)", fingerprint(c.Key))
}
