package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/kepmctl/kepmctl/transport"
	"github.com/kepmctl/kepmctl/transport/transporttest"
)

// fakeSudo takes sudo's place. It knows the options that are used here, asks as
// its first lines say, and gives "root" to the password "right".
const fakeSudo = `#!/bin/sh
ask=%s before=%s
[ "$1" = -S ] && [ "$2" = -p ] && [ "$4" = -- ] || { echo "usage: $*" >&2; exit 2; }
prompt=$3
shift 4
eval "$before"
n=0
while [ "$ask" = yes ]; do
	printf %%s "$prompt" >&2
	read -r password || exit 1
	[ "$password" = right ] && break
	n=$((n + 1))
	echo "Sorry, try again." >&2
	[ $n -lt 3 ] || { echo "sudo: 3 incorrect password attempts" >&2; exit 1; }
done
CLAIMED_UID=${UID_GIVEN:-0} exec "$@"
`

func sudo(t *testing.T, ask, before string) string {
	bin := t.TempDir()
	quoted := "'" + strings.ReplaceAll(before, "'", `'\''`) + "'"
	write(t, filepath.Join(bin, "sudo"), fmt.Sprintf(fakeSudo, ask, quoted))
	return bin
}

func TestContract(t *testing.T) {
	transporttest.Conn(t, func(t *testing.T) transport.Conn {
		d, h := (&server{}).start(t)
		return dial(t, d, h)
	})
}

// elevated runs every script as root.
type elevated struct{ transport.Conn }

func (e elevated) Run(ctx context.Context, s transport.Script) (transport.Output, error) {
	s.Elevate = true
	return e.Conn.Run(ctx, s)
}

func TestContractElevated(t *testing.T) {
	transporttest.Conn(t, func(t *testing.T) transport.Conn {
		d, h := (&server{bin: sudo(t, "yes", "")}).start(t)
		become(d, &h, "right")
		return elevated{dial(t, d, h)}
	})
}

func become(d *Dialer, h *transport.Host, password string) {
	h.Connection.Become = transport.BecomeSudo
	if password != "" {
		h.Connection.BecomePassword = transport.SecretRef{Source: "env", Name: "BECOME"}
		d.Secrets = func(transport.SecretRef) (string, error) { return password, nil }
	}
}

func TestElevation(t *testing.T) {
	refuse := func(text string) string { return "printf '%s\\n' " + "'" + text + "'" + " >&2; exit 1" }
	tests := []struct {
		name        string
		ask, before string
		password    string
		texts       []string // empty: it gives root
	}{
		{name: "no password wanted", ask: "no"},
		{name: "none wanted, one configured", ask: "no", password: "right"},
		{name: "password", ask: "yes", password: "right"},
		{name: "noise before", ask: "yes", before: "echo noise; printf half; echo lecture >&2", password: "right"},
		{name: "prompt repeated in a message", ask: "no", before: `echo "sudo -p '$prompt' --" >&2`, password: "right"},
		{name: "wrong password", ask: "yes", password: "wr0ng", texts: []string{"refused", "become_password"}},
		{name: "no password configured", ask: "yes", texts: []string{"asks for a password", "set become_password"}},
		{name: "password with a line break", ask: "yes", password: "a\nb", texts: []string{"no password"}},
		{
			name: "the password comes back", ask: "yes", before: "ask=no; printf %s \"$prompt\" >&2; read -r p; echo \"got $p\" >&2; exit 1",
			password: "s3cret", texts: []string{"got (secret)"},
		},
		{name: "intercepted", before: refuse("ERROR: To run sudo, use keepersudo"), texts: []string{"intercepts", `become = "keepersudo"`}},
		{name: "no terminal", before: refuse("sudo: sorry, you must have a tty to run sudo"), texts: []string{"terminal", "requiretty"}},
		{name: "not in sudoers", before: refuse("ops is not in the sudoers file."), texts: []string{"does not know", "sudoers"}},
		{name: "not allowed", before: refuse(`Sorry, user ops is not allowed to execute "sh -c ... kepm $7" as root`), texts: []string{"does not allow"}},
		{name: "not root", ask: "no", before: "UID_GIVEN=1001", texts: []string{"user id 1001", "runas_default"}},
		{name: "control characters", before: "printf '\\033[2Jgone\\007' >&2; exit 1", texts: []string{`\x1b[2Jgone\a`}},
		{name: "very talkative", before: "i=0; while [ $i -lt 100 ]; do echo 'all sorts of words' >&2; i=$((i+1)); done; echo last >&2; exit 1", texts: []string{"last"}},
		{name: "endless noise", before: "while :; do echo 0123456789012345678901234567890123456789; done", texts: []string{"before the shell was ready"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, h := (&server{bin: sudo(t, tt.ask, tt.before)}).start(t)
			become(d, &h, tt.password)
			c := dial(t, d, h)
			out, err := say(t.Context(), c, "read -r x; echo \"root $x\"", true)
			if tt.texts == nil {
				if out != "root \n" || err != nil {
					t.Fatalf("said %q, error %v", out, err)
				}
				return
			}
			elevationFails(t, err, tt.texts...)
			if tt.password != "" && strings.Contains(err.Error(), tt.password) {
				t.Errorf("the password is in %v", err)
			}
			if out, err := say(t.Context(), c, "echo plain", false); out != "plain\n" || err != nil {
				t.Errorf("afterwards it said %q, error %v", out, err)
			}
		})
	}
}

