package ssh

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/kepmctl/kepmctl/transport"
	"github.com/kepmctl/kepmctl/transport/shell"
)

// quoteLimit is how many bytes of a host's words an error repeats.
const quoteLimit = 200

var (
	errRefused    = errors.New("the password was refused")
	errNoPassword = errors.New("sudo asks for a password, and none is configured")
)

// A beginning is a shell that is being started. While sudo asks for the password
// on standard error it answers, once: a second question means that the first
// answer was wrong, and each further one may lock the account.
type beginning struct {
	conn  *conn
	sudo  bool
	token string
	stdin io.Writer

	prompt   string
	password string // once written; to keep it out of messages
	answered bool
	heard    int    // how much of said was looked at
	said     []byte // standard error so far
}

// commandLine is what starts the shell. Nothing of it is secret.
func (b *beginning) commandLine() string {
	if !b.sudo {
		return shell.Bootstrap(b.token)
	}
	b.prompt = "KEPM-" + shell.Token() + ":"
	return shell.Sudo(b.prompt, b.token)
}

// hear is called with all of standard error whenever it grew. A program that
// repeats its command line shows the prompt too, but does not stop after it.
func (b *beginning) hear(said []byte) error {
	b.said = said
	if !b.sudo || !bytes.HasSuffix(said[b.heard:], []byte(b.prompt)) {
		return nil
	}
	b.heard = len(said)
	if b.answered {
		return errRefused
	}
	b.answered = true
	ref := b.conn.how.BecomePassword
	if ref.IsZero() || b.conn.secrets == nil {
		return errNoPassword
	}
	password, err := b.conn.secrets(ref)
	if err != nil {
		return err
	}
	if password == "" || strings.ContainsAny(password, "\n\x00") {
		return fmt.Errorf("%s is empty, or has a line break or NUL, so it is no password", ref)
	}
	b.password = password
	if _, err := io.WriteString(b.stdin, password+"\n"); err != nil {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// explain gives a shell that did not start its kind.
func (b *beginning) explain(ctx context.Context, err error, channel *ssh.Session) error {
	doing := "start a shell on " + b.conn.address
	kind := transport.ErrProtocol
	if b.sudo {
		doing, kind = "elevate on "+b.conn.address, transport.ErrElevate
	}
	e := &transport.Error{Kind: kind, Doing: doing, Err: err}
	status, over := 0, errors.Is(err, io.ErrUnexpectedEOF) && ctx.Err() == nil
	if over {
		status = exitStatus(channel)
	}
	switch {
	case cancelled(ctx):
		return fmt.Errorf("%s: %w", doing, context.Canceled)
	case timedOut(ctx) && b.sudo:
		e.Err = fmt.Errorf("%w: sudo did not end within %s%s", transport.ErrTimeout, b.conn.how.ConnectTimeout, b.words())
		e.Hint = "something holds sudo up (a name service, the agent's policy, a second factor); try it by hand"
	case timedOut(ctx):
		e.Kind, e.Err = transport.ErrTimeout, fmt.Errorf("the login's shell did not start within %s%s", b.conn.how.ConnectTimeout, b.words())
	case over && status == noStatus:
		e.Kind, e.Err = transport.ErrUnreachable, errors.New("connection lost"+b.conn.pulse.reason())
	case over && b.sudo:
		e.Hint, e.Err = b.refusal(status)
	case over:
		e.Err, e.Hint = fmt.Errorf("the login ended at once%s", b.words()), "the account needs a POSIX shell and no forced command"
	case errors.Is(err, errRefused):
		e.Hint = "check become_password; it is not tried again, so that the account is not locked"
	case errors.Is(err, errNoPassword):
		e.Hint = "set become_password"
	}
	return e
}

// noStatus stands for the exit status of a command whose connection ended first.
const noStatus = -1

func exitStatus(channel *ssh.Session) int {
	err := channel.Wait()
	if exit, ok := errors.AsType[*ssh.ExitError](err); ok {
		return exit.ExitStatus()
	}
	if err != nil {
		return noStatus
	}
	return 0
}

// refusal is what to do, and why sudo ended without starting a shell. The texts are those of
// sudo 1.9 (plugins/sudoers, src/), of shells, and of the agent, which puts
// itself in sudo's place.
func (b *beginning) refusal(status int) (hint string, cause error) {
	if status == 127 { // as env and every shell say it
		return `install sudo, or log in as root with become = "none"`, errors.New("there is no sudo" + b.words())
	}
	reasons := []struct{ text, cause, hint string }{
		{"keepersudo", "the agent intercepts sudo", "let the agent's policy allow sudo for this login, or log in as root"},
		{"must have a tty", "sudo wants a terminal", "exempt the login in sudoers: Defaults:LOGIN !requiretty"},
		{"terminal is required", "sudo wants a terminal", "set become_password"},
		{"not in the sudoers file", "sudo does not know the login", "allow the login in sudoers"},
		{"not allowed to execute", "sudo does not allow the login to run sh", "allow the login to run sh as root in sudoers"},
		{"may not run sudo", "sudo does not allow the login", "allow the login in sudoers"},
		{"incorrect password", errRefused.Error(), "check become_password"},
	}
	for _, r := range reasons {
		if bytes.Contains(b.said, []byte(r.text)) {
			return r.hint, errors.New(r.cause + b.words())
		}
	}
	return "run sudo by hand as this login", errors.New("sudo ended without a shell" + b.words())
}

// words is what the host said, fit for the end of a message.
func (b *beginning) words() string {
	said := string(b.said)
	if b.prompt != "" {
		said = strings.ReplaceAll(said, b.prompt, "")
	}
	if b.password != "" {
		said = strings.ReplaceAll(said, b.password, "(secret)")
	}
	said = strings.TrimSpace(said)
	if said == "" {
		return ""
	}
	return `: "` + printable(said[max(0, len(said)-quoteLimit):]) + `"`
}

// notRoot is for an elevated script where the shell has another user's rights.
func (c *conn) notRoot(uid int) error {
	e := &transport.Error{
		Kind: transport.ErrElevate, Doing: "elevate on " + c.address,
		Err:  fmt.Errorf("the login has user id %d, not root's", uid),
		Hint: `log in as root, or set become = "sudo"`,
	}
	if c.how.Become == transport.BecomeSudo {
		e.Err = fmt.Errorf("sudo gave user id %d, not root's", uid)
		e.Hint = "let sudoers allow the login to run sh as root (runas_default)"
	}
	return e
}

// printableWhole is printable for a text of any length that only this machine's
// files had a part in.
func printableWhole(text string) string {
	q := strconv.Quote(text)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}

// printable is text that a host had a part in, without anything that a terminal
// would obey, and not longer than quoteLimit bytes before escaping.
func printable(text string) string {
	q := strconv.Quote(text[:min(len(text), quoteLimit)])
	return q[1 : len(q)-1]
}
