// Package signature signs plans and says who did, as ssh-keygen -Y sign and verify do.
package signature

import (
	"bytes"
	"errors"
	"fmt"
	"net"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// Namespace keeps a signature made for something else from passing for one of a plan.
const Namespace = "kepmctl-plan"

// Suffix is how the file with a plan's signatures is called: PLAN.sig.
const Suffix = ".sig"

const maxSignatures = 32 // of one plan

// Errors of signatures.
var (
	ErrNone    = errors.New("it holds no signature of ssh-keygen's kind")
	ErrInvalid = errors.New("it is not a signature of this plan")
)

// Sign signs a plan's bytes. The result can be checked with
// ssh-keygen -Y verify -n kepmctl-plan.
func Sign(plan []byte, signer ssh.Signer) ([]byte, error) {
	s, err := sshsig.Sign(bytes.NewReader(plan), signer, sshsig.HashSHA512, Namespace)
	if err != nil {
		return nil, fmt.Errorf("sign the plan: %w", err)
	}
	return sshsig.Armor(s), nil
}

// Signers are the keys whose signatures of the plan a file holds, one after the other.
// One that is of another plan, or made for something else, is an error.
func Signers(plan, signatures []byte) ([]ssh.PublicKey, error) {
	const end = "-----END SSH SIGNATURE-----"
	var keys []ssh.PublicKey
	rest := signatures
	for len(bytes.TrimSpace(rest)) > 0 {
		i := bytes.Index(rest, []byte(end))
		if i < 0 || len(keys) == maxSignatures {
			return nil, ErrNone
		}
		s, err := sshsig.Unarmor(bytes.TrimSpace(rest[:i+len(end)]))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNone, err)
		}
		if err := sshsig.Verify(bytes.NewReader(plan), s, s.PublicKey, s.HashAlgorithm, Namespace); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		keys = append(keys, s.PublicKey)
		rest = rest[i+len(end):]
	}
	if len(keys) == 0 {
		return nil, ErrNone
	}
	return keys, nil
}

// ParseKey reads a public key as authorized_keys and .pub files have it.
func ParseKey(line string) (ssh.PublicKey, error) {
	key, _, _, rest, err := ssh.ParseAuthorizedKey([]byte(line))
	if err != nil || len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("it is no public key, such as \"ssh-ed25519 AAAA... name\"")
	}
	return key, nil
}

// Open opens the key to sign with: a private key, or the agent's for a public one.
// Close must be called after signing.
func Open(file []byte, agentSocket string) (signer ssh.Signer, done func(), err error) {
	if signer, err := ssh.ParsePrivateKey(file); err == nil {
		return signer, func() {}, nil
	} else if _, locked := errors.AsType[*ssh.PassphraseMissingError](err); locked {
		return nil, nil, errors.New("it has a passphrase: add it to the SSH agent, and name the public key instead")
	}
	key, err := ParseKey(string(file))
	if err != nil {
		return nil, nil, errors.New("it is neither a private key nor a public one")
	}
	if agentSocket == "" {
		return nil, nil, errors.New("it is a public key, and there is no SSH agent (SSH_AUTH_SOCK) to sign with")
	}
	c, err := net.Dial("unix", agentSocket)
	if err != nil {
		return nil, nil, fmt.Errorf("ask the SSH agent: %w", err)
	}
	signers, err := agent.NewClient(c).Signers()
	for _, s := range signers {
		if bytes.Equal(s.PublicKey().Marshal(), key.Marshal()) {
			return s, func() { _ = c.Close() }, nil
		}
	}
	_ = c.Close()
	if err != nil {
		return nil, nil, fmt.Errorf("ask the SSH agent: %w", err)
	}
	return nil, nil, errors.New("the SSH agent does not hold it")
}

// A PublicKey is a key that signed.
type PublicKey = ssh.PublicKey

// Fingerprint names a key as ssh-keygen -l does.
func Fingerprint(k PublicKey) string { return k.Type() + " " + ssh.FingerprintSHA256(k) }
