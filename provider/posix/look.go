package posix

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kepmctl/kepmctl/provider"
	"github.com/kepmctl/kepmctl/transport"
)

type looker struct{}

// Look is observe.sh with what the goal needs to know.
func (looker) Look(g provider.Goal) transport.Script {
	args := append(layoutOf("Linux", transport.Linux, stateDir), layoutOf("Darwin", transport.MacOS, stateDirMac)...)
	if g.InstallRoot != "" {
		args = append(args, "root="+g.InstallRoot)
	}
	if g.Options.AdministratorsGroup != "" {
		args = append(args, "group="+g.Options.AdministratorsGroup)
	}
	args = append(args, "row=.")
	for _, row := range rows(g) {
		switch {
		case row == ".":
		case strings.Contains(row, "/"):
			args = append(args, "row="+row)
		default: // names differ in case between agent versions [D]
			args = append(args, "pattern="+glob(row))
		}
		args = append(args, "except="+glob("./"+row))
	}
	args = append(args, plugins(g)...)
	return transport.Script{Name: "observe.sh", Text: text("observe.sh"), Args: args, Elevate: true}
}

// plugins are the files of plug-ins that the goal names, and the directory they
// lie in, which must be closed before one is changed.
func plugins(g provider.Goal) []string {
	var args []string
	for _, w := range g.Wants {
		arg := "plugin=" + glob(w.Control.Plugin+".json")
		if w.Control.Name == provider.PluginSetting && !slices.Contains(args, arg) {
			args = append(args, arg)
		}
	}
	if len(args) > 0 {
		args = append(args, "pattern="+glob(provider.PluginsDir))
	}
	return args
}

// layoutOf tells observe.sh where one system keeps the agent. What the host runs is
// known only to the script, so it is told of all.
func layoutOf(uname string, os transport.OS, state string) []string {
	layout, _ := provider.LayoutOf(os)
	args := []string{
		uname + ":service=" + layout.Service, uname + ":watchdog=" + layout.Watchdog,
		uname + ":package=" + layout.Package, uname + ":state=" + state,
	}
	for _, dir := range layout.Roots {
		args = append(args, uname+":candidate="+dir)
	}
	return args
}

// Meter is meter.sh.
func (looker) Meter(cursor string) transport.Script {
	return transport.Script{Name: "meter.sh", Text: text("meter.sh"), Args: []string{cursor}, Elevate: true}
}

// rows are the directories that the goal bounds.
func rows(g provider.Goal) []string {
	var list []string
	for _, w := range g.Wants {
		if w.Control.Name == provider.Permissions {
			list = append(list, w.Control.Key)
		}
	}
	return list
}

// glob is a pattern of find that matches only the path itself.
func glob(path string) string {
	if !strings.ContainsAny(path, `\*?[`) {
		return path
	}
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// errTruncated says that the script did not reach its end.
var errTruncated = errors.New("the host's answer ends early")

// Read turns the answer of observe.sh into facts. An error means that the answer
// is not one; what merely did not come is unknown in the facts.
func (looker) Read(out transport.Output) (provider.Facts, error) {
	s, err := sections(out.Stdout)
	if err != nil {
		return provider.Facts{}, fmt.Errorf("read the facts: %w", err)
	}
	if _, whole := s["end"]; !whole {
		return provider.Facts{}, fmt.Errorf("read the facts: %w (exit %d)", errTruncated, out.Exit)
	}
	return newReader(s).facts()
}

// sections splits "@name" lines from the hexadecimal bytes that follow them. A
// name may come several times.
func sections(b []byte) (map[string][][]byte, error) {
	out := map[string][][]byte{}
	name := ""
	var body []byte
	flush := func() {
		if name != "" {
			out[name] = append(out[name], body)
		}
	}
	for line := range bytes.Lines(b) {
		line = bytes.TrimSpace(line)
		if after, ok := bytes.CutPrefix(line, []byte("@")); ok {
			flush()
			name, body = string(after), nil
			if name == "" || len(name) > 32 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz") != "" {
				return nil, fmt.Errorf("a section is called %.40q", name)
			}
			continue
		}
		var err error
		if body, err = appendHex(body, line); err != nil || (name == "" && len(line) > 0) {
			return nil, fmt.Errorf("a line is not hexadecimal: %.40q", line)
		}
	}
	flush()
	return out, nil
}

// appendHex appends what "2f 6f 70" says.
func appendHex(dst, line []byte) ([]byte, error) {
	for len(line) > 0 {
		if line[0] == ' ' {
			line = line[1:]
			continue
		}
		var b [1]byte
		if len(line) < 2 {
			return dst, hex.ErrLength
		}
		if _, err := hex.Decode(b[:], line[:2]); err != nil {
			return dst, err
		}
		dst, line = append(dst, b[0]), line[2:]
	}
	return dst, nil
}
