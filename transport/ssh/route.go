package ssh

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/kepmctl/kepmctl/transport"
)

// bastion makes the chain that leads to a connection's machine, and returns its
// last link; nil: it is reached directly. Those of earlier hosts are used again.
func (d *Dialer) bastion(to *hop) (*bastion, error) {
	hops, err := d.chain(to)
	if err != nil || len(hops) == 0 {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, fmt.Errorf("%s: %w", to.doing(), net.ErrClosed)
	}
	var via *bastion
	for _, h := range hops {
		w := way{h.host, h.given, via}
		w.how.Via = nil
		b := d.bastions[w]
		if b == nil {
			b = &bastion{dialer: d, hop: h, via: via}
			if d.bastions == nil {
				d.bastions = map[way]*bastion{}
			}
			d.bastions[w] = b
		}
		via = b
	}
	return via, nil
}

// chain is the machines that lead to one, the first to dial first.
func (d *Dialer) chain(to *hop) ([]*hop, error) {
	seen := []*hop{to}
	for c := to.via; c != nil; {
		h, err := d.settle(*c, c.Address, true, 0)
		if e, ok := errors.AsType[*transport.Error](err); ok {
			e.Doing, e.Err = to.doing(), fmt.Errorf("through %s (%s): %w", c.Reference(), c.Address, e.Err)
			return nil, e
		}
		for _, s := range seen {
			if s.address == h.address && s.how.User == h.how.User {
				return nil, routeError(to, fmt.Errorf("the way there leads in a circle: %s", describe(append(seen, h))))
			}
		}
		if seen = append(seen, h); len(seen)-1 > transport.MaxHops {
			return nil, routeError(to, fmt.Errorf("more than %d machines lead there: %s", transport.MaxHops, describe(seen)))
		}
		c = h.via
	}
	hops := make([]*hop, 0, len(seen)-1)
	for i := len(seen) - 1; i > 0; i-- {
		hops = append(hops, seen[i])
	}
	return hops, nil
}

// describe shows a way from the host back to its beginning.
func describe(hops []*hop) string {
	var names []string
	for _, h := range hops {
		names = append(names, h.how.User+"@"+h.address)
	}
	return strings.Join(names, " through ")
}

func routeError(h *hop, err error) error {
	return &transport.Error{
		Kind: transport.ErrUnreachable, Doing: h.doing(), Err: err,
		Hint: "correct via or proxy_jump of the connections, or ProxyJump of the SSH configuration",
	}
}
