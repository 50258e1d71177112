package ssh

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/kepmctl/kepmctl/transport"
)

var passwordRef = transport.SecretRef{Source: "env", Name: "PW"}

// withPassword gives the connection the password "right", or another.
func withPassword(d *Dialer, h *transport.Host, password string) {
	h.Connection.Password = passwordRef
	d.Secrets = func(transport.SecretRef) (string, error) { return password, nil }
}

// takes makes a server that takes the password "right" and no key, and counts
// how often it was shown one.
func takes(count *atomic.Int32) func(*ssh.ServerConfig) {
	return func(c *ssh.ServerConfig) {
		c.PublicKeyCallback = nil
		c.PasswordCallback = func(_ ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
			count.Add(1)
			if string(password) != "right" {
				return nil, errors.New("no")
			}
			return nil, nil
		}
	}
}

func asks(count *atomic.Int32, instruction string, questions []string, echo bool) func(*ssh.ServerConfig) {
	return func(c *ssh.ServerConfig) {
		c.PublicKeyCallback = nil
		c.KeyboardInteractiveCallback = func(_ ssh.ConnMetadata, client ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			for range 3 {
				echos := make([]bool, len(questions))
				if echo {
					echos[0] = true
				}
				answers, err := client("", instruction, questions, echos)
				if err != nil {
					return nil, err
				}
				count.Add(1)
				if len(answers) == 0 || answers[0] == "right" {
					return nil, nil
				}
			}
			return nil, errors.New("no")
		}
	}
}

func TestPassword(t *testing.T) {
	var shown atomic.Int32
	tests := []struct {
		name     string
		config   func(*ssh.ServerConfig)
		password string
		shown    int32
		texts    []string // empty: it logs in
	}{
		{"right", takes(&shown), "right", 1, nil},
		{"wrong", takes(&shown), "wr0ng", 1, []string{`secret::env("PW")`, "it offers password", "not tried again"}},
		{"empty", takes(&shown), "", 0, []string{"no password"}},
		{"asked for", asks(&shown, "", []string{"Password: "}, false), "right", 1, nil},
		{"asked for in German", asks(&shown, "", []string{"ops@web-1's Passwort:"}, false), "right", 1, nil},
		{"asked for, wrong", asks(&shown, "", []string{"Password: "}, false), "wr0ng", 1, []string{"accepted none", "not tried again"}},
		{"a code", asks(&shown, "Duo\x1b[2J", []string{"Verification code: "}, false), "right", 0, []string{"Verification code:", `Duo\x1b[2J`, "second factor"}},
		{"a one-time password", asks(&shown, "", []string{"One-time password (OATH) for ops: "}, false), "right", 0, []string{"One-time", "second factor"}},
		{"a new password", asks(&shown, "", []string{"Current password: "}, false), "right", 0, []string{"Current password"}},
		{"two questions", asks(&shown, "", []string{"Password: ", "Token: "}, false), "right", 0, []string{"Password: Token:"}},
		{"in the open", asks(&shown, "", []string{"Password: "}, true), "right", 0, []string{"Password:"}},
		{"an announcement", asks(&shown, "welcome", nil, false), "right", 1, nil},
		{
			"both ways, wrong: shown once",
			func(c *ssh.ServerConfig) {
				asks(&shown, "", []string{"Password: "}, false)(c)
				takes(&shown)(c)
			}, "wr0ng", 1,
			[]string{"offers password, keyboard-interactive"},
		},
		{
			"only keys",
			func(c *ssh.ServerConfig) {}, "right", 0,
			[]string{"takes none", "offers publickey", "private_key_file"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			shown.Store(0)
			d, h := (&server{config: tt.config}).start(t)
			withPassword(d, &h, tt.password)
			if tt.texts == nil {
				dial(t, d, h)
			} else {
				fails(t, d, h, transport.ErrAuth, tt.texts...)
			}
			if tt.shown != shown.Load() {
				t.Errorf("the password was shown %d times, want %d", shown.Load(), tt.shown)
			}
			_, err := d.Dial(t.Context(), h)
			if tt.password == "wr0ng" && strings.Contains(err.Error(), tt.password) {
				t.Errorf("the password is in %v", err)
			}
		})
	}
}

