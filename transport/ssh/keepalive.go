package ssh

import (
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	defaultKeepAlive = 10 * time.Second
	unansweredMax    = 3 // intervals; with the default a silent peer is noticed within 40 s
)

// A pulse asks a peer for a sign of life, as OpenSSH's ServerAliveInterval does,
// and ends the connection when there is none: TCP alone would wait for a quarter
// of an hour.
type pulse struct {
	client *ssh.Client
	every  time.Duration
	silent atomic.Bool
}

// feel begins to ask. It ends with the connection.
func feel(client *ssh.Client, every time.Duration) *pulse {
	p := &pulse{client: client, every: orDefault(every, defaultKeepAlive)}
	ended := make(chan struct{})
	go func() {
		_ = client.Wait()
		close(ended)
	}()
	go p.ask(ended)
	return p
}

func (p *pulse) ask(ended <-chan struct{}) {
	ticker := time.NewTicker(p.every)
	defer ticker.Stop()
	answered := make(chan struct{}, 1)
	waiting := 0 // intervals since the question that is open; 0: none is
	for {
		select {
		case <-ended:
			return
		case <-answered:
			waiting = 0
		case <-ticker.C:
			if waiting++; waiting == 1 {
				go func() { // any answer is one, a refusal too
					_, _, _ = p.client.SendRequest("keepalive@openssh.com", true, nil)
					answered <- struct{}{}
				}()
			}
			if waiting > unansweredMax {
				p.silent.Store(true)
				_ = p.client.Close()
				return
			}
		}
	}
}

// reason completes "connection lost", if the peer fell silent.
func (p *pulse) reason() string {
	if !p.silent.Load() {
		return ""
	}
	return fmt.Sprintf(" (no sign of life for %s)", unansweredMax*p.every)
}
