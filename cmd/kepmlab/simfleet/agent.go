package simfleet

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/kepmctl/kepmctl/cmd/kepmlab/standin"
)

// The agent's ports: HTTPS and its broker. The plain one is asked nothing.
const (
	httpsPort  = 6889
	brokerPort = 8675
)

// An agent answers on the ports of all hosts, with one certificate.
type agent struct{ tls *tls.Config }

func newAgent(now time.Time) (*agent, error) {
	certificate, err := standin.SelfSigned(now, 0)
	if err != nil {
		return nil, fmt.Errorf("make the agents' certificate: %w", err)
	}
	return &agent{&tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12, SessionTicketsDisabled: true}}, nil
}

// forward answers a request to be connected with a port of the host.
func (f *Fleet) forward(n ssh.NewChannel, h *host) {
	var to struct {
		Host string
		Port uint32
		From string
		By   uint32
	}
	h.mu.Lock()
	h.advance(time.Now())
	active, effective := h.now.active, h.effective
	h.mu.Unlock()
	if ssh.Unmarshal(n.ExtraData(), &to) != nil || !active || (to.Port != httpsPort && to.Port != brokerPort) {
		_ = n.Reject(ssh.ConnectionFailed, "Connection refused")
		return
	}
	ch, requests, err := n.Accept()
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	defer ch.Close()
	c := tls.Server(channelConn{ch}, f.agent.tls)
	if c.Handshake() != nil {
		return
	}
	if to.Port == httpsPort {
		answer(c, effective)
		return
	}
	_, _ = io.Copy(io.Discard, c) // the broker waits for its client to speak
}

// answer is one request's answer, as the agent would give it.
func answer(c io.ReadWriter, allowedHosts string) {
	r, err := http.ReadRequest(bufio.NewReader(c))
	if err != nil {
		return
	}
	code, body := http.StatusForbidden, []byte("Forbidden")
	switch {
	case r.URL.Path == "/health":
		code, body = http.StatusOK, []byte(`{"status":"healthy"}`)
	case !standin.HostAllowed(allowedHosts, r.Host):
		code, body = http.StatusBadRequest, []byte("Bad Request - Invalid Hostname")
	case r.URL.Path == "/":
		code, body = http.StatusOK, []byte("Keeper Endpoint Privilege Manager\n")
	case r.URL.Path == "/api/system/status":
		code = http.StatusOK
		body, _ = json.Marshal(map[string]any{"status": "running", "plugins": 2, "jobs": 1})
	}
	fmt.Fprintf(c, "HTTP/1.1 %d %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", code, http.StatusText(code), len(body), body)
}

// channelConn makes a net.Conn of a channel, which has no addresses and no deadlines.
type channelConn struct{ ssh.Channel }

func (channelConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (channelConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (channelConn) SetDeadline(time.Time) error      { return nil }
func (channelConn) SetReadDeadline(time.Time) error  { return nil }
func (channelConn) SetWriteDeadline(time.Time) error { return nil }
