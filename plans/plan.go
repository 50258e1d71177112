// Package plans compares wanted with present, keeps the difference, and carries it out.
//
// A plan is data: no scripts, no secrets, no connections. What to change comes from
// the plan alone, how to reach hosts from the configuration alone.
package plans

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/kepmctl/kepmctl/provider"
	"github.com/kepmctl/kepmctl/transport"
)

// FormatVersion of plan documents: a minor one adds, a major one is refused.
const FormatVersion = "1.2"

// A Plan is what must change on which hosts. Each distinct baseline, change and
// finding stands once; hosts refer to them by index.
type Plan struct {
	FormatVersion string              `json:"format_version"`
	Tool          string              `json:"tool"`                  // version that made it
	Scripts       string              `json:"scripts"`               // digest of the scripts that will carry it out
	Created       time.Time           `json:"created"`               // UTC
	Expires       time.Time           `json:"expires"`               // checked when apply starts
	Complete      bool                `json:"complete"`              // no more hosts were silent than tolerated
	Recorded      *Recorded           `json:"recorded,omitempty"`    // of a plan from recorded facts
	Selection     *Selection          `json:"selection,omitempty"`   // nil: of every assigned host and control
	Signature     string              `json:"signature,omitempty"`   // the only way whose changes are planned; empty: all
	RollbackOf    string              `json:"rollback_of,omitempty"` // the run whose changes are taken back
	Baselines     []Baseline          `json:"baselines"`
	Changes       []provider.Change   `json:"changes"`
	Findings      []provider.Finding  `json:"findings"`         // all that is not compliant
	Labels        []map[string]string `json:"labels,omitempty"` // each distinct set of a host's labels
	Hosts         []HostPlan          `json:"hosts"`            // sorted by name
	Rollouts      []Rollout           `json:"rollouts"`         // how the hosts are changed, in which order
	Windows       []Window            `json:"windows,omitempty"`
	Waivers       []Waiver            `json:"waivers,omitempty"` // of the configuration, in effect or not
	Gates         []Gate              `json:"gates,omitempty"`   // as they were judged when it was made
	Checksum      string              `json:"checksum"`          // guards against accidents, not against people
}

// Recorded is from when to when the facts of a plan are that reached no host.
type Recorded struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// A Baseline is what a set of hosts must be.
type Baseline struct {
	Wants   []Want  `json:"wants"`
	Options Options `json:"options"`
}

// Want is provider.Want as a plan keeps it.
type Want struct {
	Control  string            `json:"control"`
	Plugin   string            `json:"plugin,omitempty"`
	Key      string            `json:"key,omitempty"`
	Value    json.RawMessage   `json:"value"`
	Match    provider.Match    `json:"match,omitempty"`
	Mode     provider.Mode     `json:"mode"`
	Severity provider.Severity `json:"severity,omitempty"` // empty: the catalogue's
	Override provider.Override `json:"override,omitzero"`
	File     string            `json:"file,omitempty"`
	Line     int               `json:"line,omitempty"`
}

// Options is provider.Options as a plan keeps it; times are in seconds.
type Options struct {
	AgentRequired       bool    `json:"agent_required"`
	AdministratorsGroup string  `json:"administrators_group,omitempty"`
	StartTimeout        float64 `json:"start_timeout"`
	ConfirmTimeout      float64 `json:"confirm_timeout"`
}

// A HostPlan is one host's part of a plan.
type HostPlan struct {
	Name      string   `json:"name"`
	Reach     string   `json:"reach"` // digest of address, port, system, connection and install root
	Baseline  int      `json:"baseline"`
	Labels    int      `json:"labels,omitempty"`
	Problem   *Problem `json:"problem,omitempty"` // why the host could not be looked at
	HostKey   string   `json:"host_key,omitempty"`
	System    string   `json:"system,omitempty"`
	Version   string   `json:"agent_version,omitempty"`
	Root      string   `json:"root,omitempty"`
	Compliant int      `json:"compliant"` // how many controls are
	Findings  []int    `json:"findings,omitempty"`
	Changes   []int    `json:"changes,omitempty"`
	Turn      *Turn    `json:"turn,omitempty"`   // of a host that has changes
	Undoes    string   `json:"undoes,omitempty"` // the transaction whose changes are taken back: these are they, reversed
}

