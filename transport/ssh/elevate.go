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

// A questionError is what somebody would have to answer, were anybody there.
type questionError struct{ cause string }

func (e *questionError) Error() string { return e.cause }

// A beginning is a shell that is being started. While sudo asks for the password
// on standard error it answers, once: a second question means that the first
// answer was wrong, and each further one may lock the account. The agent's own
// means are never answered: what they ask is not known beforehand.
type beginning struct {
	conn     *conn
	ctx      context.Context
	patience *patience
	become   transport.Become // none: a plain shell
	token    string
	stdin    io.Writer

	prompt   string
	password string // once written; to keep it out of messages
	leave    func(verdict)
	answered bool
	heard    int    // how much of said was looked at
	said     []byte // standard error so far
	aloud    []byte // standard output so far
}

// commandLine is what starts the shell. Nothing of it is secret.
func (b *beginning) commandLine() string {
	switch b.become {
	case transport.BecomeNone:
		return shell.Bootstrap(b.token)
	case transport.BecomeSudo:
		b.prompt = "KEPM-" + shell.Token() + ":"
		return shell.Sudo(b.prompt, b.token)
	default:
		return shell.Elevated(string(b.become), b.token)
	}
}

// hear is called with all of both streams whenever one grew. A program that
// repeats its command line shows sudo's prompt too, but does not stop after it.
func (b *beginning) hear(stdout, stderr []byte) error {
	b.aloud, b.said = stdout, stderr
	switch {
	case b.byAgent():
		if asked := question(stdout, stderr); asked != "" {
			return &questionError{asked}
		}
		return nil
	case b.become != transport.BecomeSudo || len(stderr) == b.heard || !bytes.HasSuffix(stderr[b.heard:], []byte(b.prompt)):
		return nil
	}
	b.heard = len(stderr)
	if b.answered {
		return errRefused
	}
	b.answered = true
	return b.answer()
}

func (b *beginning) byAgent() bool {
	return b.become != transport.BecomeNone && b.become != transport.BecomeSudo
}

// answer sends the password, when it may be tried.
func (b *beginning) answer() error {
	c := b.conn
	ref := c.how.BecomePassword
	if ref.IsZero() || c.secrets == nil {
		return errNoPassword
	}
	password, err := secret(c.secrets, ref)
	if err != nil {
		return err
	}
	err = b.patience.hold(func() (err error) {
		b.leave, err = c.breaker.enter(b.ctx, credential{ref, c.how.User}, c.address)
		return err
	})
	if err != nil {
		return err
	}
	b.password = password
	if _, err := io.WriteString(b.stdin, password+"\n"); err != nil {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// judged tells the breaker what became of the password, if one was sent.
func (b *beginning) judged(err error) {
	if b.leave == nil {
		return
	}
	switch {
	case err == nil:
		b.leave(accepted)
	case errors.Is(err, errRefused) || bytes.Contains(b.said, []byte("incorrect password")):
		b.leave(refused)
	default:
		b.leave(unclear)
	}
}

// explain gives a shell that did not start its kind.
func (b *beginning) explain(ctx context.Context, err error, channel *ssh.Session) error {
	how := b.conn.how
	doing, kind := "start a shell on "+b.conn.address, transport.ErrProtocol
	elevating := b.become != transport.BecomeNone
	if elevating {
		doing, kind = "elevate on "+b.conn.address, transport.ErrElevate
	}
	e := &transport.Error{Kind: kind, Doing: doing, Err: err}
	asked, isQuestion := errors.AsType[*questionError](err)
	status, over := 0, errors.Is(err, io.ErrUnexpectedEOF) && ctx.Err() == nil
	if over {
		status = exitStatus(channel)
	}
	switch {
	case cancelled(ctx):
		return fmt.Errorf("%s: %w", doing, context.Canceled)
	case timedOut(ctx) && elevating:
		e.Err = fmt.Errorf("%w: %s did not end within %s%s", transport.ErrTimeout, b.become, how.ConnectTimeout, b.words())
		e.Hint = b.patienceHint()
	case timedOut(ctx):
		e.Kind, e.Err = transport.ErrTimeout, fmt.Errorf("the login's shell did not start within %s%s", how.ConnectTimeout, b.words())
	case isQuestion:
		e.Err, e.Hint = fmt.Errorf("%s, and nobody sees it here%s", asked.cause, b.words()), approvalHint
	case over && status == noStatus:
		e.Kind, e.Err = transport.ErrUnreachable, errors.New("connection lost"+b.conn.pulse.reason())
	case over && elevating:
		e.Hint, e.Err = b.refusal(status)
	case over:
		e.Err, e.Hint = fmt.Errorf("the login ended at once%s", b.words()), "the account needs a POSIX shell and no forced command"
	case errors.Is(err, errRefused):
		e.Hint = "check become_password; it is not tried again, so that the account is not locked"
	case errors.Is(err, errNoPassword):
		e.Hint = "set become_password"
	case isSpent(err):
		e.Hint = spentHint
	case b.answered && b.password == "":
		e.Hint = "correct become_password"
	}
	return e
}

func (b *beginning) patienceHint() string {
	if b.byAgent() {
		return "it may be waiting for an approval nobody sees: " + approvalHint
	}
	return "something holds sudo up (a name service, the agent's policy, a second factor); try it by hand"
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

// words is what the host said, fit for the end of a message. The agent's means
// may say it on either stream.
func (b *beginning) words() string {
	said := string(b.said)
	if b.byAgent() {
		said = string(b.aloud) + said
	}
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
	switch become := c.means(true); become {
	case transport.BecomeNone:
	case transport.BecomeSudo:
		e.Err = fmt.Errorf("sudo gave user id %d, not root's", uid)
		e.Hint = "let sudoers allow the login to run sh as root (runas_default)"
	default:
		e.Err = fmt.Errorf("%s gave user id %d, not root's", become, uid)
		e.Hint = "let the agent's policy elevate this login to root, or log in as root"
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
