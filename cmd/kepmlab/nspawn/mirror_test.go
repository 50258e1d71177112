package nspawn

import (
	"os"
	"path/filepath"
	"testing"
)

func TestAptMirror(t *testing.T) {
	for _, c := range []struct {
		name, file, text string
		want             mirror
	}{
		{"one line", "sources.list", "# deb http://no.example bookworm main\ndeb-src http://no.example bookworm main\ndeb http://m.example/debian bookworm main contrib # yes\n", mirror{url: "http://m.example/debian"}},
		{"options", "sources.list.d/a.list", "deb [arch=amd64 signed-by=/k.gpg] https://m.example/debian bookworm main\n", mirror{"https://m.example/debian", "/k.gpg"}},
		{"spaced options", "sources.list.d/a.list", "deb [ arch=amd64 ] https://m.example/debian bookworm main\n", mirror{url: "https://m.example/debian"}},
		{"other suites first", "sources.list", "deb http://s.example/debian-security bookworm-security main\ndeb http://m.example/debian bookworm main\n", mirror{url: "http://m.example/debian"}},
		{"stanza", "sources.list.d/d.sources", "Types: deb\n# a comment\nURIs: http://m.example/debian\nSuites: bookworm bookworm-updates\nComponents: main\nSigned-By: /k.gpg\n", mirror{"http://m.example/debian", "/k.gpg"}},
		{"disabled stanza, then another", "sources.list.d/d.sources", "Enabled: no\nTypes: deb\nURIs: http://no.example\nSuites: bookworm\nComponents: main\n\nTypes: deb deb-src\nURIs:\n http://m.example/debian\nSuites: bookworm\nComponents: main\nSigned-By:\n -----BEGIN PGP\n", mirror{url: "http://m.example/debian"}},
		{"another release", "sources.list", "deb http://m.example/ubuntu noble main\n", mirror{}},
		{"not for debootstrap", "sources.list", "deb mirror+file:/x bookworm main\n", mirror{}},
		{"cut short", "sources.list", "deb\ndeb [x\ndeb http://m.example\n", mirror{}},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, c.file)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := aptMirror(dir)
		if got != c.want || (err == nil) != (c.want.url != "") {
			t.Errorf("%s: got %+v, %v, want %+v", c.name, got, err, c.want)
		}
	}
}