// A server that wants a key and then the password gets both.
func TestKeyAndPassword(t *testing.T) {
	var shown atomic.Int32
	s := &server{config: func(c *ssh.ServerConfig) {
		key := c.PublicKeyCallback
		takes(&shown)(c)
		password := c.PasswordCallback
		c.PasswordCallback = nil
		c.PublicKeyCallback = func(m ssh.ConnMetadata, k ssh.PublicKey) (*ssh.Permissions, error) {
			if _, err := key(m, k); err != nil {
				return nil, err
			}
			return nil, &ssh.PartialSuccessError{Next: ssh.ServerAuthCallbacks{PasswordCallback: password}}
		}
	}}
	d, h := s.start(t)
	h.Connection.PrivateKeyFile = "~/.ssh/id_ed25519"
	fails(t, d, h, transport.ErrAuth, "~/.ssh/id_ed25519", "it offers password")
	withPassword(d, &h, "right")
	dial(t, d, h)
	// The password alone is not enough, and other keys are not looked for.
	h.Connection.PrivateKeyFile = ""
	fails(t, d, h, transport.ErrAuth, "offers publickey")
}

func TestPrivateKeySecret(t *testing.T) {
	s := &server{}
	d, h := s.start(t)
	private := writeKey(t, filepath.Join(d.Home, "secret"), "opensesame")
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	s.accept = func(key ssh.PublicKey) bool { return string(key.Marshal()) == string(signer.PublicKey().Marshal()) }
	text, err := os.ReadFile(filepath.Join(d.Home, "secret"))
	if err != nil {
		t.Fatal(err)
	}
	key, pass := transport.SecretRef{Source: "env", Name: "KEY"}, transport.SecretRef{Source: "env", Name: "PASS"}
	d.Secrets = func(r transport.SecretRef) (string, error) {
		return map[transport.SecretRef]string{key: strings.TrimSuffix(string(text), "\n"), pass: "opensesame"}[r], nil
	}
	h.Connection.PrivateKey = key
	fails(t, d, h, transport.ErrAuth, `secret::env("KEY")`, "encrypted", "private_key_passphrase")
	h.Connection.PrivateKeyPassphrase = pass
	dial(t, d, h)
	h.Connection.PrivateKey = pass
	fails(t, d, h, transport.ErrAuth, `secret::env("PASS")`)
	_, err = d.Dial(t.Context(), h)
	if strings.Contains(err.Error(), "opensesame") {
		t.Errorf("the secret is in %v", err)
	}
}

// certify writes a certificate for a key.
func certify(t *testing.T, file string, authority ssh.Signer, key ssh.PublicKey, change func(*ssh.Certificate)) *ssh.Certificate {
	t.Helper()
	c := &ssh.Certificate{
		Key: key, CertType: ssh.UserCert, KeyId: "ops", ValidPrincipals: []string{"ops"},
		ValidAfter: 1_700_000_000, ValidBefore: 1_900_000_000,
	}
	if change != nil {
		change(c)
	}
	if err := c.SignCert(strings.NewReader(strings.Repeat("nonce", 100)), authority); err != nil {
		t.Fatal(err)
	}
	write(t, file, string(ssh.MarshalAuthorizedKey(c)))
	return c
}

// trusting starts a server that trusts an authority, in 2027, and a login whose
// key is ~/key.
func trusting(t *testing.T) (s *server, d *Dialer, h transport.Host, authority ssh.Signer, own ed25519.PrivateKey) {
	t.Helper()
	authority = newSigner(t)
	checker := &ssh.CertChecker{
		IsUserAuthority: func(k ssh.PublicKey) bool { return string(k.Marshal()) == string(authority.PublicKey().Marshal()) },
		Clock:           func() time.Time { return time.Unix(1_800_000_000, 0) },
	}
	s = &server{config: func(c *ssh.ServerConfig) { c.PublicKeyCallback = checker.Authenticate }}
	d, h = s.start(t)
	d.Now = checker.Clock
	h.Connection.PrivateKeyFile = "~/key"
	return s, d, h, authority, writeKey(t, d.path("~/key"), "")
}

