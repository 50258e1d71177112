package bare

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// An Init is the first process of a host, in namespaces of its own.
type Init struct {
	Exe      string   // this program
	Args     []string // with which it becomes the host's server (Serve)
	In       io.Reader
	Listener *os.File // the SSH port, opened outside
	Answer   *os.File // where the report goes
	Log      *os.File
}

// Run makes the host, starts its server, and takes in the processes that lost their
// parents until the server ends. With this process ends all that is on the host.
func (i Init) Run() error {
	var s setup
	if err := json.NewDecoder(i.In).Decode(&s); err != nil {
		return fmt.Errorf("learn who this host is: %w", err)
	}
	if err := i.prepare(s); err != nil {
		return errors.Join(err, json.NewEncoder(i.Answer).Encode(report{Error: err.Error(), Forbidden: forbidden(err)}))
	}
	server, err := i.startServer(s)
	if err != nil {
		return errors.Join(err, json.NewEncoder(i.Answer).Encode(report{Error: err.Error()}))
	}
	_ = i.Answer.Close() // the server's from here on
	for {
		pid, err := syscall.Wait4(-1, nil, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return fmt.Errorf("wait for the host's processes: %w", err)
		case pid == server:
			return errors.New("the host's server ended")
		}
	}
}

func (i Init) prepare(s setup) error {
	if err := syscall.Sethostname([]byte(s.Name)); err != nil {
		return fmt.Errorf("name the host: %w", err)
	}
	if err := loopbackUp(); err != nil {
		return fmt.Errorf("bring its 127.0.0.1 up: %w", err)
	}
	if err := makeRoot(s.Root, i.Exe); err != nil {
		return err
	}
	return furnish(s.Name)
}

// startServer starts the server, and hands it what it is to know.
func (i Init) startServer(s setup) (int, error) {
	in, out, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer in.Close()
	p, err := os.StartProcess(program, append([]string{program}, i.Args...), &os.ProcAttr{
		Dir: "/", Env: hostEnviron(), Files: []*os.File{in, i.Log, i.Log, i.Listener, i.Answer},
	})
	if err != nil {
		_ = out.Close()
		return 0, fmt.Errorf("start the host's server: %w", err)
	}
	pid := p.Pid
	_ = p.Release() // it is waited for with all others
	return pid, errors.Join(json.NewEncoder(out).Encode(s), out.Close())
}

// loopbackUp brings up the only interface of a new network namespace.
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr)
}
