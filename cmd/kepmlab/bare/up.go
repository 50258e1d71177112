package bare

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sync/errgroup"
)

// maxHosts is the most a lab holds: a host is some four processes and 64 MB.
const maxHosts = 100

// Options say what lab to make.
type Options struct {
	Dir     string   // to be made, or empty
	Exe     string   // this program
	Args    []string // with which it becomes the first process of a host (Init)
	Hosts   int
	Root    bool          // this is root: no user namespace is needed
	Timeout time.Duration // one host may take
}

// A setup is what a host's first process is told on its standard input. Without
// it, as when Up was killed before it noted the process, that ends.
type setup struct {
	Name  string `json:"name"`
	Root  string `json:"root"`  // mount point of the root file system
	Key   string `json:"key"`   // private SSH key of the host
	Login string `json:"login"` // public SSH key that opens root's account
}

// A report is what a host says once it is up, or cannot be.
type report struct {
	Error     string `json:"error,omitempty"`
	Forbidden bool   `json:"forbidden,omitempty"` // the system does not allow it
}

// Up makes a lab and starts its hosts: it returns once each accepts logins and
// its agent answers. If it fails, or ctx ends, it leaves nothing behind.
func Up(ctx context.Context, o Options) (_ *Lab, err error) {
	if o.Hosts < 1 || o.Hosts > maxHosts {
		return nil, fmt.Errorf("make a lab of %d hosts: a lab has 1 to %d", o.Hosts, maxHosts)
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	l := &Lab{dir: dir}
	switch entries, err := os.ReadDir(dir); {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("make a lab: %w", err)
	case len(entries) > 0:
		return nil, fmt.Errorf("make a lab in %s: the directory is not empty; name a new one, as down removes it with all that is in it", dir)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make a lab: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.Down(context.WithoutCancel(ctx)))
		}
	}()
	for i := range o.Hosts {
		l.hosts = append(l.hosts, &Host{Name: fmt.Sprintf("lab-%02d", i+1), User: !o.Root})
	}
	login, err := l.writeKey()
	if err != nil {
		return nil, fmt.Errorf("make a key for the lab: %w", err)
	}
	if err := l.startAll(ctx, o, login); err != nil {
		return nil, err
	}
	return l, l.writeKnownHosts()
}

// writeKey makes the key that opens every host and returns its public half.
func (l *Lab) writeKey() (string, error) {
	private, public, err := newKey()
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(l.PrivateKeyFile(), private, 0o600); err != nil {
		return "", err
	}
	return public, nil
}

// newKey makes a key: the private one in OpenSSH's format, the public one as a line.
func newKey() (private []byte, public string, err error) {
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, "", err
	}
	block, err := ssh.MarshalPrivateKey(priv, "kepmlab")
	if err != nil {
		return nil, "", err
	}
	sshPub, err := ssh.NewPublicKey(pub)
	if err != nil {
		return nil, "", err
	}
	return pem.EncodeToMemory(block), strings.TrimSpace(string(ssh.MarshalAuthorizedKey(sshPub))), nil
}

func (l *Lab) writeKnownHosts() error {
	var b bytes.Buffer
	for _, h := range l.hosts {
		fmt.Fprintf(&b, "[127.0.0.1]:%d %s\n", h.Port, h.Key)
	}
	return os.WriteFile(l.KnownHostsFile(), b.Bytes(), 0o600)
}

func (l *Lab) startAll(ctx context.Context, o Options, login string) error {
	var mu sync.Mutex // of the hosts, which are noted together
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for _, h := range l.hosts {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := l.start(ctx, o, h, login, &mu); err != nil {
				return fmt.Errorf("start host %s: %w", h.Name, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// start starts a host and waits until it is up.
func (l *Lab) start(ctx context.Context, o Options, h *Host, login string, mu *sync.Mutex) error {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	s := setup{Name: h.Name, Root: l.mountPoint(h), Login: login}
	private, public, err := newKey()
	if err != nil {
		return err
	}
	s.Key = string(private)
	if err := os.MkdirAll(s.Root, 0o755); err != nil {
		return err
	}
	word, answer, err := os.Pipe()
	if err != nil {
		return err
	}
	defer word.Close()
	mu.Lock()
	h.Key = public
	stdin, err := l.launch(o, h, answer)
	mu.Unlock()
	_ = answer.Close()
	if err != nil {
		return err
	}
	err = json.NewEncoder(stdin).Encode(s)
	if err := errors.Join(err, stdin.Close()); err != nil {
		return fmt.Errorf("tell it who it is: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = word.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	return l.await(ctx, h, word)
}

// launch starts the first process of a host, with its SSH port open, and notes it.
func (l *Lab) launch(o Options, h *Host, answer *os.File) (io.WriteCloser, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer listener.Close()
	h.Port = listener.Addr().(*net.TCPAddr).Port
	socket, err := listener.(*net.TCPListener).File()
	if err != nil {
		return nil, err
	}
	defer socket.Close()
	log, err := os.OpenFile(l.logFile(h), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(o.Exe, o.Args...) // it outlives ctx; Down ends it
	cmd.Dir, cmd.Env = "/", hostEnviron()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{socket, answer}
	cmd.SysProcAttr = separate(o.Root)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, explain(err, o.Root)
	}
	go func() { _ = cmd.Wait() }() // its end is seen elsewhere
	h.PID, h.Born = cmd.Process.Pid, born(cmd.Process.Pid)
	if err := l.writeState(); err != nil {
		_ = cmd.Process.Kill()
		return nil, fmt.Errorf("note the host: %w", err)
	}
	return stdin, nil
}

// await reads what a host says of its start.
func (l *Lab) await(ctx context.Context, h *Host, word io.Reader) error {
	var r report
	err := json.NewDecoder(io.LimitReader(word, 1<<16)).Decode(&r)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("wait until it is up: %w", ctx.Err())
	case err != nil:
		said, _ := os.ReadFile(l.logFile(h)) // what there is; nothing, if it cannot be read
		return fmt.Errorf("it ended before it was up; it said: %q", said)
	case r.Forbidden:
		return explain(errors.New(r.Error), !h.User)
	case r.Error != "":
		return errors.New(r.Error)
	}
	return nil
}

// hostEnviron is the environment in which everything on a host begins.
func hostEnviron() []string {
	return []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/root", "USER=root", "LOGNAME=root", "SHELL=/bin/sh",
	}
}
