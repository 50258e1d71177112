package shell_test

import (
	"context"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/kepmctl/kepmctl/transport"
	"github.com/kepmctl/kepmctl/transport/shell"
	"github.com/kepmctl/kepmctl/transport/transporttest"
)

// A local is a connection to a shell on this machine: the bootstrap without a
// network.
type local struct {
	session *shell.Session
	err     error // why the session is of no more use
}

// shells are the programs that stand for a host's sh.
var shells = []string{"dash", "bash", "busybox", "ksh93", "mksh"}

// start runs the command line by this machine's sh, with the named shell in the
// place of the sh that the command line names.
func start(t *testing.T, program string) *shell.Session {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("%s is not installed here", program)
	}
	token := shell.Token()
	line := strings.TrimPrefix(shell.Bootstrap(token), "sh ")
	if program == "busybox" {
		line = "sh " + line
	}
	cmd := exec.Command("/bin/sh", "-c", "exec "+path+" "+line)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", "IFS=e"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin, err1 := cmd.StdinPipe()
	stdout, err2 := cmd.StdoutPipe()
	stderr, err3 := cmd.StderrPipe()
	if err1 != nil || err2 != nil || err3 != nil {
		t.Fatal(err1, err2, err3)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	end := sync.OnceFunc(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	})
	t.Cleanup(end)
	s := &shell.Session{Stdin: stdin, Stdout: stdout, Stderr: stderr, Close: end}
	if _, err := s.Start(token, nil); err != nil {
		t.Fatalf("start %s: %v", program, err)
	}
	return s
}

func (l *local) Run(ctx context.Context, s transport.Script) (transport.Output, error) {
	if l.err == nil {
		l.err = ctx.Err()
	}
	if l.err != nil {
		return transport.Output{}, l.err
	}
	stop := context.AfterFunc(ctx, l.session.Close)
	defer stop()
	out, err := l.session.Run(s)
	if ctx.Err() != nil {
		return transport.Output{}, ctx.Err()
	}
	return out, err
}

func (l *local) Peer() transport.Identity { return transport.Identity{} }

func (l *local) Close() error {
	l.session.Close()
	return nil
}

func TestContract(t *testing.T) {
	for _, program := range shells {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			transporttest.Conn(t, func(t *testing.T) transport.Conn {
				return &local{session: start(t, program)}
			})
		})
	}
}
