package hcl

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/kepmctl/kepmctl/provider"
)

// Options of a rollout that the configuration does not set.
const (
	defaultParallelism    = 50
	maxParallelism        = 1000
	defaultConfirmTimeout = 60 * time.Second
	defaultKeep           = 5
	maxKeep               = 100
	maxHosts              = 1_000_000
	maxSoak               = 7 * 24 * time.Hour
)

// A Rollout is a rollout block and what it says of the hosts that are in it.
type Rollout struct {
	Name           string
	Parallelism    int
	MaxFailed      provider.Share
	MaxUnreachable provider.Share
	Keep           int
	Waves          []Wave
	Limits         []Limit
	Places         map[string]Place // by host: who is in the rollout
}

// A Wave is a wave block.
type Wave struct {
	Name    string
	Size    *provider.Share // nil: all that fit
	Soak    time.Duration
	Approve bool // a person must approve the next wave
}

// A Limit is a limit block.
type Limit struct {
	Name  string
	Count int
}

// A Place is what a rollout says of one host.
type Place struct {
	Fits    []bool   // for each wave, whether its where holds
	Limits  []string // the host's value for each limit; empty: not limited
	Windows []Window
}

// A Window is a window block as it is for one host.
type Window struct {
	Days     []string // none: every day
	From, To string   // "22:00"
	Zone     string
}

// A rollout is a rollout block while the configuration is read.
type rollout struct {
	Rollout
	confirm time.Duration
	body    attrs
	waves   []attrs
	limits  []attrs
	windows []attrs
}

func (r *reading) readRollouts() {
	r.rollouts = map[string]rollout{}
	for _, b := range r.blocks["rollout"] {
		a := r.attrs(b)
		one := rollout{body: a, confirm: a.timeoutOr("confirm_timeout", defaultConfirmTimeout)}
		one.Name, one.Parallelism, one.Keep = b.Labels[0], defaultParallelism, defaultKeep
		one.MaxFailed, one.MaxUnreachable = provider.Share{Value: 2, Percent: true}, provider.Share{Value: 10, Percent: true}
		if n, ok := a.number("parallelism", 1, maxParallelism); ok {
			one.Parallelism = n
		}
		if n, ok := a.number("keep", 1, maxKeep); ok {
			one.Keep = n
		}
		if s, ok := a.share("max_failed", 0); ok {
			one.MaxFailed = s
		}
		if s, ok := a.share("max_unreachable", 0); ok {
			one.MaxUnreachable = s
		}
		r.readParts(b, &one)
		r.rollouts[address(b)] = one
	}
}

// readParts reads the blocks inside a rollout.
func (r *reading) readParts(b *hclsyntax.Block, one *rollout) {
	for _, inner := range language().blocks["rollout"].wellFormed(b) {
		a := r.attrs(inner)
		switch inner.Type {
		case "wave":
			w := Wave{Name: inner.Labels[0]}
			if s, ok := a.share("size", 1); ok {
				w.Size = &s
			}
			w.Soak, _ = a.duration("soak", time.Second, maxSoak)
			how, _ := a.choice("approve", []string{"none", "manual"})
			w.Approve = how == "manual"
			one.Waves, one.waves = append(one.Waves, w), append(one.waves, a)
		case "limit":
			l := Limit{Name: inner.Labels[0], Count: 1}
			if n, ok := a.number("count", 1, maxHosts); ok {
				l.Count = n
			}
			one.Limits, one.limits = append(one.Limits, l), append(one.limits, a)
		case "window":
			r.checkWindow(a)
			one.windows = append(one.windows, a)
		}
	}
	if len(one.Waves) == 0 {
		one.Waves, one.waves = []Wave{{Name: "all"}}, []attrs{{}}
	}
}

var (
	weekdays    = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}
	timeOfDay   = regexp.MustCompile(`^([01][0-9]|2[0-3]):[0-5][0-9]$`)
	clockWanted = "Write a time of day in quotes, from \"00:00\" to \"23:59\"."
)

func (r *reading) checkWindow(a attrs) {
	days, _ := a.list("days")
	for _, d := range days {
		if !slices.Contains(weekdays, d) {
			a.wrong("days", "%q is no day: write %s.%s", d, quoted(weekdays), didYouMean(strings.ToLower(d)[:min(3, len(d))], weekdays))
		}
	}
	var at [2]string
	for i, name := range []string{"from", "to"} {
		text, ok := a.text(name)
		if ok && !timeOfDay.MatchString(text) {
			a.wrong(name, "%s", clockWanted)
		}
		at[i] = text
	}
	if at[0] == at[1] && at[0] != "" {
		a.wrong("to", "The window closes when it opens: it never opens.")
	}
}

