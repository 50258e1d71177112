package hcl

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// A Source is a configuration file as it is on disk.
type Source struct {
	Path  string // as a command is told it
	Mode  fs.FileMode
	Bytes []byte
}

// Sources reads the configuration file at path, or those of the directory at path.
// What Load would not read is not read here either.
func Sources(path string) ([]Source, Diagnostics) {
	var d Diagnostics
	info, err := os.Lstat(path)
	if err == nil && info.Mode()&fs.ModeSymlink != 0 && !strings.HasSuffix(path, Suffix) {
		info, err = os.Stat(path) // a linked directory is one
	}
	if err != nil {
		d.errorf(nil, "Cannot read the configuration", "%s.", err)
		return nil, d
	}
	if info.IsDir() {
		var list []Source
		for _, f := range readDir(path, &d) {
			list = append(list, sourceAt(filepath.Join(path, f.name), f.src, &d))
		}
		return list, d
	}
	switch {
	case !info.Mode().IsRegular():
		d.errorf(nil, "Not a regular file", "%q is a link or a device. Only regular files are read: name the file itself.", path)
	case !strings.HasSuffix(path, Suffix):
		d.errorf(nil, "Not a configuration file", "The name of %q does not end with %s.", path, Suffix)
	default:
		src, err := readFile(path)
		if err != nil {
			d.errorf(nil, "Cannot read a configuration file", "%s.", err)
			return nil, d
		}
		return []Source{{path, info.Mode().Perm(), src}}, d
	}
	return nil, d
}

func sourceAt(path string, src []byte, d *Diagnostics) Source {
	info, err := os.Lstat(path)
	if err != nil {
		d.errorf(nil, "Cannot read a configuration file", "%s.", err)
		return Source{}
	}
	return Source{path, info.Mode().Perm(), src}
}

// Format brings a file into the canonical layout: only white space changes. What
// does not parse is not formatted, and the name stands in the diagnostics.
func Format(name string, src []byte) ([]byte, Diagnostics) {
	d := &Diagnostics{}
	if _, whole := parse([]file{{name, src}}, d); !whole {
		return nil, d.tidy()
	}
	const rounds = 8 // the library needs a second look at some layouts
	out := src
	for range rounds {
		next := hclwrite.Format(out)
		if bytes.Equal(next, out) {
			break
		}
		out = next
	}
	if !sameTokens(src, out) {
		d.errorf(nil, "Cannot format a file", "%s would mean something else afterwards. Leave it as it is, and report it as an error of kepmctl.", name)
		return nil, d.tidy()
	}
	return out, d.tidy()
}

// sameTokens says whether two files differ in white space alone.
func sameTokens(a, b []byte) bool {
	x, _ := hclsyntax.LexConfig(a, "", hcl.InitialPos)
	y, _ := hclsyntax.LexConfig(b, "", hcl.InitialPos)
	if len(x) != len(y) {
		return false
	}
	for i := range x {
		if x[i].Type != y[i].Type || !bytes.Equal(x[i].Bytes, y[i].Bytes) {
			return false
		}
	}
	return true
}

// SecretLines says which lines of a file, counted from 1, may hold a secret and are
// shown to nobody.
func SecretLines(src []byte) func(line int) bool {
	tokens, _ := hclsyntax.LexConfig(src, "", hcl.InitialPos)
	hidden := secretLines(src, tokens)
	return func(line int) bool { return hidden[line] }
}
