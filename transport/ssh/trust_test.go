package ssh

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/kepmctl/kepmctl/transport"
)

func readFile(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestAcceptNew(t *testing.T) {
	s := &server{}
	d, h := s.start(t)
	key := s.hostKeys[0].PublicKey()
	address := s.listener.Addr().String()
	h.Connection.HostKeys = transport.HostKeysAcceptNew
	h.Connection.KnownHostsFile = "~/new/dir/known"
	file := d.path(h.Connection.KnownHostsFile)
	dial(t, d, h)
	dial(t, d, h)
	if got, want := readFile(t, file), knownhosts.Line([]string{address}, key)+"\n"; got != want {
		t.Errorf("the file holds %q, want %q", got, want)
	}
	for path, want := range map[string]os.FileMode{file: 0o600, filepath.Dir(file): 0o700 | os.ModeDir} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("%s is %v, %v", path, info.Mode(), err)
		}
	}

	// Another key at the same address is refused, within this run and later.
	changed := &Dialer{Home: d.Home, User: "ops"}
	for _, d := range []*Dialer{d, changed} {
		tr, err := d.trust(mustSettle(t, d, h))
		if err != nil {
			t.Fatal(err)
		}
		err = tr.check("", s.listener.Addr(), newSigner(t).PublicKey())
		if transport.Kind(err) != transport.ErrHostKey.Error() || !strings.Contains(err.Error(), "changed") || !strings.Contains(err.Error(), file+":1") {
			t.Errorf("another key: %v", err)
		}
		if err := tr.check("", s.listener.Addr(), key); err != nil {
			t.Errorf("the right key: %v", err)
		}
	}
}

func mustSettle(t *testing.T, d *Dialer, h transport.Host) *hop {
	t.Helper()
	hop, err := d.settle(h.Connection, h.Address, h.Address == h.Name, h.Port)
	if err != nil {
		t.Fatal(err)
	}
	return hop
}

func TestAcceptNewRefuses(t *testing.T) {
	s := &server{}
	_, h := s.start(t)
	key := string(ssh.MarshalAuthorizedKey(s.hostKeys[0].PublicKey()))
	other := newSigner(t).PublicKey()
	address := s.listener.Addr().String()
	h.Connection.HostKeys = transport.HostKeysAcceptNew
	for name, tt := range map[string]struct{ known, text string }{
		"changed":      {knownhosts.Line([]string{address}, other) + "\n", "changed"},
		"revoked":      {"@revoked * " + key, "revoked"},
		"an authority": {"@cert-authority [" + strings.Replace(address, ":", "]:", 1) + " " + key, "authority's key as its own"},
		"uncertified":  {"@cert-authority " + knownhosts.Line([]string{address}, other) + "\n", "wants a certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			d := &Dialer{Home: t.TempDir(), User: "ops"}
			writeKey(t, d.path("~/.ssh/id_ed25519"), "")
			write(t, d.path("~/.ssh/known_hosts"), tt.known)
			fails(t, d, h, transport.ErrHostKey, tt.text)
			if got := readFile(t, d.path("~/.ssh/known_hosts")); got != tt.known {
				t.Errorf("the file holds %q now", got)
			}
		})
	}
	t.Run("not writable", func(t *testing.T) {
		d := &Dialer{Home: t.TempDir(), User: "ops"}
		writeKey(t, d.path("~/.ssh/id_ed25519"), "")
		write(t, d.path("~/file"), "")
		h.Connection.KnownHostsFile = "~/file/below"
		fails(t, d, h, transport.ErrHostKey)
	})
}

// Many dials to many new hosts, by two programs at once, lose no line and write
// none twice.
func TestAcceptNewSideBySide(t *testing.T) {
	for name, before := range map[string]string{
		"empty": "", "no last newline": "# ours", "hashed": knownhosts.HashHostname("other") + " " + string(ssh.MarshalAuthorizedKey(newSigner(t).PublicKey())),
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "known_hosts")
			write(t, file, before)
			key := newSigner(t).PublicKey()
			programs := make([]*knownHosts, 2)
			for i := range programs {
				var err error
				if programs[i], err = openKnownHosts([]string{file}); err != nil {
					t.Fatal(err)
				}
			}
			remote := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 22}
			var wg sync.WaitGroup
			for i := range 200 {
				address := net.JoinHostPort("host-"+string(rune('a'+i/10)), "22")
				wg.Go(func() {
					if err := programs[i%2].accept(address, remote, key); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			text := readFile(t, file)
			added := strings.Split(strings.TrimSuffix(strings.TrimPrefix(text, before), "\n"), "\n")
			if before == "# ours" {
				added = added[1:]
			}
			if len(added) != 20 {
				t.Errorf("%d lines were added, want 20:\n%s", len(added), text)
			}
			for _, line := range added {
				if strings.HasPrefix(line, "|1|") != (name == "hashed") {
					t.Errorf("the line %q", line)
				}
			}
			again, err := openKnownHosts([]string{file})
			if err != nil {
				t.Fatal(err)
			}
			if err := again.check("host-a:22", remote, key); err != nil {
				t.Error(err)
			}
			if err := again.check("host-a:22", remote, newSigner(t).PublicKey()); err == nil {
				t.Error("another key is trusted")
			}
		})
	}
}

// A host's certificate counts where there is an authority for the host, whatever
// kind of key the authority has.
func TestHostCertificates(t *testing.T) {
	authority := newSigner(t)
	plain := newSigner(t)
	c := &ssh.Certificate{
		Key: plain.PublicKey(), CertType: ssh.HostCert, ValidPrincipals: []string{"127.0.0.1"}, ValidBefore: ssh.CertTimeInfinity,
	}
	if err := c.SignCert(strings.NewReader(strings.Repeat("nonce", 100)), authority); err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewCertSigner(c, plain)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{hostKeys: []ssh.Signer{signer, plain}}
	_, h := s.start(t)
	address := s.listener.Addr().String()
	line := func(k ssh.PublicKey) string { return knownhosts.Line([]string{address}, k) + "\n" }
	for name, tt := range map[string]struct {
		known string
		text  string // empty: it is trusted
	}{
		"authority":         {"@cert-authority " + line(authority.PublicKey()), ""},
		"wildcard":          {"@cert-authority * " + string(ssh.MarshalAuthorizedKey(authority.PublicKey())), ""},
		"plain key":         {line(plain.PublicKey()), ""},
		"revoked":           {"@cert-authority " + line(authority.PublicKey()) + "@revoked " + line(plain.PublicKey()), "revoked"},
		"revoked authority": {"@cert-authority " + line(authority.PublicKey()) + "@revoked " + line(authority.PublicKey()), "revoked"},
		"another authority": {"@cert-authority " + line(newSigner(t).PublicKey()), "@cert-authority"},
		"nothing":           {"", "unknown host"},
	} {
		t.Run(name, func(t *testing.T) {
			d := &Dialer{Home: t.TempDir(), User: "ops"}
			writeKey(t, d.path("~/.ssh/id_ed25519"), "")
			write(t, d.path("~/.ssh/known_hosts"), tt.known)
			if tt.text == "" {
				c := dial(t, d, h)
				if got := c.Peer().HostKey; got != fingerprint(plain.PublicKey()) {
					t.Errorf("the peer is %s", got)
				}
				return
			}
			fails(t, d, h, transport.ErrHostKey, tt.text)
		})
	}
}
