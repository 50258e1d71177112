package hcl

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/kepmctl/kepmctl/hcl/inventory"
	"github.com/kepmctl/kepmctl/transport"
)

const (
	defaultPriority   = 100
	maxPriority       = 1_000_000
	defaultProgramEnd = 30 * time.Second
)

// An origin is an inventory block and the hosts it gave.
type origin struct {
	attrs
	address    string
	at         hcl.Range
	priority   int
	connection *hclsyntax.Block // nil: none
	labels     map[string]string
	hosts      []inventory.Host
}

// readInventories adds the hosts of inventory blocks to those of host blocks, which
// come first where both know one.
func (r *reading) readInventories() {
	var list []*origin
	for _, b := range r.blocks["inventory"] {
		s := &origin{attrs: r.attrs(b), address: address(b), at: b.DefRange(), priority: defaultPriority}
		if n, ok := s.number("priority", 0, maxPriority); ok {
			s.priority = n
		}
		s.labels = s.hostLabels()
		if ref, ok := s.reference("connection", "connection"); ok {
			s.connection, _ = find(r.d, ref, r.connections)
		}
		if found := r.inventory(b, s); found != nil {
			s.hosts = found.Hosts
			for _, warning := range found.Warnings() {
				r.d.warnf(&s.at, "Left out of an inventory", "%s: %s.", s.address, warning)
			}
		}
		list = append(list, s)
	}
	slices.SortStableFunc(list, func(a, b *origin) int { return cmp.Compare(a.priority, b.priority) })
	r.merge(list)
	if r.unrun {
		r.guessLabels()
	}
}

// inventory reads what a block names; nil: nothing, which is reported.
func (r *reading) inventory(b *hclsyntax.Block, s *origin) *inventory.Inventory {
	wants := map[string]string{"ansible": "path", "csv": "path", "exec": "command"}
	kind := b.Labels[0]
	attr, known := wants[kind]
	if !known {
		r.d.errorf(b.LabelRanges[0].Ptr(), "Unknown kind of inventory", "%q is not %s.%s", kind, quoted(slices.Sorted(maps.Keys(wants))), didYouMean(kind, slices.Collect(maps.Keys(wants))))
		return nil
	}
	if !s.has(attr) {
		r.d.errorf(&s.at, "Missing attribute", "An inventory %q needs the attribute %q.", kind, attr)
		return nil
	}
	var found *inventory.Inventory
	var err error
	switch kind {
	case "exec":
		command, ok := s.list("command")
		if !ok || len(command) == 0 || command[0] == "" {
			s.wrong("command", "Write the program and its arguments: command = [\"./hosts\", \"--json\"].")
			return nil
		}
		found, err = r.program(s, command)
	case "csv":
		found, err = r.table(s)
	default:
		found, err = r.ansible(s)
	}
	if err != nil {
		s.d.errorf(s.attrs.at(attr), "Cannot read an inventory", "%s: %s.", s.address, err)
		return nil
	}
	return found
}

// program runs a program for its hosts, where programs may be run.
func (r *reading) program(s *origin, command []string) (*inventory.Inventory, error) {
	p := Program{Command: command, Limit: defaultProgramEnd, Most: inventory.MaxBytes}
	if d, ok := s.timeout("timeout"); ok {
		p.Limit = d
	}
	p.Cache, _ = s.duration("cache", time.Second, 30*24*time.Hour) // absent: none
	if r.run == nil {
		r.unrun = true
		r.d.warnf(&s.at, "Not run", "%s is a program, and this command runs none: what depends on its hosts is not checked.", s.address)
		return nil, nil
	}
	out, err := r.run(p)
	if err != nil {
		return nil, err
	}
	return inventory.Program(out)
}

