package report

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// numbered splits a name at the first number of its first label.
var numbered = regexp.MustCompile(`^([^.0-9]*)([0-9]{1,9})([^0-9].*)?$`)

// A span is a compressed name and how many hosts it stands for.
type span struct {
	text  string
	hosts int
}

// compress writes host names short: web-001, web-002 and web-003 are web-[001-003].
func compress(names []string) []span {
	type key struct {
		prefix, suffix string
		width          int
	}
	runs := map[key][]int{}
	var out []span
	for _, name := range slices.Sorted(slices.Values(names)) {
		m := numbered.FindStringSubmatch(name)
		if m == nil {
			out = append(out, span{name, 1})
			continue
		}
		n, _ := strconv.Atoi(m[2]) // nine digits fit
		k := key{m[1], m[3], len(m[2])}
		runs[k] = append(runs[k], n)
	}
	for k, n := range runs {
		for _, r := range ranges(n, k.width) {
			out = append(out, span{k.prefix + r.text + k.suffix, r.hosts})
		}
	}
	slices.SortFunc(out, func(a, b span) int { return strings.Compare(a.text, b.text) })
	return out
}

// ranges writes sorted numbers as [003,007-101], or as one number without brackets;
// many ranges in several brackets, each about half a line long.
func ranges(n []int, width int) []span {
	const most = 50
	if len(n) == 1 {
		return []span{{fmt.Sprintf("%0*d", width, n[0]), 1}}
	}
	var out []span
	var parts []string
	length, hosts := 0, 0
	for i := 0; i < len(n); {
		j := i
		for j+1 < len(n) && n[j+1] == n[j]+1 {
			j++
		}
		part := fmt.Sprintf("%0*d", width, n[i])
		if j > i {
			part += fmt.Sprintf("-%0*d", width, n[j])
		}
		parts, length, hosts = append(parts, part), length+len(part)+1, hosts+j-i+1
		i = j + 1
		if length > most || i == len(n) {
			out = append(out, span{"[" + strings.Join(parts, ",") + "]", hosts})
			parts, length, hosts = nil, 0, 0
		}
	}
	return out
}

// list is the names on one line. Unless all are wanted, it stops after a line's
// worth and says how many hosts are left out.
func list(names []string, all bool) string {
	const width = 100
	var shown []string
	length, rest := 0, len(names)
	for i, s := range compress(names) {
		if !all && i > 0 && length+len(s.text) > width {
			break
		}
		shown = append(shown, s.text)
		length += len(s.text) + 2
		rest -= s.hosts
	}
	text := strings.Join(shown, "  ")
	if rest > 0 {
		text += fmt.Sprintf("  (+%d more, --view full)", rest)
	}
	return text
}
