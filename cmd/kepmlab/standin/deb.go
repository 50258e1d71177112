package standin

import (
	"bytes"
	"context"
	"debug/elf"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"text/template"
)

// BuildDeb writes the Debian package of the stand-in to out. The program exe,
// this program built for this machine, is what it installs; it has to be static,
// since hosts need not have this machine's libraries. dpkg-deb builds the package.
func BuildDeb(ctx context.Context, out, exe string) error {
	if err := isStatic(exe); err != nil {
		return err
	}
	stage, err := os.MkdirTemp("", "kepmlab-deb-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(stage)
	if err := stageDeb(stage, exe); err != nil {
		return fmt.Errorf("stage the package: %w", err)
	}
	cmd := exec.CommandContext(ctx, "dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", stage, out)
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s with dpkg-deb: %w: %s", out, err, bytes.TrimSpace(text))
	}
	return nil
}

func isStatic(exe string) error {
	f, err := elf.Open(exe)
	if err != nil {
		return fmt.Errorf("read the program %s: %w", exe, err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return fmt.Errorf("package the program %s: it is not static: build it with CGO_ENABLED=0", exe)
		}
	}
	return nil
}

func stageDeb(stage, exe string) error {
	if err := os.Chmod(stage, 0o755); err != nil {
		return err
	}
	for _, dir := range []string{"DEBIAN", "opt", "opt/keeper", "lib", "lib/systemd", "lib/systemd/system"} {
		if err := makeDir(filepath.Join(stage, dir), 0o755); err != nil {
			return err
		}
	}
	if err := stageControl(filepath.Join(stage, "DEBIAN/control")); err != nil {
		return err
	}
	for _, f := range []struct {
		name, dir string
		mode      fs.FileMode
	}{
		{"postinst", "DEBIAN", 0o755},
		{"prerm", "DEBIAN", 0o755},
		{"postrm", "DEBIAN", 0o755},
		{AgentUnit + ".service", "lib/systemd/system", 0o644},
		{WatchdogUnit + ".service", "lib/systemd/system", 0o644},
	} {
		b, err := files.ReadFile("files/debian/" + f.name)
		if err != nil {
			return err
		}
		if err := writeFile(filepath.Join(stage, f.dir, f.name), b, f.mode); err != nil {
			return err
		}
	}
	return Install(filepath.Join(stage, Root), exe)
}

func stageControl(path string) error {
	t, err := template.ParseFS(files, "files/debian/control")
	if err != nil {
		return err
	}
	var b bytes.Buffer
	// Debian and Go name the architectures of interest, amd64 and arm64, alike.
	if err := t.Execute(&b, struct{ Version, Architecture string }{Version, runtime.GOARCH}); err != nil {
		return err
	}
	return writeFile(path, b.Bytes(), 0o644)
}
