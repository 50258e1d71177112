package hcl

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/kepmctl/kepmctl/provider"
	"github.com/kepmctl/kepmctl/transport"
)

// defaultStartTimeout is how long the service may take to come up.
const defaultStartTimeout = 60 * time.Second

// A claim is one thing an assignment says of a host: a control's value and mode,
// or an option. Two claims of one name must show the same.
type claim struct {
	by      *assignment
	name    string
	shown   string
	at      string        // where it is written
	implied provider.Mode // of a control that nobody writes: the stronger mode wins; else empty
	apply   func(*provider.Goal)
}

func wantClaim(by *assignment, w provider.Want) claim {
	shown := fmt.Sprintf("%s, mode %s", w.Value, w.Mode)
	if w.Match != "" && w.Match != provider.MatchEqual {
		shown = fmt.Sprintf("%s %s", w.Match, shown)
	}
	if w.Severity != "" {
		shown += ", severity " + string(w.Severity)
	}
	c := claim{
		by: by, name: w.Control.String(), shown: shown,
		at:    fmt.Sprintf("%s:%d", w.Source.File, w.Source.Line),
		apply: func(g *provider.Goal) { g.Wants = append(g.Wants, w) },
	}
	if isOverrides(w) {
		c.implied = w.Mode
	}
	return c
}

// optionClaim is the claim of a slot that is an option of the goal, not a control.
func optionClaim(by *assignment, where slot, s setting) (claim, bool) {
	c := claim{by: by, name: where.attr, shown: fmt.Sprint(s.value), at: place(s.at)}
	switch value := s.value.(type) {
	case bool:
		c.apply = func(g *provider.Goal) { g.Options.AgentRequired = value }
		return c, where == slot{"agent", "", "required"}
	case time.Duration:
		c.apply = func(g *provider.Goal) { g.Options.StartTimeout = value }
		return c, where == slot{"service", "", "start_timeout"}
	case string:
		c.apply = func(g *provider.Goal) { g.Options.AdministratorsGroup = value }
		return c, where == slot{"permissions", "", "administrators_group"}
	default:
		return claim{}, false
	}
}

// words tell what a claim is and where it comes from.
func (c claim) words() string {
	return fmt.Sprintf("%s (%s) wants %s, written at %s", c.by.address, place(c.by.at), short(c.shown), c.at)
}

// A demand is what all assignments of one host claim, by name in lower case:
// keys and paths that differ in case alone are the same to the agent.
type demand struct {
	claims map[string]claim
}

// add takes an assignment's claims and notes those that contradict earlier ones.
func (d *demand) add(host string, claims []claim, disputes disputes) {
	for _, c := range claims {
		key := strings.ToLower(c.name)
		before, known := d.claims[key]
		switch {
		case !known, c.implied != "" && c.implied.Weaker(before.implied) == before.implied:
			d.claims[key] = c
		case c.implied != "":
		case before.shown != c.shown:
			disputes.add(before, c, host)
		}
	}
}

func (d *demand) goal(h *host) provider.Goal {
	g := provider.Goal{
		Host:        transport.Host{Name: h.Name, Address: h.Address, Port: h.Port, OS: h.OS, Connection: h.reach},
		InstallRoot: h.InstallRoot,
		Options:     provider.Options{AgentRequired: true, StartTimeout: defaultStartTimeout, ConfirmTimeout: defaultConfirmTimeout},
	}
	byName := func(a, b claim) int { return strings.Compare(a.name, b.name) }
	for _, c := range slices.SortedFunc(maps.Values(d.claims), byName) {
		c.apply(&g)
	}
	return g
}

// disputes are contradictions between two assignments, each told once for all hosts.
type disputes map[dispute][]string

type dispute struct {
	first, second *assignment
	name          string
	words         string
}

func (d disputes) add(a, b claim, host string) {
	key := dispute{a.by, b.by, b.name, a.words() + "; " + b.words() + "."}
	d[key] = append(d[key], host)
}

// nested notes settings of two assignments of which one lies inside the other.
func (d *demand) nested(host string, disputes disputes) {
	for inner, a := range d.claims {
		for outer, b := range d.claims {
			at := strings.TrimSuffix(outer, `"]`)
			if a.by != b.by && strings.HasSuffix(outer, `"]`) && strings.HasPrefix(inner, at+":") {
				disputes.add(b, a, host)
			}
		}
	}
}

func (d disputes) report(to *Diagnostics) {
	order := func(a, b dispute) int {
		return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.words, b.words))
	}
	for _, one := range slices.SortedFunc(maps.Keys(d), order) {
		hosts, advice := d[one], "Leave it out of one baseline"
		if one.name == "rollout" {
			advice = "Name the same rollout in both"
		}
		to.errorf(&one.second.at, "Two assignments disagree on "+one.name,
			"%s Both hold %s. %s, or except the hosts from one assignment.", one.words, some(hosts), advice)
	}
}

// short cuts a value for a message.
func short(s string) string {
	const most = 80
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most]) + "..."
	}
	return s
}
