package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"syscall"

	"golang.org/x/crypto/ssh"

	"github.com/kepmctl/kepmctl/transport"
)

// DialLoopback connects to a port of the host's 127.0.0.1 through the
// connection. A server that forbids it is transport.ErrNoTunnel; a port without
// a listener is syscall.ECONNREFUSED.
func (c *conn) DialLoopback(ctx context.Context, port int) (net.Conn, error) {
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	far, err := c.client.DialContext(ctx, "tcp", address)
	if err == nil {
		return withDeadlines(far), nil
	}
	doing := fmt.Sprintf("reach %s on %s", address, c.address)
	refusal, ok := errors.AsType[*ssh.OpenChannelError](err)
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%s: %w", doing, ctx.Err())
	case !ok:
		return nil, &transport.Error{Kind: transport.ErrUnreachable, Doing: doing, Err: errors.New(printable(err.Error()))}
	case refusal.Reason == ssh.ConnectionFailed:
		return nil, fmt.Errorf("%s: %w", doing, syscall.ECONNREFUSED)
	case refusal.Reason == ssh.Prohibited, refusal.Reason == ssh.UnknownChannelType:
		return nil, &transport.Error{
			Kind: transport.ErrNoTunnel, Doing: doing, Err: errors.New(printable(refusal.Message)),
			Hint: "allow it in sshd_config: AllowTcpForwarding local, PermitOpen " + address,
		}
	}
	return nil, &transport.Error{Kind: transport.ErrProtocol, Doing: doing, Err: errors.New(printable(refusal.Message))}
}

// withDeadlines puts a pipe before a channel: a channel knows no deadlines, and
// its Close frees no reader before the server has answered. The two copies end
// with the channel, at the latest when the connection is closed.
func withDeadlines(far net.Conn) net.Conn {
	const enough = 4 << 10 // bytes at a time: what services say is short, and there are thousands of them
	near, middle := net.Pipe()
	go func() {
		_, _ = io.CopyBuffer(middle, far, make([]byte, enough))
		_ = middle.Close()
	}()
	go func() {
		_, _ = io.CopyBuffer(far, middle, make([]byte, enough))
		_ = far.Close()
	}()
	return near
}
