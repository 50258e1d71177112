// Package ssh reaches a host over SSH: plainly, or as root by sudo.
package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/skeema/knownhosts"
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
	Secrets     transport.Secrets // passphrases and passwords; nil: there are none
	AgentSocket string            // of the SSH agent; empty: there is none
	Home        string            // for "~" and the default files below .ssh
	User        string            // for connections that name no user
	// NetDial opens the TCP connection; nil: directly.
	NetDial func(ctx context.Context, network, address string) (net.Conn, error)

	known cache[string, *knownhosts.HostKeyDB]
	keys  cache[keyFile, ssh.Signer]
}

// Dial connects and logs in, all within the connection's connect_timeout. The
// kinds of its errors are transport.ErrUnreachable, ErrTimeout, ErrHostKey,
// ErrAuth and ErrProtocol; the end of ctx is returned as ctx's own error.
func (d *Dialer) Dial(ctx context.Context, h transport.Host) (transport.Conn, error) {
	how := h.Connection
	how.ConnectTimeout = orDefault(how.ConnectTimeout, defaultConnectTimeout)
	how.CommandTimeout = orDefault(how.CommandTimeout, defaultCommandTimeout)
	how.User = orDefault(how.User, d.User)
	port := orDefault(h.Port, orDefault(how.Port, defaultPort))
	address := net.JoinHostPort(h.Address, strconv.Itoa(port))

	ctx, cancel := context.WithTimeout(ctx, how.ConnectTimeout)
	defer cancel()
	trust, err := d.trust(how, address)
	if err != nil {
		return nil, err
	}
	login, err := d.login(ctx, how, address)
	if err != nil {
		return nil, err
	}
	defer login.close()

	a := attempt{address: address, limit: how.ConnectTimeout, trust: trust, login: login, netDial: d.NetDial}
	client, err := a.dialPatiently(ctx, how.User)
	if err != nil {
		return nil, err
	}
	return newConn(client, address, transport.Identity{HostKey: *trust.seen.Load(), User: how.User}, how, d.Secrets), nil
}

// orDefault is v, or def where v is its type's zero.
func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// path is a file of the configuration, with "~/" replaced by the home.
func (d *Dialer) path(file string) string {
	if rest, ok := strings.CutPrefix(file, "~/"); ok {
		return filepath.Join(d.Home, rest)
	}
	return file
}

// An attempt is all that is needed to dial one host.
type attempt struct {
	address string
	limit   time.Duration
	trust   *trust
	login   *login
	netDial func(ctx context.Context, network, address string) (net.Conn, error)

	connected bool // by TCP, the last time
}

func (a *attempt) doing() string { return "dial " + a.address }

// dialPatiently dials again when the server dropped the connection before it
// showed its key: nothing was asked of the host by then.
func (a *attempt) dialPatiently(ctx context.Context, user string) (*ssh.Client, error) {
	config := &ssh.ClientConfig{
		User:              user,
		Auth:              []ssh.AuthMethod{ssh.PublicKeys(a.login.signers...)},
		HostKeyCallback:   a.trust.check,
		HostKeyAlgorithms: a.trust.algorithms(a.address),
		ClientVersion:     "SSH-2.0-kepmctl",
	}
	backoff := firstBackoff
	for n := 1; ; n++ {
		client, err := a.dialOnce(ctx, config)
		if err == nil {
			return client, nil
		}
		if n == dialAttempts || !dropped(err) || a.trust.seen.Load() != nil || !sleep(ctx, backoff) {
			return nil, a.explain(ctx, err)
		}
		backoff *= 3
	}
}

func (a *attempt) dialOnce(ctx context.Context, config *ssh.ClientConfig) (*ssh.Client, error) {
	netDial := a.netDial
	if netDial == nil {
		netDial = new(net.Dialer).DialContext
	}
	nc, err := netDial(ctx, "tcp", a.address)
	a.connected = err == nil
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = nc.Close() })
	defer stop()
	sc, channels, requests, err := ssh.NewClientConn(nc, a.address, config)
	if err != nil {
		return nil, err
	}
	client := ssh.NewClient(sc, channels, requests)
	if !stop() {
		_ = client.Close()
		return nil, ctx.Err()
	}
	return client, nil
}

// dropped says whether the other side hung up.
func dropped(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
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
	text := err.Error()
	e := &transport.Error{Kind: transport.ErrProtocol, Doing: a.doing(), Err: errors.New(printable(text))}
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return fmt.Errorf("%s: %w", a.doing(), context.Canceled)
	case isKnown:
		return known
	case !a.connected && !dropped(err):
		e.Kind, e.Err = transport.ErrUnreachable, err
		e.Hint = "check the address, the port, and that nothing on the way filters it"
	case ctx.Err() != nil:
		e.Kind, e.Err = transport.ErrTimeout, fmt.Errorf("connected, but not logged in within %s", a.limit)
		e.Hint = "the host or its name service may be overloaded; raise connect_timeout"
	case strings.Contains(text, "unable to authenticate"):
		e.Kind, e.Err = transport.ErrAuth, fmt.Errorf("the server accepted none of: %s", a.login)
		e.Hint = "check the user, and that the account's authorized_keys holds the key"
	case strings.Contains(text, "Too many authentication failures"):
		e.Kind, e.Err = transport.ErrAuth, fmt.Errorf("too many keys were refused: %s", a.login)
		e.Hint = "name the one private_key_file, with agent = false"
	case dropped(err):
		e.Kind, e.Err = transport.ErrUnreachable, errors.New("the server hung up during the handshake")
		e.Hint = "the server may refuse this address, or have too many logins under way (MaxStartups)"
	}
	return e
}
