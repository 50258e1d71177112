package ssh

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/kepmctl/kepmctl/transport"
)

// refusalsAllowed is how often a password that never fitted anywhere is tried.
const refusalsAllowed = 3

// A credential is a password by its reference, and the account it opens.
type credential struct {
	ref  transport.SecretRef
	user string
}

func (c credential) String() string { return fmt.Sprintf("the password %s of %s", c.ref, c.user) }

// A breaker keeps a wrong password from being tried on a whole fleet, where a
// directory would lock the account after a few refusals. Keys pass freely: a
// refused key locks nothing.
type breaker struct {
	mu       sync.Mutex
	standing map[credential]*standing
}

// A standing is what became of a credential so far.
type standing struct {
	succeeded bool
	refusedBy []string
	inFlight  int
	changed   chan struct{} // closed when something of the above did
}

// A verdict is what a host made of a password.
type verdict int

const (
	unclear verdict = iota // the connection ended first
	accepted
	refused
)

// A spentError is a credential that is not tried any more.
type spentError struct {
	credential
	by []string
}

func (e *spentError) Error() string {
	return fmt.Sprintf("%s was refused by %s, and is not tried again in this run", e.credential, strings.Join(e.by, ", "))
}

const spentHint = "accounts may lock: correct the secret, see that the account is not locked by now, and start a new run"

// enter waits for leave to try a credential, until ctx ends: before its first
// success no more tries are under way than refusals are left. Who enters calls
// leave with the verdict.
func (b *breaker) enter(ctx context.Context, c credential, host string) (leave func(verdict), err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.standing == nil {
		b.standing = map[credential]*standing{}
	}
	s := b.standing[c]
	if s == nil {
		s = &standing{changed: make(chan struct{})}
		b.standing[c] = s
	}
	for !s.succeeded && len(s.refusedBy)+s.inFlight >= refusalsAllowed {
		if len(s.refusedBy) >= refusalsAllowed {
			return nil, &spentError{c, s.refusedBy}
		}
		changed := s.changed
		b.mu.Unlock()
		select {
		case <-changed:
			err = nil
		case <-ctx.Done():
			err = fmt.Errorf("wait for the first answer to %s: %w", c, ctx.Err())
		}
		b.mu.Lock()
		if err != nil {
			return nil, err
		}
	}
	s.inFlight++
	var once sync.Once
	return func(v verdict) { once.Do(func() { b.leave(s, host, v) }) }, nil
}

func (b *breaker) leave(s *standing, host string, v verdict) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s.inFlight--
	switch v {
	case accepted:
		s.succeeded = true
	case refused:
		if len(s.refusedBy) < refusalsAllowed { // after a success they count no more
			s.refusedBy = append(s.refusedBy, host)
		}
	}
	close(s.changed)
	s.changed = make(chan struct{})
}

// isSpent says whether an error is that of a credential not tried any more.
func isSpent(err error) bool {
	_, ok := errors.AsType[*spentError](err)
	return ok
}

// secret is a password, fit to be sent as one line.
func secret(secrets transport.Secrets, ref transport.SecretRef) (string, error) {
	if secrets == nil {
		return "", fmt.Errorf("%s was not resolved", ref)
	}
	password, err := secrets(ref)
	if err != nil {
		return "", err
	}
	if password == "" || strings.ContainsAny(password, "\n\x00") {
		return "", fmt.Errorf("%s is empty, or has a line break or NUL, so it is no password", ref)
	}
	return password, nil
}
