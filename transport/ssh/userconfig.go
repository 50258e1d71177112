package ssh

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/kepmctl/kepmctl/transport"
)

// Bounds of the user's own SSH configuration. The depth is OpenSSH's.
const (
	configLimit  = 1 << 20 // bytes of one file
	includeDepth = 16
)

// A directive is one line of an SSH configuration.
type directive struct {
	file string
	line int
	key  string // in lower case
	args []string
}

// refuse is the error of a directive that cannot be obeyed.
func (l directive) refuse(format string, args ...any) error {
	return &configError{fmt.Sprintf("%s:%d: %s", l.file, l.line, fmt.Sprintf(format, args...))}
}

// A configError is what stands in the SSH configuration and cannot be obeyed.
type configError struct{ text string }

func (e *configError) Error() string { return e.text }

const configHint = "change the SSH configuration for this host, or say in the connection block how it is reached"

// readConfig reads one file of the user's, which nobody else may be able to
// write: it says where to log in and whom to trust.
func readConfig(file string) ([]directive, error) {
	f, err := os.Open(filepath.Clean(file))
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, &configError{file + ": it is no regular file"}
	case !mine(info):
		return nil, &configError{fmt.Sprintf("%s: somebody else owns it or can write it (mode %#o): chmod go-w it", file, info.Mode().Perm())}
	case info.Size() > configLimit:
		return nil, &configError{fmt.Sprintf("%s: it is larger than %d bytes", file, configLimit)}
	}
	text := make([]byte, info.Size())
	n, err := f.ReadAt(text, 0)
	if int64(n) < info.Size() {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	return parseConfig(file, text)
}

// parseConfig takes a file apart into lines, as OpenSSH's readconf.c does.
func parseConfig(file string, text []byte) ([]directive, error) {
	var all []directive
	for i, raw := range bytes.Split(text, []byte("\n")) {
		l := directive{file: file, line: i + 1}
		if bytes.IndexByte(raw, 0) >= 0 {
			return nil, l.refuse("it holds a NUL byte")
		}
		s := strings.Trim(string(raw), " \t\r\f")
		if s == "" || s[0] == '#' {
			continue
		}
		end := strings.IndexAny(s, " \t=")
		if end < 0 {
			end = len(s)
		}
		l.key = strings.ToLower(strings.Trim(s[:end], `"`))
		rest := strings.TrimLeft(s[end:], " \t")
		rest = strings.TrimPrefix(rest, "=")
		var err error
		if l.args, err = split(rest); err != nil {
			return nil, l.refuse("%s", err)
		}
		if l.key == "match" { // its criteria may be written host=pattern
			l.args = criteria(l.args)
		}
		all = append(all, l)
	}
	return all, nil
}

func criteria(args []string) []string {
	var all []string
	for _, a := range args {
		if name, value, ok := strings.Cut(a, "="); ok && strings.Trim(strings.ToLower(name), "!abcdefghijklmnopqrstuvwxyz") == "" {
			all = append(all, name)
			if value != "" {
				all = append(all, value)
			}
			continue
		}
		all = append(all, a)
	}
	return all
}

