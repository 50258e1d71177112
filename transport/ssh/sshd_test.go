package ssh

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/kepmctl/kepmctl/transport"
	"github.com/kepmctl/kepmctl/transport/transporttest"
)

const sshd = "/usr/sbin/sshd"

// startSSHD runs OpenSSH's server for this account until the test ends.
func startSSHD(t *testing.T, settings string) (*Dialer, transport.Host) {
	t.Helper()
	if _, err := os.Stat(sshd); err != nil {
		t.Skip("LEFT OUT: OpenSSH's server is not installed, nothing here was tried against the real one")
	}
	if os.Geteuid() == 0 {
		// As the service's start script does: sshd wants this directory.
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	hostKey, err := ssh.NewSignerFromKey(writeKey(t, filepath.Join(home, "host_key"), ""))
	if err != nil {
		t.Fatal(err)
	}
	login, err := ssh.NewSignerFromKey(writeKey(t, filepath.Join(home, ".ssh", "id_ed25519"), ""))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"host_key", ".ssh/id_ed25519"} {
		if err := os.Chmod(filepath.Join(home, file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	port := freePort(t)
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	write(t, filepath.Join(home, "authorized_keys"), string(ssh.MarshalAuthorizedKey(login.PublicKey())))
	write(t, filepath.Join(home, ".ssh", "known_hosts"), knownhosts.Line([]string{address}, hostKey.PublicKey()))
	write(t, filepath.Join(home, "sshd_config"), fmt.Sprintf("ListenAddress %s\nHostKey %s/host_key\nAuthorizedKeysFile %s/authorized_keys\n"+
		"PidFile none\nStrictModes no\nUsePAM no\nPermitRootLogin prohibit-password\n%s\n", address, home, home, settings))

	var log bytes.Buffer
	cmd := exec.Command(sshd, "-D", "-e", "-f", filepath.Join(home, "sshd_config"))
	cmd.Stderr = &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("sshd: %s", log.Bytes())
		}
	})
	waitFor(t, address)
	return &Dialer{Home: home, User: me.Username}, transport.Host{Address: "127.0.0.1", Port: port}
}

// freePort is a port that nobody listens on.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

func waitFor(t *testing.T, address string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", address)
		if err == nil {
			_ = c.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("sshd does not listen: %v", err)
		}
	}
}

func TestOpenSSH(t *testing.T) {
	d, h := startSSHD(t, "")
	t.Run("contract", func(t *testing.T) {
		transporttest.Conn(t, func(t *testing.T) transport.Conn { return dial(t, d, h) })
	})
	t.Run("tunnel", func(t *testing.T) {
		c := dial(t, d, h).(transport.Tunneler)
		back, err := c.DialLoopback(t.Context(), h.Port)
		if err != nil {
			t.Fatal(err)
		}
		greeting := make([]byte, 8)
		if _, err := back.Read(greeting); err != nil || string(greeting) != "SSH-2.0-" {
			t.Errorf("it said %q, %v", greeting, err)
		}
		_ = back.Close()
		if _, err := c.DialLoopback(t.Context(), freePort(t)); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("a port without a listener: %v", err)
		}
	})
}

func TestOpenSSHForbidsForwarding(t *testing.T) {
	for _, settings := range []string{"AllowTcpForwarding no", "DisableForwarding yes", "PermitOpen 127.0.0.1:1"} {
		t.Run(settings, func(t *testing.T) {
			d, h := startSSHD(t, settings)
			_, err := dial(t, d, h).(transport.Tunneler).DialLoopback(t.Context(), h.Port)
			if !errors.Is(err, transport.ErrNoTunnel) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}
