package hcl

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/kepmctl/kepmctl/provider"
)

// maxListBytes is the size of a list of hosts: far above any real one.
const maxListBytes = 8 << 20

// picks are what the values of --target or --exclude name, each
//
//	app-*                           hosts, by a glob of their names
//	group.prod_*                    the members of groups, by a glob of their names
//	control.log_level               a control; of those with brackets all rows
//	control.permissions["Jobs"]     one row
//	control.*_setting               controls, by a glob of their names
//	@FILE, @-                       hosts, by a glob a line of a file or of standard input
type picks struct {
	ofHosts  bool // something else than controls is named
	hosts    map[*host]bool
	controls []controlRef
}

// names says whether a control is picked.
func (p picks) names(c provider.Control) bool {
	return slices.ContainsFunc(p.controls, func(ref controlRef) bool { return ref.holds(c) })
}

// A picker reads picks.
type picker struct {
	reading *reading
	config  *Config
	stdin   io.Reader

	flag   string // whose values are read
	into   *picks
	missed int // lines of a list that name nothing
}

// mostMissed is how many lines of a list are shown that name nothing.
const mostMissed = 10

// listed is what a line of a list may hold: a host's name or a pattern for names.
var listed = regexp.MustCompile(`^[A-Za-z0-9._*?\[\]^\\-]+$`)

func (p *picker) picks(flag string, values []string) picks {
	p.flag, p.into = flag, &picks{hosts: map[*host]bool{}}
	for i, at := range p.reading.flagged(flag, values) {
		switch value := values[i]; {
		case strings.HasPrefix(value, "control."):
			p.control(value, at)
		case strings.HasPrefix(value, "@"):
			p.into.ofHosts = true
			p.list(value[1:], at)
		case hasControl(value) || !glob(value).valid():
			p.reading.d.errorf(&at, "Not a name", "Write a host's name or a pattern for names (\"*\" stands for any characters, \"?\" for one, \"[a-c]\" for one of a set), group.NAME, control.NAME, or @FILE for a list of hosts.")
		case strings.HasPrefix(value, "group."):
			p.into.ofHosts = true
			p.group(glob(value[len("group."):]), at)
		default:
			p.into.ofHosts = true
			p.missed = 0
			p.hosts(glob(value), at, p.otherThanHost(value))
		}
	}
	return *p.into
}

// flagged makes the values of a flag lines of a source, so that what is wrong with
// one can be shown.
func (r *reading) flagged(name string, values []string) []hcl.Range {
	var src strings.Builder
	var ranges []hcl.Range
	for i, value := range values {
		line := strings.Map(func(r rune) rune {
			if r < ' ' {
				return '?'
			}
			return r
		}, value)
		start := hcl.Pos{Line: i + 1, Column: 1, Byte: src.Len()}
		src.WriteString(line)
		end := hcl.Pos{Line: i + 1, Column: 1 + len(line), Byte: src.Len()}
		ranges = append(ranges, hcl.Range{Filename: name, Start: start, End: end})
		src.WriteByte('\n')
	}
	if len(values) > 0 {
		r.d.learn(name, sourceFor(nil, []byte(src.String()), nil))
	}
	return ranges
}

// nothing reports what a value names none of: a target must name something, an
// exclude that does not has no effect.
func (p *picker) nothing(at hcl.Range, summary, format string, args ...any) {
	report := p.reading.d.errorf
	if p.flag == "--exclude" {
		report, format = p.reading.d.warnf, format+" Nothing is excluded by this."
	}
	report(&at, summary, format, args...)
}

// hosts picks assigned hosts by their names. Hint is a sentence on what else may
// have been meant.
func (p *picker) hosts(g glob, at hcl.Range, hint string) {
	idle, found := "", false // a host that matches and has no assignment
	for _, h := range p.matching(g) {
		if _, assigned := p.config.goal(h.Name); !assigned {
			idle = h.Name
			continue
		}
		p.into.hosts[h], found = true, true
	}
	if !found {
		p.missed++
	}
	switch {
	case found, p.missed > mostMissed:
	case idle != "":
		p.nothing(at, "No assignment", "Nothing is wanted of %s: it is in no assignment.", idle)
	case g.literal():
		p.nothing(at, "Unknown host", "There is no host %q.%s", string(g), cmp.Or(hint, didYouMean(string(g), p.reading.hostNames())))
	default:
		p.nothing(at, "Matches no host", "No host's name matches %q.%s", string(g), hint)
	}
}

// matching are the hosts whose names match. Lists are long, and hold names for the
// most part: those are looked up.
func (p *picker) matching(g glob) []*host {
	all := p.reading.hosts
	if g.literal() {
		i, ok := slices.BinarySearchFunc(all, string(g), func(h *host, name string) int { return strings.Compare(h.Name, name) })
		if !ok {
			return nil
		}
		return all[i : i+1]
	}
	return slices.DeleteFunc(slices.Clone(all), func(h *host) bool { return !g.match(h.Name) })
}

// otherThanHost is a sentence on a name that is not a host's, but a group's or a
// control's.
func (p *picker) otherThanHost(name string) string {
	if p.reading.groups["group."+name] != nil {
		return fmt.Sprintf(" There is a group: write group.%s.", name)
	}
	if _, ok := provider.EntryOf(provider.ControlName(name)); ok {
		return fmt.Sprintf(" There is a control: write control.%s.", name)
	}
	return ""
}

