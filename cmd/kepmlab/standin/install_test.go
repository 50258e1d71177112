package standin

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestInstall(t *testing.T) {
	root := newAgent(t).Root
	for path, want := range map[string]fs.FileMode{
		".":                     0o755,
		"appsettings.json":      0o644,
		"Jobs":                  0o777,
		"Jobs/bin":              0o755,
		"Jobs/bin/heartbeat.sh": 0o755,
		"Plugins":               0o755,
		"Plugins/bin/KeeperAPI/KeeperAPI.deps.json": 0o666,
		"KeeperStorage":            0o755,
		"KeeperStorage/storage.db": 0o644,
		"policies":                 0o755,
		AgentUnit:                  0o755,
		filepath.Dir(logFile):      0o755,
	} {
		i, err := os.Stat(filepath.Join(root, path))
		if err != nil || i.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want %v", path, i.Mode(), err, want)
		}
	}
	b, err := os.ReadFile(filepath.Join(root, "appsettings.json"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(b, []byte("\xef\xbb\xbf//")) || bytes.Count(b, []byte("\n")) != bytes.Count(b, []byte("\r\n")) {
		t.Errorf("appsettings.json has no byte order mark, or not CRLF throughout: %q", b[:40])
	}
	s, err := ParseSettings(b)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"AllowedHosts":                     "*",
		"Settings:system.logging.level":    "Debug",
		"Settings:AlternativeSignatures:0": "A94A8FE5CCB19BA61C4C0873D391E987982FBBD3",
		"SiteInventory:schema":             "1.0",
		"SiteInventory:assetId":            "12345678901234567890",
		"Watchdog:CheckIntervalSec":        "2",
	} {
		if got := s.Get(key, ""); got != want {
			t.Errorf("%s = %q, want %q", key, got, want)
		}
	}
}

func TestBuildDebRefusesDynamicPrograms(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no sh")
	}
	err = BuildDeb(t.Context(), filepath.Join(t.TempDir(), "x.deb"), sh)
	if err == nil || !strings.Contains(err.Error(), "CGO_ENABLED=0") {
		t.Errorf("got %v", err)
	}
}

func TestStageDeb(t *testing.T) {
	stage := t.TempDir()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := stageDeb(stage, exe); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(stage, "DEBIAN/control"))
	if err != nil || !strings.Contains(string(b), "\nVersion: 2.0.82\n") || strings.Contains(string(b), "{{") {
		t.Errorf("control %q, %v", b, err)
	}
	for _, path := range []string{"lib/systemd/system/keeper-watchdog.service", "opt/keeper/sbin/appsettings.json"} {
		if _, err := os.Stat(filepath.Join(stage, path)); err != nil {
			t.Error(err)
		}
	}
}

func TestWatchdog(t *testing.T) {
	for _, c := range []struct {
		name, settings string
		active         bool
		want           string
	}{
		{"up", `{}`, true, "is-active --quiet u"},
		{"down", `{}`, false, "is-active --quiet u, start u"},
		{"told not to", `{"Watchdog":{"AutoRemediate":false}}`, false, "is-active --quiet u"},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			if err := os.WriteFile(filepath.Join(root, "appsettings.json"), []byte(c.settings), 0o600); err != nil {
				t.Fatal(err)
			}
			var calls []string
			var waits []time.Duration
			ctx, cancel := context.WithCancel(t.Context())
			w := Watchdog{Root: root, Unit: "u", Log: &bytes.Buffer{}}
			w.Systemctl = func(_ context.Context, args ...string) error {
				calls = append(calls, strings.Join(args, " "))
				if args[0] == "is-active" && !c.active {
					return errors.New("inactive")
				}
				return nil
			}
			w.After = func(d time.Duration) <-chan time.Time {
				if waits = append(waits, d); len(waits) == 2 { // one check is enough
					cancel()
					return nil
				}
				return atOnce(d)
			}
			if err := w.Run(ctx); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(calls, ", "); got != c.want {
				t.Errorf("called %q, want %q", got, c.want)
			}
			if waits[0] != 90*time.Second || waits[1] != 10*time.Second {
				t.Errorf("waited %v", waits)
			}
		})
	}
}