func (r *reading) table(s *origin) (*inventory.Inventory, error) {
	path, ok := s.word("path")
	if !ok {
		return nil, nil
	}
	text, err := below{r.dir}.Read(path)
	if err != nil {
		return nil, err
	}
	var columns map[string]string
	if v, ok := s.value("columns"); ok {
		columns = map[string]string{}
		if !v.Type().IsObjectType() && !v.Type().IsMapType() {
			s.wrong("columns", "Write columns = { name = \"Hostname\", address = \"IP\" }.")
			return nil, nil
		}
		for it := v.ElementIterator(); it.Next(); {
			key, value := it.Element()
			if value.IsNull() || value.Type() != cty.String {
				s.wrong("columns", "The column of %q is not a text: write it in quotes.", key.AsString())
				return nil, nil
			}
			columns[key.AsString()] = value.AsString()
		}
	}
	found, err := inventory.CSV(text, columns)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return found, nil
}

// ansible reads an inventory of Ansible's; one that may be executed is a program.
func (r *reading) ansible(s *origin) (*inventory.Inventory, error) {
	path, ok := s.word("path")
	if !ok {
		return nil, nil
	}
	files := below{r.dir}
	info, err := files.stat(path)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, fmt.Errorf("%s is a directory: name the file in it", path)
	case info.Mode()&0o111 != 0:
		return r.program(s, []string{"./" + filepath.ToSlash(filepath.Clean(path)), "--list"})
	}
	return inventory.Ansible(filepath.ToSlash(filepath.Clean(path)), files)
}

// below reads files below the configuration directory, wherever links lead.
type below struct{ dir string }

func (b below) open(path string, do func(root *os.Root) error) error {
	if filepath.IsAbs(path) || hasControl(path) {
		return errors.New("the path must be relative to the configuration directory, and lie in it")
	}
	root, err := os.OpenRoot(b.dir)
	if err != nil {
		return err
	}
	defer root.Close()
	err = do(root)
	if cause, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("%s: %w", path, cause.Err)
	}
	return err
}

func (b below) stat(path string) (info fs.FileInfo, err error) {
	err = b.open(path, func(root *os.Root) error { info, err = root.Stat(path); return err })
	return info, err
}

// Read is a file's text.
func (b below) Read(path string) (text []byte, err error) {
	err = b.open(path, func(root *os.Root) error {
		info, err := root.Stat(path)
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%s is not a regular file: %w", path, fs.ErrNotExist)
		}
		f, err := root.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		text, err = io.ReadAll(io.LimitReader(f, inventory.MaxBytes+1))
		if err == nil && len(text) > inventory.MaxBytes {
			err = fmt.Errorf("%s is larger than %d MiB", path, inventory.MaxBytes>>20)
		}
		return err
	})
	return text, err
}

// List are the names in a directory, sorted.
func (b below) List(dir string) (names []string, err error) {
	err = b.open(dir, func(root *os.Root) error {
		f, err := root.Open(dir)
		if err != nil {
			return err
		}
		defer f.Close()
		names, err = f.Readdirnames(maxFiles)
		return err
	})
	slices.Sort(names)
	return names, err
}

// merge gives each host what the sources say, the first of them first.
func (r *reading) merge(list []*origin) {
	known := map[string]*host{}
	from := map[*host]*origin{} // that of what a host has; missing: its block
	for _, h := range r.hosts {
		known[h.Name] = h
	}
	left := map[string][]string{} // why hosts are left out
	for _, s := range list {
		for _, found := range s.hosts {
			if why := r.wrongHost(s, found); why != "" {
				left[why] = append(left[why], found.Name)
				continue
			}
			h, ok := known[found.Name]
			if !ok {
				h = &host{Host: Host{Name: found.Name, Labels: map[string]string{}}, at: s.at}
				known[found.Name], from[h] = h, s
				r.hosts = append(r.hosts, h)
			}
			if first := from[h]; ok && first != nil && first.priority == s.priority {
				r.agree(h, first, s, found)
			}
			h.take(s, found)
		}
	}
	for _, why := range slices.Sorted(maps.Keys(left)) {
		r.d.warnf(nil, "Hosts left out", "%s: %s.", some(left[why]), why)
	}
	for _, h := range r.hosts {
		h.Address = cmp.Or(h.Address, h.Name)
	}
}

