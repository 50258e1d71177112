package ssh

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/kepmctl/kepmctl/transport"
)

// writeKey writes a new private key, encrypted if there is a passphrase.
func writeKey(t *testing.T, path, passphrase string) ed25519.PrivateKey {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, string(pem.EncodeToMemory(block)))
	return private
}

// fails dials, which must fail with the kind and the texts.
func fails(t *testing.T, d *Dialer, h transport.Host, kind error, texts ...string) {
	t.Helper()
	c, err := d.Dial(t.Context(), h)
	if err == nil {
		_ = c.Close()
		t.Fatal("it connected")
	}
	e, ok := errors.AsType[*transport.Error](err)
	if !ok || e.Kind != kind {
		t.Fatalf("the error is %v, want the kind %q", err, kind)
	}
	if e.Hint == "" {
		t.Errorf("no hint with %v", err)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error()+"\n"+e.Hint, text) {
			t.Errorf("%q is missing from %v (hint: %s)", text, err, e.Hint)
		}
	}
}

func TestPeer(t *testing.T) {
	s := &server{}
	d, h := s.start(t)
	want := transport.Identity{HostKey: "ssh-ed25519 " + ssh.FingerprintSHA256(s.hostKeys[0].PublicKey()), User: "ops"}
	if got := dial(t, d, h).Peer(); got != want {
		t.Errorf("peer %+v, want %+v", got, want)
	}
	h.Connection.User = "other"
	if got := dial(t, d, h).Peer().User; got != "other" {
		t.Errorf("user %q", got)
	}
}

func TestUnreachable(t *testing.T) {
	noLeaks(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	d := &Dialer{Home: t.TempDir(), User: "ops"}
	writeKey(t, filepath.Join(d.Home, ".ssh", "id_ed25519"), "")
	fails(t, d, transport.Host{Address: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port}, transport.ErrUnreachable, "refused")

	d.NetDial = func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	h := transport.Host{Address: "192.0.2.1", Connection: transport.Connection{ConnectTimeout: 50 * time.Millisecond}}
	fails(t, d, h, transport.ErrUnreachable, "192.0.2.1:22")
}

func TestSilentServer(t *testing.T) {
	s := &server{silent: true}
	d, h := s.start(t)
	h.Connection.ConnectTimeout = 100 * time.Millisecond
	fails(t, d, h, transport.ErrTimeout, "100ms", "connect_timeout")
	if n := s.dialled(); n != 1 {
		t.Errorf("dialled %d times", n)
	}
}

func TestNotSSH(t *testing.T) {
	noLeaks(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("SSH-1.5-old\x1b[2J\r\n"))
			_ = c.Close()
		}
	}()
	d := &Dialer{Home: t.TempDir(), User: "ops"}
	writeKey(t, filepath.Join(d.Home, ".ssh", "id_ed25519"), "")
	_, err = d.Dial(t.Context(), transport.Host{Address: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port})
	if err == nil || strings.ContainsRune(err.Error(), 0x1b) {
		t.Errorf("the error is %q", err)
	}
}

func TestDroppedHandshakeIsTriedAgain(t *testing.T) {
	s := &server{drop: dialAttempts - 1}
	d, h := s.start(t)
	dial(t, d, h)
	if n := s.dialled(); n != dialAttempts {
		t.Errorf("dialled %d times, want %d", n, dialAttempts)
	}
}

func TestDroppingServerIsGivenUp(t *testing.T) {
	s := &server{drop: 9}
	d, h := s.start(t)
	fails(t, d, h, transport.ErrUnreachable, "hung up", "MaxStartups")
	if n := s.dialled(); n != dialAttempts {
		t.Errorf("dialled %d times, want %d", n, dialAttempts)
	}
}

func TestRefusedLoginIsNotTriedAgain(t *testing.T) {
	s := &server{accept: func(ssh.PublicKey) bool { return false }}
	d, h := s.start(t)
	fails(t, d, h, transport.ErrAuth, "~/.ssh/id_ed25519", "authorized_keys")
	if n := s.dialled(); n != 1 {
		t.Errorf("dialled %d times", n)
	}
}

