package standin

import (
	"bytes"
	"embed"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

//go:embed files
var files embed.FS

// careless are the modes of a deployment nobody looked after, by path below the
// root. Everything else is 0755 for directories and programs, 0644 for files.
func careless(path string) (fs.FileMode, bool) {
	switch path {
	case "Jobs":
		return 0o777, true
	case "Plugins/bin/KeeperAPI/KeeperAPI.deps.json":
		return 0o666, true
	}
	return 0, false
}

// Install lays the agent's files out in root, which it makes, with the modes
// and the appsettings.json of a careless deployment: loose settings, and every
// oddity of spelling that .NET tolerates. The program exe becomes the agent and,
// through a link, the watchdog. Owners are whoever runs this.
func Install(root, exe string) error {
	tree, err := fs.Sub(files, "files/root")
	if err != nil {
		return err
	}
	if err := fs.WalkDir(tree, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return installEntry(tree, root, path, d)
	}); err != nil {
		return fmt.Errorf("install the agent's files: %w", err)
	}
	if err := makeDir(filepath.Join(root, filepath.Dir(filepath.FromSlash(logFile))), 0o755); err != nil {
		return err
	}
	if err := copyFile(filepath.Join(root, AgentUnit), exe, 0o755); err != nil {
		return fmt.Errorf("install the agent's program: %w", err)
	}
	return os.Symlink(AgentUnit, filepath.Join(root, WatchdogUnit))
}

func installEntry(tree fs.FS, root, path string, d fs.DirEntry) error {
	target := filepath.Join(root, filepath.FromSlash(path))
	mode, loose := careless(path)
	if d.IsDir() {
		if !loose {
			mode = 0o755
		}
		return makeDir(target, mode)
	}
	if !loose {
		mode = 0o644
		if filepath.Ext(path) == ".sh" {
			mode = 0o755
		}
	}
	b, err := fs.ReadFile(tree, path)
	if err != nil {
		return err
	}
	if path == "appsettings.json" { // as a Windows editor leaves it; kept plain in the repository
		b = append([]byte("\xef\xbb\xbf"), bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n"))...)
	}
	return writeFile(target, b, mode)
}

// makeDir and writeFile set modes themselves: the umask would narrow them.
func makeDir(path string, mode fs.FileMode) error {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

func writeFile(path string, b []byte, mode fs.FileMode) error {
	if err := os.WriteFile(path, b, 0o600); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

func copyFile(target, source string, mode fs.FileMode) error {
	in, err := os.Open(source)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		_ = out.Close()
		return err
	}
	if err := out.Close(); err != nil {
		return err
	}
	return os.Chmod(target, mode)
}
