package transport

import (
	"context"
	"log/slog"
	"net"
	"time"
)

// Trace logs what goes through a dialer's connections: who is dialled, which scripts
// run, how long they take and how they end. What scripts say, take or are is never
// logged.
func Trace(d Dialer, log *slog.Logger, now func() time.Time) Dialer {
	return tracer{d, log, now}
}

type tracer struct {
	next Dialer
	log  *slog.Logger
	now  func() time.Time
}

func (t tracer) Dial(ctx context.Context, h Host) (Conn, error) {
	log := t.log.With("host", h.Name)
	log.Debug("dial", "address", h.Address, "port", h.Port, "connection", h.Connection.Reference())
	begun := t.now()
	c, err := t.next.Dial(ctx, h)
	took := t.now().Sub(begun)
	if err != nil {
		log.Warn("not dialled", "took", took, "kind", Kind(err), "error", err)
		return nil, err
	}
	log.Info("dialled", "took", took, "key", c.Peer().HostKey, "user", c.Peer().User)
	traced := tracedConn{c, log, t.now}
	if tunneler, ok := c.(Tunneler); ok {
		return tracedTunnel{traced, tunneler}, nil
	}
	return traced, nil
}

type tracedConn struct {
	Conn
	log *slog.Logger
	now func() time.Time
}

func (c tracedConn) Run(ctx context.Context, s Script) (Output, error) {
	c.log.Debug("run", "script", s.Name, "elevate", s.Elevate, "stdin_bytes", len(s.Stdin))
	begun := c.now()
	out, err := c.Conn.Run(ctx, s)
	if err != nil {
		c.log.Warn("not run to its end", "script", s.Name, "took", c.now().Sub(begun), "kind", Kind(err), "error", err)
		return out, err
	}
	c.log.Info("ran", "script", s.Name, "took", out.Took, "exit", out.Exit, "stdout_bytes", len(out.Stdout), "stderr_bytes", len(out.Stderr))
	return out, nil
}

func (c tracedConn) Close() error {
	c.log.Debug("hang up")
	return c.Conn.Close()
}

// tracedTunnel is a tracedConn that reaches loopback ports, as what it wraps does.
type tracedTunnel struct {
	tracedConn
	tunneler Tunneler
}

func (c tracedTunnel) DialLoopback(ctx context.Context, port int) (net.Conn, error) {
	conn, err := c.tunneler.DialLoopback(ctx, port)
	if err != nil {
		c.log.Debug("loopback not reached", "port", port, "kind", Kind(err), "error", err)
	} else {
		c.log.Debug("loopback reached", "port", port)
	}
	return conn, err
}