// split makes words, as OpenSSH's argv_split does: quotes of both kinds, a
// backslash before a quote, a backslash or (outside quotes) a blank, and # at the
// start of a word for a comment.
func split(s string) ([]string, error) {
	var words []string
	for i := 0; i < len(s); {
		switch s[i] {
		case ' ', '\t':
			i++
			continue
		case '#':
			return words, nil
		}
		var word []byte
		var quote byte
		for ; i < len(s); i++ {
			c := s[i]
			if quote == 0 && (c == ' ' || c == '\t') {
				break
			}
			switch {
			case c == '\\' && i+1 < len(s) && (strings.IndexByte(`'"\`, s[i+1]) >= 0 || quote == 0 && s[i+1] == ' '):
				i++
				word = append(word, s[i])
				continue
			case quote == 0 && (c == '"' || c == '\''):
				quote = c
				continue
			case quote != 0 && c == quote:
				quote = 0
				continue
			}
			word = append(word, c)
		}
		if quote != 0 {
			return nil, errors.New("a quotation mark is not closed")
		}
		words = append(words, string(word))
	}
	return words, nil
}

// A lookup collects what the user's own configuration says about one machine.
type lookup struct {
	dialer *Dialer
	typed  string // the machine as it would be typed after ssh
	user   string // as the connection has it; empty: it is silent
	depth  int

	found    found
	jumpSaid bool // ProxyJump or ProxyCommand: the first of the two counts
}

// found is what the configuration says; what is empty it does not.
type found struct {
	hostName, user, alias, agent string
	port                         int
	keys, certificates           []string
	known                        []string // nil: not said
	jump                         string
	command                      *directive // a ProxyCommand that would be run
	onlyNamed, strict            bool
	said                         map[string]directive // keywords that were met, where first
}

// refuse is the error of a keyword's value, with its place.
func (f *found) refuse(key string, err error) error {
	l := f.said[key]
	return l.refuse("%s: %s", key, err)
}

// lookUp reads the user's own configuration for a machine.
func (d *Dialer) lookUp(typed, user string) (*found, error) {
	l := &lookup{dialer: d, typed: typed, user: user}
	l.found.said = map[string]directive{}
	if d.ConfigFile == "" {
		return &l.found, nil
	}
	err := l.file(d.path(d.ConfigFile))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return &l.found, err
}

func (l *lookup) file(name string) error {
	lines, err := l.dialer.configs.get(name, func() ([]directive, error) { return readConfig(name) })
	if err != nil {
		return err
	}
	active := true
	for _, line := range lines {
		switch line.key {
		case "host":
			active, err = l.host(line)
		case "match":
			active, err = l.match(line)
		case "include":
			if active {
				err = l.include(line)
			}
		default:
			if active {
				err = l.set(line)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// include reads other files. What they select does not reach beyond them.
func (l *lookup) include(line directive) error {
	if len(line.args) == 0 {
		return line.refuse("Include names no file")
	}
	for _, pattern := range line.args {
		if strings.Contains(pattern, "${") || strings.HasPrefix(pattern, "~") && !strings.HasPrefix(pattern, "~/") {
			return line.refuse("Include %s: only ~/ is known here", pattern)
		}
		pattern = l.dialer.path(pattern)
		if !filepath.IsAbs(pattern) {
			pattern = filepath.Join(l.dialer.Home, ".ssh", pattern)
		}
		files, err := filepath.Glob(pattern)
		if err != nil {
			return line.refuse("Include %s: %s", pattern, err)
		}
		for _, file := range files {
			if l.depth++; l.depth > includeDepth {
				return line.refuse("more than %d files include each other", includeDepth)
			}
			if err := l.file(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			l.depth--
		}
	}
	return nil
}

// set takes one value: the first counts, but key files add up.
func (l *lookup) set(line directive) error {
	f := &l.found
	if unsupported[line.key] != "" && !l.harmless(line) {
		return line.refuse("%s", unsupported[line.key])
	}
	many := line.key == "identityfile" || line.key == "certificatefile"
	_, before := f.said[line.key]
	if keywords[line.key] == nil || before && !many {
		return nil
	}
	if len(line.args) == 0 || line.args[0] == "" {
		return line.refuse("the value is missing")
	}
	if len(line.args) > 1 && line.key != "userknownhostsfile" && line.key != "proxycommand" {
		return line.refuse("there is more than one value")
	}
	if !before {
		f.said[line.key] = line
	}
	return keywords[line.key](l, line, line.args[0])
}

// unsupported is what would change where or whom one logs in to, and is not done
// here.
var unsupported = map[string]string{
	"canonicalizehostname": "CanonicalizeHostname is not supported",
	"revokedhostkeys":      "RevokedHostKeys is not supported: mark the keys @revoked in known_hosts",
}

func (l *lookup) harmless(line directive) bool {
	_, before := l.found.said[line.key]
	l.found.said[line.key] = line
	return before || len(line.args) == 1 && (strings.EqualFold(line.args[0], "no") || strings.EqualFold(line.args[0], "none"))
}

// keywords is what each keyword that is obeyed does. All others do not change
// where one logs in, as whom, or whom one trusts.
var keywords = map[string]func(l *lookup, line directive, value string) error{
	"hostname":     func(l *lookup, _ directive, v string) error { l.found.hostName = v; return nil },
	"user":         (*lookup).setUser,
	"port":         (*lookup).setPort,
	"identityfile": func(l *lookup, _ directive, v string) error { l.found.keys = appendNew(l.found.keys, v); return nil },
	"certificatefile": func(l *lookup, _ directive, v string) error {
		l.found.certificates = appendNew(l.found.certificates, v)
		return nil
	},
	"hostkeyalias":          func(l *lookup, _ directive, v string) error { l.found.alias = v; return nil },
	"identityagent":         func(l *lookup, _ directive, v string) error { l.found.agent = v; return nil },
	"identitiesonly":        func(l *lookup, _ directive, v string) error { l.found.onlyNamed = yes(v); return nil },
	"stricthostkeychecking": func(l *lookup, _ directive, v string) error { l.found.strict = yes(v); return nil },
	"userknownhostsfile":    func(l *lookup, line directive, _ string) error { l.found.known = line.args; return nil },
	"proxyjump":             (*lookup).setJump,
	"proxycommand":          (*lookup).setCommand,
}

func yes(v string) bool { return strings.EqualFold(v, "yes") || strings.EqualFold(v, "true") }

func appendNew(all []string, v string) []string {
	for _, a := range all {
		if a == v {
			return all
		}
	}
	return append(all, v)
}

func (l *lookup) setUser(line directive, v string) error {
	if strings.Contains(v, "%") {
		return line.refuse("tokens in User are not supported")
	}
	l.found.user = v
	return nil
}

func (l *lookup) setPort(line directive, v string) error {
	n, err := strconv.ParseUint(v, 10, 16)
	if err != nil || n == 0 {
		return line.refuse("%q is no port", v)
	}
	l.found.port = int(n)
	return nil
}

func (l *lookup) setJump(line directive, v string) error {
	if l.jumpSaid {
		return nil
	}
	l.jumpSaid = true
	if strings.EqualFold(v, "none") {
		return nil
	}
	if _, err := transport.Jumps(transport.Connection{}, strings.NewReplacer("%%", "x", "%h", "x", "%n", "x", "%p", "1", "%r", "x").Replace(v)); err != nil {
		return line.refuse("%s", err)
	}
	l.found.jump = v
	return nil
}

func (l *lookup) setCommand(line directive, v string) error {
	if l.jumpSaid {
		return nil
	}
	l.jumpSaid = true
	if !strings.EqualFold(v, "none") {
		l.found.command = &line
	}
	return nil
}
