// Package ssh reaches a host over SSH, through others if need be: plainly, or as
// root by sudo or the agent's own means.
package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/kepmctl/kepmctl/transport"
)

const (
	defaultPort           = 22
	defaultConnectTimeout = 10 * time.Second
	defaultCommandTimeout = 2 * time.Minute

	// A server that has too many logins under way drops the next ones at random
	// (sshd_config: MaxStartups). Only that is tried again.
	dialAttempts = 3
	firstBackoff = 200 * time.Millisecond
)

// A Dialer opens SSH connections. It may be used by many goroutines; what it
// read of known_hosts and of key files is kept for its life.
type Dialer struct {
	Secrets     transport.Secrets // keys, passphrases and passwords; nil: there are none
	AgentSocket string            // of the SSH agent; empty: there is none
	Home        string            // for "~" and the default files below .ssh
	Dir         string            // for relative paths of a connection; empty: the working directory
	User        string            // for connections that name no user
	ConfigFile  string            // the user's own ssh_config, asked where a connection is silent; empty: none
	Now         func() time.Time  // for the validity of certificates; nil: time.Now
	KeepAlive   time.Duration     // between two questions for a sign of life; 0: 10 s. After three unanswered ones a connection is lost
	// NetDial opens the TCP connection; nil: directly.
	NetDial func(ctx context.Context, network, address string) (net.Conn, error)

	known        cache[string, *knownHosts]
	keys         cache[keySource, ssh.Signer]
	certificates cache[string, *ssh.Certificate]
	configs      cache[string, []directive]
	breaker      breaker

	mu       sync.Mutex
	bastions map[way]*bastion
	closed   bool
}

// Close ends the connections to the machines that lead to others, and with them
// those of the hosts behind. No host behind them can be dialled any more.
func (d *Dialer) Close() error {
	d.mu.Lock()
	d.closed = true
	all := slices.Collect(maps.Values(d.bastions))
	d.mu.Unlock()
	for _, b := range all {
		b.close()
	}
	return nil
}

func (d *Dialer) now() time.Time {
	if d.Now == nil {
		return time.Now()
	}
	return d.Now()
}

func (d *Dialer) netDial(ctx context.Context, network, address string) (net.Conn, error) {
	if d.NetDial != nil {
		return d.NetDial(ctx, network, address)
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}

// Dial connects and logs in, all within the connection's connect_timeout; what
// the machines in between take is within their own. The kinds of its errors are
// transport.ErrUnreachable, ErrTimeout, ErrHostKey, ErrAuth, ErrNoTunnel (a machine
// in between does not forward) and ErrProtocol; when ctx is cancelled, it is ctx's
// own error.
func (d *Dialer) Dial(ctx context.Context, h transport.Host) (transport.Conn, error) {
	hop, err := d.settle(h.Connection, h.Address, h.Address == h.Name, h.Port)
	if err != nil {
		return nil, err
	}
	via, err := d.bastion(hop)
	if err != nil {
		return nil, err
	}
	client, key, err := d.reach(ctx, hop, via)
	if err != nil {
		return nil, err
	}
	return newConn(d, client, hop, via, key), nil
}

// reach dials and logs in on a hop, and returns its host key too. Its limit does
// not count the time that those before it take, who have limits of their own.
func (d *Dialer) reach(ctx context.Context, h *hop, via *bastion) (*ssh.Client, string, error) {
	ctx, patience, end := withPatience(ctx, h.how.ConnectTimeout)
	defer end()
	trust, err := d.trust(h)
	if err != nil {
		return nil, "", err
	}
	login, err := d.login(ctx, h)
	if err != nil {
		return nil, "", err
	}
	defer login.close()
	a := attempt{
		hop: h, trust: trust, netDial: d.netDial,
		proof: func() *proof {
			return &proof{ctx: ctx, patience: patience, hop: h, login: login, breaker: &d.breaker, secrets: d.Secrets}
		},
	}
	if via != nil {
		a.netDial = via.dialFrom
		if err := patience.hold(func() error { _, err := via.login(ctx); return err }); err != nil {
			return nil, "", a.explain(ctx, via.through(h.address, err))
		}
	}
	client, err := a.dialPatiently(ctx)
	if err != nil {
		return nil, "", err
	}
	return client, *trust.seen.Load(), nil
}

// An attempt is all that is needed to dial one machine.
type attempt struct {
	hop     *hop
	trust   *trust
	proof   func() *proof // a fresh one for each connection
	netDial func(ctx context.Context, network, address string) (net.Conn, error)

	connected bool // by TCP, the last time
}

// dialPatiently dials again when the server dropped the connection before it
// showed its key: nothing was asked of the host by then.
func (a *attempt) dialPatiently(ctx context.Context) (*ssh.Client, error) {
	backoff := firstBackoff
	for n := 1; ; n++ {
		client, err := a.dialOnce(ctx)
		if err == nil {
			return client, nil
		}
		if n == dialAttempts || !dropped(err) || a.trust.seen.Load() != nil || !sleep(ctx, backoff) {
			return nil, a.explain(ctx, err)
		}
		backoff *= 3
	}
}

func (a *attempt) dialOnce(ctx context.Context) (*ssh.Client, error) {
	nc, err := a.netDial(ctx, "tcp", a.hop.address)
	a.connected = err == nil
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = nc.Close() })
	defer stop()
	p := a.proof()
	wire := &wire{Conn: nc}
	p.lost = wire.lost.Load
	sc, channels, requests, err := ssh.NewClientConn(wire, a.trust.address, &ssh.ClientConfig{
		User:              a.hop.how.User,
		AuthCallback:      p.next,
		HostKeyCallback:   a.trust.check,
		HostKeyAlgorithms: a.trust.algorithms(),
		ClientVersion:     "SSH-2.0-kepmctl",
	})
	if err != nil {
		_ = nc.Close()
		return nil, p.ended(err)
	}
	p.judged(accepted)
	client := ssh.NewClient(sc, channels, requests)
	if !stop() {
		_ = client.Close()
		return nil, ctx.Err()
	}
	return client, nil
}

