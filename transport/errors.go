package transport

import (
	"errors"
	"fmt"
	"strings"
)

// The closed list of reasons for which a host did not do what was asked.
// Reports group hosts by it.
var (
	ErrUnreachable = errors.New("unreachable")           // no TCP connection, or it broke
	ErrAuth        = errors.New("authentication failed") // no method was accepted
	ErrHostKey     = errors.New("host key not trusted")  // unknown or changed
	ErrElevate     = errors.New("elevation failed")      // become did not give root
	ErrTimeout     = errors.New("timed out")             // a limit of the connection passed
	ErrProtocol    = errors.New("unexpected answer")     // what came back is not ours
	ErrNoTunnel    = errors.New("forwarding refused")    // the server forbids direct-tcpip
)

// An Error says what was being done, to what, why it failed, and what to do.
type Error struct {
	Kind  error  // one of the list above
	Doing string // "dial 10.0.0.1:22"
	Err   error  // the cause; may be nil
	Hint  string // what the reader can do; may be empty
}

func (e *Error) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("%s: %s", e.Doing, e.Kind)
	}
	cause := strings.TrimPrefix(e.Err.Error(), e.Kind.Error()+": ") // said once
	return fmt.Sprintf("%s: %s: %s", e.Doing, e.Kind, cause)
}

// Unwrap lets errors.Is find both the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

// Hint returns the advice that the first Error in err's chain carries.
func Hint(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Hint
	}
	return ""
}

// Kind is the name of the reason in err's chain, for grouping: the text of one of
// the list above, or "failed".
func Kind(err error) string {
	for _, kind := range []error{ErrUnreachable, ErrAuth, ErrHostKey, ErrElevate, ErrTimeout, ErrProtocol, ErrNoTunnel} {
		if errors.Is(err, kind) {
			return kind.Error()
		}
	}
	return "failed"
}
