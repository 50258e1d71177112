package inventory

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// Ansible reads an inventory file, YAML or INI, and the group_vars and host_vars
// beside it, as Ansible does.
func Ansible(file string, r Reader) (*Inventory, error) {
	t, err := ansibleTree(file, r)
	if err != nil {
		return nil, err
	}
	i, err := t.inventory()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return i, nil
}

func ansibleTree(file string, r Reader) (*tree, error) {
	text, err := r.Read(file)
	if err != nil {
		return nil, err
	}
	t := newTree()
	if ext := path.Ext(file); ext == ".yml" || ext == ".yaml" || ext == ".json" {
		err = t.yaml(text)
	} else {
		err = t.ini(string(text))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	dir := path.Dir(file)
	for _, name := range names(t.groups) {
		if err := variablesOf(r, path.Join(dir, "group_vars", name), t.groups[name].files); err != nil {
			return nil, err
		}
	}
	for _, name := range names(t.hosts) {
		t.hostFiles[name] = map[string]any{}
		if err := variablesOf(r, path.Join(dir, "host_vars", name), t.hostFiles[name]); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// variablesOf reads the files of one group or host: NAME, NAME.yml, NAME.yaml,
// NAME.json, or a directory NAME of such files.
func variablesOf(r Reader, base string, into map[string]any) error {
	if strings.ContainsAny(path.Base(base), "\x00") || path.Base(base) == ".." {
		return nil
	}
	paths := []string{base, base + ".yml", base + ".yaml", base + ".json"}
	inner, err := r.List(base)
	if err == nil {
		paths = paths[1:]
		for _, name := range inner {
			ext := path.Ext(name)
			if !strings.HasPrefix(name, ".") && (ext == "" || ext == ".yml" || ext == ".yaml" || ext == ".json") {
				paths = append(paths, path.Join(base, name))
			}
		}
	}
	for _, p := range paths {
		text, err := r.Read(p)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return err
		case bytes.HasPrefix(text, []byte("$ANSIBLE_VAULT;")):
			into["vault in "+p] = vaulted{}
			continue
		}
		root, err := yamlDocument(text)
		if err == nil && root != nil {
			err = (&walker{left: maxNodes}).variables(root, into)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
	}
	return nil
}