func elevationFails(t *testing.T, err error, texts ...string) {
	t.Helper()
	e, ok := errors.AsType[*transport.Error](err)
	if !ok || e.Kind != transport.ErrElevate {
		t.Fatalf("the error is %v, want ErrElevate", err)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error()+"\n"+e.Hint, text) {
			t.Errorf("%q is missing from %v (hint: %s)", text, err, e.Hint)
		}
	}
	if len(err.Error()) > 600 || strings.ContainsAny(err.Error(), "\x1b\a\n") {
		t.Errorf("not fit for a terminal: %q", err)
	}
}

func TestElevationHangs(t *testing.T) {
	d, h := (&server{bin: sudo(t, "no", "echo 'Verification code:' >&2; exec sleep 30")}).start(t)
	become(d, &h, "right")
	h.Connection.ConnectTimeout = 2 * time.Second
	begun := time.Now()
	_, err := say(t.Context(), dial(t, d, h), ":", true)
	elevationFails(t, err, "Verification code:")
	if !errors.Is(err, transport.ErrTimeout) {
		t.Errorf("%v is no ErrTimeout", err)
	}
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestNoSudo(t *testing.T) {
	if _, err := os.Stat("/usr/bin/sudo"); err == nil {
		t.Skip("there is a sudo here")
	}
	d, h := (&server{}).start(t)
	become(d, &h, "")
	_, err := say(t.Context(), dial(t, d, h), ":", true)
	elevationFails(t, err, "there is no sudo", "install sudo")
}

func TestLoginIsNotRoot(t *testing.T) {
	d, h := (&server{}).start(t)
	h.Connection.Become = transport.BecomeNone
	_, err := say(t.Context(), dial(t, d, h), ":", true)
	elevationFails(t, err, "user id 1000", `become = "sudo"`)
}

// A shell per privilege, started once: elevating again may not be possible.
func TestShellsAreKept(t *testing.T) {
	count := filepath.Join(t.TempDir(), "count")
	d, h := (&server{bin: sudo(t, "no", "echo once >> "+count)}).start(t)
	become(d, &h, "")
	c := dial(t, d, h)
	var pids []string
	for i := range 6 {
		out, err := say(t.Context(), c, "echo $$", i%2 == 0)
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, out)
	}
	if pids[0] != pids[2] || pids[2] != pids[4] || pids[1] != pids[3] || pids[3] != pids[5] || pids[0] == pids[1] {
		t.Errorf("the shells were %q", pids)
	}
	if text, err := os.ReadFile(count); string(text) != "once\n" || err != nil {
		t.Errorf("sudo was started: %q, %v", text, err)
	}
}

