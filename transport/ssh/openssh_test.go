package ssh

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/kepmctl/kepmctl/transport"
)

// keygen runs OpenSSH's key tool.
func keygen(t *testing.T, args ...string) {
	t.Helper()
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		t.Skip("LEFT OUT: ssh-keygen is not installed, nothing here was tried with what it makes")
	}
	if out, err := exec.Command("ssh-keygen", append([]string{"-q"}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen %s: %v: %s", args, err, out)
	}
}

// throughOpenSSH makes one real server lead to another.
func throughOpenSSH(t *testing.T, settings string) (*Dialer, transport.Host) {
	t.Helper()
	jump, jumpHost := startSSHD(t, settings)
	d, h := startSSHD(t, "")
	h.Connection.Via = &transport.Connection{
		Kind: "ssh", Name: "jump", Address: jumpHost.Address, Port: jumpHost.Port,
		PrivateKeyFile: jump.path("~/.ssh/id_ed25519"), KnownHostsFile: jump.path("~/.ssh/known_hosts"),
	}
	t.Cleanup(func() { _ = d.Close() })
	return d, h
}

func TestOpenSSHBastion(t *testing.T) {
	d, h := throughOpenSSH(t, "MaxSessions 1")
	var conns []transport.Conn
	for range 5 { // MaxSessions does not count what is forwarded
		conns = append(conns, dial(t, d, h))
	}
	for _, c := range conns {
		if out, err := say(t.Context(), c, "echo through", false); out != "through\n" || err != nil {
			t.Errorf("it said %q, %v", out, err)
		}
	}
	h.Port = freePort(t)
	fails(t, d, h, transport.ErrUnreachable, "through connection.ssh.jump (127.0.0.1:", "cannot connect")
}

func TestOpenSSHBastionForbids(t *testing.T) {
	for _, settings := range []string{"AllowTcpForwarding no", "PermitOpen 127.0.0.1:1"} {
		d, h := throughOpenSSH(t, settings)
		fails(t, d, h, transport.ErrNoTunnel, "through connection.ssh.jump", "does not forward there", "AllowTcpForwarding", "PermitOpen")
	}
}

// A user's certificate that ssh-keygen issued opens a real server that knows only
// the authority.
func TestOpenSSHUserCertificate(t *testing.T) {
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca")
	keygen(t, "-t", "ed25519", "-N", "", "-f", ca)
	d, h := startSSHD(t, "TrustedUserCAKeys "+ca+".pub\nPubkeyAuthentication yes")
	for _, kind := range []string{"ed25519", "rsa"} {
		t.Run(kind, func(t *testing.T) {
			key := filepath.Join(dir, kind)
			keygen(t, "-t", kind, "-N", "", "-f", key)
			h := h
			h.Connection.PrivateKeyFile = key
			fails(t, d, h, transport.ErrAuth, "it offers publickey", "authorized_keys")
			keygen(t, "-s", ca, "-I", "ops", "-n", d.User, "-V", "+1h", "-z", "7", key+".pub")
			h.Connection.CertificateFile = key + "-cert.pub"
			d.certificates = cache[string, *ssh.Certificate]{} // that there was none is kept
			dial(t, d, h)
		})
	}
	key := filepath.Join(dir, "ed25519")
	h.Connection.PrivateKeyFile, h.Connection.CertificateFile = key, key+"-cert.pub"
	keygen(t, "-s", ca, "-I", "ops", "-n", "somebody", "-V", "+1h", key+".pub")
	d.certificates = cache[string, *ssh.Certificate]{}
	fails(t, d, h, transport.ErrAuth, "is for somebody, not for "+d.User, "principals")
	keygen(t, "-s", ca, "-I", "ops", "-n", d.User, "-V", "20200101:20200102", key+".pub")
	d.certificates = cache[string, *ssh.Certificate]{}
	fails(t, d, h, transport.ErrAuth, "expired at 2020-01-0")
}

// A host's certificate, and a known_hosts file that ssh-keygen hashed.
func TestOpenSSHHostKeys(t *testing.T) {
	dir := t.TempDir()
	ca, key := filepath.Join(dir, "ca"), filepath.Join(dir, "host")
	keygen(t, "-t", "ecdsa", "-N", "", "-f", ca)
	keygen(t, "-t", "ed25519", "-N", "", "-f", key)
	keygen(t, "-s", ca, "-h", "-I", "host", "-n", "127.0.0.1", "-V", "+1h", key+".pub")
	d, h := startSSHD(t, "HostKey "+key+"\nHostCertificate "+key+"-cert.pub")
	known := d.path("~/.ssh/known_hosts")
	plain := strings.TrimSpace(readFile(t, known))

	keygen(t, "-H", "-f", known)
	if got := readFile(t, known); !strings.HasPrefix(got, "|1|") {
		t.Fatalf("known_hosts is not hashed: %q", got)
	}
	dial(t, d, h)

	authority := filepath.Join(dir, "authority")
	address, _, _ := strings.Cut(plain, " ")
	write(t, authority, "@cert-authority "+address+" "+readFile(t, ca+".pub"))
	h.Connection.KnownHostsFile = authority
	dial(t, d, h)

	// What is added is as ssh-keygen finds it, and hashed if the rest is.
	added := filepath.Join(dir, "added")
	write(t, added, knownhosts.HashHostname("elsewhere")+" "+readFile(t, ca+".pub"))
	h.Connection.KnownHostsFile, h.Connection.HostKeys = added, transport.HostKeysAcceptNew
	dial(t, d, h)
	if text := readFile(t, added); strings.Count(text, "|1|") != 2 {
		t.Errorf("the file holds %q", text)
	}
	out, err := exec.Command("ssh-keygen", "-F", address, "-f", added).Output()
	if err != nil || !strings.Contains(string(out), "found: line 2") {
		t.Errorf("ssh-keygen -F: %q, %v", out, err)
	}
}

// A wrong password is refused by the real server in its own words.
func TestOpenSSHPassword(t *testing.T) {
	d, h := startSSHD(t, "PasswordAuthentication yes\nPermitRootLogin yes\nMaxAuthTries 1")
	h.Connection.User = "no-such-user"
	withPassword(d, &h, "wr0ng")
	for range refusalsAllowed {
		fails(t, d, h, transport.ErrAuth, `secret::env("PW")`)
	}
	_, err := d.Dial(t.Context(), h)
	if !isSpent(err) || !errors.Is(err, transport.ErrAuth) {
		t.Errorf("the fourth: %v", err)
	}
}
