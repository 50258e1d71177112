package standin

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestHostAllowed(t *testing.T) {
	for _, c := range []struct {
		allowed, host string
		want          bool
	}{
		{"*", "anything", true},
		{"", "anything", true},
		{"localhost;127.0.0.1", "localhost", true},
		{"localhost;127.0.0.1", "LOCALHOST:6889", true},
		{"LocalHost;127.0.0.1", "localhost", true},
		{"localhost;127.0.0.1", "127.0.0.1:6889", true},
		{"localhost;127.0.0.1", "127.0.0.2", false},
		{"localhost;127.0.0.1", "localhost.evil", false},
		{"localhost;127.0.0.1", "", true},
		{"localhost; 127.0.0.1", "127.0.0.1", false}, // not trimmed
		{"*.example", "a.example", true},
		{"*.example", "a.b.EXAMPLE:1", true},
		{"*.example", "example", false},
		{"*.example", ".example", false},
		{"*.example", "badexample", false},
		{"*ample", "example", false},
		{"[::1]", "[::1]:6889", true},
		{"localhost;*", "x", true},
	} {
		h := hostFilter(c.allowed, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = c.host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := w.Code == http.StatusOK; got != c.want {
			t.Errorf("AllowedHosts %q, Host %q: %d", c.allowed, c.host, w.Code)
		}
	}
}

func TestEndpoints(t *testing.T) {
	now := func() time.Time { return time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC) }
	secure := httpsHandler("localhost", status{Status: "running", Version: Version, Plugins: 3, Jobs: 2}, now)
	plain := httpHandler("localhost", 7889, now)
	for _, c := range []struct {
		name, method, path, host string
		handler                  http.Handler
		code                     int
		want                     string // part of the body, or the whole Location
	}{
		{"root", "GET", "/", "localhost:6889", secure, 200, "Keeper"},
		{"root, made-up host", "GET", "/", "made-up", secure, 400, "Invalid Hostname"},
		{"health", "GET", "/health", "localhost", secure, 200, `{"status":"healthy","timestamp":"2026-09-01T00:00:00Z","version":"2.0.82"}`},
		{"health bypasses the filter", "GET", "/health", "made-up", secure, 200, "healthy"},
		{"status", "GET", "/api/system/status", "localhost", secure, 200, `{"status":"running","version":"2.0.82","plugins":3,"jobs":2}`},
		{"status, made-up host", "GET", "/api/system/status", "made-up", secure, 400, ""},
		{"restricted", "GET", "/api/plugins", "localhost", secure, 403, ""},
		{"other method", "POST", "/", "localhost", secure, 403, ""},
		{"redirect", "GET", "/a?b=c", "localhost:6888", plain, 307, "https://localhost:7889/a?b=c"},
		{"plain, made-up host", "GET", "/", "made-up", plain, 400, ""},
		{"plain health", "GET", "/health", "made-up", plain, 200, "healthy"},
	} {
		r := httptest.NewRequest(c.method, c.path, nil)
		r.Host = c.host
		w := httptest.NewRecorder()
		c.handler.ServeHTTP(w, r)
		if w.Code != c.code {
			t.Errorf("%s: code %d, want %d", c.name, w.Code, c.code)
		}
		got := w.Body.String()
		if c.code == 307 {
			got = w.Header().Get("Location")
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestMQTT(t *testing.T) {
	for _, c := range []struct {
		name, send, want string
	}{
		{"connect, then ping", "\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00\xc0\x00", "\x20\x02\x00\x00\xd0\x00"},
		{"no connect", "\xc0\x00", ""},
		{"endless length", "\x10\xff\xff\xff\xff\xff", ""},
		{"too large", "\x10\xff\xff\xff\x7f", ""},
	} {
		client, server := net.Pipe()
		go func() {
			_ = mqttSession(server)
			_ = server.Close()
		}()
		_ = client.SetDeadline(time.Now().Add(5 * time.Second))
		go func() { _, _ = client.Write([]byte(c.send)) }()
		got := make([]byte, len(c.want))
		r := bufio.NewReader(client)
		if _, err := io.ReadFull(r, got); err != nil || string(got) != c.want {
			t.Errorf("%s: got %q, %v, want %q", c.name, got, err, c.want)
		}
		if c.want == "" {
			if _, err := r.ReadByte(); err == nil {
				t.Errorf("%s: the session went on", c.name)
			}
		}
		_ = client.Close()
	}
}