// group picks the assigned members of groups.
func (p *picker) group(g glob, at hcl.Range) {
	known, members := false, false
	for address, one := range p.reading.groups {
		if !g.match(strings.TrimPrefix(address, "group.")) {
			continue
		}
		known = true
		for _, h := range one.members {
			if _, assigned := p.config.goal(h.Name); assigned {
				p.into.hosts[h], members = true, true
			}
		}
	}
	switch {
	case members:
	case known:
		p.nothing(at, "No assignment", "Nothing is wanted of any host in group.%s.", string(g))
	default:
		name := "group." + string(g)
		p.nothing(at, "Unknown group", "There is no %s.%s", name, didYouMean(name, slices.Collect(maps.Keys(p.reading.groups))))
	}
}

// control picks controls, spelled as in an override, or by a glob of their names.
func (p *picker) control(text string, at hcl.Range) {
	refs, ok := p.controlRefs(text, at)
	if !ok {
		return
	}
	p.into.controls = append(p.into.controls, refs...)
	seen := map[string]bool{}
	for _, g := range p.config.Goals {
		for _, w := range g.Wants {
			if slices.ContainsFunc(refs, func(ref controlRef) bool { return ref.holds(w.Control) }) {
				return
			}
			seen["control."+w.Control.String()] = true
		}
	}
	p.nothing(at, "Not managed", "%s is wanted of no host.%s", text, didYouMean(text, slices.Collect(maps.Keys(seen))))
}

func (p *picker) controlRefs(text string, at hcl.Range) (refs []controlRef, ok bool) {
	d := p.reading.d
	if name := glob(text[len("control."):]); strings.ContainsAny(string(name), "*?") && !strings.ContainsAny(string(name), `[]\`) {
		for _, e := range provider.Catalogue() {
			if name.match(e.Name) {
				refs = append(refs, controlRef{name: e.Name, at: at})
			}
		}
		if len(refs) == 0 {
			d.errorf(&at, "Unknown control", "No control's name matches %q. kepmctl controls lists them.", string(name))
		}
		return refs, len(refs) > 0
	}
	if strings.Contains(text, "[") && !strings.Contains(text, `"`) {
		d.errorf(&at, "Not a control", "The key in brackets has no quotes: the shell takes them away. Write it as 'control.permissions[\"Jobs\"]', with both kinds.")
		return nil, false
	}
	tokens, _ := hclsyntax.LexExpression([]byte(text), at.Filename, at.Start)
	expr, diags := hcl.Expression(nil), hcl.Diagnostics(nil)
	if _, deep := tooDeep(tokens); !deep {
		expr, diags = hclsyntax.ParseExpression([]byte(text), at.Filename, at.Start)
	}
	if expr == nil || diags.HasErrors() {
		d.errorf(&at, "Not a control", "Write control.log_level, 'control.permissions[\"Jobs\"]', or a pattern for names such as 'control.*_setting'.")
		return nil, false
	}
	ref, ok := attrs{d: d}.controlRef(expr.(hclsyntax.Expression))
	return []controlRef{ref}, ok
}

// list picks hosts that a file names, a glob a line; what follows a "#" is a comment.
func (p *picker) list(path string, at hcl.Range) {
	src, err := p.readList(path)
	if err != nil {
		p.reading.d.errorf(&at, "Cannot read a list of hosts", "%s.", sentence(err))
		return
	}
	name := path
	if path == "-" {
		name = "standard input"
	}
	lines, ok := p.lines(name, src, at)
	if !ok {
		return
	}
	p.missed = 0
	offset, empty := 0, true
	for i, line := range lines {
		start := hcl.Pos{Line: i + 1, Column: 1, Byte: offset}
		if offset += len(line) + 1; line == "" {
			continue
		}
		empty = false
		end := hcl.Pos{Line: i + 1, Column: 1 + len(line), Byte: start.Byte + len(line)}
		p.hosts(glob(line), hcl.Range{Filename: name, Start: start, End: end}, "")
	}
	if more := p.missed - mostMissed; more > 0 {
		p.nothing(at, "More hosts that are not there", "%s of %s name no host with an assignment either.", plural(more, "more line"), name)
	}
	if p.missed = 0; empty {
		p.nothing(at, "An empty list", "%s names no host.", name)
	}
}

// lines are those of a list, without comments. What is no list may be anything, a
// key for one, so nothing of it is shown.
func (p *picker) lines(name string, src []byte, at hcl.Range) ([]string, bool) {
	const byteOrderMark = "\xef\xbb\xbf"
	lines := strings.Split(string(bytes.TrimPrefix(src, []byte(byteOrderMark))), "\n")
	for i, line := range lines {
		line, _, _ = strings.Cut(line, "#")
		lines[i] = strings.TrimSpace(line)
		if lines[i] != "" && (!listed.MatchString(lines[i]) || !glob(lines[i]).valid()) {
			p.reading.d.errorf(&at, "Not a list of hosts", "Line %d of %s is no name of a host and no pattern for names. Such a file has one a line, and comments behind \"#\".", i+1, name)
			return nil, false
		}
	}
	p.reading.d.learn(name, sourceFor(nil, []byte(strings.Join(lines, "\n")), nil))
	return lines, true
}

// readList reads a file of hosts, or standard input, once.
func (p *picker) readList(path string) ([]byte, error) {
	if path == "" {
		return nil, fmt.Errorf("name a file behind the @, or @- for standard input")
	}
	from := p.stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		from = f
	} else if p.stdin = nil; from == nil {
		return nil, fmt.Errorf("standard input can be read once only")
	}
	src, err := io.ReadAll(io.LimitReader(from, maxListBytes+1))
	if err == nil && len(src) > maxListBytes {
		err = fmt.Errorf("%s is larger than %d MiB", path, maxListBytes>>20)
	}
	return src, err
}
