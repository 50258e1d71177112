package facts

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kepmctl/kepmctl/provider"
)

func look() provider.Look {
	return provider.Look{At: time.Unix(1, 0).UTC(), Facts: provider.Facts{
		Roots: []string{"/opt/keeper"}, Settings: provider.File{Path: "/opt/keeper/appsettings.json", Bytes: []byte(`{"ApiKey":"hunter2","b":1} // hunter2`)},
	}}
}

func TestKeptAndReadAgain(t *testing.T) {
	d := Dir(filepath.Join(t.TempDir(), "new"))
	if err := d.Make(); err != nil {
		t.Fatal(err)
	}
	if err := d.Write("web", []string{"row=a"}, look()); err != nil {
		t.Fatal(err)
	}
	got, err := d.Read("web", []string{"row=a"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(look().Recorded(), got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	b, err := os.ReadFile(d.path("web"))
	if err != nil || strings.Contains(string(b), "hunter2") {
		t.Errorf("a secret is kept: %s, %v", b, err)
	}
	if names, err := filepath.Glob(string(d) + "/.*"); err != nil || len(names) != 0 {
		t.Errorf("left behind: %v", names)
	}
	if _, err := d.Read("app", nil); !errors.Is(err, ErrNone) {
		t.Errorf("of another host: %v", err)
	}
}

func TestRefused(t *testing.T) {
	for says, text := range map[string]string{
		"were cut off":        `{"format_version":"1.0","host":"web","look":{`,
		"format version":      `{"format_version":"2.0","host":"web"}`,
		"another host":        `{"format_version":"1.0","host":"app","look":{"At":"2026-01-01T00:00:00Z"}}`,
		"asked other things":  `{"format_version":"1.0","host":"web","asked":["row=a"],"look":{"At":"2026-01-01T00:00:00Z"}}`,
		"when they were":      `{"format_version":"1.0","host":"web","look":{}}`,
		"are none of kepmctl": `hello`,
	} {
		if _, err := decode("web", nil, []byte(text)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", text, err, says)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Dir(file).Make(); err == nil {
		t.Error("a file is taken for a directory")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"format_version":"1.0","host":"web","look":{"At":"2026-01-01T00:00:00Z","Facts":{"Settings":{"Bytes":"e30="}}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if l, err := decode("web", nil, b); err == nil {
			_ = l.Recorded()
			provider.Judge(provider.Goal{Wants: []provider.Want{{Control: provider.Control{Name: provider.AllowedHosts}, Value: `["localhost"]`, Mode: provider.Enforce}}}, l)
		}
	})
}
