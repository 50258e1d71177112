package ssh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/kepmctl/kepmctl/transport"
)

// failurePause is how long a bastion that could not be reached is not dialled
// again: all who come until then get the same answer.
const failurePause = 5 * time.Second

// A way is a machine that leads to others, and the way to it.
type way struct {
	host string
	how  transport.Connection // as configured, without its Via
	via  *bastion
}

// A bastion is one login that all hosts behind it share: dialled when the first
// of them comes, and again when it broke. No host closes it; the Dialer does.
type bastion struct {
	dialer *Dialer
	hop    *hop
	via    *bastion // nil: reached directly

	mu       sync.Mutex
	client   *ssh.Client // nil: none, or it broke
	flight   *flight     // nil: nobody is dialling
	failed   error       // the last dial; nil: it succeeded
	failedAt time.Time
	closed   bool
}

// A flight is a dial under way that many may wait for.
type flight struct {
	done   chan struct{}
	cancel context.CancelFunc
	client *ssh.Client
	err    error
}

// String names the bastion in an error: "connection.ssh.jump (bastion:22)".
func (b *bastion) String() string {
	return fmt.Sprintf("%s (%s)", b.hop.how.Reference(), b.hop.address)
}

// login is the shared login. It waits until ctx ends, at most; the dial itself
// goes on for the others, within the bastion's own connect_timeout.
func (b *bastion) login(ctx context.Context) (*ssh.Client, error) {
	b.mu.Lock()
	switch {
	case b.closed:
		b.mu.Unlock()
		return nil, net.ErrClosed
	case b.client != nil:
		defer b.mu.Unlock()
		return b.client, nil
	case b.flight == nil && b.failed != nil && time.Since(b.failedAt) < failurePause:
		defer b.mu.Unlock()
		return nil, b.failed
	case b.flight == nil:
		free, cancel := context.WithCancel(context.WithoutCancel(ctx))
		b.flight = &flight{done: make(chan struct{}), cancel: cancel}
		go b.dial(free, b.flight)
	}
	f := b.flight
	b.mu.Unlock()
	select {
	case <-f.done:
		return f.client, f.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (b *bastion) dial(ctx context.Context, f *flight) {
	defer f.cancel()
	client, _, err := b.dialer.reach(ctx, b.hop, b.via)
	b.mu.Lock()
	f.client, f.err = client, err
	b.flight, b.client, b.failed, b.failedAt = nil, client, err, time.Now()
	b.mu.Unlock()
	close(f.done)
	if client != nil {
		feel(client, b.dialer.KeepAlive)
		_ = client.Wait()
		b.forget(client)
	}
}

// forget makes the next host dial again.
func (b *bastion) forget(broken *ssh.Client) {
	_ = broken.Close()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.client == broken {
		b.client = nil
	}
}

// close ends the login for good, and waits for a dial under way.
func (b *bastion) close() {
	b.mu.Lock()
	b.closed = true
	f := b.flight
	if f != nil {
		f.cancel()
	}
	b.mu.Unlock()
	if f != nil {
		<-f.done
	}
	b.mu.Lock()
	client := b.client
	b.mu.Unlock()
	if client != nil {
		b.forget(client)
	}
}

// dialFrom connects to a machine from the bastion. A login that turns out to be
// broken is made anew, once.
func (b *bastion) dialFrom(ctx context.Context, network, address string) (net.Conn, error) {
	for again := true; ; again = false {
		client, err := b.login(ctx)
		if err != nil {
			return nil, b.through(address, err)
		}
		far, err := client.DialContext(ctx, network, address)
		if err == nil {
			return withDeadlines(far), nil
		}
		if _, refused := errors.AsType[*ssh.OpenChannelError](err); refused || ctx.Err() != nil || !again {
			return nil, b.refusal(ctx, address, err)
		}
		b.forget(client)
	}
}

// inBetween begins the advice for a machine that is not the host itself.
const inBetween = "on the way there: "

// through gives an error of the bastion's to a host behind it.
func (b *bastion) through(address string, err error) error {
	e, ok := errors.AsType[*transport.Error](err)
	if !ok {
		return &transport.Error{
			Kind: transport.ErrUnreachable, Doing: "dial " + address, Err: fmt.Errorf("through %s: %w", b, err),
			Hint: "see whether that machine answers in time",
		}
	}
	cause := e.Err
	if cause == nil {
		cause = e.Kind
	}
	hint := e.Hint
	if hint != "" && !strings.HasPrefix(hint, inBetween) {
		hint = inBetween + hint
	}
	return &transport.Error{Kind: e.Kind, Doing: "dial " + address, Err: fmt.Errorf("through %s: %w", b, cause), Hint: hint}
}

// refusal says why the bastion did not connect to a machine (RFC 4254, 5.1).
func (b *bastion) refusal(ctx context.Context, address string, err error) error {
	e := &transport.Error{Kind: transport.ErrUnreachable, Doing: "dial " + address}
	refusal, ok := errors.AsType[*ssh.OpenChannelError](err)
	host, port, _ := net.SplitHostPort(address)
	switch {
	case ctx.Err() != nil:
		e.Err, e.Hint = errors.New("it did not connect in time"), "check the address and the port as seen from that machine, and what filters in between"
	case !ok:
		e.Err, e.Hint = errors.New("connection lost: "+printable(err.Error())), "see whether that machine is up"
	case refusal.Reason == ssh.Prohibited:
		e.Kind, e.Err = transport.ErrNoTunnel, errors.New("it does not forward there: "+printable(refusal.Message))
		e.Hint = fmt.Sprintf("in sshd_config of that machine: AllowTcpForwarding local, and PermitOpen %s:%s if there is a PermitOpen; "+
			"in its authorized_keys no restrict, no-port-forwarding", host, port)
	case refusal.Reason == ssh.ConnectionFailed:
		e.Err = errors.New("it cannot connect: " + printable(refusal.Message))
		e.Hint = "check the address and the port as seen from that machine, and what filters in between"
	case refusal.Reason == ssh.UnknownChannelType:
		e.Kind, e.Err = transport.ErrNoTunnel, errors.New("it cannot forward (direct-tcpip is unknown to it)")
		e.Hint = "jump through an OpenSSH server"
	default:
		e.Err = errors.New("it has no room for one more connection: " + printable(refusal.Message))
		e.Hint = "lower --parallelism, or raise that machine's limits"
	}
	e.Err = fmt.Errorf("through %s: %w", b, e.Err)
	return e
}
