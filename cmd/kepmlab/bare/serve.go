package bare

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sync/errgroup"
)

// A Server is what runs on a host for as long as it is up: its services, and SSH.
type Server struct {
	In       io.Reader
	Listener *os.File
	Answer   *os.File
	Log      io.Writer
}

// Run serves until ctx ends.
func (s Server) Run(ctx context.Context) error {
	var who setup
	if err := json.NewDecoder(s.In).Decode(&who); err != nil {
		return fmt.Errorf("learn who this host is: %w", err)
	}
	listener, err := net.FileListener(s.Listener)
	if err != nil {
		return fmt.Errorf("take over the SSH port: %w", err)
	}
	config, err := serverConfig(who)
	if err != nil {
		return err
	}
	orders, err := net.Listen("unix", socketFile)
	if err != nil {
		return fmt.Errorf("take orders for services: %w", err)
	}
	m := &manager{log: s.Log, running: map[string]*running{}}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return m.serve(orders) })
	g.Go(func() error { return serveSSH(listener, config) })
	g.Go(func() error {
		err := errors.Join(m.bootAll(), answers(ctx))
		r := report{}
		if err != nil {
			r.Error = err.Error()
		}
		return errors.Join(err, json.NewEncoder(s.Answer).Encode(r), s.Answer.Close())
	})
	g.Go(func() error {
		<-ctx.Done()
		return errors.Join(orders.Close(), listener.Close())
	})
	return g.Wait()
}

// answers waits until the agent does.
func answers(ctx context.Context) error {
	for {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", agentAddress)
		if err == nil {
			return c.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the agent to answer: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// agentAddress is where the agent serves HTTPS on its host.
const agentAddress = "127.0.0.1:6889"

// serverConfig lets in who has the lab's key, and nobody else.
func serverConfig(who setup) (*ssh.ServerConfig, error) {
	key, err := ssh.ParsePrivateKey([]byte(who.Key))
	if err != nil {
		return nil, fmt.Errorf("read the host's key: %w", err)
	}
	login, _, _, _, err := ssh.ParseAuthorizedKey([]byte(who.Login))
	if err != nil {
		return nil, fmt.Errorf("read the key that may log in: %w", err)
	}
	config := &ssh.ServerConfig{
		PublicKeyCallback: func(c ssh.ConnMetadata, offered ssh.PublicKey) (*ssh.Permissions, error) {
			if c.User() != "root" || string(offered.Marshal()) != string(login.Marshal()) {
				return nil, fmt.Errorf("%q may not log in with this key", c.User())
			}
			return &ssh.Permissions{}, nil
		},
	}
	config.AddHostKey(key)
	return config, nil
}
