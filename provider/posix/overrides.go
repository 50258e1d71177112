package posix

import (
	"fmt"
	"path"
	"strings"

	"github.com/kepmctl/kepmctl/provider"
	"github.com/kepmctl/kepmctl/transport"
)

const (
	byUnit    = "the unit's environment"
	byProcess = "the running process's environment"
	byCommand = "the service's command line"
)

// overrides reads what .NET may read over appsettings.json: files beside it,
// variables and arguments of the service. Of variables only the names are kept,
// for their values may be secrets.
func (r *reader) overrides(f *provider.Facts) {
	f.Layers, f.Overrides = r.files(f.Root(), "layer")
	known := f.Service.Known && f.Service.Loaded
	switch f.System.Manager {
	case "systemd":
		r.ofUnit(f)
	case "launchd":
		known = known && r.ofJob(f)
	default: // only the process itself tells
		known = known && f.Service.Active
	}
	if !known && f.Overrides == "" {
		f.Overrides = "the service manager did not say what it gives the service"
	}
	if f.Service.Active && f.System.OS == transport.Linux {
		r.ofProcess(f)
	}
}

// ofProcess reads what the running process was really given.
func (r *reader) ofProcess(f *provider.Facts) {
	environ, arguments := r.sections["environ"], r.sections["arguments"]
	if len(environ) != 1 || len(arguments) != 1 {
		f.Overrides = "the host did not show the environment of the running service"
		return
	}
	for pair := range strings.SplitSeq(string(environ[0]), "\x00") {
		r.variable(f, pair, byProcess)
	}
	r.arguments(f, strings.Split(strings.TrimSuffix(string(arguments[0]), "\x00"), "\x00"))
}

// ofJob reads the blocks of launchctl print: "NAME => value" in its environments,
// an argument a line. It says whether they are there.
func (r *reader) ofJob(f *provider.Facts) bool {
	if len(r.words["job"]) != 3 {
		return false
	}
	print := strings.TrimPrefix(r.words["job"][1], "text ")
	for _, name := range []string{"environment", "inherited environment", "default environment"} {
		lines, _ := jobBlock(print, name)
		for _, line := range lines {
			variable, _, _ := strings.Cut(line, " => ")
			r.override(f, strings.ReplaceAll(variable, "__", ":"), byUnit)
		}
	}
	argv, ok := jobBlock(print, "arguments")
	r.arguments(f, argv)
	return ok
}

// jobBlock is what stands between "NAME = {" and "}" in launchctl print.
func jobBlock(print, name string) (lines []string, ok bool) {
	_, rest, ok := strings.Cut(print, "\n\t"+name+" = {\n")
	if !ok {
		return nil, false
	}
	for line := range strings.Lines(rest) {
		if line = strings.TrimSpace(line); line == "}" {
			break
		}
		lines = append(lines, line)
	}
	return lines, true
}

// ofUnit reads the unit's definition: Environment=, EnvironmentFile= and ExecStart=
// as systemctl show prints them.
func (r *reader) ofUnit(f *provider.Facts) {
	for _, pair := range words(r.unit["Environment"]) {
		r.variable(f, pair, byUnit)
	}
	list := r.words["environment"]
	for ; len(list) >= 2; list = list[2:] {
		where, read := strings.CutPrefix(list[0], "f")
		if !read && f.Overrides == "" {
			f.Overrides = "the unit takes variables from several files: " + strings.TrimPrefix(where, "u")
		}
		for line := range strings.Lines(strings.TrimPrefix(list[1], "c")) {
			if line = strings.TrimSpace(line); line != "" && line[0] != '#' && line[0] != ';' {
				r.variable(f, line, where)
			}
		}
	}
	_, argv, _ := strings.Cut(r.unit["ExecStart"], "argv[]=")
	argv, _, _ = strings.Cut(argv, " ; ")
	r.arguments(f, strings.Fields(argv))
}

// variable keeps the name of NAME=value as .NET reads it: "__" stands for ":".
func (r *reader) variable(f *provider.Facts, pair, where string) {
	name, _, ok := strings.Cut(pair, "=")
	if !ok || name == "" {
		return
	}
	r.override(f, strings.ReplaceAll(name, "__", ":"), where)
}

// arguments keeps the keys of the service's arguments, as .NET reads them:
// --key=value, --key value, /key=value, /key value, key=value.
func (r *reader) arguments(f *provider.Facts, argv []string) {
	for _, arg := range argv[min(1, len(argv)):] {
		key, _, assigned := strings.Cut(arg, "=")
		name := strings.TrimLeft(key, "-/")
		switched := strings.HasPrefix(key, "--") || strings.HasPrefix(key, "/")
		if name != "" && (assigned || switched) && !strings.Contains(name, "/") {
			r.override(f, name, byCommand)
		}
	}
}

func (r *reader) override(f *provider.Facts, key, where string) {
	const most = 256 // bytes of a key: far above any of the agent's
	for _, known := range f.Variables {
		if known.Key == key {
			return
		}
	}
	switch {
	case len(key) > most:
	case len(f.Variables) == maxVariables:
		f.Overrides = fmt.Sprintf("the service is given more than %d variables", maxVariables)
	default:
		f.Variables = append(f.Variables, provider.Variable{Key: key, Where: where})
	}
}

// words splits what systemd prints of a list: blanks part words, double quotes
// hold them together, a backslash takes the next character as it is.
func words(text string) []string {
	var list []string
	var word strings.Builder
	quoted, open := false, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text):
			i++
			word.WriteByte(text[i])
			open = true
		case c == '"':
			quoted, open = !quoted, true
		case c == ' ' && !quoted:
			if open {
				list = append(list, word.String())
			}
			word.Reset()
			open = false
		default:
			word.WriteByte(c)
			open = true
		}
	}
	if open {
		list = append(list, word.String())
	}
	return list
}

// files reads whole files that came as pairs of sections: NAME with the path,
// relative to the root, and NAMEbytes.
func (r *reader) files(root, name string) (files []provider.File, why string) {
	names, bodies := r.sections[name], r.sections[name+"bytes"]
	if len(names) != len(bodies) || len(names) > maxList {
		return nil, "the host's list of JSON files is not whole"
	}
	for i, found := range names {
		file := provider.File{Path: path.Join(root, string(found)), Bytes: bodies[i]}
		if len(file.Bytes) > maxDocument {
			file.Bytes, file.Problem = nil, "larger than 1 MiB"
		}
		files = append(files, file)
	}
	for _, odd := range r.sections[name+"odd"] {
		files = append(files, provider.File{Path: path.Join(root, string(odd)), Problem: "it is no plain file, but a link or the like"})
	}
	return files, ""
}
