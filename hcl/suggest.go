package hcl

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
)

// maxSuggested is the length up to which a name is compared with others.
const maxSuggested = 64

// didYouMean is a sentence that names the nearest of the names, or nothing.
func didYouMean(given string, names []string) string {
	if near := nearest(given, names); near != "" {
		return fmt.Sprintf(" Did you mean %q?", near)
	}
	return ""
}

// nearest is the name that is least far away, if any is near, else the first that
// begins as the given one does.
func nearest(given string, names []string) string {
	if given == "" || len(given) > maxSuggested {
		return ""
	}
	own := given[strings.LastIndexByte(given, '.')+1:] // a shared "group." makes nothing nearer
	best, least := "", min(len(own), max(3, len(own)/3+1))
	names = slices.Sorted(slices.Values(names))
	for _, name := range names {
		if len(name) > maxSuggested {
			continue
		}
		if n := levenshtein.Distance(strings.ToLower(given), strings.ToLower(name), nil); n < least {
			best, least = name, n
		}
	}
	if best == "" && len(own) > 2 {
		i := slices.IndexFunc(names, func(name string) bool { return strings.HasPrefix(name, given) })
		if i >= 0 {
			return names[i]
		}
	}
	return best
}

// quoted lists names for a sentence: "a", "b" or "c".
func quoted(names []string) string {
	var out []string
	for _, n := range names {
		out = append(out, fmt.Sprintf("%q", n))
	}
	if len(out) < 2 {
		return strings.Join(out, "")
	}
	return strings.Join(out[:len(out)-1], ", ") + " or " + out[len(out)-1]
}

// some names the first of a list: "a, b, c and 4 more".
func some(names []string) string { return firstOf(names, 3) }

func firstOf(names []string, most int) string {
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// plural counts things: "1 host", "2 hosts".
func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Nearest is the name that one which is unknown may have meant; empty: none is near.
func Nearest(given string, names []string) string { return nearest(given, names) }
