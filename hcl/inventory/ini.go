package inventory

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

var section = regexp.MustCompile(`^\[([^\]:]+)(?::(\w+))?\]\s*(?:[#;].*)?$`)

// ini reads Ansible's own format into the tree.
func (t *tree) ini(text string) error {
	name, kind := "ungrouped", "hosts"
	t.group(name)
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if line[0] == '[' && section.MatchString(line) {
			m := section.FindStringSubmatch(line)
			name, kind = strings.TrimSpace(m[1]), m[2]
			t.group(name)
			if kind == "" {
				kind = "hosts"
			}
			if kind != "hosts" && kind != "children" && kind != "vars" {
				return fmt.Errorf("line %d: [%s:%s] is none of [GROUP], [GROUP:children] and [GROUP:vars]", number, name, kind)
			}
			continue
		}
		if err := t.iniLine(name, kind, line); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
	}
	return nil
}

func (t *tree) iniLine(name, kind, line string) error {
	switch kind {
	case "vars":
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			return errors.New("a variable is written NAME = VALUE")
		}
		t.group(name).vars[strings.TrimSpace(key)] = literal(strings.TrimSpace(value))
		return nil
	case "children":
		words, err := split(line)
		if err != nil || len(words) == 0 {
			return err
		}
		t.group(words[0])
		t.group(name).children[words[0]] = true
		return nil
	}
	return t.iniHosts(name, line)
}

// iniHosts reads a line of hosts: a pattern, and variables for each.
func (t *tree) iniHosts(name, line string) error {
	words, err := split(line)
	if err != nil || len(words) == 0 {
		return err
	}
	pattern, port := cutPort(words[0])
	hosts, err := expand(pattern)
	if err != nil {
		return err
	}
	for _, h := range hosts {
		vars := t.host(h)
		t.group(name).hosts[h] = true
		if port != "" {
			vars["ansible_port"] = literal(port)
		}
		for _, word := range words[1:] {
			key, value, ok := strings.Cut(word, "=")
			if !ok {
				return fmt.Errorf("%.60q is no variable: it is written NAME=VALUE", word)
			}
			vars[key] = literal(value)
		}
	}
	return nil
}

var ported = regexp.MustCompile(`^(.*[^:]|\[[0-9a-fA-F:.]*:[0-9a-fA-F:.]*\]):([0-9]{1,5})$`)

// cutPort takes the port off a pattern: web:2222, [::1]:22. Colons of ranges stand
// in brackets.
func cutPort(pattern string) (host, port string) {
	m := ported.FindStringSubmatch(pattern)
	if m == nil || strings.Count(m[1], "[") != strings.Count(m[1], "]") {
		return pattern, ""
	}
	if address := strings.Trim(m[1], "[]"); strings.Contains(address, ":") && strings.HasPrefix(m[1], "[") {
		return address, m[2]
	}
	if strings.Contains(m[1], ":") && !strings.Contains(m[1], "[") {
		return pattern, "" // an IPv6 address
	}
	return m[1], m[2]
}

// split takes a line apart as a shell would: quotes, backslashes, comments.
func split(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	var quote byte
	in := false
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case c == '\\' && quote != '\'' && i+1 < len(line) && (quote == 0 || line[i+1] == '"' || line[i+1] == '\\'):
			i++
			word.WriteByte(line[i])
			in = true
		case quote != 0:
			word.WriteByte(c)
		case c == '"' || c == '\'':
			quote, in = c, true
		case c == ' ' || c == '\t':
			if in {
				words = append(words, word.String())
				word.Reset()
				in = false
			}
		case c == '#':
			i = len(line)
		default:
			word.WriteByte(c)
			in = true
		}
	}
	if quote != 0 {
		return nil, errors.New("a quote is not closed")
	}
	if in {
		words = append(words, word.String())
	}
	return words, nil
}

var (
	wholeNumber = regexp.MustCompile(`^[-+]?(0|[1-9][0-9]*)$`)
	fraction    = regexp.MustCompile(`^[-+]?[0-9]*\.[0-9]+$`)
)

// literal is a value as Python reads it, which is what Ansible does: a number, True,
// False, None, a quoted text; a list or an object is no label; all else is text.
func literal(s string) any {
	switch {
	case s == "True":
		return true
	case s == "False":
		return false
	case s == "None":
		return nil
	case wholeNumber.MatchString(s):
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return n
		}
	case fraction.MatchString(s):
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			return f
		}
	case len(s) >= 2 && (s[0] == '\'' || s[0] == '"') && s[len(s)-1] == s[0] && !strings.Contains(s[1:len(s)-1], s[:1]):
		return s[1 : len(s)-1]
	case len(s) >= 2 && (s[0] == '[' && s[len(s)-1] == ']' || s[0] == '{' && s[len(s)-1] == '}') && !strings.HasPrefix(s, "{{"):
		return []any{}
	}
	return s
}
