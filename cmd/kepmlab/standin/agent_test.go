package standin

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// never is a clock whose moments do not come; at once is one whose moments are now.
func never(time.Duration) <-chan time.Time { return nil }

func atOnce(time.Duration) <-chan time.Time {
	c := make(chan time.Time, 1)
	c <- time.Time{}
	return c
}

// newAgent installs the stand-in's files and gives it ports that are free.
func newAgent(t *testing.T) Agent {
	t.Helper()
	root := filepath.Join(t.TempDir(), "sbin")
	exe := filepath.Join(t.TempDir(), "exe")
	if err := os.WriteFile(exe, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Install(root, exe); err != nil {
		t.Fatal(err)
	}
	var ports [3]int
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return Agent{Root: root, HTTP: ports[0], HTTPS: ports[1], MQTT: ports[2], Now: time.Now, After: never}
}

// start runs an agent until the test ends, and waits until its broker, the last
// to be opened, listens.
func start(t *testing.T, a Agent) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the agent ended with: %s", err)
		}
	})
	for range 500 {
		c, err := net.Dial("tcp", address(a.MQTT))
		if err == nil {
			_ = c.Close()
			return
		}
		select {
		case err := <-done:
			done <- nil
			t.Fatalf("the agent ended at once: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
	t.Fatal("the agent did not come up")
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	c := &http.Client{
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	r, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(b)
}

func TestAgentServes(t *testing.T) {
	a := newAgent(t)
	if err := os.WriteFile(filepath.Join(a.Root, "Plugins/Broken.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, a)
	if code, body := get(t, "https://"+address(a.HTTPS)+"/api/system/status"); code != 200 || !strings.Contains(body, `"plugins":3,"jobs":2`) {
		t.Errorf("status: %d %s", code, body)
	}
	if code, _ := get(t, "http://"+address(a.HTTP)+"/"); code != 307 {
		t.Errorf("plain port: %d", code)
	}
	c, err := tls.Dial("tcp", address(a.MQTT), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if cn := c.ConnectionState().PeerCertificates[0].Subject.CommonName; cn != "localhost" {
		t.Errorf("certificate for %q", cn)
	}
	b, err := os.ReadFile(filepath.Join(a.Root, logFile))
	if err != nil || !strings.Contains(string(b), "[Debug] GET \"/\"") {
		t.Errorf("log %q, %v", b, err)
	}
}

func TestAgentLogLevel(t *testing.T) {
	a := newAgent(t)
	a.Environ = []string{"Settings__system.logging.level=warning"}
	start(t, a)
	get(t, "https://"+address(a.HTTPS)+"/")
	if b, err := os.ReadFile(filepath.Join(a.Root, logFile)); err != nil || len(b) != 0 {
		t.Errorf("log %q, %v, want none at level Warning", b, err)
	}
}

func TestAgentTLSVersions(t *testing.T) {
	for _, c := range []struct {
		environ []string
		version uint16
		want    bool
	}{
		{nil, tls.VersionTLS11, false},
		{nil, tls.VersionTLS12, true},
		{nil, tls.VersionTLS13, true},
		{[]string{"KEEPER_LAB_TLS_MIN=1.0"}, tls.VersionTLS10, true},
		{[]string{"KEEPER_LAB_TLS_MIN=1.0"}, tls.VersionTLS13, true},
	} {
		t.Run(tls.VersionName(c.version), func(t *testing.T) {
			a := newAgent(t)
			a.Environ = c.environ
			start(t, a)
			for _, port := range []int{a.HTTPS, a.MQTT} {
				conn, err := tls.Dial("tcp", address(port), &tls.Config{
					InsecureSkipVerify: true, MinVersion: c.version, MaxVersion: c.version, NextProtos: []string{"h2"},
				})
				if err == nil {
					if p := conn.ConnectionState().NegotiatedProtocol; p != "" { // HTTP/2 does not exist below TLS 1.2
						t.Errorf("agreed on %q", p)
					}
					_ = conn.Close()
				}
				if got := err == nil; got != c.want {
					t.Errorf("handshake %v (%v), want %v", got, err, c.want)
				}
			}
		})
	}
}

func TestAgentNewCertificatePerStart(t *testing.T) {
	var serials [2]string
	for i := range serials {
		c, err := tlsConfig(time.Now(), Knobs{})
		if err != nil {
			t.Fatal(err)
		}
		serials[i] = string(c.Certificates[0].Certificate[0])
	}
	if serials[0] == serials[1] {
		t.Error("two starts, one certificate")
	}
}

func TestAgentDies(t *testing.T) {
	for _, c := range []struct {
		name, appsettings string
		environ           []string
		want              string
	}{
		{"duplicate key", `{"AllowedHosts":"*","allowedhosts":"*"}`, nil, "duplicate key"},
		{"broken JSON", `{"AllowedHosts":`, nil, "start with this configuration"},
		{"told to", `{}`, []string{"KEEPER_LAB_FAIL=dies_after_2s"}, "told to die"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newAgent(t)
			a.Environ = c.environ
			if err := os.WriteFile(filepath.Join(a.Root, "appsettings.json"), []byte(c.appsettings), 0o600); err != nil {
				t.Fatal(err)
			}
			var waited time.Duration
			a.After = func(d time.Duration) <-chan time.Time {
				waited = d
				return atOnce(d)
			}
			err := a.Run(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("ended with %v, want %q", err, c.want)
			}
			if waited != 2*time.Second {
				t.Errorf("died after %s", waited)
			}
		})
	}
}

func TestAgentNeverUp(t *testing.T) {
	a := newAgent(t)
	a.Environ = []string{"KEEPER_LAB_FAIL=never_up"}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := a.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if ctx.Err() == nil {
		t.Error("it ended by itself")
	}
	if b, _ := os.ReadFile(filepath.Join(a.Root, logFile)); strings.Contains(string(b), "plugins") {
		t.Errorf("it came up: %s", b)
	}
}

func TestAgentLosesPlugin(t *testing.T) {
	for when, want := range map[string]string{"": `"plugins":2`, "hardened": `"plugins":3`} {
		a := newAgent(t)
		a.Environ = []string{"KEEPER_LAB_FAIL=loses_plugin", "KEEPER_LAB_WHEN=" + when}
		start(t, a)
		if _, body := get(t, "https://"+address(a.HTTPS)+"/api/system/status"); !strings.Contains(body, want) {
			t.Errorf("when %q: %s, want %s", when, body, want)
		}
	}
}

func TestAgentPortTaken(t *testing.T) {
	a := newAgent(t)
	l, err := net.Listen("tcp", address(a.MQTT))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := a.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("ended with %v", err)
	}
	if c, err := net.Dial("tcp", address(a.HTTPS)); err == nil {
		_ = c.Close()
		t.Error("a port was left open")
	}
}
