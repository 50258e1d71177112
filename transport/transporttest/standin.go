package transporttest

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kepmctl/kepmctl/transport"
)

// An Exchange is a script that a stand-in is told to expect, and its answer. An
// empty Text stands for any.
type Exchange struct {
	Script transport.Script
	Output transport.Output
	Err    error
}

// NewConn is a connection that runs nothing: it expects exactly these scripts,
// in this order, and answers as it was told. Anything else fails the test, and
// so does, at its end, a script that did not come or a connection left open.
func NewConn(t testing.TB, peer transport.Identity, exchanges ...Exchange) transport.Conn {
	c := &standIn{t: t, peer: peer, left: exchanges}
	t.Cleanup(func() {
		for _, x := range c.left {
			t.Errorf("script %q was never run", x.Script.Name)
		}
		if !c.closed {
			t.Error("a connection was left open")
		}
	})
	return c
}

type standIn struct {
	t    testing.TB
	peer transport.Identity

	mu     sync.Mutex
	left   []Exchange
	closed bool
}

func (c *standIn) Peer() transport.Identity { return c.peer }

func (c *standIn) Run(ctx context.Context, s transport.Script) (transport.Output, error) {
	if err := ctx.Err(); err != nil {
		return transport.Output{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || len(c.left) == 0 {
		c.t.Errorf("script %q is run unexpectedly (closed: %v)", s.Name, c.closed)
		return transport.Output{}, fmt.Errorf("the stand-in was not told to expect %q", s.Name)
	}
	x := c.left[0]
	if x.Script.Text == "" {
		x.Script.Text = s.Text
	}
	if diff := cmp.Diff(x.Script, s); diff != "" {
		c.t.Errorf("another script is run than expected (-want +got):\n%s", diff)
		return transport.Output{}, fmt.Errorf("the stand-in was not told to expect this %q", s.Name)
	}
	c.left = c.left[1:]
	return x.Output, x.Err
}

func (c *standIn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	return nil
}

// A Dialled is the outcome that a stand-in dialer was told to give for a host.
type Dialled struct {
	Host string // its name
	Conn transport.Conn
	Err  error
}

// NewDialer is a dialer that expects exactly these dials: for one host in this
// order, among hosts in any. Anything else fails the test, and so does, at its
// end, a dial that did not come.
func NewDialer(t testing.TB, dials ...Dialled) transport.Dialer {
	d := &standInDialer{t: t, left: map[string][]Dialled{}}
	for _, x := range dials {
		d.left[x.Host] = append(d.left[x.Host], x)
	}
	t.Cleanup(func() {
		for host, left := range d.left {
			if len(left) > 0 {
				t.Errorf("host %q: %d expected dials did not come", host, len(left))
			}
		}
	})
	return d
}

type standInDialer struct {
	t testing.TB

	mu   sync.Mutex
	left map[string][]Dialled
}

func (d *standInDialer) Dial(ctx context.Context, h transport.Host) (transport.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	left := d.left[h.Name]
	if len(left) == 0 {
		d.t.Errorf("host %q is dialled unexpectedly", h.Name)
		return nil, fmt.Errorf("the stand-in was not told to expect a dial of %q", h.Name)
	}
	d.left[h.Name] = left[1:]
	return left[0].Conn, left[0].Err
}