// share reads a number of hosts, or a percentage of them in quotes.
func (a attrs) share(name string, least int) (provider.Share, bool) {
	v, ok := a.value(name)
	if !ok {
		return provider.Share{}, false
	}
	if v.Type() == cty.Number {
		n, ok := a.number(name, least, maxHosts)
		return provider.Share{Value: n}, ok
	}
	if v.Type() == cty.String && percentage.MatchString(v.AsString()) {
		n, _ := strconv.Atoi(strings.TrimSuffix(v.AsString(), "%"))
		if n >= least {
			return provider.Share{Value: n, Percent: true}, true
		}
	}
	a.wrong(name, "Write a number of hosts, or a share in quotes, such as \"30%%\".")
	return provider.Share{}, false
}

// placed are the rollouts in use, each with the place of its hosts.
func (r *reading) placed(list []*assignment) []Rollout {
	members := map[string]map[*host]bool{}
	for _, one := range list {
		if members[one.rollout.address] == nil {
			members[one.rollout.address] = map[*host]bool{}
		}
		for _, h := range one.hosts {
			members[one.rollout.address][h] = true
		}
	}
	var used []Rollout
	for _, b := range r.blocks["rollout"] {
		one := r.rollouts[address(b)]
		hosts := slices.DeleteFunc(slices.Clone(r.hosts), func(h *host) bool { return !members[address(b)][h] })
		if len(hosts) == 0 {
			r.place(&one, r.hosts) // mistakes are shown in any case
			continue
		}
		r.place(&one, hosts)
		used = append(used, one.Rollout)
	}
	slices.SortFunc(used, func(a, b Rollout) int { return strings.Compare(a.Name, b.Name) })
	return used
}

func (r *reading) place(one *rollout, hosts []*host) {
	one.Places = map[string]Place{}
	fits := map[*host][]bool{}
	for _, a := range one.waves {
		in := hosts
		if a.body != nil && a.set("where") {
			in = r.filter(a, a.body.Attributes["where"].Expr, hosts)
		}
		held := map[*host]bool{}
		for _, h := range in {
			held[h] = true
		}
		for _, h := range hosts {
			fits[h] = append(fits[h], held[h])
		}
	}
	limits, zones := make([]map[*host]string, len(one.limits)), make([]map[*host]string, len(one.windows))
	for i, a := range one.limits {
		limits[i] = r.perHost(a, "by", hosts)
	}
	for i, a := range one.windows {
		zones[i] = r.zones(a, hosts)
	}
	for _, h := range hosts {
		p := Place{Fits: fits[h]}
		for i := range one.limits {
			p.Limits = append(p.Limits, limits[i][h])
		}
		for i, a := range one.windows {
			w := Window{Zone: zones[i][h]}
			w.Days, _ = a.list("days")
			w.From, _ = a.text("from")
			w.To, _ = a.text("to")
			p.Windows = append(p.Windows, w)
		}
		one.Places[h.Name] = p
	}
}

// perHost evaluates an attribute for each host; null reads as empty.
func (r *reading) perHost(a attrs, name string, hosts []*host) map[*host]string {
	values := map[*host]string{}
	attr, ok := a.body.Attributes[name]
	if !ok || !r.d.fits(attr.Expr, a.about(r.anyHost()).ctx) {
		return values
	}
	for _, h := range hosts {
		v, diags := attr.Expr.Value(a.about(r.value(h)).ctx)
		r.d.foreign(diags)
		switch {
		case diags.HasErrors():
			return values
		case v.IsNull():
		case v.Type() != cty.String || !v.IsKnown():
			a.wrong(name, "It must be a text for every host; for %s it is none.", h.Name)
			return values
		default:
			values[h] = v.AsString()
		}
	}
	return values
}

// zones are the time zones of a window; UTC where none is written.
func (r *reading) zones(a attrs, hosts []*host) map[*host]string {
	zones := r.perHost(a, "zone", hosts)
	var without []string
	for _, h := range hosts {
		switch zone := zones[h]; {
		case !a.set("zone"):
			zones[h] = "UTC"
		case zone == "":
			without = append(without, h.Name)
		default:
			if _, err := time.LoadLocation(zone); err != nil || zone == "Local" {
				a.wrong("zone", "%q is no time zone (%s). Write one such as \"Europe/Paris\", or \"UTC\".", zone, h.Name)
				return zones
			}
		}
	}
	if len(without) > 0 && !r.d.HasErrors() {
		a.wrong("zone", "It is null for %s: when their window opens cannot be told.", some(without))
	}
	return zones
}
