package bare

import (
	"errors"
	"io"
	"net"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
)

// loginTime is how long a login may take.
const loginTime = 30 * time.Second

// serveSSH serves logins until the listener is closed.
func serveSSH(l net.Listener, config *ssh.ServerConfig) error {
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go serveLogin(c, config)
	}
}

func serveLogin(c net.Conn, config *ssh.ServerConfig) {
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(loginTime)); err != nil {
		return
	}
	_, channels, requests, err := ssh.NewServerConn(c, config)
	if err != nil || c.SetDeadline(time.Time{}) != nil {
		return
	}
	go ssh.DiscardRequests(requests) // which answers keepalives
	for n := range channels {
		switch n.ChannelType() {
		case "session":
			go serveSession(n)
		case "direct-tcpip":
			go forward(n)
		default:
			_ = n.Reject(ssh.UnknownChannelType, "sessions and direct-tcpip only")
		}
	}
}

// forward connects a channel with a port of the host.
func forward(n ssh.NewChannel) {
	var to struct {
		Host string
		Port uint32
		From string
		By   uint32
	}
	if err := ssh.Unmarshal(n.ExtraData(), &to); err != nil {
		_ = n.Reject(ssh.ConnectionFailed, "the request is malformed")
		return
	}
	c, err := net.DialTimeout("tcp", net.JoinHostPort(to.Host, strconv.Itoa(int(to.Port))), loginTime)
	if err != nil {
		_ = n.Reject(ssh.ConnectionFailed, err.Error())
		return
	}
	defer c.Close()
	ch, requests, err := n.Accept()
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(ch, c)
		_ = ch.CloseWrite()
	}()
	_, _ = io.Copy(c, ch)
	_ = c.(*net.TCPConn).CloseWrite()
	<-done
	_ = ch.Close()
}

// serveSession runs one command. There are no terminals.
func serveSession(n ssh.NewChannel) {
	ch, requests, err := n.Accept()
	if err != nil {
		return
	}
	began := false
	for r := range requests {
		var command struct{ Line string }
		ok := !began
		switch r.Type {
		case "exec":
			ok = ok && ssh.Unmarshal(r.Payload, &command) == nil
		case "shell":
			command.Line = "exec /bin/sh"
		default:
			ok = false
		}
		if r.WantReply {
			_ = r.Reply(ok, nil)
		}
		if ok {
			began = true
			go runCommand(ch, command.Line)
		}
	}
}

// runCommand runs a command line as sshd does: by the login shell, in a session of
// its own, which what it leaves behind survives. It gets a pipe, so that its end is
// not held up by who talks to it.
func runCommand(ch ssh.Channel, line string) {
	defer ch.Close()
	cmd := exec.Command("/bin/sh", "-c", line)
	cmd.Dir, cmd.Env = "/root", hostEnviron()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Stdout, cmd.Stderr = ch, ch.Stderr()
	cmd.WaitDelay = time.Second // for the output of what it leaves behind
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		_, _ = io.WriteString(ch.Stderr(), err.Error()+"\n")
		_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{126}))
		return
	}
	go func() {
		_, _ = io.Copy(stdin, ch)
		_ = stdin.Close()
	}()
	if err := cmd.Wait(); err != nil && !errors.Is(err, exec.ErrWaitDelay) && cmd.ProcessState == nil {
		return
	}
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		_, _ = ch.SendRequest("exit-signal", false, ssh.Marshal(struct {
			Signal          string
			Core            bool
			Error, Language string
		}{signalName(ws.Signal()), ws.CoreDump(), "", ""}))
		return
	}
	_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(cmd.ProcessState.ExitCode())}))
}

// signalName is a signal's name in SSH's protocol (RFC 4254, section 6.10).
func signalName(s syscall.Signal) string {
	switch s {
	case syscall.SIGINT:
		return "INT"
	case syscall.SIGKILL:
		return "KILL"
	case syscall.SIGTERM:
		return "TERM"
	case syscall.SIGHUP:
		return "HUP"
	case syscall.SIGPIPE:
		return "PIPE"
	}
	return strconv.Itoa(int(s)) + "@kepmlab"
}
