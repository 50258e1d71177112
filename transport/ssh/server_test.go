package ssh

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/kepmctl/kepmctl/transport"
)

// A server is an SSH server on loopback that runs commands by this machine's
// sh. The user id that a shell claims is $CLAIMED_UID, or 1000.
type server struct {
	hostKeys []ssh.Signer
	accept   func(ssh.PublicKey) bool                   // nil: every key
	exec     func(ch ssh.Channel, command string)       // nil: run it
	config   func(*ssh.ServerConfig)                    // changes how one logs in
	tunnel   func(port int) (ssh.RejectionReason, bool) // nil: allow
	bin      string                                     // before the usual directories on PATH
	drop     int                                        // so many connections are dropped at once
	silent   bool                                       // connections are accepted and left alone

	listener net.Listener
	mu       sync.Mutex
	conns    []net.Conn
	commands []*exec.Cmd
}

func newSigner(t *testing.T) ssh.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// start serves until the test ends, and returns how to reach the server.
func (s *server) start(t *testing.T) (*Dialer, transport.Host) {
	t.Helper()
	noLeaks(t)
	if s.hostKeys == nil {
		s.hostKeys = []ssh.Signer{newSigner(t)}
	}
	var err error
	if s.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	config := &ssh.ServerConfig{
		PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if s.accept != nil && !s.accept(key) {
				return nil, fmt.Errorf("not this key")
			}
			return nil, nil
		},
	}
	for _, key := range s.hostKeys {
		config.AddHostKey(key)
	}
	if s.config != nil {
		s.config(config)
	}
	go s.serve(config)

	home := t.TempDir()
	port := s.listener.Addr().(*net.TCPAddr).Port
	writeKey(t, filepath.Join(home, ".ssh", "id_ed25519"), "")
	var lines string
	for _, key := range s.hostKeys {
		lines += knownhosts.Line([]string{net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}, key.PublicKey()) + "\n"
	}
	write(t, filepath.Join(home, ".ssh", "known_hosts"), lines)
	return &Dialer{Home: home, User: "ops"}, transport.Host{
		Name: "web-1", Address: "127.0.0.1", Port: port,
		Connection: transport.Connection{Kind: "ssh", Name: "test", ConnectTimeout: 20 * time.Second},
	}
}

func (s *server) stop() {
	_ = s.listener.Close()
	s.cut()
}

// cut breaks every connection; new ones are served.
func (s *server) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		_ = c.Close()
	}
	for _, c := range s.commands {
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
	}
}

// dialled is how many connections came.
func (s *server) dialled() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

func (s *server) serve(config *ssh.ServerConfig) {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns = append(s.conns, c)
		n := len(s.conns)
		s.mu.Unlock()
		switch {
		case n <= s.drop:
			_ = c.(*net.TCPConn).SetLinger(0)
			_ = c.Close()
		case !s.silent:
			go s.login(c, config)
		}
	}
}

func (s *server) login(c net.Conn, config *ssh.ServerConfig) {
	defer func() { _ = c.Close() }()
	_, channels, requests, err := ssh.NewServerConn(c, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for n := range channels {
		switch n.ChannelType() {
		case "session":
			go s.session(n)
		case "direct-tcpip":
			go s.forward(n)
		}
	}
}

func (s *server) forward(n ssh.NewChannel) {
	extra := n.ExtraData()
	length := binary.BigEndian.Uint32(extra)
	port := int(binary.BigEndian.Uint32(extra[4+length:]))
	if s.tunnel != nil {
		if reason, ok := s.tunnel(port); !ok {
			_ = n.Reject(reason, "no\x1b[2J")
			return
		}
	}
	c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		_ = n.Reject(ssh.ConnectionFailed, err.Error())
		return
	}
	ch, requests, err := n.Accept()
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	go func() {
		_, _ = io.Copy(ch, c)
		_ = ch.Close()
	}()
	_, _ = io.Copy(c, ch)
	_ = c.Close()
}

func (s *server) session(n ssh.NewChannel) {
	ch, requests, err := n.Accept()
	if err != nil {
		return
	}
	for r := range requests {
		switch {
		case r.Type == "exec" && s.exec != nil:
			_ = r.Reply(true, nil)
			go s.exec(ch, string(r.Payload[4:]))
		case r.Type == "exec":
			_ = r.Reply(true, nil)
			s.run(ch, string(r.Payload[4:]))
		default:
			_ = r.Reply(false, nil)
		}
	}
}

// run starts a command as sshd does: standard input is a pipe of its own, so
// that the end of the command is not held up by it.
func (s *server) run(ch ssh.Channel, command string) {
	cmd := exec.Command("/bin/sh", "-c", strings.ReplaceAll(command, "$(id -u)", "${CLAIMED_UID:-1000}"))
	cmd.Env = []string{"PATH=" + s.bin + ":/usr/bin:/bin", "LANG=C.UTF-8"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stdout, cmd.Stderr = ch, ch.Stderr()
	cmd.WaitDelay = time.Second
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		_ = ch.Close()
		return
	}
	s.mu.Lock()
	s.commands = append(s.commands, cmd)
	s.mu.Unlock()
	go func() {
		_, _ = io.Copy(stdin, ch)
		_ = stdin.Close()
	}()
	go func() {
		_ = cmd.Wait()
		status := struct{ Status uint32 }{uint32(cmd.ProcessState.ExitCode())}
		_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(status))
		_ = ch.Close()
	}()
}

// noLeaks fails the test if goroutines outlive it.
func noLeaks(t *testing.T) {
	t.Helper()
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		deadline := time.Now().Add(5 * time.Second)
		for runtime.NumGoroutine() > before {
			if time.Now().After(deadline) {
				stacks := make([]byte, 1<<20)
				t.Errorf("%d goroutines before, %d after:\n%s", before, runtime.NumGoroutine(), stacks[:runtime.Stack(stacks, true)])
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	})
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
}

// dial connects, or fails the test.
func dial(t *testing.T, d *Dialer, h transport.Host) transport.Conn {
	t.Helper()
	c, err := d.Dial(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// say runs a script and returns what it said.
func say(ctx context.Context, c transport.Conn, text string, elevate bool) (string, error) {
	out, err := c.Run(ctx, transport.Script{Name: "say.sh", Text: text, Elevate: elevate})
	return string(out.Stdout), err
}
