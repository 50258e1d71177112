package inventory

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// A listed is a host as a program prints it.
type listed struct {
	Name    string         `json:"name"`
	Address string         `json:"address"`
	Port    int            `json:"port"`
	User    string         `json:"user"`
	OS      string         `json:"os"`
	Labels  map[string]any `json:"labels"`
	Groups  []string       `json:"groups"`
}

// Program reads what a program printed: a list of hosts,
// [{"name":...,"address":...,"port":...,"user":...,"os":...,"labels":{...},"groups":[...]}],
// or what Ansible's inventory scripts print for --list.
func Program(text []byte) (*Inventory, error) {
	text = bytes.TrimSpace(text)
	if len(text) > 0 && text[0] == '{' {
		return ansibleList(text)
	}
	var list []listed
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	d.DisallowUnknownFields()
	if err := d.Decode(&list); err != nil {
		return nil, fmt.Errorf("it printed neither a list of hosts nor what Ansible's scripts print for --list: %w", err)
	}
	if len(list) > maxHosts {
		return nil, fmt.Errorf("it printed more than %d hosts", maxHosts)
	}
	inventory := &Inventory{}
	seen := map[string]bool{}
	for _, l := range list {
		h := Host{Name: l.Name, Address: l.Address, Port: l.Port, User: l.User, OS: l.OS, Labels: map[string]string{}}
		if h.Name == "" || seen[h.Name] {
			return nil, fmt.Errorf("it printed a host without a name, or one twice: %.80q", h.Name)
		}
		seen[h.Name] = true
		for _, name := range names(l.Labels) {
			if value, ok := scalar(l.Labels[name]); ok {
				inventory.label(&h, name, value)
			}
		}
		for _, g := range l.Groups {
			h.Labels[groupLabel(g)] = "true"
		}
		inventory.Hosts = append(inventory.Hosts, h)
	}
	inventory.tidy()
	return inventory, nil
}

// ansibleList reads what an Ansible script prints for --list: groups, and the hosts'
// variables in _meta.
func ansibleList(text []byte) (*Inventory, error) {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, fmt.Errorf("it is no JSON: %w", err)
	}
	t := newTree()
	for _, name := range names(raw) {
		if name == "_meta" {
			continue
		}
		var g struct {
			Hosts    []string       `json:"hosts"`
			Children []string       `json:"children"`
			Vars     map[string]any `json:"vars"`
		}
		if err := decode(raw[name], &g); err != nil {
			if err := decode(raw[name], &g.Hosts); err != nil { // the short form
				return nil, fmt.Errorf("group %.80q is neither an object nor a list of hosts", name)
			}
		}
		group := t.group(name)
		for _, h := range g.Hosts {
			t.host(h)
			group.hosts[h] = true
		}
		for _, c := range g.Children {
			t.group(c)
			group.children[c] = true
		}
		merge(group.vars, g.Vars)
	}
	var meta struct {
		HostVars map[string]map[string]any `json:"hostvars"`
	}
	if raw["_meta"] != nil {
		if err := decode(raw["_meta"], &meta); err != nil {
			return nil, fmt.Errorf("_meta: %w", err)
		}
	}
	for _, name := range names(meta.HostVars) {
		merge(t.host(name), meta.HostVars[name])
	}
	return t.inventory()
}

// decode keeps numbers as they are written.
func decode(raw []byte, v any) error {
	if raw == nil {
		return errors.New("it is missing")
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return d.Decode(v)
}