func TestCancelledDial(t *testing.T) {
	d, h := (&server{silent: true}).start(t)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	begun := time.Now()
	if _, err := d.Dial(ctx, h); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestHostKeys(t *testing.T) {
	_, private, _ := ed25519.GenerateKey(rand.Reader)
	ed, _ := ssh.NewSignerFromKey(private)
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec, _ := ssh.NewSignerFromKey(curve)
	s := &server{hostKeys: []ssh.Signer{ec, ed}}
	_, h := s.start(t)
	address := s.listener.Addr().String()
	other := newSigner(t).PublicKey()
	line := func(key ssh.PublicKey) string { return knownhosts.Line([]string{address}, key) + "\n" }

	tests := []struct {
		name  string
		known string
		kind  error
		texts []string
	}{
		{"either kind will do: ed25519", line(ed.PublicKey()), nil, nil},
		{"either kind will do: ecdsa", line(ec.PublicKey()), nil, nil},
		{"hashed", knownhosts.HashHostname(knownhosts.Normalize(address)) + " " + string(ssh.MarshalAuthorizedKey(ed.PublicKey())), nil, nil},
		{
			"unknown", knownhosts.Line([]string{"192.0.2.1"}, other), transport.ErrHostKey,
			[]string{"unknown host", "presents", "SHA256:", "ssh-keyscan -p"},
		},
		{
			"changed", "# comment\n" + line(other), transport.ErrHostKey,
			[]string{"changed", ssh.FingerprintSHA256(ed.PublicKey()), ssh.FingerprintSHA256(other), "known_hosts:2", "ssh-keygen -R"},
		},
		{
			"revoked", "@revoked * " + string(ssh.MarshalAuthorizedKey(ed.PublicKey())) + line(ed.PublicKey()), transport.ErrHostKey,
			[]string{"revoked"},
		},
		{"no known_hosts", line(ed.PublicKey()) + "not a line\n", transport.ErrHostKey, []string{"known_hosts"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := &Dialer{Home: t.TempDir(), User: "ops"}
			writeKey(t, filepath.Join(d.Home, ".ssh", "id_ed25519"), "")
			write(t, filepath.Join(d.Home, "known_hosts"), tt.known)
			h.Connection.KnownHostsFile = "~/known_hosts"
			if tt.kind != nil {
				fails(t, d, h, tt.kind, tt.texts...)
				return
			}
			dial(t, d, h)
		})
	}
	t.Run("no file", func(t *testing.T) {
		d := &Dialer{Home: t.TempDir(), User: "ops"}
		writeKey(t, filepath.Join(d.Home, ".ssh", "id_ed25519"), "")
		h.Connection.KnownHostsFile = ""
		fails(t, d, h, transport.ErrHostKey, "unknown host", "SHA256:")
	})
}

func TestKnownHostsIsReadOnce(t *testing.T) {
	d, h := (&server{}).start(t)
	dial(t, d, h)
	if err := os.Remove(filepath.Join(d.Home, ".ssh", "known_hosts")); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			c, err := d.Dial(t.Context(), h)
			if err != nil {
				t.Error(err)
				return
			}
			_ = c.Close()
		})
	}
	wg.Wait()
}

func TestKeyFiles(t *testing.T) {
	ref := transport.SecretRef{Source: "env", Name: "PASS"}
	secrets := func(r transport.SecretRef) (string, error) {
		if r == ref {
			return "opensesame", nil
		}
		return "wrong-secret", nil
	}
	tests := []struct {
		name  string
		file  string
		ref   transport.SecretRef
		texts []string // empty: it logs in
	}{
		{"plain", "~/plain", transport.SecretRef{}, nil},
		{"encrypted", "~/encrypted", ref, nil},
		{"a passphrase that is not needed", "~/plain", ref, nil},
		{"no passphrase", "~/encrypted", transport.SecretRef{}, []string{"encrypted", "private_key_passphrase"}},
		{"wrong passphrase", "~/encrypted", transport.SecretRef{Source: "file", Name: "x"}, []string{`secret::file("x") does not open it`}},
		{"missing", "~/missing", ref, []string{"missing", "no such file"}},
		{"no key", "~/garbage", ref, []string{"garbage"}},
		{"not authorized", "~/stranger", ref, []string{"~/stranger", "authorized_keys"}},
	}
	s := &server{}
	d, h := s.start(t)
	d.Secrets = secrets
	known := map[string]bool{}
	for file, passphrase := range map[string]string{"plain": "", "encrypted": "opensesame"} {
		signer, err := ssh.NewSignerFromKey(writeKey(t, filepath.Join(d.Home, file), passphrase))
		if err != nil {
			t.Fatal(err)
		}
		known[string(signer.PublicKey().Marshal())] = true
	}
	writeKey(t, filepath.Join(d.Home, "stranger"), "")
	write(t, filepath.Join(d.Home, "garbage"), "no key")
	s.accept = func(key ssh.PublicKey) bool { return known[string(key.Marshal())] }
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h.Connection.PrivateKeyFile, h.Connection.PrivateKeyPassphrase = tt.file, tt.ref
			if tt.texts == nil {
				dial(t, d, h)
				return
			}
			fails(t, d, h, transport.ErrAuth, tt.texts...)
		})
	}
}

// startAgent serves a keyring until the test ends, and returns its socket.
func startAgent(t *testing.T, keyring agent.Agent) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "agent")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _ = agent.ServeAgent(keyring, c); _ = c.Close() }()
		}
	}()
	return socket
}

func TestAgent(t *testing.T) {
	s := &server{}
	d, h := s.start(t)
	private := writeKey(t, filepath.Join(d.Home, "held"), "")
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	s.accept = func(key ssh.PublicKey) bool { return string(key.Marshal()) == string(signer.PublicKey().Marshal()) }
	keyring := agent.NewKeyring()
	if err := keyring.Add(agent.AddedKey{PrivateKey: private}); err != nil {
		t.Fatal(err)
	}
	socket := startAgent(t, keyring)

	fails(t, d, h, transport.ErrAuth, "~/.ssh/id_ed25519")
	d.AgentSocket = socket
	dial(t, d, h) // no key file is named: the agent is asked first
	h.Connection.PrivateKeyFile = "~/.ssh/id_ed25519"
	fails(t, d, h, transport.ErrAuth, "~/.ssh/id_ed25519")
	h.Connection.Agent = true
	dial(t, d, h)
	d.AgentSocket = ""
	fails(t, d, h, transport.ErrAuth, "there is no agent", "SSH_AUTH_SOCK")
	d.AgentSocket = socket + "-gone"
	fails(t, d, h, transport.ErrAuth, "agent", "SSH_AUTH_SOCK")
	h.Connection = transport.Connection{}
	fails(t, d, h, transport.ErrAuth, "agent (not running)")
}

func TestNoKeyAtAll(t *testing.T) {
	d, h := (&server{}).start(t)
	d.Home = t.TempDir()
	fails(t, d, h, transport.ErrAuth, "no key to log in with", "private_key_file")
}
