// Kepmctl hardens the agents of Keeper Endpoint Privilege Manager on a fleet: it
// compares what a configuration declares with what hosts have, and makes it so.
package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/signal"
	"os/user"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/term"
)

func main() { os.Exit(kepmctl()) }

// kepmctl wires the program to the process: the only place that reads the
// environment, the clock and signals.
func kepmctl() int {
	a := &app{
		in: os.Stdin, out: os.Stdout, err: os.Stderr,
		inTerminal:  term.IsTerminal(int(os.Stdin.Fd())),
		outTerminal: term.IsTerminal(int(os.Stdout.Fd())),
		errTerminal: term.IsTerminal(int(os.Stderr.Fd())),
		width:       errWidth,
		env:         os.LookupEnv,
		now:         time.Now,
		sitePolicy:  sitePolicy,
	}
	// A reader of our output that goes away must not end an apply in flight.
	signal.Ignore(syscall.SIGPIPE)
	a.home, _ = os.UserHomeDir()
	a.user, a.host = "unknown", "unknown"
	if u, err := user.Current(); err == nil {
		a.user, a.home = u.Username, cmp.Or(a.home, u.HomeDir)
	}
	if !filepath.IsAbs(a.home) {
		a.home = "/nonexistent" // never the working directory: whoever writes there would say which keys to trust
	}
	if h, err := os.Hostname(); err == nil {
		a.host = h
	}
	return a.run(os.Args[1:])
}

// errWidth is how many columns stderr's terminal has now.
func errWidth() int {
	const usual = 80
	if w, _, err := term.GetSize(int(os.Stderr.Fd())); err == nil && w > 0 {
		return w
	}
	return usual
}

// interrupts turns signals into contexts: the first one ends stop, so that no
// further host is started, and says so in the words given; the second ends hard.
func (a *app) interrupts(words string) (hard, stop context.Context, release func()) {
	hard, cut := context.WithCancel(context.Background())
	stop, end := context.WithCancel(hard)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		for i := 0; ; i++ {
			select {
			case s := <-signals:
				a.signal.CompareAndSwap(0, int32(s.(syscall.Signal)))
				end()
				if i == 0 {
					fmt.Fprintln(a.err, a.freshLine()+"kepmctl: interrupted: "+words)
				} else {
					cut()
					signal.Reset() // a third one ends the program where it stands
				}
			case <-hard.Done():
				return
			}
		}
	}()
	return hard, stop, func() {
		signal.Stop(signals)
		cut()
	}
}
