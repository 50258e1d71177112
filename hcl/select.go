package hcl

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/kepmctl/kepmctl/provider"
)

// A Selection narrows a run to some hosts and some controls. What is empty narrows
// nothing.
type Selection struct {
	Targets  []string  // what is taken; hosts and controls apart are unions: see picks
	Excludes []string  // what is taken away, spelled the same
	Where    string    // an expression as in a group's where
	Sample   string    // so many of the hosts, or a share of them rounded up: "10", "5%"
	Seed     string    // another one draws another sample
	Stdin    io.Reader // what "@-" reads; nil: nothing
}

// IsZero says whether everything is selected.
func (s Selection) IsZero() bool {
	return len(s.Targets) == 0 && len(s.Excludes) == 0 && s.Where == "" && s.Sample == ""
}

// Selected counts what Select took.
type Selected struct {
	Hosts, OfHosts       int // with an assignment
	Controls, OfControls int // distinct ones that are wanted of the selected hosts
}

// A choice is a host while Select narrows what is wanted.
type choice struct {
	host   *host
	whole  provider.Goal
	narrow provider.Goal
	taken  map[string]bool // controls, by their text
}

// Select narrows a configuration: of the assigned hosts those that are targeted,
// not excluded, and for which where holds; of what is wanted there the controls
// that are targeted and not excluded; of the hosts that are left a sample. Options
// of a host are those of the whole. The Config is nil when there are errors.
func (c *Config) Select(s Selection) (*Config, Diagnostics) {
	d := &Diagnostics{}
	r := *c.reading
	r.d = d
	p := picker{reading: &r, config: c, stdin: s.Stdin}
	targets, excludes := p.picks("--target", s.Targets), p.picks("--exclude", s.Excludes)
	condition := r.condition(s.Where)
	size := r.sampleSize(s.Sample)
	if d.HasErrors() {
		return nil, d.tidy()
	}
	chosen := p.choose(targets, excludes)
	if condition.body != nil {
		chosen = r.holding(condition, chosen)
	}
	chosen = narrowed(chosen, targets, excludes)
	if len(chosen) == 0 && !d.HasErrors() {
		d.errorf(nil, "Nothing is selected", "No host with an assignment is left%s. kepmctl hosts lists the hosts and their labels, kepmctl controls the controls.", s.words())
	}
	tidy := d.tidy()
	if tidy.HasErrors() {
		return nil, tidy
	}
	if size != nil {
		chosen = sample(chosen, size.Up(len(chosen)), s.Seed)
	}
	return c.only(chosen), tidy
}

// words name the flags that narrowed.
func (s Selection) words() string {
	var flags []string
	for _, f := range []struct {
		name string
		set  bool
	}{{"--target", len(s.Targets) > 0}, {"--exclude", len(s.Excludes) > 0}, {"--where", s.Where != ""}} {
		if f.set {
			flags = append(flags, f.name)
		}
	}
	switch n := len(flags); n {
	case 0:
		return ""
	case 1:
		return " after " + flags[0]
	default:
		return " after " + strings.Join(flags[:n-1], ", ") + " and " + flags[n-1]
	}
}

// choose takes the assigned hosts that are targeted, all when no host is, and not
// excluded.
func (p picker) choose(targets, excludes picks) []choice {
	var chosen []choice
	for _, h := range p.reading.hosts {
		goal, assigned := p.config.goal(h.Name)
		if !assigned || (targets.ofHosts && !targets.hosts[h]) || excludes.hosts[h] {
			continue
		}
		chosen = append(chosen, choice{host: h, whole: goal})
	}
	return chosen
}

// goal is what is wanted of a host; goals are sorted by name.
func (c *Config) goal(name string) (provider.Goal, bool) {
	i, ok := slices.BinarySearchFunc(c.Goals, name, func(g provider.Goal, name string) int { return strings.Compare(g.Host.Name, name) })
	if !ok {
		return provider.Goal{}, false
	}
	return c.Goals[i], true
}

