package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"golang.org/x/crypto/ssh"

	"github.com/kepmctl/kepmctl/transport"
	"github.com/kepmctl/kepmctl/transport/shell"
)

// A conn is a login. It starts a shell per privilege when the first script needs
// it, and keeps it: elevating again may not work while the agent is down.
type conn struct {
	client  *ssh.Client
	address string // for messages
	peer    transport.Identity
	how     transport.Connection
	secrets transport.Secrets
	breaker *breaker
	close   func() error
	pulse   *pulse
	shells  map[transport.Become]*session // by what started them
}

// A session is a running shell.
type session struct {
	*shell.Session
	uid int
}

func newConn(d *Dialer, client *ssh.Client, h *hop, via *bastion, key string) *conn {
	address := h.address
	if via != nil {
		address += " through " + via.String()
	}
	return &conn{
		client: client, address: address, how: h.how, secrets: d.Secrets, breaker: &d.breaker,
		peer:   transport.Identity{HostKey: key, User: h.how.User},
		close:  sync.OnceValue(client.Close),
		pulse:  feel(client, d.KeepAlive),
		shells: map[transport.Become]*session{},
	}
}

func (c *conn) Peer() transport.Identity { return c.peer }

// Close ends the connection and everything that runs over it.
func (c *conn) Close() error { return c.close() }

// Run runs a script within the connection's command_timeout. At the end of ctx or
// of that time the connection is closed, and the shell interrupts the script when
// its input ends (a signal by SSH would not do: sshd takes none for root's
// sessions). After any other error the connection is still good.
func (c *conn) Run(ctx context.Context, s transport.Script) (transport.Output, error) {
	ctx, cancel := context.WithTimeout(ctx, c.how.CommandTimeout)
	defer cancel()
	doing := fmt.Sprintf("run %s on %s", s.Name, c.address)
	if ctx.Err() != nil {
		return transport.Output{}, fmt.Errorf("%s: %w", doing, ctx.Err())
	}
	sh, err := c.shell(ctx, s.Elevate)
	if err != nil {
		return transport.Output{}, err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.close() })
	defer stop()
	out, err := sh.Run(s)
	if err == nil {
		return out, nil
	}
	if errors.Is(err, shell.ErrScript) {
		return transport.Output{}, fmt.Errorf("%s: %w", doing, err)
	}
	sh.Close()
	delete(c.shells, c.means(s.Elevate))
	return transport.Output{}, c.runError(ctx, doing, s.Name, err)
}

// runError gives a failed run its kind.
func (c *conn) runError(ctx context.Context, doing, script string, err error) error {
	e := &transport.Error{Kind: transport.ErrProtocol, Doing: doing, Err: err}
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return fmt.Errorf("%s: %w", doing, context.Canceled)
	case ctx.Err() != nil:
		e.Kind, e.Err = transport.ErrTimeout, fmt.Errorf("no end within %s", c.how.CommandTimeout)
		e.Hint = "raise command_timeout"
	case errors.Is(err, io.ErrUnexpectedEOF):
		e.Kind, e.Err = transport.ErrUnreachable, fmt.Errorf("connection lost while running %s, which may have run in part%s", script, c.pulse.reason())
	}
	return e
}

// means is what a script is started by: nothing but the login, or what gives the
// rights of root.
func (c *conn) means(elevate bool) transport.Become {
	switch become := c.how.Become; become {
	case transport.BecomeSudo, transport.BecomeKeeperSudo, transport.BecomeKeeperAgent:
		if elevate {
			return become
		}
	}
	return transport.BecomeNone
}

// shell is the running shell with the rights asked for, started if need be.
func (c *conn) shell(ctx context.Context, elevate bool) (*session, error) {
	means := c.means(elevate)
	sh, ok := c.shells[means]
	if !ok {
		var err error
		if sh, err = c.start(ctx, means); err != nil {
			return nil, err
		}
		c.shells[means] = sh
	}
	if elevate && sh.uid != 0 {
		return nil, c.notRoot(sh.uid)
	}
	return sh, nil
}

// start starts a shell within connect_timeout. When that passes, the connection
// is closed: its server answers no more.
func (c *conn) start(ctx context.Context, means transport.Become) (*session, error) {
	ctx, patience, end := withPatience(ctx, c.how.ConnectTimeout)
	defer end()
	stop := context.AfterFunc(ctx, func() { _ = c.close() })
	defer stop()

	channel, err := c.client.NewSession()
	if err != nil {
		return nil, c.startError(ctx, err, "open a session")
	}
	sh := &session{Session: &shell.Session{Close: func() { _ = channel.Close() }}}
	b := &beginning{conn: c, ctx: ctx, patience: patience, token: shell.Token(), become: means}
	if err := join(sh.Session, channel, b.commandLine()); err != nil {
		sh.Close()
		return nil, c.startError(ctx, err, "start a shell")
	}
	b.stdin = sh.Stdin
	sh.uid, err = sh.Start(b.token, b.hear)
	b.judged(err)
	if err != nil {
		err = b.explain(ctx, err, channel)
		sh.Close()
		return nil, err
	}
	return sh, nil
}

// join gives a shell the channel's streams and sends the command line.
func join(s *shell.Session, channel *ssh.Session, line string) (err error) {
	if s.Stdin, err = channel.StdinPipe(); err != nil {
		return err
	}
	if s.Stdout, err = channel.StdoutPipe(); err != nil {
		return err
	}
	if s.Stderr, err = channel.StderrPipe(); err != nil {
		return err
	}
	return channel.Start(line)
}

// startError is for a server that did not even take the command line.
func (c *conn) startError(ctx context.Context, err error, doing string) error {
	doing += " on " + c.address
	e := &transport.Error{Kind: transport.ErrUnreachable, Doing: doing, Err: errors.New(printable(err.Error()))}
	_, refused := errors.AsType[*ssh.OpenChannelError](err)
	switch {
	case cancelled(ctx):
		return fmt.Errorf("%s: %w", doing, context.Canceled)
	case timedOut(ctx):
		e.Kind, e.Err = transport.ErrTimeout, fmt.Errorf("no answer within %s", c.how.ConnectTimeout)
	case refused:
		e.Kind, e.Hint = transport.ErrProtocol, "the server allows no more sessions (MaxSessions), or none at all"
	}
	return e
}
