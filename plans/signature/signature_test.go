package signature_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"

	"github.com/kepmctl/kepmctl/plans/signature"
)

func newKey(t *testing.T) ([]byte, ssh.Signer) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	signer, done, err := signature.Open(pem.EncodeToMemory(block), "")
	if err != nil {
		t.Fatal(err)
	}
	done()
	return pem.EncodeToMemory(block), signer
}

func TestSigners(t *testing.T) {
	plan := []byte(`{"format_version":"1.2"}`)
	_, a := newKey(t)
	_, b := newKey(t)
	sign := func(s ssh.Signer, over []byte) []byte {
		t.Helper()
		out, err := signature.Sign(over, s)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	both := append(sign(a, plan), sign(b, plan)...)
	if keys, err := signature.Signers(plan, both); err != nil || len(keys) != 2 || string(keys[1].Marshal()) != string(b.PublicKey().Marshal()) {
		t.Errorf("%v, %v", keys, err)
	}
	s, err := sshsig.Sign(strings.NewReader(string(plan)), a, sshsig.HashSHA512, "git")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		file []byte
		want error
	}{
		"nothing":           {nil, signature.ErrNone},
		"text":              {[]byte("hello"), signature.ErrNone},
		"cut off":           {both[:100], signature.ErrNone},
		"another plan":      {sign(a, []byte("{}")), signature.ErrInvalid},
		"another namespace": {sshsig.Armor(s), signature.ErrInvalid},
		"one of two":        {append(sign(a, plan), sign(b, []byte("{}"))...), signature.ErrInvalid},
		"something after":   {append(sign(a, plan), "x"...), signature.ErrNone},
		"too many":          {[]byte(strings.Repeat(string(sign(a, plan)), 33)), signature.ErrNone},
	} {
		if _, err := signature.Signers(plan, c.file); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// ssh-keygen takes our signatures, and we take its.
func TestInteroperates(t *testing.T) {
	keygen, err := exec.LookPath("ssh-keygen")
	if err != nil {
		t.Skip("there is no ssh-keygen")
	}
	dir, plan := t.TempDir(), []byte("plan")
	private, signer := newKey(t)
	public := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
	sig, err := signature.Sign(plan, signer)
	if err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string]string{"key": string(private), "key.pub": public, "plan": string(plan), "plan.sig": string(sig), "allowed": "me " + public + "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) {
		t.Helper()
		cmd := exec.Command(keygen, args...)
		cmd.Dir, cmd.Stdin = dir, strings.NewReader(string(plan))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("ssh-keygen %s: %v\n%s", args, err, out)
		}
	}
	run("-Y", "verify", "-f", "allowed", "-I", "me", "-n", signature.Namespace, "-s", "plan.sig")
	if err := os.Remove(filepath.Join(dir, "plan.sig")); err != nil {
		t.Fatal(err)
	}
	run("-Y", "sign", "-f", "key", "-n", signature.Namespace, "plan")
	theirs, err := os.ReadFile(filepath.Join(dir, "plan.sig"))
	if err != nil {
		t.Fatal(err)
	}
	if keys, err := signature.Signers(plan, theirs); err != nil || len(keys) != 1 {
		t.Errorf("%v, %v", keys, err)
	}
}

func TestOpen(t *testing.T) {
	_, signer := newKey(t)
	public := ssh.MarshalAuthorizedKey(signer.PublicKey())
	for name, c := range map[string][2]string{
		"neither":             {"hello", "neither a private key nor a public one"},
		"public, no agent":    {string(public), "there is no SSH agent"},
		"public, no listener": {string(public), "ask the SSH agent"},
	} {
		socket := ""
		if strings.Contains(name, "listener") {
			socket = filepath.Join(t.TempDir(), "none")
		}
		if _, _, err := signature.Open([]byte(c[0]), socket); err == nil || !strings.Contains(err.Error(), c[1]) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzSigners(f *testing.F) {
	f.Add([]byte("-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if keys, err := signature.Signers([]byte("plan"), b); err == nil && len(keys) == 0 {
			t.Error("no error and no key")
		}
	})
}
