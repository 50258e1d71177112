package plans

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"github.com/kepmctl/kepmctl/provider"
)

// A Rollout is how a set of hosts is changed: wave after wave, within budgets.
type Rollout struct {
	Name           string         `json:"name"`
	Parallelism    int            `json:"parallelism"`     // hosts in flight
	MaxFailed      provider.Share `json:"max_failed"`      // of the hosts of the waves begun so far; one more stops
	MaxUnreachable provider.Share `json:"max_unreachable"` // likewise
	Keep           int            `json:"keep"`            // before-images of so many runs stay on a host
	Waves          []Wave         `json:"waves"`
	Limits         []Limit        `json:"limits,omitempty"`
}

// A Wave is a part of a rollout's hosts. The next one begins when the last has
// passed its soak.
type Wave struct {
	Name    string          `json:"name"`
	Size    *provider.Share `json:"size,omitempty"`    // of the rollout's hosts, rounded up; none: all that fit
	Soak    float64         `json:"soak,omitempty"`    // seconds until the second look
	Approve bool            `json:"approve,omitempty"` // the next wave waits for a person
}

// A Limit is how many hosts with one value of a label may be in flight.
type Limit struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}

// A Turn is when a host is changed.
type Turn struct {
	Rollout int      `json:"rollout"`
	Wave    int      `json:"wave"`
	Limits  []string `json:"limits,omitempty"`  // its value for each limit of the rollout; empty: not limited
	Windows []int    `json:"windows,omitempty"` // any of them must be open; none: any time
}

// A Place is what the configuration says of a host's turn.
type Place struct {
	Rollout int      // of Terms.Rollouts
	Fits    []bool   // for each wave, whether the host is one of its candidates; nil: of all
	Limits  []string // its value for each limit
	Windows []Window
	Spread  string // hosts of one value are spread over the waves alike: system and site
}

// Defaults of a rollout.
const (
	DefaultParallelism = 50
	DefaultKeep        = 5 // of so many runs a host keeps the before-images
)

// Careful is the rollout of hosts that name none, in a fleet of so many.
func Careful(fleet int) Rollout {
	const most = 10 // in a smaller fleet a person sees each host
	r := Rollout{Name: "careful", Parallelism: DefaultParallelism, MaxFailed: provider.Share{Value: 2, Percent: true}, MaxUnreachable: provider.Share{Value: 10, Percent: true}, Keep: DefaultKeep}
	if fleet <= most {
		r.MaxFailed, r.MaxUnreachable = provider.Share{Value: 100, Percent: true}, provider.Share{Value: 100, Percent: true}
		r.Waves = []Wave{{Name: "all"}}
		return r
	}
	r.Waves = []Wave{{Name: "first", Size: &provider.Share{Value: 1}}, {Name: "tenth", Size: &provider.Share{Value: 10, Percent: true}}, {Name: "rest"}}
	return r
}

// place gives each host that has changes its turn. Hosts in no rollout share the
// careful one.
func (p *Plan) place(t Terms) {
	p.Rollouts = slices.Clone(t.Rollouts)
	careful := -1
	members := make([][]int, len(p.Rollouts))
	places := make([]Place, len(p.Hosts))
	for i, h := range p.Hosts {
		if len(h.Changes) == 0 || h.Problem != nil {
			continue
		}
		place, named := t.Places[h.Name]
		if !named || place.Rollout < 0 {
			if careful < 0 {
				careful = len(p.Rollouts)
				own := Careful(len(p.Hosts))
				for slices.ContainsFunc(p.Rollouts, func(r Rollout) bool { return r.Name == own.Name }) {
					own.Name = "the_" + own.Name
				}
				p.Rollouts = append(p.Rollouts, own)
				members = append(members, nil)
			}
			place.Rollout = careful
		}
		places[i] = place
		members[place.Rollout] = append(members[place.Rollout], i)
	}
	var windows table[Window]
	for r, hosts := range members {
		rollout := &p.Rollouts[r]
		rollout.Waves = slices.Clone(rollout.Waves)
		for _, i := range hosts {
			p.Hosts[i].Turn = &Turn{Rollout: r, Wave: -1, Limits: places[i].Limits}
			for _, w := range places[i].Windows {
				p.Hosts[i].Turn.Windows = append(p.Hosts[i].Turn.Windows, windows.index(w))
			}
		}
		p.fill(rollout, p.spread(hosts, places), places)
	}
	p.Windows = windows.list
}

