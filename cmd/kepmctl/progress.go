package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/kepmctl/kepmctl/plans"
	"github.com/kepmctl/kepmctl/provider"
)

// How often progress is told: a terminal's line is redrawn, elsewhere one is added.
const (
	redrawEvery = 100 * time.Millisecond
	lineEvery   = 10 * time.Second
)

const clearLine = "\r\x1b[K"

// progress tells on stderr how far a run is: on a terminal one line that is
// written over, elsewhere a line now and then. Only its own goroutine writes, so
// that a terminal that stands still holds up no host.
type progress struct {
	out   io.Writer
	doing string
	bar   bool
	width func() int // of the terminal, in columns

	mu      sync.Mutex
	last    plans.Event
	changed bool

	stop, stopped chan struct{}
}

// progress begins to tell what is being done. Its end must be called.
func (a *app) progress(doing string) *progress {
	p := &progress{out: a.err, doing: doing, bar: a.bar(), width: a.width}
	every := lineEvery
	if p.bar {
		every = redrawEvery
	}
	ticker := time.NewTicker(every)
	p.begin(ticker.C, ticker.Stop)
	return p
}

// bar says whether a line may be written over: on a terminal that can, which no
// program reads and no log line crosses.
func (a *app) bar() bool {
	name, _ := a.env("TERM")
	return a.errTerminal && name != "dumb" && !a.automated() && a.log == nil
}

// freshLine is what clears the way for a message where a bar may stand.
func (a *app) freshLine() string {
	if a.bar() {
		return clearLine
	}
	return ""
}

// automated says that no person reads along: no bar, no hints what to type next.
func (a *app) automated() bool {
	v, _ := a.env("KEPM_IN_AUTOMATION")
	return v != ""
}

// begin tells at every tick until end is called.
func (p *progress) begin(tick <-chan time.Time, release func()) {
	p.stop, p.stopped = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(p.stopped)
		defer release()
		for {
			select {
			case <-tick:
				p.tell()
			case <-p.stop:
				if p.bar {
					fmt.Fprint(p.out, clearLine)
				}
				return
			}
		}
	}()
}

func (p *progress) event(e plans.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last, p.changed = e, true
}

// end takes the written-over line away.
func (p *progress) end() {
	close(p.stop)
	<-p.stopped
}

func (p *progress) tell() {
	p.mu.Lock()
	e, changed := p.last, p.changed
	p.changed = false
	p.mu.Unlock()
	switch {
	case !p.bar && e.Total == 0:
		fmt.Fprintf(p.out, "no host %s yet\n", p.doing)
	case !p.bar:
		fmt.Fprintf(p.out, "%d of %d hosts %s\n", e.Done, e.Total, p.doing)
	case changed:
		fmt.Fprint(p.out, clearLine+p.line(e))
	}
}

// line is the bar, what it counts, and who did something last.
func (p *progress) line(e plans.Event) string {
	const cells = 20
	full := cells * e.Done / max(e.Total, 1)
	text := fmt.Sprintf("[%s%s] %d/%d hosts %s  %s %s", strings.Repeat("#", full), strings.Repeat("-", cells-full),
		e.Done, e.Total, p.doing, provider.Printable(e.Host), provider.Printable(step(e)))
	r := []rune(strings.TrimRight(text, " "))
	return string(r[:min(len(r), max(p.width()-1, 0))]) // a full line would wrap
}

func step(e plans.Event) string {
	if e.Type == plans.HostStep {
		return e.Message
	}
	return string(e.Status)
}
