package bare

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/kepmctl/kepmctl/cmd/kepmlab/standin"
)

// stopPatience is how long a service may take to end when it is asked to.
const stopPatience = 10 * time.Second

// Answers of a service's script (LSB, "Init Script Actions").
const (
	lsbOK         = 0
	lsbError      = 1
	lsbNoAction   = 2
	lsbNotRunning = 3 // of status only
)

// A manager starts and stops the services of a host.
type manager struct {
	log io.Writer

	mu      sync.Mutex
	running map[string]*running
}

type running struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

// bootAll starts what is to start at boot.
func (m *manager) bootAll() error {
	for _, name := range services {
		if _, err := os.Lstat(bootLink(name)); err != nil {
			continue
		}
		if code, message := m.act(name, "start"); code != lsbOK {
			return fmt.Errorf("start %s: %s", name, message)
		}
	}
	return nil
}

// serve takes orders from the host's scripts: a line "NAME ACTION", answered by a
// line "CODE MESSAGE".
func (m *manager) serve(l net.Listener) error {
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			line, err := bufio.NewReader(io.LimitReader(c, 256)).ReadString('\n')
			if err != nil {
				return
			}
			name, action, _ := strings.Cut(strings.TrimSpace(line), " ")
			code, message := m.act(name, action)
			_, _ = fmt.Fprintf(c, "%d %s\n", code, message)
		}()
	}
}

// act carries out one action; one after the other, as a service's are.
func (m *manager) act(name, action string) (code int, message string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var err error
	switch action {
	case "start":
		err = m.start(name)
	case "stop":
		m.stop(name)
	case "restart", "force-reload":
		m.stop(name)
		err = m.start(name)
	case "status":
		if m.find(name) == nil {
			return lsbNotRunning, name + " is not running"
		}
		return lsbOK, name + " is running"
	default:
		return lsbNoAction, "usage: service " + name + " start|stop|restart|status"
	}
	if err != nil {
		return lsbError, err.Error()
	}
	return lsbOK, action + ": done"
}

// find returns a service's process, nil if there is none any more.
func (m *manager) find(name string) *running {
	r := m.running[name]
	if r == nil {
		return nil
	}
	select {
	case <-r.ended:
		delete(m.running, name)
		return nil
	default:
		return r
	}
}

func pidFile(name string) string { return "/run/" + name + ".pid" }

func (m *manager) start(name string) error {
	if m.find(name) != nil {
		return nil
	}
	log, err := os.OpenFile("/var/log/"+name+".log", os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(filepath.Join(standin.Root, name))
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = "/", append(hostEnviron(), readEnv(envFile)...), log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	r := &running{cmd: cmd, ended: make(chan struct{})}
	m.running[name] = r
	go func() {
		_ = cmd.Wait() // how it ended does not matter here
		_, _ = fmt.Fprintf(m.log, "%s (process %d) ended\n", name, cmd.Process.Pid)
		close(r.ended)
	}()
	return writeFile(pidFile(name), fmt.Appendf(nil, "%d\n", cmd.Process.Pid), 0o644)
}

// stop asks a service to end, and makes it.
func (m *manager) stop(name string) {
	if r := m.find(name); r != nil {
		for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
			_ = r.cmd.Process.Signal(signal) // it may be gone
			select {
			case <-r.ended:
				_ = os.Remove(pidFile(name))
				return
			case <-time.After(stopPatience):
			}
		}
	}
	_ = os.Remove(pidFile(name)) // left over, if at all
}

// readEnv reads lines NAME=VALUE; there may be no such file.
func readEnv(path string) []string {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	var environ []string
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); strings.Contains(line, "=") {
			environ = append(environ, line)
		}
	}
	return environ
}

// Service has an action of a service carried out on the host it is called on, and
// returns what the service's script exits with.
func Service(ctx context.Context, name, action string) (code int, message string, err error) {
	c, err := new(net.Dialer).DialContext(ctx, "unix", socketFile)
	if err != nil {
		return lsbError, "", fmt.Errorf("%s %s: ask the host's first process: %w (this works on a host of kepmlab up only)", action, name, err)
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "%s %s\n", name, action); err != nil {
		return lsbError, "", err
	}
	line, err := bufio.NewReader(io.LimitReader(c, 4096)).ReadString('\n')
	if err != nil {
		return lsbError, "", fmt.Errorf("%s %s: read the answer: %w", action, name, err)
	}
	if _, err := fmt.Sscanf(line, "%d", &code); err != nil {
		return lsbError, "", err
	}
	_, message, _ = strings.Cut(strings.TrimSpace(line), " ")
	return code, message, nil
}