// fill puts a rollout's hosts into its waves, in order; those that fit none come last.
func (p *Plan) fill(rollout *Rollout, hosts []int, places []Place) {
	all, left := len(hosts), hosts
	for w, wave := range rollout.Waves {
		room := all
		if wave.Size != nil {
			room = wave.Size.Up(all)
		}
		left = slices.DeleteFunc(slices.Clone(left), func(i int) bool {
			fits := places[i].Fits == nil || places[i].Fits[w]
			if !fits || room == 0 {
				return false
			}
			room--
			p.Hosts[i].Turn.Wave = w
			return true
		})
	}
	if len(left) == 0 {
		return
	}
	name := "rest"
	for slices.ContainsFunc(rollout.Waves, func(w Wave) bool { return w.Name == name }) {
		name = "the_" + name
	}
	for _, i := range left {
		p.Hosts[i].Turn.Wave = len(rollout.Waves)
	}
	rollout.Waves = append(rollout.Waves, Wave{Name: name})
}

// spread orders hosts so that the first ones of the list are like the whole: in
// proportion of each kind, and within a kind by a hash of the name, which stays the
// same from plan to plan.
func (p *Plan) spread(hosts []int, places []Place) []int {
	kinds := map[string][]int{}
	hash := map[int][sha256.Size]byte{}
	for _, i := range hosts {
		hash[i] = sha256.Sum256([]byte(p.Hosts[i].Name))
		kinds[places[i].Spread] = append(kinds[places[i].Spread], i)
	}
	byHash := func(a, b int) int { x, y := hash[a], hash[b]; return strings.Compare(string(x[:]), string(y[:])) }
	at := map[int]float64{}
	for _, kind := range kinds {
		slices.SortFunc(kind, byHash)
		for rank, i := range kind {
			at[i] = (float64(rank) + 0.5) / float64(len(kind))
		}
	}
	return slices.SortedFunc(slices.Values(hosts), func(a, b int) int { return cmp.Or(cmp.Compare(at[a], at[b]), byHash(a, b)) })
}

// validateTurns looks up what hosts say of their turns.
func (p *Plan) validateTurns() error {
	named := map[step]bool{}
	for _, r := range p.Rollouts {
		for _, w := range append(slices.Clone(r.Waves), Wave{}) {
			if named[step{r.Name, w.Name}] {
				return fmt.Errorf("read the plan: rollout %.60q, or a wave of it, is there twice", r.Name)
			}
			named[step{r.Name, w.Name}] = true
		}
		if r.Parallelism < 1 || r.Keep < 1 || len(r.Waves) == 0 {
			return fmt.Errorf("read the plan: rollout %.60q has no waves, or nothing it may do", r.Name)
		}
		for _, w := range r.Waves {
			if w.Soak < 0 || w.Soak > maxSoak {
				return fmt.Errorf("read the plan: wave %.60q soaks for longer than a week", w.Name)
			}
		}
		for _, l := range r.Limits {
			if l.Count < 1 {
				return fmt.Errorf("read the plan: limit %.60q allows nothing", l.Name)
			}
		}
	}
	for _, w := range p.Windows {
		if err := w.Validate(); err != nil {
			return fmt.Errorf("read the plan: %s", provider.Printable(err.Error()))
		}
	}
	for _, h := range p.Hosts {
		t := h.Turn
		if t == nil {
			if len(h.Changes) > 0 && h.Problem == nil {
				return fmt.Errorf("read the plan: host %.60q has changes and no turn", h.Name)
			}
			continue
		}
		if !within([]int{t.Rollout}, len(p.Rollouts)) || !within([]int{t.Wave}, len(p.Rollouts[t.Rollout].Waves)) ||
			!within(t.Windows, len(p.Windows)) || len(t.Limits) > len(p.Rollouts[t.Rollout].Limits) {
			return fmt.Errorf("read the plan: host %.60q has a turn that the plan does not hold", h.Name)
		}
	}
	return nil
}

const maxSoak = 7 * 24 * 3600 // seconds
