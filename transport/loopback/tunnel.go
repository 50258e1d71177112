package loopback

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"

	"github.com/kepmctl/kepmctl/transport"
)

// throughTunnel fills in an answer. Its error is transport.ErrNoTunnel, or nil.
func throughTunnel(ctx context.Context, t transport.Tunneler, a *transport.Answer) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	names := hosts(a.Question)
	if len(names) == 0 {
		_, err := visit(ctx, t, a, "")
		return err
	}
	for _, name := range names {
		if more, err := visit(ctx, t, a, name); !more || err != nil {
			return err
		}
	}
	return nil
}

// visit makes one connection, and sends one request if there is a host name. It
// says whether the next one is worth a try.
func visit(ctx context.Context, t transport.Tunneler, a *transport.Answer, name string) (more bool, err error) {
	c, err := t.DialLoopback(ctx, a.Question.Port)
	switch {
	case errors.Is(err, transport.ErrNoTunnel):
		return false, err
	case refused(err) && len(a.Replies) == 0:
		a.Refused = true
		return false, nil
	case err != nil:
		a.Unknown = reason(ctx, err)
		return false, nil
	}
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	defer func() { _ = c.Close() }()
	stream := c
	if a.Question.TLSMax != 0 {
		if stream = handshake(ctx, t, a, c); stream == nil {
			return false, nil
		}
	}
	if name == "" {
		return false, nil
	}
	reply, err := get(stream, a.Question.Path, name)
	if err != nil && ctx.Err() != nil {
		a.Unknown = reason(ctx, err)
		return false, nil
	}
	a.Replies = append(a.Replies, reply)
	return true, nil
}

// reason is why no answer came.
func reason(ctx context.Context, err error) string {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Sprintf("no answer within %s", patience)
	}
	return err.Error()
}

// handshake fills in the TLS part of an answer, and returns the connection, or
// nil without one. Everything is offered, the weakest too: only so a refusal is
// the service's own. The certificate is for the reader of the answer to judge.
func handshake(ctx context.Context, t transport.Tunneler, a *transport.Answer, c net.Conn) net.Conn {
	secured := tls.Client(c, &tls.Config{
		InsecureSkipVerify: true,
		MinVersion:         a.Question.TLSMin,
		MaxVersion:         a.Question.TLSMax,
		CipherSuites:       allSuites(),
		// Nothing is kept secret by it, and all of it lies inside SSH: no post-quantum
		// exchange, which would double the cost.
		CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521},
	})
	err := secured.HandshakeContext(ctx)
	if err == nil {
		state := secured.ConnectionState()
		a.TLS, a.TLSVersion, a.TLSError = true, state.Version, ""
		a.Certificates = nil
		for _, certificate := range state.PeerCertificates {
			a.Certificates = append(a.Certificates, certificate.Raw)
		}
		return secured
	}
	switch {
	case ctx.Err() != nil:
		a.Unknown = reason(ctx, err)
	case declined(err) && reachable(ctx, t, a.Question.Port):
		a.TLSError = err.Error()
	default:
		a.Unknown = "the handshake was not finished: " + err.Error()
	}
	return nil
}

// declined says whether it was the service that ended a handshake: by an alert,
// by hanging up, by answering with a version that was not offered, or with
// something that is no TLS.
func declined(err error) bool {
	_, alert := errors.AsType[tls.AlertError](err)
	_, noTLS := errors.AsType[tls.RecordHeaderError](err)
	remote, ok := errors.AsType[*net.OpError](err)
	return alert || noTLS || ok && remote.Op == "remote error" ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		strings.Contains(err.Error(), "server selected unsupported protocol version")
}

// reachable tells a service that hangs up from a tunnel that broke, or a service
// that just went away: both look the same from the inside of a handshake.
func reachable(ctx context.Context, t transport.Tunneler, port int) bool {
	c, err := t.DialLoopback(ctx, port)
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

func allSuites() []uint16 {
	var ids []uint16
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		ids = append(ids, suite.ID)
	}
	return ids
}

// get sends one request. Without a valid response the reply's status is 0, and
// the error says why.
func get(c io.ReadWriter, path, name string) (transport.Reply, error) {
	_, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: kepmctl\r\nAccept: */*\r\nConnection: close\r\n\r\n", path, name)
	if err != nil {
		return transport.Reply{Host: name}, err
	}
	return readReply(c, name)
}

// readReply reads the start of a response. A body that breaks off is kept as far
// as it came.
func readReply(r io.Reader, name string) (transport.Reply, error) {
	reply := transport.Reply{Host: name}
	response, err := http.ReadResponse(bufio.NewReader(io.LimitReader(r, headerLimit+bodyLimit)), nil)
	if err != nil {
		return reply, err
	}
	defer func() { _ = response.Body.Close() }()
	reply.Status = response.StatusCode
	reply.Body, _ = io.ReadAll(io.LimitReader(response.Body, bodyLimit))
	return reply, nil
}
