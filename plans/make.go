package plans

import (
	"context"
	"fmt"
	"time"

	"github.com/kepmctl/kepmctl/provider"
	"github.com/kepmctl/kepmctl/transport"
)

// A Fleet is everything plans needs to reach hosts. All fields are handed in.
type Fleet struct {
	Dialer      transport.Dialer
	Family      provider.Family
	Ask         func(context.Context, transport.Conn, []transport.Question) []transport.Answer
	Now         func() time.Time
	Parallelism int         // hosts at work at once
	Watch       func(Event) // called from one goroutine at a time; may be nil
	Filter      bool        // Make also asks the agents whether their Host filter works

	// Recall gives an earlier look at a host, instead of looking now, if the host was
	// asked the same. Nil: look.
	Recall func(host string, asked []string) (provider.Look, error)
	// Keep is given every look of Make and what the host was asked, concurrently.
	// Nil: nothing is kept.
	Keep func(host string, asked []string, l provider.Look) error
}

// An Event tells whoever watches what has just happened.
type Event struct {
	Type    EventType
	Host    string
	Rollout string
	Wave    string
	Status  Status   // of the result, for HostDone
	Problem *Problem // for HostLooked: why it gave no answer
	Message string   // what the host does now, for HostStep
	Done    int      // hosts finished so far
	Total   int
}

// EventType is what kind of thing has happened.
type EventType string

// Events.
const (
	HostLooked EventType = "host_looked"
	HostStep   EventType = "host_step"
	HostDone   EventType = "host_done"

	WaveStarted EventType = "wave_started"
	WaveSoaks   EventType = "wave_soaks"
)

// Terms of a plan beyond what hosts say.
type Terms struct {
	Tool      string        // this program's version
	TTL       time.Duration // until the plan expires
	Tolerated int           // how many hosts may stay silent
	Selection *Selection    // what the goals are a part of; nil: they are everything

	Labels    map[string]map[string]string // by host
	Signature string                       // only what differs in this way; empty: everything

	Waivers  []Waiver
	Rollouts []Rollout
	Places   map[string]Place // by host; one that is missing is in no rollout
}

type looked struct {
	look     provider.Look
	findings []provider.Finding
	problem  *Problem
}

// Make looks at every goal's host, or recalls an earlier look, and plans what must
// change. A host that gives no answer has a Problem in the plan; an error is only a
// cancelled context, looks that could not be kept, or ErrNoGroup.
func (f Fleet) Make(ctx context.Context, goals []provider.Goal, t Terms) (*Plan, error) {
	now := f.Now().UTC().Truncate(time.Second)
	s := &sightings{hosts: make([]seen, len(goals))}
	report := f.counter(len(goals))
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	eachPatiently(ctx, len(goals), f.Parallelism, func(ctx context.Context, i int, w waiting) {
		name := goals[i].Host.Name
		l := f.present(ctx, goals[i], w)
		if f.Keep != nil && l.problem == nil {
			if err := f.Keep(name, f.asked(goals[i]), l.look); err != nil {
				cancel(err)
			}
		}
		s.put(i, l)
		report(Event{Type: HostLooked, Host: name, Problem: l.problem})
	})
	if err := ctx.Err(); err != nil {
		if cause := context.Cause(ctx); cause != err {
			return nil, cause
		}
		return nil, fmt.Errorf("plan: interrupted before every host was looked at: %w", err)
	}
	p := assemble(goals, s, t.Labels)
	p.Tool, p.Scripts, p.Selection, p.Waivers = t.Tool, f.Family.Digest, t.Selection, t.Waivers
	p.Created, p.Expires = now, now.Add(t.TTL)
	p.Complete = len(p.Silent()) <= t.Tolerated
	if f.Recall != nil {
		p.Recorded = recorded(s.hosts)
	}
	if t.Signature != "" {
		if err := p.only(t.Signature); err != nil {
			return nil, err
		}
	}
	p.place(t)
	return p, nil
}

// Silent are the hosts that gave no answer.
func (p *Plan) Silent() []HostPlan {
	var list []HostPlan
	for _, h := range p.Hosts {
		if h.Problem != nil {
			list = append(list, h)
		}
	}
	return list
}

// recorded is from when to when the recalled looks are.
func recorded(hosts []seen) *Recorded {
	r := &Recorded{}
	for _, h := range hosts {
		at := h.at
		if h.problem != nil {
			continue
		}
		if r.From.IsZero() || at.Before(r.From) {
			r.From = at
		}
		if at.After(r.To) {
			r.To = at
		}
	}
	return r
}

// asked is what a look asks of a host: of what was not asked nothing is known.
func (f Fleet) asked(g provider.Goal) []string { return f.Family.Looker.Look(g).Args }

// present is what a host has now, or had when it was recorded.
func (f Fleet) present(ctx context.Context, g provider.Goal, w waiting) looked {
	if f.Recall == nil {
		return f.lookAt(ctx, g, w)
	}
	look, err := f.Recall(g.Host.Name, f.asked(g))
	if err != nil {
		return looked{problem: &Problem{Kind: "facts", Message: provider.Printable(err.Error()), Hint: "record them with kepmctl plan --save-facts"}}
	}
	return looked{look: look, findings: provider.Judge(g, look)}
}

func (f Fleet) lookAt(ctx context.Context, g provider.Goal, w waiting) looked {
	var conn transport.Conn
	var err error
	w(func() { conn, err = f.Dialer.Dial(ctx, g.Host) })
	if err != nil {
		return looked{problem: problemOf(err)}
	}
	defer conn.Close()
	return f.lookOver(ctx, conn, g)
}

// lookOver looks over a connection that is open.
func (f Fleet) lookOver(ctx context.Context, conn transport.Conn, g provider.Goal) looked {
	questions := provider.Questions
	if f.Filter {
		questions = func(g provider.Goal, facts provider.Facts) []transport.Question {
			return provider.ProofQuestions(g, facts, true)
		}
	}
	look, err := f.look(ctx, conn, g, questions)
	if err != nil {
		return looked{problem: problemOf(err)}
	}
	return looked{look: look, findings: provider.Judge(g, look)}
}

// look runs the one read-only script and asks the loopback services.
func (f Fleet) look(ctx context.Context, conn transport.Conn, g provider.Goal, questions func(provider.Goal, provider.Facts) []transport.Question) (provider.Look, error) {
	out, err := conn.Run(ctx, f.Family.Looker.Look(g))
	if err != nil {
		return provider.Look{}, err
	}
	facts, err := f.Family.Looker.Read(out)
	if err != nil {
		return provider.Look{}, err
	}
	if qs := questions(g, facts); len(qs) > 0 {
		facts.Answers = f.Ask(ctx, conn, qs)
	}
	return provider.Look{Peer: conn.Peer(), Facts: facts, At: f.Now().UTC()}, nil
}
