// Package inventory reads the hosts that other tools know: Ansible's inventories,
// tables of comma-separated values, and what programs print.
//
// All of it is input: capped, and never run. A value that only Ansible could make,
// by a vault or a template, is left out and counted.
package inventory

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Limits on an inventory: far above any real one.
const (
	MaxBytes = 64 << 20
	maxHosts = 200_000
	maxDepth = 64 // of groups in groups
)

// A Host is one host as its source knows it.
type Host struct {
	Name       string
	Address    string // empty: the name
	Port       int    // 0: not said
	User       string // empty: not said
	OS         string // as the source writes it; empty: not said
	Connection string // "ssh" or "winrm"; empty: not said; anything else is no way to a machine
	Labels     map[string]string
	Hidden     bool // its address or port is in a vault or a template: how to reach it is not known
}

// An Inventory is what a source holds, hosts by name, and what of it was left out.
type Inventory struct {
	Hosts     []Host
	Vaulted   int      // values that a vault holds
	Templates int      // values that Ansible would have to work out
	Skipped   []string // labels whose names are none, or that would hold a secret
}

// A Reader gives the files of an inventory: their text by path, relative to where
// the inventory's path is. It returns fs.ErrNotExist for what is not there.
type Reader interface {
	Read(path string) ([]byte, error)
	List(dir string) ([]string, error) // names in a directory, sorted
}

var (
	labelName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)
	noName    = regexp.MustCompile(`[^A-Za-z0-9_-]`)
)

// groupLabel is the label that says that a host is in a group of the source.
func groupLabel(group string) string { return "group_" + noName.ReplaceAllString(group, "_") }

// secretName says whether a variable's name speaks of a secret.
func secretName(name string) bool {
	name = strings.ToLower(name)
	for _, word := range []string{"pass", "pwd", "secret", "token", "credential", "private"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return strings.HasSuffix(name, "key") || strings.HasSuffix(name, "keyfile")
}

// sorted are the hosts by name, and the names of labels that were skipped once each.
func (i *Inventory) tidy() {
	slices.SortFunc(i.Hosts, func(a, b Host) int { return strings.Compare(a.Name, b.Name) })
	slices.Sort(i.Skipped)
	i.Skipped = slices.Compact(i.Skipped)
}

// Warnings say what was left out.
func (i *Inventory) Warnings() []string {
	var list []string
	if i.Vaulted > 0 {
		list = append(list, fmt.Sprintf("%s in an Ansible vault and left out: secrets have places of their own in a connection", count(i.Vaulted, "value is", "values are")))
	}
	if i.Templates > 0 {
		list = append(list, fmt.Sprintf("%s templates that only Ansible can work out, and left out", count(i.Templates, "value has", "values have")))
	}
	if len(i.Skipped) > 0 {
		list = append(list, fmt.Sprintf("no labels are made of %s: a name has letters, digits, - and _, and secrets are no labels", strings.Join(i.Skipped[:min(5, len(i.Skipped))], ", ")))
	}
	return list
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// label adds one, unless its name is none or speaks of a secret.
func (i *Inventory) label(h *Host, name, value string) {
	switch {
	case secretName(name), !labelName.MatchString(name), len(value) > 256:
		i.Skipped = append(i.Skipped, fmt.Sprintf("%.60q", name))
	default:
		h.Labels[name] = value
	}
}

// names are the keys of a map, sorted.
func names[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