// wrongHost says why a host of a source is no host here.
func (r *reading) wrongHost(s *origin, found inventory.Host) string {
	switch {
	case !hostName.MatchString(found.Name) || len(found.Name) > maxHostBytes:
		return s.address + " has names that are no host names"
	case found.Hidden:
		return s.address + " has their address, port or connection in a vault or a template, so how to reach them is not known"
	case found.Address != "" && !validAddress(found.Address):
		return s.address + " has addresses that are neither host names nor IP addresses"
	case found.Port < 0 || found.Port > maxPort:
		return s.address + " has ports that are none"
	case hasControl(found.User):
		return s.address + " has users with control characters in their names"
	case found.Connection == "winrm" || found.OS == string(transport.Windows):
		return s.address + " reaches them by WinRM, which this version does not support"
	case found.Connection != "" && found.Connection != "ssh":
		return fmt.Sprintf("%s reaches them by %q, which is no way to a machine", s.address, found.Connection)
	case found.OS != "" && found.OS != string(transport.Linux) && found.OS != string(transport.MacOS):
		return s.address + " gives them systems that are none of linux, macos, windows"
	}
	return ""
}

// agree reports what two sources of one rank say differently.
func (r *reading) agree(h *host, first, s *origin, found inventory.Host) {
	clash := func(what, a, b string) {
		if a != "" && b != "" && a != b {
			r.d.errorf(&s.at, "Two inventories disagree", "%s and %s have different values for %s of %s: %q and %q. Give one a lower priority: it wins.",
				first.address, s.address, what, h.Name, a, b)
		}
	}
	clash("the address", h.Address, found.Address)
	clash("the user", h.user, found.User)
	if h.Port != 0 && found.Port != 0 {
		clash("the port", fmt.Sprint(h.Port), fmt.Sprint(found.Port))
	}
	for _, labels := range []map[string]string{found.Labels, s.labels} {
		for _, name := range slices.Sorted(maps.Keys(labels)) {
			clash("the label "+name, h.Labels[name], labels[name])
		}
	}
}

// take gives a host what it does not have yet.
func (h *host) take(s *origin, found inventory.Host) {
	h.Address = cmp.Or(h.Address, found.Address)
	h.Port = cmp.Or(h.Port, found.Port)
	h.user = cmp.Or(h.user, found.User)
	h.OS = cmp.Or(h.OS, transport.OS(found.OS))
	if h.connection == nil {
		h.connection = s.connection
	}
	for _, labels := range []map[string]string{s.labels, found.Labels} {
		for name, value := range labels {
			if _, has := h.Labels[name]; !has {
				h.Labels[name] = value
			}
		}
	}
}

// guessLabels takes every label that an expression speaks of for one that some host
// has: programs that were not run may know it.
func (r *reading) guessLabels() {
	var walk func(b *hclsyntax.Body)
	walk = func(b *hclsyntax.Body) {
		for _, attr := range b.Attributes {
			for _, t := range attr.Expr.Variables() {
				if path := steps(t); len(path) > 2 && path[0] == "host" && path[1] == "labels" && !slices.Contains(r.labels, path[2]) {
					r.labels = append(r.labels, path[2])
				}
			}
		}
		for _, inner := range b.Blocks {
			walk(inner.Body)
		}
	}
	for _, blocks := range r.blocks {
		for _, b := range blocks {
			walk(b.Body)
		}
	}
}

// orWarn is an error, or a warning where hosts are not known: programs were not run.
func (r *reading) orWarn(at *hcl.Range, summary, format string, args ...any) {
	if r.unrun {
		r.d.warnf(at, summary, format+" The hosts of programs are not known here.", args...)
		return
	}
	r.d.errorf(at, summary, format, args...)
}

// sortHosts puts hosts in order, and knows their labels then.
func (r *reading) sortHosts() {
	slices.SortFunc(r.hosts, func(a, b *host) int { return strings.Compare(a.Name, b.Name) })
	used := map[string]bool{}
	for _, label := range r.labels {
		used[label] = true
	}
	for _, h := range r.hosts {
		for label := range h.Labels {
			used[label] = true
		}
	}
	r.labels = slices.Sorted(maps.Keys(used))
}
