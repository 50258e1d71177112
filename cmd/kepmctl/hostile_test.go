package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/kepmctl/kepmctl/plans"
)

// A behaviour is what a hostile server does with the shell it was asked for. Its
// channel is closed when it returns.
type behaviour func(command string, c ssh.Channel)

// honest runs what it is asked to, here.
func honest(command string, c ssh.Channel) { run(command, c, c) }

// changed is honest, but for what comes back.
func changed(change func(io.Writer) io.Writer) behaviour {
	return func(command string, c ssh.Channel) { run(command, c, change(c)) }
}

// run gives the command a process group of its own, as sshd does.
func run(command string, c ssh.Channel, out io.Writer) {
	cmd := exec.Command("sh", "-c", command)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = c, out, c.Stderr(), time.Second
	_ = cmd.Run() // how it ended shows in what it said
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

// slowly hands on a few bytes at a time.
func slowly(every time.Duration, n int) func(io.Writer) io.Writer {
	return func(to io.Writer) io.Writer {
		return writer(func(p []byte) (int, error) {
			for rest := p; len(rest) > 0; rest = rest[min(n, len(rest)):] {
				if _, err := to.Write(rest[:min(n, len(rest))]); err != nil {
					return 0, err
				}
				time.Sleep(every)
			}
			return len(p), nil
		})
	}
}

// instead puts something in the place of the facts.
func instead(facts string) func(io.Writer) io.Writer {
	return func(to io.Writer) io.Writer {
		return writer(func(p []byte) (int, error) {
			if i := bytes.Index(p, []byte("@facts")); i >= 0 {
				_, err := io.WriteString(to, string(p[:i])+facts)
				return len(p), err
			}
			_, err := to.Write(p)
			return len(p), err
		})
	}
}

// serve is an SSH server that lets everybody in.
func serve(t *testing.T, b behaviour) (port int, key ssh.PublicKey) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	config := &ssh.ServerConfig{NoClientAuth: true, PublicKeyCallback: func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) { return nil, nil }}
	config.AddHostKey(signer)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go handle(c, config, b)
		}
	}()
	return listener.Addr().(*net.TCPAddr).Port, signer.PublicKey()
}

func handle(c net.Conn, config *ssh.ServerConfig, b behaviour) {
	_, channels, requests, err := ssh.NewServerConn(c, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for offered := range channels {
		if offered.ChannelType() != "session" {
			_ = offered.Reject(ssh.Prohibited, "no")
			continue
		}
		channel, asked, err := offered.Accept()
		if err != nil {
			return
		}
		go func() {
			for request := range asked {
				_ = request.Reply(request.Type == "exec", nil)
				if request.Type == "exec" {
					go func() {
						b(string(request.Payload[4:]), channel)
						_ = channel.Close()
					}()
				}
			}
		}()
	}
}

// hostile are servers by name, and what is said of each; empty: it is looked at.
// The honest one is among them: what others do is none of its business.
func hostile() map[string]struct {
	does behaviour
	says string
} {
	type one = struct {
		does behaviour
		says string
	}
	flood := bytes.Repeat([]byte("x"), 1<<20)
	return map[string]one{
		"honest": {honest, ""},
		"banner": {func(command string, c ssh.Channel) { fmt.Fprint(c, "Welcome!\nMARK 0\n\x1b[31m"); honest(command, c) }, ""},
		"pieces": {changed(slowly(0, 1<<10)), ""},
		"silent": {func(string, ssh.Channel) { select {} }, "timed out"},
		"slow":   {changed(slowly(500*time.Millisecond, 8)), "timed out"},
		"flood": {func(_ string, c ssh.Channel) {
			for {
				if _, err := c.Write(flood); err != nil {
					return
				}
			}
		}, "unexpected answer"},
		"drowned": {changed(func(to io.Writer) io.Writer {
			return writer(func(p []byte) (int, error) {
				if !bytes.Contains(p, []byte("@facts")) {
					return to.Write(p)
				}
				for range 80 {
					if _, err := to.Write(flood); err != nil {
						return 0, err
					}
				}
				return len(p), nil
			})
		}), "run observe.sh on"},
		"nonsense": {changed(instead("@facts\nnot hexadecimal \x1b]0;pwned\x07\n@end\n")), "a line is not hexadecimal"},
		"forged":   {changed(instead("\nMARK 0\n@facts\n2f\n@end\nMARK 0\n")), "a line is not hexadecimal"},
		"cut":      {func(_ string, c ssh.Channel) { fmt.Fprint(c, "@facts\n 2f") }, "connection lost"},
	}
}

// Whatever a host does, it costs its own result only.
func TestHostileHosts(t *testing.T) {
	dir := t.TempDir()
	if err := writeKey(filepath.Join(dir, "key"), ""); err != nil {
		t.Fatal(err)
	}
	var known, hosts strings.Builder
	servers := hostile()
	for name, s := range servers {
		port, key := serve(t, s.does)
		fmt.Fprintln(&known, knownhosts.Line([]string{fmt.Sprintf("[127.0.0.1]:%d", port)}, key))
		fmt.Fprintf(&hosts, "host %q {\n  address = \"127.0.0.1\"\n  port = %d\n  connection = connection.ssh.c\n}\n", name, port)
	}
	for name, text := range map[string]string{"known_hosts": known.String(), "fleet.kepm.hcl": hosts.String() + `
connection "ssh" "c" {
  private_key_file = "key"
  known_hosts_file = "known_hosts"
  connect_timeout  = "10s"
  command_timeout  = "25s"
}
baseline "b" {
  settings { log_level = "Warning" }
}
assign "a" {
  baseline = baseline.b
  hosts    = ["*"]
}
`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out, errs bytes.Buffer
	a := &app{
		in: strings.NewReader(""), out: &out, err: &errs, now: time.Now, home: dir, user: "me", host: "here",
		env: func(string) (string, bool) { return "", false }, width: func() int { return 80 },
	}
	file := filepath.Join(dir, "p")
	if code := a.run([]string{"plan", "--chdir", dir, "--out", file}); code != exitSilent {
		t.Fatalf("exit %d: %s%s", code, out.String(), errs.String())
	}
	if strings.ContainsAny(out.String()+errs.String(), "\x1b\x07") {
		t.Error("a control character reaches the terminal")
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p, err := plans.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range p.Hosts {
		said := ""
		if h.Problem != nil {
			said = h.Problem.Kind + ": " + h.Problem.Message
		}
		want := servers[h.Name].says
		if os.Getuid() != 0 && want == "" {
			want = "not root" // the look itself needs root; it was reached all the same
		}
		if (want == "") != (said == "") || !strings.Contains(said, want) {
			t.Errorf("%s: %q, want %q in it", h.Name, said, want)
		}
	}
}
