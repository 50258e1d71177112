package inventory

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxNodes bounds what anchors may blow a document up to.
const maxNodes = 2_000_000

// A walker goes through a YAML document.
type walker struct{ left int }

// yamlDocument is the root of a document; nil: it is empty.
func yamlDocument(text []byte) (*yaml.Node, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if len(doc.Content) == 0 {
		return nil, nil
	}
	return doc.Content[0], nil
}

// pairs are the keys and values of a mapping, anchors and << resolved by the one
// that is written first.
func (w *walker) pairs(n *yaml.Node, visit func(key string, value *yaml.Node) error) error {
	n = follow(n)
	if n == nil || n.Tag == "!!null" {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: a mapping is wanted here", n.Line)
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if w.left--; w.left < 0 {
			return errors.New("it is too large, with its anchors written out")
		}
		key := n.Content[i]
		if key.Kind != yaml.ScalarNode {
			return fmt.Errorf("line %d: a key is wanted here", key.Line)
		}
		if key.Tag == "!!merge" {
			if err := w.pairs(n.Content[i+1], visit); err != nil {
				return err
			}
			continue
		}
		if err := visit(key.Value, n.Content[i+1]); err != nil {
			return err
		}
	}
	return nil
}

func follow(n *yaml.Node) *yaml.Node {
	for range 10 {
		if n == nil || n.Kind != yaml.AliasNode {
			return n
		}
		n = n.Alias
	}
	return nil
}

// value is a node as a simple value; what is a list or a mapping is no label.
func value(n *yaml.Node) any {
	n = follow(n)
	switch {
	case n == nil || n.Tag == "!!null":
		return nil
	case n.Tag == "!vault":
		return vaulted{}
	case n.Kind != yaml.ScalarNode:
		return []any{}
	case strings.HasPrefix(n.Value, "$ANSIBLE_VAULT;"):
		return vaulted{}
	case n.Tag == "!!bool":
		switch strings.ToLower(n.Value) {
		case "true", "yes", "on", "y":
			return true
		}
		return false
	case n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) == 0 && yes[strings.ToLower(n.Value)] != 0:
		return yes[strings.ToLower(n.Value)] > 0 // Ansible reads YAML 1.1
	case n.Tag == "!!int":
		if i, err := strconv.ParseInt(strings.ReplaceAll(n.Value, "_", ""), 0, 64); err == nil { // 0x1f, and 0644 as octal
			return i
		}
	case n.Tag == "!!float":
		if f, err := strconv.ParseFloat(n.Value, 64); err == nil {
			return f
		}
	}
	return n.Value
}

var yes = map[string]int{"yes": 1, "on": 1, "no": -1, "off": -1}

// variables reads a mapping of variables.
func (w *walker) variables(n *yaml.Node, into map[string]any) error {
	return w.pairs(n, func(key string, v *yaml.Node) error {
		into[key] = value(v)
		return nil
	})
}

// yaml reads groups by name into the tree.
func (t *tree) yaml(text []byte) error {
	root, err := yamlDocument(text)
	if err != nil || root == nil {
		return err
	}
	w := &walker{left: maxNodes}
	return w.pairs(root, func(name string, n *yaml.Node) error { return t.yamlGroup(w, name, n, 0) })
}

func (t *tree) yamlGroup(w *walker, name string, n *yaml.Node, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("groups lie in one another deeper than %d: %.80q", maxDepth, name)
	}
	g := t.group(name)
	return w.pairs(n, func(key string, v *yaml.Node) error {
		switch key {
		case "hosts":
			return w.pairs(v, func(pattern string, vars *yaml.Node) error { return t.yamlHosts(w, g, pattern, vars) })
		case "vars":
			return w.variables(v, g.vars)
		case "children":
			return w.pairs(v, func(child string, inner *yaml.Node) error {
				g.children[child] = true
				return t.yamlGroup(w, child, inner, depth+1)
			})
		}
		return fmt.Errorf("line %d: a group has hosts, vars and children, not %.60q", v.Line, key)
	})
}

func (t *tree) yamlHosts(w *walker, g *group, pattern string, vars *yaml.Node) error {
	pattern, port := cutPort(pattern)
	hosts, err := expand(pattern)
	if err != nil {
		return err
	}
	for _, h := range hosts {
		own := t.host(h)
		g.hosts[h] = true
		if port != "" {
			own["ansible_port"] = literal(port)
		}
		if err := w.variables(vars, own); err != nil {
			return fmt.Errorf("host %.80q: %w", h, err)
		}
	}
	return nil
}
