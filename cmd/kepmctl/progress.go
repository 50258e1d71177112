package main

import (
	"fmt"
	"io"
	"time"

	"github.com/kepmctl/kepmctl/plans"
	"github.com/kepmctl/kepmctl/provider"
)

// progress tells on stderr how far a run is: on a terminal one line that is
// written over, elsewhere a line now and then.
type progress struct {
	out      io.Writer
	doing    string
	terminal bool
	now      func() time.Time
	last     time.Time
	shown    bool
}

const progressEvery = 10 * time.Second

func (a *app) progress(doing string, silent bool) *progress {
	out := a.err
	if silent {
		out = io.Discard
	}
	return &progress{out: out, doing: doing, terminal: a.errTerminal && !silent, now: a.now, last: a.now()}
}

func (p *progress) event(e plans.Event) {
	switch {
	case p.terminal:
		fmt.Fprintf(p.out, "\r\x1b[K%d of %d hosts %s   %s %s", e.Done, e.Total, p.doing, provider.Printable(e.Host), e.Message)
		p.shown = true
	case p.now().Sub(p.last) >= progressEvery:
		p.last = p.now()
		fmt.Fprintf(p.out, "%d of %d hosts %s\n", e.Done, e.Total, p.doing)
	}
}

// end takes the written-over line away.
func (p *progress) end() {
	if p.shown {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}
