// Package simfleet plays a large fleet in one process: an SSH endpoint for each
// host, which answers kepmctl's scripts from a state that it keeps in memory, and
// misbehaves on demand.
//
// It runs no script and no shell. What it answers is what the scripts would say on a
// host in that state; that they do is shown on real hosts, not here.
package simfleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// Options say which fleet to play.
type Options struct {
	Dir     string        // for the configuration, the key and known_hosts; made here
	Hosts   int           // how many
	Port    int           // of every host, each on an address of its own
	Latency time.Duration // of a round trip
	Restart time.Duration // how long an agent takes to come up
	Faults  []Share       // what misbehaves
	Seed    uint64        // which hosts do
}

// Most is how many hosts a process can play: addresses and sockets are for more,
// its memory is not.
const Most = 100_000

// A Fleet is at work until it is closed.
type Fleet struct {
	options   Options
	hosts     []*host
	listeners []net.Listener
	answers   *answers
	agent     *agent
}

// Up writes the fleet's directory and serves its hosts.
func Up(ctx context.Context, o Options) (*Fleet, error) {
	if o.Hosts < 1 || o.Hosts > Most {
		return nil, fmt.Errorf("a fleet has 1 to %d hosts, not %d", Most, o.Hosts)
	}
	faults, err := spread(o.Faults, o.Hosts, rand.New(rand.NewPCG(o.Seed, 1)))
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the fleet's directory: %w", err)
	}
	keys, err := makeKeys()
	if err != nil {
		return nil, err
	}
	agent, err := newAgent(time.Now())
	if err != nil {
		return nil, err
	}
	f := &Fleet{options: o, answers: newAnswers(), agent: agent}
	for i := range o.Hosts {
		f.hosts = append(f.hosts, newHost(i, faults[i], o))
	}
	if err := f.write(keys); err != nil {
		return nil, err
	}
	if err := f.serve(ctx, keys); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// address is where a host listens: in 127.77.0.0 and what follows it.
func address(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{127, byte(77 + i>>16), byte(i >> 8), byte(i)})
}

// serve listens on every host's address; one that refuses does not.
func (f *Fleet) serve(ctx context.Context, keys keys) error {
	if err := raiseFiles(f.options.Hosts); err != nil {
		return err
	}
	good, wrong := keys.server(), keys.stranger()
	var config net.ListenConfig
	for _, h := range f.hosts {
		if h.fault == Refuse {
			continue
		}
		at := netip.AddrPortFrom(h.address, uint16(f.options.Port)).String()
		l, err := config.Listen(ctx, "tcp", at)
		if err != nil {
			return fmt.Errorf("listen for %s: %w", h.name, err)
		}
		f.listeners = append(f.listeners, l)
		server := good
		if h.fault == WrongKey {
			server = wrong
		}
		if h.fault == NoAuth {
			server = keys.deaf()
		}
		go f.accept(l, h, server)
	}
	return nil
}

func (f *Fleet) accept(l net.Listener, h *host, config *ssh.ServerConfig) {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of files, say: the next one may be luckier
			time.Sleep(10 * time.Millisecond)
			continue
		}
		go f.login(c, h, config)
	}
}

// Close ends every host's listener.
func (f *Fleet) Close() {
	var group sync.WaitGroup
	for _, l := range f.listeners {
		group.Go(func() { _ = l.Close() }) // nothing is owed to a listener
	}
	group.Wait()
}

// A State is what became of a host.
type State struct {
	Host      string `json:"host"`
	Fault     Fault  `json:"fault,omitempty"`
	State     string `json:"state"`              // "before": as it was at first, "planned": as a transaction left it, "other"
	Restarts  int    `json:"restarts,omitempty"` // of the agent
	Committed int    `json:"committed,omitempty"`
	Undone    int    `json:"undone,omitempty"`
	Open      string `json:"open,omitempty"` // the transaction
}

// States are those of all hosts.
func (f *Fleet) States() []State {
	var list []State
	for _, h := range f.hosts {
		list = append(list, h.state(time.Now()))
	}
	return list
}

// WriteStates writes them to state.json in the fleet's directory.
func (f *Fleet) WriteStates() error {
	b, err := json.MarshalIndent(f.States(), "", " ")
	if err != nil {
		return err
	}
	path := filepath.Join(f.options.Dir, "state.json")
	if err := os.WriteFile(path+".part", append(b, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".part", path)
}
