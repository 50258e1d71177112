package bare

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// dial logs in on a host as root.
func (l *Lab) dial(ctx context.Context, h *Host) (*ssh.Client, error) {
	b, err := os.ReadFile(l.PrivateKeyFile())
	if err != nil {
		return nil, err
	}
	signer, err := ssh.ParsePrivateKey(b)
	if err != nil {
		return nil, err
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(h.Key))
	if err != nil {
		return nil, err
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(h.Port))
	c, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("log in on %s: %w", h.Name, err)
	}
	conn, channels, requests, err := ssh.NewClientConn(c, address, &ssh.ClientConfig{
		User: "root", Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: ssh.FixedHostKey(key), Timeout: loginTime,
	})
	if err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("log in on %s: %w", h.Name, err)
	}
	return ssh.NewClient(conn, channels, requests), nil
}

// Run runs a command line on a host, as root.
func (l *Lab) Run(ctx context.Context, name, line string, in io.Reader, out, errOut io.Writer) error {
	h, err := l.Host(name)
	if err != nil {
		return err
	}
	client, err := l.dial(ctx, h)
	if err != nil {
		return err
	}
	defer client.Close()
	stop := context.AfterFunc(ctx, func() { _ = client.Close() })
	defer stop()
	session, err := client.NewSession()
	if err != nil {
		return fmt.Errorf("run a command on %s: %w", name, err)
	}
	defer session.Close()
	session.Stdin, session.Stdout, session.Stderr = in, out, errOut
	if err := session.Run(line); err != nil {
		return fmt.Errorf("run %q on %s: %w", line, name, err)
	}
	return nil
}

// Ask sends the agent of a host a request with a Host header, as a web page that was
// read on that host can, and returns its answer's status, as "200 OK".
func (l *Lab) Ask(ctx context.Context, name, header string) (string, error) {
	h, err := l.Host(name)
	if err != nil {
		return "", err
	}
	client, err := l.dial(ctx, h)
	if err != nil {
		return "", err
	}
	defer client.Close()
	browser := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return client.DialContext(ctx, "tcp", agentAddress)
		},
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, // self-signed, and asked through a tunnel into its host
		DisableKeepAlives: true,
	}}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+agentAddress+"/", nil)
	if err != nil {
		return "", err
	}
	r.Host = header
	answer, err := browser.Do(r)
	if err != nil {
		return "", fmt.Errorf("ask the agent of %s: %w", name, err)
	}
	return strings.TrimSpace(answer.Status), answer.Body.Close()
}
