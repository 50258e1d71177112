package hcl

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// FuzzLoad holds for every file: reading ends, a configuration without errors
// has only wants that fit, and the same bytes give the same answer.
func FuzzLoad(f *testing.F) {
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
		config, d := load(".", []file{{"main.kepm.hcl", src}}, nil, Options{ToolVersion: "1.0.0"})
		var first, second bytes.Buffer
		if err := d.Write(&first, 80, false); err != nil {
			t.Fatal(err)
		}
		_, again := load(".", []file{{"main.kepm.hcl", src}}, nil, Options{ToolVersion: "1.0.0"})
		if err := again.Write(&second, 80, false); err != nil {
			t.Fatal(err)
		}
		if first.String() != second.String() {
			t.Errorf("not the same twice:\n%s\n%s", &first, &second)
		}
		if (config == nil) != d.HasErrors() {
			t.Fatalf("config is nil: %v, errors: %d", config == nil, d.Errors())
		}
		if config == nil {
			return
		}
		for _, g := range config.Goals {
			for _, w := range g.Wants {
				if err := w.Validate(); err != nil {
					t.Error(err)
				}
			}
		}
	})
}