// A Problem is why a host gave no answer.
type Problem struct {
	Kind    string `json:"kind"` // of transport's closed list, or "facts"
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// Reach is the digest that ties a planned host to how the configuration reaches it.
func Reach(g provider.Goal) string {
	c := g.Host.Connection
	for hop := &c; ; hop = hop.Via {
		hop.ConnectTimeout, hop.CommandTimeout = 0, 0 // patience is not identity
		if hop.Via == nil {
			break
		}
		via := *hop.Via // the original is shared
		hop.Via = &via
	}
	b, err := json.Marshal([]any{g.Host.Address, g.Host.Port, g.Host.OS, c, g.InstallRoot})
	if err != nil {
		panic("plans: a connection that is no data: " + err.Error())
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// Restarts says whether a host's changes restart the service.
func (p *Plan) Restarts(h HostPlan) bool {
	return slices.ContainsFunc(h.Changes, func(i int) bool { return p.Changes[i].Effect == provider.Restart })
}

// goal is what the plan wants of a host, reached as the configuration says.
func (p *Plan) goal(h HostPlan, reach provider.Goal) provider.Goal {
	b := p.Baselines[h.Baseline]
	g := provider.Goal{Host: reach.Host, InstallRoot: reach.InstallRoot, Options: b.Options.provider()}
	for _, w := range b.Wants {
		g.Wants = append(g.Wants, w.provider())
	}
	return g
}

func (w Want) provider() provider.Want {
	return provider.Want{
		Control: provider.Control{Name: w.Control, Plugin: w.Plugin, Key: w.Key},
		Value:   provider.Value(w.Value), Match: w.Match, Mode: w.Mode, Severity: w.Severity, Override: w.Override,
		Source: provider.Source{File: w.File, Line: w.Line},
	}
}

func (o Options) provider() provider.Options {
	return provider.Options{
		AgentRequired: o.AgentRequired, AdministratorsGroup: o.AdministratorsGroup,
		StartTimeout: seconds(o.StartTimeout), ConfirmTimeout: seconds(o.ConfirmTimeout),
	}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func baselineOf(g provider.Goal) Baseline {
	b := Baseline{Options: Options{
		AgentRequired: g.Options.AgentRequired, AdministratorsGroup: g.Options.AdministratorsGroup,
		StartTimeout: g.Options.StartTimeout.Seconds(), ConfirmTimeout: g.Options.ConfirmTimeout.Seconds(),
	}}
	for _, w := range g.Wants {
		b.Wants = append(b.Wants, Want{
			Control: w.Control.Name, Plugin: w.Control.Plugin, Key: w.Control.Key, Value: json.RawMessage(w.Value), Match: w.Match,
			Mode: w.Mode, Severity: w.Severity, Override: w.Override, File: w.Source.File, Line: w.Source.Line,
		})
	}
	return b
}

// A table keeps each distinct value once and remembers where.
type table[T any] struct {
	list []T
	at   map[string]int
}

func (t *table[T]) index(v T) int {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("plans: %T is no data: %v", v, err))
	}
	if t.at == nil {
		t.at = map[string]int{}
	}
	i, ok := t.at[string(b)]
	if !ok {
		i = len(t.list)
		t.list, t.at[string(b)] = append(t.list, v), i
	}
	return i
}

// A host as it was seen is what a plan keeps of a look; findings that hosts share are
// kept once, for thousands of hosts are in memory together.
type seen struct {
	hostKey, system, version, root string
	at                             time.Time
	compliant                      int
	findings                       []int // of the sightings
	problem                        *Problem
}

// sightings gather what was seen of hosts, concurrently.
type sightings struct {
	mu       sync.Mutex
	findings table[sighting] // in no order
	hosts    []seen
}

// A sighting is a finding with what would mend it: the same finding may need a restart
// on one host and none on another.
type sighting struct {
	Finding provider.Finding
	Changes []provider.Change
}

// put keeps what the plan needs of the look at a host.
func (s *sightings) put(i int, l looked) {
	h := &s.hosts[i]
	if h.problem = l.problem; l.problem != nil {
		return
	}
	h.hostKey, h.at = l.look.Peer.HostKey, l.look.At
	h.system, h.version, h.root = string(l.look.Facts.System.OS), l.look.Facts.Version, l.look.Facts.Root()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range l.findings {
		if f.Outcome == provider.Compliant {
			h.compliant++
		} else {
			h.findings = append(h.findings, s.findings.index(sighting{f, f.Changes}))
		}
	}
}

// assemble makes the plan of looked-at hosts; the order in which they answered
// leaves no trace in it.
func assemble(goals []provider.Goal, s *sightings, labels map[string]map[string]string) *Plan {
	p := &Plan{FormatVersion: FormatVersion}
	order := make([]int, len(goals))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(goals[a].Host.Name, goals[b].Host.Name) })
	var baselines table[Baseline]
	var changes table[provider.Change]
	var findings table[provider.Finding]
	place := make([]int, len(s.findings.list)) // of a finding in the plan, and 1
	var sets table[map[string]string]
	for _, i := range order {
		l := s.hosts[i]
		h := HostPlan{Name: goals[i].Host.Name, Reach: Reach(goals[i]), Baseline: baselines.index(baselineOf(goals[i])), Problem: l.problem, Compliant: l.compliant}
		if len(labels) > 0 {
			h.Labels = sets.index(labels[h.Name])
		}
		h.HostKey, h.System, h.Version, h.Root = l.hostKey, l.system, l.version, l.root
		for _, n := range l.findings {
			if place[n] == 0 {
				place[n] = findings.index(s.findings.list[n].Finding) + 1
			}
			h.Findings = append(h.Findings, place[n]-1)
			for _, c := range s.findings.list[n].Changes {
				h.Changes = append(h.Changes, changes.index(c))
			}
		}
		p.Hosts = append(p.Hosts, h)
	}
	p.Baselines, p.Changes, p.Findings, p.Labels = baselines.list, changes.list, findings.list, sets.list
	return p
}

// problemOf names why a host gave no answer.
func problemOf(err error) *Problem {
	return &Problem{Kind: transport.Kind(err), Message: provider.Printable(err.Error()), Hint: transport.Hint(err)}
}
