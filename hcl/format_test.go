package hcl

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFormat(t *testing.T) {
	for name, c := range map[string]struct{ src, want string }{
		"formatted": {"host \"a\" {\n  port = 22\n}\n", "host \"a\" {\n  port = 22\n}\n"},
		"aligned": {
			"host   \"a\" {\nport=22\n      address =   \"x\" # here\n}\n",
			"host \"a\" {\n  port    = 22\n  address = \"x\" # here\n}\n",
		},
		"carriage returns stay":  {"host \"a\" {\r\nport=22\r\n}\r\n", "host \"a\" {\r\n  port = 22\r\n}\r\n"},
		"no newline at the end":  {"host \"a\" {\nport=22\n}", "host \"a\" {\n  port = 22\n}"},
		"a byte order mark goes": {"\xef\xbb\xbfa=1\n", "a = 1\n"},
		"empty":                  {"", ""},
		"what it means is not asked": {
			"nosuch \"a\" {\nx=1\n}\n", "nosuch \"a\" {\n  x = 1\n}\n",
		},
	} {
		got, d := Format("a.kepm.hcl", []byte(c.src))
		if d.HasErrors() || string(got) != c.want {
			t.Errorf("%s: %q, want %q; %v", name, got, c.want, d.All())
		}
	}
}

func TestFormatRefuses(t *testing.T) {
	for name, src := range map[string]string{
		"syntax":    "host \"a\" {\n become_password = \"hunter2\n}\n",
		"too deep":  "a = " + strings.Repeat("[", 200) + strings.Repeat("]", 200),
		"not UTF-8": "a = \"\xff\"\n",
	} {
		got, d := Format("a.kepm.hcl", []byte(src))
		if !d.HasErrors() || got != nil {
			t.Errorf("%s: formatted to %q", name, got)
		}
		var out bytes.Buffer
		if err := d.Write(&out, 0, false); err != nil || strings.Contains(out.String(), "hunter2") || !strings.Contains(out.String(), "a.kepm.hcl") {
			t.Errorf("%s: %v\n%s", name, err, &out)
		}
	}
}

func TestSources(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	write("a.kepm.hcl", "a = 1\n")
	write("b.txt", "b")
	list, d := Sources(dir)
	if d.HasErrors() || len(list) != 1 || list[0].Path != filepath.Join(dir, "a.kepm.hcl") || list[0].Mode != 0o640 || string(list[0].Bytes) != "a = 1\n" {
		t.Errorf("%+v %v", list, d.All())
	}
	if err := os.Symlink("a.kepm.hcl", filepath.Join(dir, "l.kepm.hcl")); err != nil {
		t.Fatal(err)
	}
	write("big.kepm.hcl", strings.Repeat("#", maxFileBytes+1))
	for _, name := range []string{"l.kepm.hcl", "big.kepm.hcl", "b.txt", "missing.kepm.hcl", "."} {
		if _, d := Sources(filepath.Join(dir, name)); !d.HasErrors() {
			t.Errorf("%s was read", name)
		}
	}
}

// FuzzFormat holds for every file: what is formatted stays as it is and means the same.
func FuzzFormat(f *testing.F) {
	for _, pattern := range []string{"testdata/*/*.kepm.hcl", "testdata/mistakes/*/*.kepm.hcl", "*.kepm.hcl"} {
		seeds, err := filepath.Glob(pattern)
		if err != nil || len(seeds) == 0 {
			f.Fatalf("no seeds in %s: %v", pattern, err)
		}
		for _, seed := range seeds {
			src, err := os.ReadFile(seed)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(src)
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		if len(src) > 1<<14 {
			t.Skip("large files are another test")
		}
		once, d := Format("main.kepm.hcl", src)
		if d.HasErrors() {
			return
		}
		if !sameTokens(src, once) {
			t.Errorf("%q became %q", src, once)
		}
		twice, d := Format("main.kepm.hcl", once)
		if d.HasErrors() || !bytes.Equal(once, twice) {
			t.Errorf("not the same twice: %q, %q, %v", once, twice, d.All())
		}
	})
}