func publicKey(t *testing.T, private ed25519.PrivateKey) ssh.PublicKey {
	t.Helper()
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return signer.PublicKey()
}

func TestCertificates(t *testing.T) {
	s, d, h, authority, private := trusting(t)
	own := publicKey(t, private)
	tests := []struct {
		name   string
		key    ssh.PublicKey
		change func(*ssh.Certificate)
		local  bool     // nobody is dialled
		texts  []string // empty: it logs in
	}{
		{"right", own, nil, false, nil},
		{"for ever", own, func(c *ssh.Certificate) { c.ValidBefore = ssh.CertTimeInfinity }, false, nil},
		{"expired", own, func(c *ssh.Certificate) { c.ValidBefore = 1_799_999_999 }, true, []string{"/cert.pub", "expired at 2027-01-15T07:59:59Z", "now it is 2027-01-15T08:00:00Z"}},
		{"not yet", own, func(c *ssh.Certificate) { c.ValidAfter = 1_800_000_001 }, true, []string{"not yet valid: from 2027-01-15T08:00:01Z"}},
		{"never", own, func(c *ssh.Certificate) { c.ValidAfter = 1 << 63 }, true, []string{"never valid"}},
		{"another key's", newSigner(t).PublicKey(), nil, true, []string{"another key"}},
		{"a host's", own, func(c *ssh.Certificate) { c.CertType = ssh.HostCert }, true, []string{"host's certificate"}},
		{"another user's", own, func(c *ssh.Certificate) { c.ValidPrincipals = []string{"root", "db\x1b"} }, false, []string{`is for root, db\x1b, not for ops`, "principals"}},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := fmt.Sprintf("~/%d/cert.pub", i)
			certify(t, d.path(file), authority, tt.key, tt.change)
			h.Connection.CertificateFile = file
			before := s.dialled()
			if tt.texts == nil {
				dial(t, d, h)
				return
			}
			fails(t, d, h, transport.ErrAuth, tt.texts...)
			if tt.local && s.dialled() != before {
				t.Error("the host was dialled")
			}
		})
	}
	write(t, d.path("~/plain"), string(ssh.MarshalAuthorizedKey(own)))
	write(t, d.path("~/junk"), "junk")
	for file, text := range map[string]string{"~/absent": "no such file", "~/plain": "plain public key", "~/junk": "no OpenSSH public key"} {
		h.Connection.CertificateFile = file
		fails(t, d, h, transport.ErrAuth, file[2:], text)
	}
}

// A certificate may be in the agent with its key, apart from it, or beside the
// key's file without being named.
func TestCertificatesElsewhere(t *testing.T) {
	_, d, h, authority, private := trusting(t)
	own := publicKey(t, private)
	t.Run("agent", func(t *testing.T) {
		c := certify(t, d.path("~/held.pub"), authority, own, nil)
		keyring := agent.NewKeyring()
		if err := keyring.Add(agent.AddedKey{PrivateKey: private, Certificate: c}); err != nil {
			t.Fatal(err)
		}
		h := h
		h.Connection = transport.Connection{Agent: true}
		d.AgentSocket = startAgent(t, keyring)
		dial(t, d, h)
		if err := keyring.RemoveAll(); err != nil {
			t.Fatal(err)
		}
		fails(t, d, h, transport.ErrAuth, "agent (0 keys)")
		if err := keyring.Add(agent.AddedKey{PrivateKey: private}); err != nil {
			t.Fatal(err)
		}
		h.Connection.CertificateFile = "~/held.pub"
		dial(t, d, h)
	})
	t.Run("beside", func(t *testing.T) {
		certify(t, d.path("~/key-cert.pub"), authority, own, nil)
		dial(t, d, h)
		d.certificates = cache[string, *ssh.Certificate]{}
		certify(t, d.path("~/key-cert.pub"), authority, own, func(c *ssh.Certificate) { c.ValidBefore = 1_799_999_999 })
		fails(t, d, h, transport.ErrAuth, "key-cert.pub was not used: it expired")
	})
}