// narrowed takes the controls that are targeted, all when none is, and not
// excluded. A host of which nothing is wanted any more is left out.
func narrowed(chosen []choice, targets, excludes picks) []choice {
	keep := func(c provider.Control) bool {
		return (len(targets.controls) == 0 || targets.names(c)) && !excludes.names(c)
	}
	var left []choice
	for _, one := range chosen {
		one.taken = map[string]bool{}
		for _, w := range one.whole.Wants {
			if keep(w.Control) {
				one.taken[w.Control.String()] = true
			}
		}
		if len(one.taken) > 0 {
			one.narrow = one.whole.Narrow(keep)
			left = append(left, one)
		}
	}
	return left
}

// sample draws n, always the same with the same seed, and more when n grows.
func sample(chosen []choice, n int, seed string) []choice {
	draw := func(c choice) []byte {
		sum := sha256.Sum256([]byte(seed + "\x00" + c.host.Name))
		return sum[:]
	}
	byDraw := slices.SortedFunc(slices.Values(chosen), func(a, b choice) int { return bytes.Compare(draw(a), draw(b)) })
	drawn := byDraw[:min(n, len(byDraw))]
	slices.SortFunc(drawn, func(a, b choice) int { return cmp.Compare(a.host.Name, b.host.Name) })
	return drawn
}

// only is the configuration with nothing but what was chosen.
func (c *Config) only(chosen []choice) *Config {
	part := *c
	part.Goals, part.Hosts = nil, nil
	taken, all := map[string]bool{}, map[string]bool{}
	for _, one := range chosen {
		part.Goals, part.Hosts = append(part.Goals, one.narrow), append(part.Hosts, one.host.Host)
		for _, w := range one.whole.Wants {
			name := w.Control.String()
			all[name] = true
			taken[name] = taken[name] || one.taken[name]
		}
	}
	part.Selected = &Selected{Hosts: len(chosen), OfHosts: len(c.Goals), OfControls: len(all)}
	for _, one := range taken {
		if one {
			part.Selected.Controls++
		}
	}
	return &part
}

// condition reads --where as if it stood in a group; without one its body is nil.
func (r *reading) condition(text string) attrs {
	const name = "--where"
	if text == "" {
		return attrs{}
	}
	src := []byte(text)
	tokens, _ := hclsyntax.LexExpression(src, name, hcl.InitialPos)
	r.d.learn(name, sourceFor(nil, src, tokens))
	if at, deep := tooDeep(tokens); deep {
		r.d.errorf(&at, "Nested too deeply", "No condition needs this much nesting or this many operators.")
		return attrs{}
	}
	expr, diags := hclsyntax.ParseExpression(src, name, hcl.InitialPos)
	r.d.foreign(diags)
	if diags.HasErrors() {
		return attrs{}
	}
	attr := &hclsyntax.Attribute{Name: "where", Expr: expr, SrcRange: expr.Range()}
	a := r.attrs(&hclsyntax.Block{Body: &hclsyntax.Body{Attributes: hclsyntax.Attributes{"where": attr}, SrcRange: expr.Range()}})
	r.d.fits(expr, a.about(r.anyHost()).ctx) // now, so that it is said beside what else is wrong
	return a
}

// holding keeps the hosts for which the condition holds.
func (r *reading) holding(condition attrs, chosen []choice) []choice {
	var hosts []*host
	for _, one := range chosen {
		hosts = append(hosts, one.host)
	}
	in := map[*host]bool{}
	for _, h := range r.filter(condition, condition.body.Attributes["where"].Expr, hosts) {
		in[h] = true
	}
	return slices.DeleteFunc(chosen, func(one choice) bool { return !in[one.host] })
}

// sampleSize reads --sample; nil: none is drawn.
func (r *reading) sampleSize(text string) *provider.Share {
	if text == "" {
		return nil
	}
	number, percent := strings.CutSuffix(text, "%")
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || (percent && n > 100) || strings.HasPrefix(number, "+") {
		r.d.errorf(r.flagged("--sample", []string{text})[0].Ptr(), "Not a size of a sample", "Write a number of hosts from 1 on, or a share from 1%% to 100%%: --sample 10, --sample 5%%.")
		return nil
	}
	return &provider.Share{Value: n, Percent: percent}
}