// A wire remembers that its connection broke: the SSH library takes that, in the
// middle of a login, for a method that was refused.
type wire struct {
	net.Conn
	lost atomic.Bool
}

func (w *wire) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if err != nil {
		w.lost.Store(true)
	}
	return n, err
}

func (w *wire) Write(b []byte) (int, error) {
	n, err := w.Conn.Write(b)
	if err != nil {
		w.lost.Store(true)
	}
	return n, err
}

// dropped says whether the other side hung up.
func dropped(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// isNegotiation says whether the two sides have no algorithm in common.
func isNegotiation(err error) bool {
	_, ok := errors.AsType[*ssh.AlgorithmNegotiationError](err)
	return ok
}

// sleep waits for about d, and says whether ctx allows to go on.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d/2 + rand.N(d))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// explain gives a failed dial its kind.
func (a *attempt) explain(ctx context.Context, err error) error {
	known, isKnown := errors.AsType[*transport.Error](err)
	e := &transport.Error{Kind: transport.ErrProtocol, Doing: a.hop.doing(), Err: errors.New(printable(err.Error()))}
	switch {
	case cancelled(ctx):
		return fmt.Errorf("%s: %w", a.hop.doing(), context.Canceled)
	case isKnown:
		return known
	case !a.connected && !dropped(err):
		e.Kind, e.Err = transport.ErrUnreachable, err
		if timedOut(ctx) {
			e.Err = fmt.Errorf("no answer within %s", a.hop.how.ConnectTimeout)
		}
		e.Hint = "check the address, the port, and that nothing on the way filters it"
	case timedOut(ctx):
		e.Kind, e.Err = transport.ErrTimeout, fmt.Errorf("connected, but not logged in within %s", a.hop.how.ConnectTimeout)
		e.Hint = "the host or its name service may be overloaded; raise connect_timeout"
	case isNegotiation(err):
		e.Hint = "the server offers only algorithms that are not safe any more: update it"
	case dropped(err):
		e.Kind, e.Err = transport.ErrUnreachable, errors.New("the server hung up during the handshake")
		e.Hint = "the server may refuse this address, or have too many logins under way (MaxStartups)"
	}
	return e
}
