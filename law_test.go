// Package kepmctl holds only this test: the law of imports.
package kepmctl

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/kepmctl/kepmctl/"

// law says which packages of this module each package may import. Imports point
// down: from a later sentence of the house to an earlier one. A package that is
// missing here fails; changing the table is a commit of its own, with the reason.
var law = map[string][]string{
	// floor 0
	"transport":            {},
	"provider/appsettings": {},
	// floor 1
	"transport/shell":         {"transport"},
	"transport/loopback":      {"transport"},
	"transport/transporttest": {"transport"},
	"provider":                {"transport", "provider/appsettings"},
	"hcl/inventory":           {},
	"plans/signature":         {},
	// floor 2
	"transport/ssh":  {"transport", "transport/shell"},
	"provider/posix": {"transport", "provider"},
	"hcl":            {"transport", "provider", "hcl/inventory"},
	"plans":          {"transport", "provider"},
	// floor 3
	"plans/report": {"plans", "provider"},
	"plans/runs":   {"plans", "provider"},
	"plans/facts":  {"provider"},
	// floor 4
	"cmd/kepmctl": {
		"transport", "transport/ssh", "transport/loopback", "provider", "provider/posix", "hcl", "plans", "plans/report", "plans/runs", "plans/facts", "plans/signature",
	},
	// the laboratory knows nothing of what it tests
	"cmd/kepmlab":          {"cmd/kepmlab/standin", "cmd/kepmlab/nspawn", "cmd/kepmlab/bare", "cmd/kepmlab/simfleet"},
	"cmd/kepmlab/simfleet": {"cmd/kepmlab/standin"},
	"cmd/kepmlab/standin":  {},
	"cmd/kepmlab/nspawn":   {},
	"cmd/kepmlab/bare":     {"cmd/kepmlab/standin"},
}

// only says which packages may import a library: its work has one home.
var only = map[string][]string{
	"github.com/hashicorp/hcl/v2":              {"hcl"},
	"github.com/zclconf/go-cty":                {"hcl"},
	"golang.org/x/crypto/ssh":                  {"transport/ssh", "plans/signature", "cmd/kepmlab/nspawn", "cmd/kepmlab/bare", "cmd/kepmlab/simfleet"}, // the laboratory makes keys, and serves
	"github.com/skeema/knownhosts":             {"transport/ssh"},
	"github.com/tailscale/hujson":              {"provider/appsettings", "cmd/kepmlab/standin"},
	"github.com/spf13/pflag":                   {"cmd/kepmctl"},
	"github.com/spf13/cobra":                   {"cmd/kepmctl", "cmd/kepmlab"},
	"github.com/masterzen/winrm":               {"transport/winrm"},
	"github.com/sergi/go-diff":                 {"plans/report"},
	"go.yaml.in/yaml/v3":                       {"hcl/inventory"},
	"github.com/owenrumney/go-sarif":           {"plans/report"},
	"github.com/prometheus":                    {"plans/report"},
	"github.com/hiddeco/sshsig":                {"plans/signature"},
	"github.com/gofrs/flock":                   {"plans/runs"},
	"github.com/rogpeppe/go-internal":          {}, // tests only
	"github.com/santhosh-tekuri/jsonschema/v6": {},
}

func TestLawOfImports(t *testing.T) {
	seen := map[string]bool{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		dir := filepath.ToSlash(filepath.Dir(path))
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || dir == "." {
			return nil
		}
		seen[dir] = true
		may, known := law[dir]
		if !known {
			t.Errorf("%s is not in the law", dir)
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, imp := range f.Imports {
			name, _ := strconv.Unquote(imp.Path.Value)
			judge(t, path, dir, name, may)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for dir := range law {
		if !seen[dir] {
			t.Errorf("the law speaks of %s, which is not there", dir)
		}
	}
}

func judge(t *testing.T, path, dir, name string, may []string) {
	if own, ok := strings.CutPrefix(name, module); ok {
		if !slices.Contains(may, own) {
			t.Errorf("%s imports %s: the law does not allow it", path, own)
		}
		return
	}
	for library, homes := range only {
		if (name == library || strings.HasPrefix(name, library+"/")) && !slices.Contains(homes, dir) {
			t.Errorf("%s imports %s, whose home is %v", path, name, homes)
		}
	}
}
