package posix

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kepmctl/kepmctl/provider"
	"github.com/kepmctl/kepmctl/transport"
)

// allowed are the programs that operations.md lets the scripts rely on; mksh alone
// has no printf of its own.
var allowed = []string{
	"cat", "chmod", "chown", "chgrp", "cp", "date", "dd", "find", "id", "ln", "ls", "mkdir", "mv", "od",
	"readlink", "rm", "sleep", "sync", "uname", "sh", "printf",
}

// observe runs observe.sh by a shell that has only the allowed programs, on an
// install root of the test's own. Where the test is not root, the script is told
// that it is: only who owns the files differs then.
func observe(t *testing.T, shell []string, root string, more ...provider.Want) provider.Facts {
	t.Helper()
	g := provider.Goal{InstallRoot: root, Wants: append([]provider.Want{
		{Control: provider.Control{Name: provider.Permissions, Key: "Jobs"}},
		{Control: provider.Control{Name: provider.Permissions, Key: "no*such"}},
		{Control: provider.Control{Name: provider.Permissions, Key: "Plugins/p"}},
	}, more...)}
	s := looker{}.Look(g)
	body := strings.ReplaceAll(s.Text, "$(id -u)", "0")
	path := filepath.Join(t.TempDir(), "observe.sh")
	if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	exe, err := exec.LookPath(shell[0])
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, append(append(slices.Clone(shell[1:]), path), s.Args...)...)
	cmd.Env = []string{"PATH=" + onlyAllowed(t)}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	facts, err := looker{}.Read(transport.Output{Stdout: out})
	if err != nil {
		t.Fatal(err)
	}
	return facts
}

func onlyAllowed(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range allowed {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// install makes an install root with careless permissions.
func install(t *testing.T) string {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	put := func(name, body string, mode os.FileMode) {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	put("appsettings.json", "\xef\xbb\xbf{ \"a\": 1 }\r\n", 0o644)
	put("jobs/new\nline \x1b[31m.json", "{}", 0o666)
	put("Plugins/p.json", `{"Certificate":{"Password":"x"}}`, 0o664)
	put("Plugins/other.json", `{}`, 0o644)
	put("Plugins/p/x", ``, 0o644)
	put("appsettings.Production.json", `{"AllowedHosts":"*"}`, 0o644)
	if err := os.Symlink("/etc/passwd", filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	return root
}

func TestObserve(t *testing.T) {
	for _, shell := range shells(t) {
		t.Run(shell[0], func(t *testing.T) {
			root := install(t)
			f := observe(t, shell, root, provider.Want{Control: provider.Control{Name: provider.PluginSetting, Plugin: "OTHER", Key: "k"}})
			if f.Root() != root {
				t.Errorf("root %q, want %q", f.Root(), root)
			}
			if got, want := string(f.Settings.Bytes), "\xef\xbb\xbf{ \"a\": 1 }\r\n"; got != want {
				t.Errorf("settings %q, want %q (%s)", got, want, f.Settings.Problem)
			}
			if r := f.RowsAt("Jobs"); len(r) != 1 || r[0].Path != "jobs" || len(f.RowsAt(".")) != 1 || len(f.RowsAt("Plugins/p")) != 1 || len(f.RowsAt("Plugins")) != 1 || len(f.Rows) != 4 {
				t.Errorf("rows %+v", f.Rows)
			}
			if !f.Tree.Known || f.Tree.Others != 1 || f.Tree.Group != 2 || f.Tree.Links != 1 || f.Tree.Extended != 0 {
				t.Errorf("tree %+v", f.Tree)
			}
			if !slices.Contains(f.Tree.Examples, "jobs/new\nline \x1b[31m.json") {
				t.Errorf("examples %q", f.Tree.Examples)
			}
			if len(f.Documents) != 1 || f.Documents[0].Path != root+"/Plugins/p.json" || len(f.Documents[0].Bytes) != 32 {
				t.Errorf("documents %+v", f.Documents)
			}
			if len(f.Plugins) != 1 || f.Plugins[0].Path != root+"/Plugins/other.json" || string(f.Plugins[0].Bytes) != "{}" {
				t.Errorf("plug-ins %+v", f.Plugins)
			}
			if len(f.Layers) != 1 || f.Layers[0].Path != root+"/appsettings.Production.json" || len(f.Layers[0].Bytes) != 20 {
				t.Errorf("layers %+v", f.Layers)
			}
			if !f.Listening {
				t.Error("no listeners")
			}
			if len(f.Ancestors) == 0 || f.Ancestors[len(f.Ancestors)-1].Path != "/" {
				t.Errorf("ancestors %+v", f.Ancestors)
			}
		})
	}
}

func TestObserveFindsTraps(t *testing.T) {
	root := install(t)
	settings := filepath.Join(root, "appsettings.json")
	if err := os.Remove(settings); err != nil {
		t.Fatal(err)
	}
	if f := observe(t, []string{"sh"}, root); !f.Settings.Missing {
		t.Errorf("missing settings: %+v", f.Settings)
	}
	if err := os.Symlink("/etc/passwd", settings); err != nil {
		t.Fatal(err)
	}
	if f := observe(t, []string{"sh"}, root); !strings.Contains(f.Settings.Problem, "symbolic link") || f.Settings.Bytes != nil {
		t.Errorf("settings that are a link: %+v", f.Settings)
	}
}

// BenchmarkObserveTree looks at a tree of 20,000 files, of which 400 offend.
func BenchmarkObserveTree(b *testing.B) {
	root := b.TempDir()
	for i := range 200 {
		dir := filepath.Join(root, "Plugins", "bin", "d"+string(rune('a'+i%26))+strings.Repeat("x", i/26))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			b.Fatal(err)
		}
		for j := range 100 {
			path := filepath.Join(dir, "f"+strings.Repeat("y", j))
			if err := os.WriteFile(path, nil, 0o644); err != nil {
				b.Fatal(err)
			}
			if j < 2 {
				if err := os.Chmod(path, 0o666); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	s := looker{}.Look(provider.Goal{InstallRoot: root})
	for b.Loop() {
		cmd := exec.Command("sh", append([]string{"-c", s.Text, "observe.sh"}, s.Args...)...)
		out, err := cmd.Output()
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(out)), "bytes")
	}
}
