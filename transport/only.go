package transport

import (
	"context"
	"fmt"
	"net"
	"slices"
)

// Only is a dialer whose connections run the scripts of these names and no others:
// what is refused is never sent.
func Only(d Dialer, scripts ...string) Dialer { return restricted{d, scripts} }

type restricted struct {
	next    Dialer
	scripts []string
}

func (r restricted) Dial(ctx context.Context, h Host) (Conn, error) {
	c, err := r.next.Dial(ctx, h)
	if err != nil {
		return nil, err
	}
	only := restrictedConn{c, r.scripts}
	if tunneler, ok := c.(Tunneler); ok {
		return restrictedTunnel{only, tunneler}, nil
	}
	return only, nil
}

type restrictedConn struct {
	Conn
	scripts []string
}

func (c restrictedConn) Run(ctx context.Context, s Script) (Output, error) {
	if !slices.Contains(c.scripts, s.Name) {
		return Output{}, fmt.Errorf("run %s: this command only looks at hosts", s.Name)
	}
	return c.Conn.Run(ctx, s)
}

// restrictedTunnel is a restrictedConn that reaches loopback ports, as what it wraps does.
type restrictedTunnel struct {
	restrictedConn
	tunneler Tunneler
}

func (c restrictedTunnel) DialLoopback(ctx context.Context, port int) (net.Conn, error) {
	return c.tunneler.DialLoopback(ctx, port)
}