// A wrong password must not lock an account by being tried on a fleet.
func TestBreaker(t *testing.T) {
	var shown atomic.Int32
	d, h := (&server{config: takes(&shown)}).start(t)
	withPassword(d, &h, "wr0ng")
	var wg sync.WaitGroup
	var spent atomic.Int32
	for range 20 {
		wg.Go(func() {
			_, err := d.Dial(t.Context(), h)
			if !errors.Is(err, transport.ErrAuth) {
				t.Errorf("the error is %v", err)
			}
			if isSpent(err) && transport.Hint(err) == spentHint && strings.Count(err.Error(), "127.0.0.1:") == 4 {
				spent.Add(1)
			}
		})
	}
	wg.Wait()
	if shown.Load() != refusalsAllowed || spent.Load() != 17 {
		t.Errorf("the password was shown %d times, %d were spared", shown.Load(), spent.Load())
	}
	h.Connection.User = "other" // another account, another count
	_, err := d.Dial(t.Context(), h)
	if err == nil || isSpent(err) {
		t.Errorf("the error is %v", err)
	}
}

func TestBreakerLetsTheRightOnePass(t *testing.T) {
	var b breaker
	c := credential{passwordRef, "ops"}
	var leaves []func(verdict)
	for range refusalsAllowed {
		leave, err := b.enter(t.Context(), c, "web")
		if err != nil {
			t.Fatal(err)
		}
		leaves = append(leaves, leave)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := b.enter(ctx, c, "web"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a fourth try before any answer: %v", err)
	}
	time.AfterFunc(20*time.Millisecond, func() {
		leaves[0](unclear) // makes room for one
	})
	leave, err := b.enter(t.Context(), c, "web")
	if err != nil {
		t.Fatal(err)
	}
	leaves[1](refused)
	leaves[2](refused)
	time.AfterFunc(20*time.Millisecond, func() { leave(accepted) })
	for range 50 { // after a success there is no limit
		if _, err := b.enter(t.Context(), c, "web"); err != nil {
			t.Fatal(err)
		}
	}
}

// While others are waited for, a host's own time stands still.
func TestPatience(t *testing.T) {
	ctx, p, end := withPatience(t.Context(), 300*time.Millisecond)
	defer end()
	if err := p.hold(func() error { time.Sleep(600 * time.Millisecond); return nil }); err != nil || ctx.Err() != nil {
		t.Errorf("it ran out while it stood still: %v, %v", err, ctx.Err())
	}
	<-ctx.Done()
	if !timedOut(ctx) || cancelled(ctx) {
		t.Errorf("it ended by %v", context.Cause(ctx))
	}
	if err := p.hold(func() error { return ctx.Err() }); err == nil {
		t.Error("it goes on after its end")
	}
	parent, cancel := context.WithCancel(t.Context())
	ctx, _, end = withPatience(parent, time.Minute)
	defer end()
	cancel()
	if !cancelled(ctx) || timedOut(ctx) {
		t.Errorf("it ended by %v", context.Cause(ctx))
	}
}

// A connection that breaks while the server judges a key or a password was not
// refused: the password is not spent by it.
func TestLostDuringLogin(t *testing.T) {
	for _, by := range []string{"key", "password"} {
		t.Run(by, func(t *testing.T) {
			var s *server
			gone := func() (*ssh.Permissions, error) {
				s.mu.Lock()
				defer s.mu.Unlock()
				for _, c := range s.conns {
					_ = c.Close()
				}
				return nil, errors.New("gone")
			}
			s = &server{config: func(c *ssh.ServerConfig) {
				c.PublicKeyCallback = func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) { return gone() }
				if by == "password" {
					c.PublicKeyCallback = nil
					c.PasswordCallback = func(ssh.ConnMetadata, []byte) (*ssh.Permissions, error) { return gone() }
				}
			}}
			d, h := s.start(t)
			if by == "password" {
				withPassword(d, &h, "right")
			}
			for range 4 { // three refusals would spend a password
				_, err := d.Dial(t.Context(), h)
				if !errors.Is(err, transport.ErrUnreachable) {
					t.Errorf("got %v", err)
				}
			}
		})
	}
}
