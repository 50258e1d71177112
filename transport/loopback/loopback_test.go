package loopback

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kepmctl/kepmctl/transport"
)

// A host is this machine: its tunnel is a plain connection, and scripts are run
// by its sh, with only the named programs besides those that every host has.
type host struct {
	t        *testing.T
	forbids  bool
	programs []string
	ran      int
}

func (h *host) DialLoopback(ctx context.Context, port int) (net.Conn, error) {
	if h.forbids {
		return nil, &transport.Error{Kind: transport.ErrNoTunnel, Doing: "reach a port"}
	}
	return new(net.Dialer).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
}

func (h *host) Run(ctx context.Context, s transport.Script) (transport.Output, error) {
	h.ran++
	if s.Elevate {
		h.t.Error("asking needs no elevation")
	}
	bin := h.t.TempDir()
	for _, name := range append([]string{"sh", "dd", "od", "sleep", "cat"}, h.programs...) {
		path, err := exec.LookPath(name)
		if err != nil {
			h.t.Skipf("LEFT OUT: %s is not installed here", name)
		}
		if err := os.Symlink(path, filepath.Join(bin, name)); err != nil {
			h.t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(ctx, "/bin/sh", append([]string{"-c", s.Text, s.Name}, s.Args...)...)
	cmd.Env = []string{"PATH=" + bin, "LC_ALL=C", "http_proxy=http://127.0.0.1:1", "https_proxy=http://127.0.0.1:1"}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	return transport.Output{Stdout: out, Stderr: stderr.Bytes(), Exit: cmd.ProcessState.ExitCode()}, err
}

func (h *host) Peer() transport.Identity { return transport.Identity{} }
func (h *host) Close() error             { return nil }

// serve starts a service that answers only the Host header "good", and returns
// its port.
func serve(t *testing.T, config *tls.Config) (int, *httptest.Server) {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Host != "good":
			http.Error(w, "Bad Request", http.StatusBadRequest)
		case r.URL.Path == "/moved":
			http.Redirect(w, r, "/health", http.StatusFound)
		case r.URL.Path == "/large":
			_, _ = io.Copy(w, io.LimitReader(zeros{}, 1<<20))
		case r.URL.Path == "/hang":
			<-r.Context().Done()
		default:
			_, _ = w.Write([]byte("ok\x00 " + r.URL.Path))
		}
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	if config != nil {
		s.TLS = config
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s.Listener.Addr().(*net.TCPAddr).Port, s
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// raw serves what f does with each connection.
func raw(t *testing.T, f func(net.Conn)) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
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
			go func() { defer func() { _ = c.Close() }(); f(c) }()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}

func closedPort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

// ask puts one question.
func ask(t *testing.T, h *host, q transport.Question) transport.Answer {
	t.Helper()
	h.t = t
	answers := Ask(t.Context(), h, []transport.Question{q})
	if len(answers) != 1 || answers[0].Question.Port != q.Port {
		t.Fatalf("answers %+v", answers)
	}
	return answers[0]
}

// means are the ways to ask, each of which must come to the same answers.
func means() map[string]*host {
	return map[string]*host{
		"tunnel":           {},
		"curl and openssl": {forbids: true, programs: []string{"curl", "openssl"}},
		"everything":       {forbids: true, programs: []string{"curl", "openssl", "bash"}},
		"curl":             {forbids: true, programs: []string{"curl"}},
		"openssl, no curl": {forbids: true, programs: []string{"openssl", "bash"}},
		"bash":             {forbids: true, programs: []string{"bash"}},
		"nothing of use":   {forbids: true},
	}
}

func TestPlain(t *testing.T) {
	port, _ := serve(t, nil)
	for name, h := range means() {
		t.Run(name, func(t *testing.T) {
			q := transport.Question{Port: port, Path: "/health", Hosts: []string{"good", "evil", "good"}}
			a := ask(t, h, q)
			if name == "nothing of use" {
				if want := "forwarding is refused, and the host has no curl and no bash"; a.Unknown != want || a.Replies != nil {
					t.Errorf("%+v, want unknown: %s", a, want)
				}
				return
			}
			if a.Unknown != "" || a.Refused || a.TLS || len(a.Replies) != 3 || a.Means == "" {
				t.Fatalf("%+v", a)
			}
			for i, want := range []transport.Reply{
				{Host: "good", Status: 200, Body: []byte("ok\x00 /health")},
				{Host: "evil", Status: 400, Body: []byte("Bad Request\n")},
				{Host: "good", Status: 200, Body: []byte("ok\x00 /health")},
			} {
				if got := a.Replies[i]; got.Host != want.Host || got.Status != want.Status || !bytes.Equal(got.Body, want.Body) {
					t.Errorf("reply %d: %+v (%q), want %+v", i, got, got.Body, want)
				}
			}
			if moved := ask(t, h, transport.Question{Port: port, Path: "/moved", Hosts: []string{"good"}}); len(moved.Replies) != 1 || moved.Replies[0].Status != 302 {
				t.Errorf("a redirect was followed: %+v", moved)
			}
			large := ask(t, h, transport.Question{Port: port, Path: "/large", Hosts: []string{"good"}})
			if len(large.Replies) != 1 || large.Replies[0].Status != 200 || len(large.Replies[0].Body) != bodyLimit {
				t.Errorf("a large body: %d replies, unknown %q", len(large.Replies), large.Unknown)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	port := closedPort(t)
	questions := map[string]transport.Question{
		"plain": {Port: port, Path: "/"}, "connect": {Port: port},
		"tls": {Port: port, TLSMin: tls.VersionTLS10, TLSMax: tls.VersionTLS11},
	}
	for name, h := range means() {
		for kind, q := range questions {
			t.Run(name+"/"+kind, func(t *testing.T) {
				a := ask(t, h, q)
				if a.Refused == (a.Unknown != "") || a.TLSError != "" {
					t.Errorf("%+v", a)
				}
				if name == "tunnel" && !a.Refused {
					t.Errorf("%+v", a)
				}
			})
		}
	}
}

func TestConnect(t *testing.T) {
	port, _ := serve(t, nil)
	for name, h := range means() {
		t.Run(name, func(t *testing.T) {
			a := ask(t, h, transport.Question{Port: port})
			canAsk := name != "nothing of use"
			if a.Refused || canAsk != (a.Unknown == "") {
				t.Errorf("%+v", a)
			}
		})
	}
}

// A question of versions that the service has is agreed to, one of versions that
// it has not is declined; nothing else may be called declined.
func TestTLS(t *testing.T) {
	modern, server := serve(t, &tls.Config{MinVersion: tls.VersionTLS12})
	old, _ := serve(t, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11, CipherSuites: allSuites()})
	leaf := server.Certificate().Raw
	tests := []struct {
		name     string
		port     int
		min, max uint16
		version  uint16 // 0: declined
	}{
		{"modern service, modern versions", modern, tls.VersionTLS12, tls.VersionTLS13, tls.VersionTLS13},
		{"modern service, only 1.2", modern, tls.VersionTLS12, tls.VersionTLS12, tls.VersionTLS12},
		{"modern service, old versions", modern, tls.VersionTLS10, tls.VersionTLS11, 0},
		{"old service, old versions", old, tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS11},
		{"old service, only 1.0", old, tls.VersionTLS10, tls.VersionTLS10, tls.VersionTLS10},
		{"old service, modern versions", old, tls.VersionTLS12, tls.VersionTLS13, 0},
	}
	for name, h := range means() {
		for _, tt := range tests {
			t.Run(name+"/"+tt.name, func(t *testing.T) {
				a := ask(t, h, transport.Question{Port: tt.port, TLSMin: tt.min, TLSMax: tt.max})
				if h.forbids && a.Unknown != "" && !a.TLS && a.TLSError == "" {
					if name == "tunnel" || strings.Contains(name, "openssl") {
						t.Errorf("unknown: %s", a.Unknown)
					}
					return
				}
				if a.Unknown != "" || a.TLS != (tt.version != 0) || a.TLSVersion != tt.version || a.TLS == (a.TLSError != "") {
					t.Fatalf("%+v, want version %x", a, tt.version)
				}
				if tt.port == modern && a.TLS && !strings.Contains(a.Means, "curl") &&
					(len(a.Certificates) != 1 || !bytes.Equal(a.Certificates[0], leaf)) {
					t.Errorf("%d certificates", len(a.Certificates))
				}
			})
		}
	}
}

func TestTLSAndPath(t *testing.T) {
	port, _ := serve(t, &tls.Config{MinVersion: tls.VersionTLS12})
	q := transport.Question{Port: port, TLSMin: tls.VersionTLS12, TLSMax: tls.VersionTLS13, Path: "/", Hosts: []string{"evil", "good"}}
	for _, name := range []string{"tunnel", "curl and openssl", "curl"} {
		t.Run(name, func(t *testing.T) {
			a := ask(t, means()[name], q)
			if a.Unknown != "" || !a.TLS || a.TLSVersion != tls.VersionTLS13 || len(a.Replies) != 2 ||
				a.Replies[0].Status != 400 || a.Replies[1].Status != 200 {
				t.Errorf("%+v", a)
			}
		})
	}
	a := ask(t, means()["openssl, no curl"], q)
	if !a.TLS || a.Replies != nil || a.Unknown != "forwarding is refused, and the host has no curl" {
		t.Errorf("%+v", a)
	}
}

func TestStrangeServices(t *testing.T) {
	garbage := raw(t, func(c net.Conn) {
		_, _ = c.Read(make([]byte, 4096))
		_, _ = io.WriteString(c, "\x00\x01 no response\r\n\r\n")
	})
	hangsUp := raw(t, func(net.Conn) {})
	for name, h := range means() {
		if name == "nothing of use" || name == "bash" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			for _, port := range []int{garbage, hangsUp} {
				a := ask(t, h, transport.Question{Port: port, Path: "/"})
				if a.Refused || len(a.Replies) == 1 && a.Replies[0].Status != 0 || len(a.Replies) == 0 && a.Unknown == "" {
					t.Errorf("port %d: %+v", port, a)
				}
			}
			a := ask(t, h, transport.Question{Port: garbage, TLSMin: tls.VersionTLS12, TLSMax: tls.VersionTLS13})
			if a.TLS || a.TLSError == "" && a.Unknown == "" {
				t.Errorf("no TLS: %+v", a)
			}
		})
	}
}

func TestSilentService(t *testing.T) {
	port := raw(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	for _, name := range []string{"tunnel", "curl and openssl", "bash"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := transport.Question{Port: port, Path: "/"}
			if name == "curl and openssl" {
				q = transport.Question{Port: port, TLSMin: tls.VersionTLS12, TLSMax: tls.VersionTLS13}
			}
			begun := time.Now()
			a := ask(t, means()[name], q)
			if a.Unknown != "no answer within 5s" || a.TLSError != "" || a.Replies != nil {
				t.Errorf("%+v", a)
			}
			if took := time.Since(begun); took > 10*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// A tunnel that breaks looks like a service that hangs up.
func TestBrokenTunnelIsNoRefusal(t *testing.T) {
	h := &breaking{host: host{t: t}, port: raw(t, func(net.Conn) {})}
	a := Ask(t.Context(), h, []transport.Question{{Port: h.port, TLSMin: tls.VersionTLS10, TLSMax: tls.VersionTLS11}})[0]
	if a.TLSError != "" || a.Unknown == "" {
		t.Errorf("%+v", a)
	}
}

type breaking struct {
	host
	port, dials int
}

func (b *breaking) DialLoopback(ctx context.Context, port int) (net.Conn, error) {
	if b.dials++; b.dials > 1 {
		return nil, errors.New("connection lost")
	}
	return b.host.DialLoopback(ctx, port)
}

func TestQuestionsThatCannotBePut(t *testing.T) {
	for name, q := range map[string]transport.Question{
		"port": {Port: 70000}, "no port": {}, "path": {Port: 1, Path: "/a b"}, "no slash": {Port: 1, Path: "a"},
		"host": {Port: 1, Path: "/", Hosts: []string{"a\r\nX: y"}}, "empty host": {Port: 1, Path: "/", Hosts: []string{""}},
		"versions": {Port: 1, TLSMin: 1, TLSMax: 2}, "order": {Port: 1, TLSMin: tls.VersionTLS13, TLSMax: tls.VersionTLS12},
	} {
		if a := ask(t, &host{}, q); a.Unknown == "" || a.Refused {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

// One script asks all that the tunnel does not.
func TestOneScriptForAll(t *testing.T) {
	port, _ := serve(t, nil)
	h := &host{t: t, forbids: true, programs: []string{"curl"}}
	q := transport.Question{Port: port, Path: "/", Hosts: []string{"good"}}
	answers := Ask(t.Context(), h, []transport.Question{q, {Port: closedPort(t), Path: "/"}, q})
	if h.ran != 1 || len(answers[0].Replies) != 1 || !answers[1].Refused || len(answers[2].Replies) != 1 {
		t.Errorf("ran %d: %+v", h.ran, answers)
	}
}
