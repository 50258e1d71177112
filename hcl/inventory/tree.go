package inventory

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// vaulted stands for a value that a vault holds.
type vaulted struct{}

// A group is one of Ansible's groups.
type group struct {
	hosts, children map[string]bool
	vars            map[string]any
	files           map[string]any // of group_vars, which come after all groups' own
}

// A tree is an Ansible inventory: groups in groups, hosts in them, variables of both.
type tree struct {
	groups    map[string]*group
	hosts     map[string]map[string]any
	hostFiles map[string]map[string]any // of host_vars
}

func newTree() *tree {
	t := &tree{groups: map[string]*group{}, hosts: map[string]map[string]any{}, hostFiles: map[string]map[string]any{}}
	t.group("all")
	return t
}

func (t *tree) group(name string) *group {
	g, ok := t.groups[name]
	if !ok {
		g = &group{hosts: map[string]bool{}, children: map[string]bool{}, vars: map[string]any{}, files: map[string]any{}}
		t.groups[name] = g
	}
	return g
}

func (t *tree) host(name string) map[string]any {
	if t.hosts[name] == nil {
		t.hosts[name] = map[string]any{}
	}
	return t.hosts[name]
}

func merge(into, from map[string]any) {
	for k, v := range from {
		into[k] = v
	}
}

// depths are how deep each group lies below all, by its longest way. A circle is an
// error.
func (t *tree) depths() (map[string]int, error) {
	depth := map[string]int{}
	var walk func(name string, at int) error
	walk = func(name string, at int) error {
		if at > maxDepth {
			return fmt.Errorf("groups lie in one another in a circle, or deeper than %d: %.80q", maxDepth, name)
		}
		if d, seen := depth[name]; seen && d >= at {
			return nil
		}
		depth[name] = at
		for _, c := range names(t.groups[name].children) {
			if err := walk(c, at+1); err != nil {
				return err
			}
		}
		return nil
	}
	child := map[string]bool{}
	for _, g := range t.groups {
		for c := range g.children {
			child[c] = true
		}
	}
	for _, name := range names(t.groups) {
		start := 1
		if name == "all" {
			start = 0
		}
		if child[name] && name != "all" {
			continue
		}
		if err := walk(name, start); err != nil {
			return nil, err
		}
	}
	for name := range t.groups {
		if _, reached := depth[name]; !reached {
			return nil, fmt.Errorf("groups lie in one another in a circle: %.80q", name)
		}
	}
	return depth, nil
}

// members are all hosts of a group, those of its children too.
func (t *tree) members(name string, kept map[string]map[string]bool) map[string]bool {
	if m, ok := kept[name]; ok {
		return m
	}
	m := map[string]bool{}
	kept[name] = m
	for h := range t.groups[name].hosts {
		m[h] = true
	}
	for c := range t.groups[name].children {
		for h := range t.members(c, kept) {
			m[h] = true
		}
	}
	return m
}

// order sorts groups as Ansible lays their variables over each other: parents before
// children, then by ansible_group_priority, then by name.
func (t *tree) order(depth map[string]int) []string {
	priority := func(name string) int {
		text, _ := scalar(t.groups[name].vars["ansible_group_priority"])
		n, err := strconv.Atoi(text)
		if err != nil {
			return 1
		}
		return n
	}
	list := names(t.groups)
	slices.SortStableFunc(list, func(a, b string) int {
		return cmp.Or(cmp.Compare(depth[a], depth[b]), cmp.Compare(priority(a), priority(b)), cmp.Compare(a, b))
	})
	return list
}

// variables are what each host has in the end.
func (t *tree) variables() (vars map[string]map[string]any, groups map[string][]string, err error) {
	depth, err := t.depths()
	if err != nil {
		return nil, nil, err
	}
	kept := map[string]map[string]bool{}
	vars, groups = map[string]map[string]any{}, map[string][]string{}
	for host := range t.hosts {
		vars[host] = map[string]any{}
	}
	order := t.order(depth)
	for _, files := range []bool{false, true} { // all groups' own first, then their files
		for _, name := range order {
			g := t.groups[name]
			from := g.vars
			if files {
				from = g.files
			}
			for host := range vars {
				if name != "all" && !t.members(name, kept)[host] {
					continue
				}
				merge(vars[host], from)
				if !files && name != "all" && name != "ungrouped" {
					groups[host] = append(groups[host], name)
				}
			}
		}
	}
	for host, own := range t.hosts {
		merge(vars[host], own)
		merge(vars[host], t.hostFiles[host])
	}
	return vars, groups, nil
}

// inventory makes hosts of what the tree holds.
func (t *tree) inventory() (*Inventory, error) {
	if len(t.hosts) > maxHosts {
		return nil, fmt.Errorf("it has more than %d hosts", maxHosts)
	}
	vars, groups, err := t.variables()
	if err != nil {
		return nil, err
	}
	i := &Inventory{}
	for _, name := range names(t.hosts) {
		h, err := i.ansibleHost(name, vars[name])
		if err != nil {
			return nil, fmt.Errorf("host %.80q: %w", name, err)
		}
		for _, g := range groups[name] {
			h.Labels[groupLabel(g)] = "true"
		}
		i.Hosts = append(i.Hosts, h)
	}
	i.tidy()
	return i, nil
}

