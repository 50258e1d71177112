package ssh

import "strings"

// host says whether a Host line selects the machine: a pattern fits, and none
// with ! does.
func (l *lookup) host(line directive) (bool, error) {
	if len(line.args) == 0 {
		return false, line.refuse("Host names no pattern")
	}
	fits := false
	for _, p := range line.args {
		p, not := strings.CutPrefix(p, "!")
		if p == "" {
			return false, line.refuse("a pattern is empty")
		}
		if wildcard(p, l.typed) {
			if not {
				return false, nil
			}
			fits = true
		}
	}
	return fits, nil
}

// match says whether a Match line selects the machine. A criterion that cannot be
// told here is an error, unless another one on the line fails before it.
func (l *lookup) match(line directive) (bool, error) {
	if len(line.args) == 0 {
		return false, line.refuse("Match names no criterion")
	}
	fits := true
	for i := 0; i < len(line.args); i++ {
		name, not := strings.CutPrefix(strings.ToLower(line.args[i]), "!")
		if name == "all" {
			if len(line.args) > 1 {
				return false, line.refuse("Match all stands alone")
			}
			return !not, nil
		}
		alone := name == "canonical" || name == "final"
		value := ""
		if !alone {
			if i++; i >= len(line.args) {
				return false, line.refuse("Match %s has no value", name)
			}
			value = line.args[i]
		}
		var is bool
		switch name {
		case "host":
			is = listed(value, l.hostSoFar(), true)
		case "originalhost":
			is = listed(value, l.typed, true)
		case "user":
			is = listed(value, orDefault(l.user, orDefault(l.found.user, l.dialer.User)), false)
		case "localuser":
			is = listed(value, l.dialer.User, false)
		default:
			if fits && l.rest(line.args[i+1:]) {
				return false, line.refuse("Match %s cannot be told here, and may select this host", name)
			}
			fits = false
			continue
		}
		fits = fits && is != not
	}
	return fits, nil
}

// rest says whether the criteria that follow let a line select the machine, as
// far as can be told.
func (l *lookup) rest(args []string) bool {
	sure := directive{key: "match"}
	for i := 0; i+1 < len(args); i += 2 {
		switch strings.ToLower(strings.TrimPrefix(args[i], "!")) {
		case "canonical", "final":
			i--
		case "host", "originalhost", "user", "localuser":
			sure.args = append(sure.args, args[i], args[i+1])
		}
	}
	if len(sure.args) == 0 {
		return true
	}
	fits, err := l.match(sure)
	return err != nil || fits
}

// hostSoFar is the machine's name with the HostName that was met, if one was.
func (l *lookup) hostSoFar() string {
	if l.found.hostName == "" {
		return l.typed
	}
	name, err := expand(l.found.hostName, map[byte]string{'h': l.typed})
	if err != nil {
		return l.typed
	}
	return name
}

// listed says whether a comma-separated list of patterns has the name: one fits,
// and none with ! does. Names of hosts are compared in lower case.
func listed(list, name string, fold bool) bool {
	if fold {
		list, name = strings.ToLower(list), strings.ToLower(name)
	}
	fits := false
	for p := range strings.SplitSeq(list, ",") {
		p, not := strings.CutPrefix(p, "!")
		if wildcard(p, name) {
			if not {
				return false
			}
			fits = true
		}
	}
	return fits
}

// wildcard matches * (anything) and ? (one byte), in linear space and without
// falling back further than the last *.
func wildcard(pattern, s string) bool {
	p, i, star, mark := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p++
			i++
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// expand puts values in the place of %-tokens. One that is not among them is an
// error.
func expand(s string, tokens map[byte]string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		i++
		if i == len(s) {
			return "", errToken("%")
		}
		value, ok := tokens[s[i]]
		switch {
		case s[i] == '%':
			b.WriteByte('%')
		case ok:
			b.WriteString(value)
		default:
			return "", errToken("%" + string(rune(s[i])))
		}
	}
	return b.String(), nil
}

type errToken string

func (e errToken) Error() string { return string(e) + " is not known here" }
