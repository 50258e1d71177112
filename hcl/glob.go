package hcl

import (
	"path"
	"slices"
	"strings"
)

// A glob matches host names: "*" any characters, "?" one, "[a-c]" one of a set.
type glob string

func (g glob) valid() bool {
	_, err := path.Match(string(g), "")
	return g != "" && err == nil
}

// literal says whether the glob can match nothing but itself.
func (g glob) literal() bool { return !strings.ContainsAny(string(g), `*?[\`) }

// match relies on host names having no slash, which path.Match treats apart.
func (g glob) match(name string) bool {
	ok, err := path.Match(string(g), name)
	return err == nil && ok
}

// globs reads a list of globs. A name that no host has is an error, a pattern
// that matches none a warning.
func (r *reading) globs(a attrs, name string) []glob {
	var globs []glob
	list, _ := a.list(name)
	for _, text := range list {
		g := glob(text)
		switch {
		case !g.valid():
			a.wrong(name, "%q is not a pattern for names: \"*\" stands for any characters, \"?\" for one, \"[a-c]\" for one of a set.", text)
			continue
		case slices.ContainsFunc(r.hosts, func(h *host) bool { return g.match(h.Name) }):
		case g.literal():
			r.orWarn(a.at(name), "Unknown host", "There is no host %q.%s", text, didYouMean(text, r.hostNames()))
		default:
			r.d.warnf(a.at(name), "Matches no host", "No host's name matches %q.", text)
		}
		globs = append(globs, g)
	}
	return globs
}

func (r *reading) hostNames() []string {
	var list []string
	for _, h := range r.hosts {
		list = append(list, h.Name)
	}
	return list
}

func matchesAny(globs []glob, name string) bool {
	return slices.ContainsFunc(globs, func(g glob) bool { return g.match(name) })
}