// ways are the connections of Ansible's that lead to a machine, as we call them.
var ways = map[string]string{
	"": "", "smart": "ssh", "ssh": "ssh", "paramiko": "ssh", "paramiko_ssh": "ssh", "ansible.builtin.ssh": "ssh",
	"winrm": "winrm", "psrp": "winrm", "ansible.builtin.winrm": "winrm", "ansible.builtin.psrp": "winrm",
}

// reaches are the variables without which another machine might be dialled.
var reaches = map[string]bool{"ansible_host": true, "ansible_ssh_host": true, "ansible_port": true, "ansible_ssh_port": true, "ansible_connection": true}

// ansibleHost reads a host's variables: those of the connection, and labels.
func (i *Inventory) ansibleHost(name string, vars map[string]any) (Host, error) {
	h := Host{Name: name, Labels: map[string]string{}}
	for _, key := range names(vars) {
		if _, secret := vars[key].(vaulted); secret {
			i.Vaulted++
			h.Hidden = h.Hidden || reaches[key]
			continue
		}
		value, ok := scalar(vars[key])
		if strings.Contains(value, "{{") || strings.Contains(value, "{%") {
			i.Templates++
			h.Hidden = h.Hidden || reaches[key]
			continue
		}
		switch own := strings.HasPrefix(key, "ansible_"); {
		case !ok:
		case key == "ansible_host" || (key == "ansible_ssh_host" && h.Address == ""):
			h.Address = value
		case key == "ansible_user" || (key == "ansible_ssh_user" && h.User == ""):
			h.User = value
		case key == "ansible_port" || (key == "ansible_ssh_port" && h.Port == 0):
			n, err := strconv.Atoi(value)
			if err != nil || n < 1 || n > 65535 {
				return h, fmt.Errorf("%s %.20q is no port", key, value)
			}
			h.Port = n
		case key == "ansible_connection":
			way, known := ways[value]
			if h.Connection = way; !known {
				h.Connection = value
			}
		case own:
		default:
			i.label(&h, key, value)
		}
	}
	return h, nil
}

// scalar is a simple value as text.
func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case int:
		return strconv.Itoa(v), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64), true
	case json.Number:
		return v.String(), true
	}
	return "", false
}

var errTooMany = errors.New("a range stands for too many hosts")

// expand writes out the ranges of a host pattern: web[01:20:2], db[a:f].
func expand(pattern string) ([]string, error) {
	open := strings.IndexByte(pattern, '[')
	if open < 0 {
		return []string{pattern}, nil
	}
	length := strings.IndexByte(pattern[open:], ']')
	if length < 0 {
		return nil, fmt.Errorf("%.80q opens a range and does not close it", pattern)
	}
	values, err := rangeOf(pattern[open+1 : open+length])
	if err != nil {
		return nil, err
	}
	tails, err := expand(pattern[open+length+1:])
	if err != nil {
		return nil, err
	}
	if len(values)*len(tails) > maxHosts {
		return nil, errTooMany
	}
	var list []string
	for _, v := range values {
		for _, tail := range tails {
			list = append(list, pattern[:open]+v+tail)
		}
	}
	return list, nil
}

// rangeOf is what a range stands for: "01:20:2", "a:f". Numbers keep their width.
func rangeOf(text string) ([]string, error) {
	wrong := fmt.Errorf("%.40q is no range: write it as 01:20, or 01:20:2, or a:f", text)
	parts := strings.Split(text, ":")
	if len(parts) < 2 || len(parts) > 3 || parts[1] == "" {
		return nil, wrong
	}
	step := 1
	if len(parts) == 3 {
		n, err := strconv.Atoi(parts[2])
		if err != nil || n < 1 {
			return nil, wrong
		}
		step = n
	}
	first := parts[0]
	if first == "" {
		first = "0"
	}
	if len(first) == 1 && len(parts[1]) == 1 && isLetter(first[0]) && isLetter(parts[1][0]) && first[0] <= parts[1][0] {
		var list []string
		for c := int(first[0]); c <= int(parts[1][0]); c += step {
			list = append(list, string(rune(c)))
		}
		return list, nil
	}
	from, err1 := strconv.ParseUint(first, 10, 31)
	to, err2 := strconv.ParseUint(parts[1], 10, 31)
	if err1 != nil || err2 != nil || from > to || (len(first) > 1 && first[0] == '0' && len(first) != len(parts[1])) {
		return nil, wrong
	}
	if int(to-from)/step > maxHosts {
		return nil, errTooMany
	}
	width := 0
	if len(first) > 1 && first[0] == '0' {
		width = len(first)
	}
	var list []string
	for n := int(from); n <= int(to); n += step {
		list = append(list, fmt.Sprintf("%0*d", width, n))
	}
	return list, nil
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
