package standin

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseSettings(t *testing.T) {
	text := "\xef\xbb\xbf// a comment\r\n{\r\n \"allowedHOSTS\": \"a;b\", /* x */\r\n" +
		" \"Settings\": {\"system.logging.level\": \"Debug\", \"KestrelHttpPort\": 7, \"Alt\": [\"x\", \"y\",]},\r\n" +
		" \"n\": 12345678901234567890, \"f\": 1.0, \"nil\": null, \"esc\": \"\\u0041\",\r\n}\r\n"
	s, err := ParseSettings([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"AllowedHosts":                  "a;b",
		"settings:System.Logging.Level": "Debug",
		"Settings:KestrelHttpPort":      "7",
		"Settings:Alt:1":                "y",
		"n":                             "12345678901234567890",
		"f":                             "1.0",
		"nil":                           "",
		"esc":                           "A",
		"missing":                       "fallback",
	} {
		if got := s.Get(key, "fallback"); got != want {
			t.Errorf("Get(%q) = %q, want %q", key, got, want)
		}
	}
	if got := s.Int("Settings:KestrelHttpPort", 1); got != 7 {
		t.Errorf("Int = %d, want 7", got)
	}
	if got := s.Int("AllowedHosts", 1); got != 1 {
		t.Errorf("Int of a text = %d, want the fallback", got)
	}
}

func TestParseSettingsRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"broken":               `{"a": }`,
		"cut short":            `{"a": 1`,
		"two documents":        `{} {}`,
		"no object":            `[1]`,
		"empty":                ``,
		"UTF-16":               "\xff\xfe{\x00}\x00",
		"same key":             `{"a": 1, "a": 1}`,
		"same key, other case": `{"Settings": {"Level": 1, "level": 2}}`,
		"same section twice":   `{"Settings": {"a": 1}, "settings": {"b": 2}}`,
		"same path":            `{"A:B": 1, "A": {"b": 2}}`,
	} {
		if _, err := ParseSettings([]byte(text)); err == nil {
			t.Errorf("%s: %q was accepted", name, text)
		}
	}
}

func TestReadSettingsEnvironmentWins(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "appsettings.json"), []byte(`{"AllowedHosts":"*","Settings":{"x":"file"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := ReadSettings(root, []string{"ALLOWEDHOSTS=localhost", "Settings__X=env"})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Get("AllowedHosts", "") + " " + s.Get("Settings:x", ""); got != "localhost env" {
		t.Errorf("got %q", got)
	}
	if _, err := ReadSettings(t.TempDir(), nil); err == nil {
		t.Error("a missing file was accepted")
	}
}

func TestReadKnobs(t *testing.T) {
	k := ReadKnobs([]string{"KEEPER_LAB_FAIL=never_up", "KEEPER_LAB_WHEN=hardened", "KEEPER_LAB_TLS_MIN=1.0", "KEEPER_LAB_BIND=0.0.0.0", "KEEPER_LAB_CERT_DAYS=5", "KEEPER_LAB_CERT_FILE=x", "PATH=/bin"})
	if want := (Knobs{Fail: NeverUp, WhenHardened: true, OldTLS: true, Bind: "0.0.0.0", CertDays: 5, CertFile: "x"}); k != want {
		t.Errorf("got %+v, want %+v", k, want)
	}
	for hosts, want := range map[string]Failure{"*": "", "localhost": NeverUp} {
		s, err := ParseSettings([]byte(`{"AllowedHosts":"` + hosts + `"}`))
		if err != nil {
			t.Fatal(err)
		}
		if got := k.failure(s); got != want {
			t.Errorf("failure with AllowedHosts %q = %q, want %q", hosts, got, want)
		}
	}
}

func FuzzParseSettings(f *testing.F) {
	b, err := files.ReadFile("files/root/appsettings.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(b))
	f.Add(`{"a":[{"b":null}],}`)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSettings([]byte(text))
		if err != nil {
			return
		}
		for key := range s.values {
			if key != strings.ToLower(key) {
				t.Errorf("key %q is not in lower case", key)
			}
		}
	})
}
