package nspawn

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// suite is the Debian release of the hosts.
const suite = "bookworm"

// A mirror is where packages come from, and what they are signed with.
type mirror struct {
	url     string
	keyring string // path; empty: debootstrap's own
}

// aptMirror is the mirror that apt itself uses for the hosts' release, according
// to dir, which is /etc/apt.
func aptMirror(dir string) (mirror, error) {
	lists, err := filepath.Glob(filepath.Join(dir, "sources.list.d", "*"))
	if err != nil {
		return mirror{}, err
	}
	for _, path := range append([]string{filepath.Join(dir, "sources.list")}, lists...) {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // a missing or unreadable list names no mirror
		}
		parse := parseListLines
		if filepath.Ext(path) == ".sources" {
			parse = parseStanzas
		}
		if m, ok := parse(string(b)); ok {
			return m, nil
		}
	}
	return mirror{}, errors.New("find a Debian mirror: apt knows none for " + suite + ": name one")
}

// parseListLines reads the one-line style, sources.list(5): deb [options] URL suite components.
func parseListLines(text string) (mirror, bool) {
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 || words[0] != "deb" {
			continue
		}
		words = words[1:]
		var m mirror
		for len(words) > 0 && (strings.HasPrefix(words[0], "[") || strings.Contains(words[0], "=") || words[0] == "]") {
			if path, ok := strings.CutPrefix(strings.Trim(words[0], "[]"), "signed-by="); ok {
				m.keyring = keyringPath(path)
			}
			words = words[1:]
		}
		if len(words) < 3 {
			continue
		}
		m.url = words[0]
		if words[1] == suite && slices.Contains(words[2:], "main") && usable(m.url) {
			return m, true
		}
	}
	return mirror{}, false
}

// parseStanzas reads the deb822 style: fields, an empty line between sources.
func parseStanzas(text string) (mirror, bool) {
	fields := map[string]string{}
	found := func() (mirror, bool) {
		for _, url := range strings.Fields(fields["uris"]) {
			if usable(url) &&
				!strings.EqualFold(fields["enabled"], "no") &&
				slices.Contains(strings.Fields(fields["types"]), "deb") &&
				slices.Contains(strings.Fields(fields["suites"]), suite) &&
				slices.Contains(strings.Fields(fields["components"]), "main") {
				return mirror{url: url, keyring: keyringPath(fields["signed-by"])}, true
			}
		}
		return mirror{}, false
	}
	field := ""
	lines := bufio.NewScanner(strings.NewReader(text + "\n\n"))
	for lines.Scan() {
		line := lines.Text()
		name, value, ok := strings.Cut(line, ":")
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.TrimSpace(line) == "":
			if m, ok := found(); ok {
				return m, true
			}
			clear(fields)
		case line[0] == ' ' || line[0] == '\t': // goes on with the field above
			fields[field] += " " + strings.TrimSpace(line)
		case ok:
			field = strings.ToLower(name)
			fields[field] = strings.TrimSpace(value)
		}
	}
	return mirror{}, false
}

// usable says whether debootstrap can fetch from url.
func usable(url string) bool {
	return strings.HasPrefix(url, "http://") || strings.HasPrefix(url, "https://") || strings.HasPrefix(url, "file:/")
}

// keyringPath keeps a Signed-By that is a file; it may also be a key or a list.
func keyringPath(signedBy string) string {
	if strings.HasPrefix(signedBy, "/") && !strings.ContainsAny(signedBy, " ,") {
		return signedBy
	}
	return ""
}