func TestCommandTimeout(t *testing.T) {
	d, h := (&server{}).start(t)
	h.Connection.CommandTimeout = 500 * time.Millisecond
	begun := time.Now()
	_, err := say(t.Context(), dial(t, d, h), "trap '' INT; sleep 3", false)
	if e, ok := errors.AsType[*transport.Error](err); !ok || e.Kind != transport.ErrTimeout || !strings.Contains(e.Hint, "command_timeout") {
		t.Errorf("the error is %v", err)
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}

// ready says what the bootstrap says, and returns the first script's marker.
func ready(ch ssh.Channel, command string) string {
	token := command[strings.LastIndex(command, " ")+1:]
	fmt.Fprintf(ch, "\n%s 0\n", token)
	fmt.Fprintf(ch.Stderr(), "\n%s kepm\n", token)
	line := make([]byte, 1<<16)
	n, _ := ch.Read(line)
	marker, _, _ := strings.Cut(string(line[:n]), "\n")
	return marker
}

// A host that answers anything but the bootstrap's words.
func TestHostileAnswers(t *testing.T) {
	tests := []struct {
		name string
		exec func(ch ssh.Channel, command string)
		kind error
	}{
		{"garbage instead of a shell", func(ch ssh.Channel, _ string) {
			fmt.Fprint(ch, strings.Repeat("\x00\xff\n", 40000))
		}, transport.ErrProtocol},
		{"endless noise", func(ch ssh.Channel, _ string) {
			for {
				if _, err := fmt.Fprint(ch.Stderr(), strings.Repeat("x", 1000)); err != nil {
					return
				}
			}
		}, transport.ErrProtocol},
		{"forged marker", func(ch ssh.Channel, command string) {
			ready(ch, command)
			fmt.Fprint(ch, "\n0123456789ABCDEF0123456789 0\n")
			fmt.Fprint(ch.Stderr(), "\n0123456789ABCDEF0123456789\n")
		}, transport.ErrTimeout},
		{"exit is no number", func(ch ssh.Channel, command string) {
			fmt.Fprintf(ch, "\n%s none\n", ready(ch, command))
		}, transport.ErrProtocol},
		{"slow drip", func(ch ssh.Channel, command string) {
			ready(ch, command)
			for {
				if _, err := fmt.Fprint(ch, "x\n"); err != nil {
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
		}, transport.ErrTimeout},
		{"end in the middle", func(ch ssh.Channel, command string) {
			fmt.Fprintf(ch, "half\n\n%s", ready(ch, command))
			_ = ch.Close()
		}, transport.ErrUnreachable},
		{"the end at once", func(ch ssh.Channel, _ string) {
			_, _ = ch.SendRequest("exit-status", false, []byte{0, 0, 0, 1})
			_ = ch.Close()
		}, transport.ErrProtocol},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, h := (&server{exec: tt.exec}).start(t)
			h.Connection.CommandTimeout = 5 * time.Second
			if tt.kind == transport.ErrTimeout {
				h.Connection.CommandTimeout = 300 * time.Millisecond
			}
			c := dial(t, d, h)
			_, err := say(t.Context(), c, "echo real", false)
			if e, ok := errors.AsType[*transport.Error](err); !ok || e.Kind != tt.kind {
				t.Errorf("the error is %v, want %v", err, tt.kind)
			}
			_ = c.Close()
		})
	}
}

func TestResetInTheMiddle(t *testing.T) {
	s := &server{}
	d, h := s.start(t)
	c := dial(t, d, h)
	time.AfterFunc(300*time.Millisecond, s.stop)
	_, err := say(t.Context(), c, "echo half; sleep 1; echo whole", false)
	if e, ok := errors.AsType[*transport.Error](err); !ok || e.Kind != transport.ErrUnreachable || !strings.Contains(err.Error(), "connection lost while running say.sh") {
		t.Errorf("the error is %v", err)
	}
	if _, err := say(t.Context(), c, ":", false); !errors.Is(err, transport.ErrUnreachable) {
		t.Errorf("afterwards the error is %v", err)
	}
}

func TestTunnel(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c); _ = c.Close() }()
		}
	}()
	open := l.Addr().(*net.TCPAddr).Port
	reasons := map[int]ssh.RejectionReason{1: ssh.Prohibited, 2: ssh.UnknownChannelType, 3: ssh.ConnectionFailed, 4: ssh.ResourceShortage}
	s := &server{tunnel: func(port int) (ssh.RejectionReason, bool) { return reasons[port], port == open }}
	d, h := s.start(t)
	c := dial(t, d, h).(transport.Tunneler)

	for port, want := range map[int]error{
		1: transport.ErrNoTunnel, 2: transport.ErrNoTunnel, 3: syscall.ECONNREFUSED, 4: transport.ErrProtocol,
	} {
		_, err := c.DialLoopback(t.Context(), port)
		if !errors.Is(err, want) || strings.ContainsRune(err.Error(), 0x1b) {
			t.Errorf("port %d: %q, want %v", port, err, want)
		}
	}

	echo, err := c.DialLoopback(t.Context(), open)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(echo, "hello"); err != nil {
		t.Fatal(err)
	}
	back := make([]byte, 5)
	if _, err := io.ReadFull(echo, back); err != nil || string(back) != "hello" {
		t.Fatalf("it said %q, %v", back, err)
	}
	if err := echo.SetDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := echo.Read(back); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after the deadline: %v", err)
	}
	if err := echo.Close(); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.DialLoopback(ctx, open); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled dial: %v", err)
	}
}
