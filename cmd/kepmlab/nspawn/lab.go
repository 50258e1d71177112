package nspawn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// A Lab is a directory and the hosts that live in it.
type Lab struct {
	dir   string
	slot  int
	all   cgroup // of every lab on this machine
	hosts []*Host
}

// Dir is the lab's directory, an absolute path.
func (l *Lab) Dir() string { return l.dir }

// Hosts are the lab's hosts in the order of Options.Hosts.
func (l *Lab) Hosts() []*Host { return l.hosts }

// PrivateKeyFile opens User's account on every host, and root's where Spec.Root says so.
func (l *Lab) PrivateKeyFile() string { return filepath.Join(l.dir, "id_ed25519") }

// KnownHostsFile holds every host's key, under its address and its name.
func (l *Lab) KnownHostsFile() string { return filepath.Join(l.dir, "known_hosts") }

// PasswordFile holds User's password, which sudo asks for under SudoPassword.
func (l *Lab) PasswordFile() string { return filepath.Join(l.dir, "password") }

// Host finds a host by its name.
func (l *Lab) Host(name string) (*Host, error) {
	for _, h := range l.hosts {
		if h.Spec.Name == name {
			return h, nil
		}
	}
	return nil, fmt.Errorf("find host %q: the lab in %s has none of this name", name, l.dir)
}

// state is hosts.json: all that is needed to find a lab's hosts again.
type state struct {
	Slot    int           `json:"slot"`
	Image   string        `json:"image"`
	Timeout time.Duration `json:"timeout_ns"`
	Hosts   []hostState   `json:"hosts"`
}

type hostState struct {
	Spec
	Address string `json:"address"`
	PID     int    `json:"pid"` // when this was written; for the reader
}

func stateFile(dir string) string { return filepath.Join(dir, "hosts.json") }

func writeState(dir string, s state) error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	next := stateFile(dir) + ".new"
	if err := os.WriteFile(next, append(b, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(next, stateFile(dir))
}

// Open finds a lab that Up has made, by whatever program, in whatever state.
func Open(dir string) (*Lab, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(stateFile(dir))
	if err != nil {
		return nil, fmt.Errorf("open the lab in %s: %w", dir, err)
	}
	var s state
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("open the lab in %s: read hosts.json: %w", dir, err)
	}
	all, err := rootCgroup(cgroupMount)
	if err != nil {
		return nil, err
	}
	return newLab(dir, s, all), nil
}

func newLab(dir string, s state, all cgroup) *Lab {
	l := &Lab{dir: dir, slot: s.Slot, all: all}
	for i, hs := range s.Hosts {
		w := newWire(s.Slot, i+1)
		l.hosts = append(l.hosts, &Host{
			Spec: hs.Spec, Address: w.address, wire: w, timeout: s.Timeout,
			dir:     filepath.Join(dir, "hosts", hs.Name),
			lower:   l.layer("upper") + ":" + s.Image,
			machine: w.namespace,
			cgroup:  l.cgroup().below(hs.Name),
		})
	}
	return l
}

// layer is a directory of what the hosts share on top of the base image.
func (l *Lab) layer(name string) string { return filepath.Join(l.dir, "layer", name) }

func (l *Lab) cgroup() cgroup { return l.all.below(fmt.Sprint(l.slot)) }

// setupCgroup holds what runs before there is a host; no host has a name like it.
func (l *Lab) setupCgroup() cgroup { return l.cgroup().below("setup.slice") }

// Up makes a lab and boots its hosts: it returns once each accepts logins and its
// agent answers. If it fails, or ctx ends, it leaves nothing behind.
func Up(ctx context.Context, o Options) (*Lab, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := checkMachine(); err != nil {
		return nil, err
	}
	if entries, err := os.ReadDir(o.Dir); err == nil && len(entries) > 0 {
		return nil, fmt.Errorf("make a lab in %s: the directory is not empty", o.Dir)
	}
	image, err := baseImage(ctx, o)
	if err != nil {
		return nil, err
	}
	all, err := rootCgroup(cgroupMount)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, err
	}
	s := state{Image: image, Timeout: o.Timeout}
	if s.Slot, err = claim(ctx, o.Dir, all); err != nil {
		return nil, err
	}
	for i, spec := range o.Hosts {
		s.Hosts = append(s.Hosts, hostState{Spec: spec, Address: newWire(s.Slot, i+1).address})
	}
	l := newLab(o.Dir, s, all)
	if err := l.build(ctx, o, s); err != nil {
		return nil, errors.Join(err, l.Down(context.WithoutCancel(ctx)))
	}
	return l, nil
}

func (l *Lab) build(ctx context.Context, o Options, s state) error {
	if err := errors.Join(writeState(l.dir, s), l.setupCgroup().make()); err != nil {
		return err
	}
	o.Progress("installing the agent")
	key, err := newKey(ctx, l.PrivateKeyFile(), "kepmlab")
	if err != nil {
		return err
	}
	password := randomHex(8)
	if err := os.WriteFile(l.PasswordFile(), []byte(password+"\n"), 0o600); err != nil {
		return err
	}
	if err := makeLayer(ctx, l.layer(""), l.setupCgroup(), s.Image, o.Deb, key, password); err != nil {
		return err
	}
	o.Progress(fmt.Sprintf("booting %d hosts", len(l.hosts)))
	known := make([]string, len(l.hosts))
	if err := l.each(ctx, o.Parallel, func(ctx context.Context, i int, h *Host) (err error) {
		known[i], err = h.first(ctx)
		return err
	}); err != nil {
		return err
	}
	for i, h := range l.hosts {
		s.Hosts[i].PID = h.PID()
	}
	return errors.Join(
		os.WriteFile(l.KnownHostsFile(), []byte(strings.Join(known, "")), 0o600),
		writeState(l.dir, s))
}

// first makes a host and boots it for the first time. It returns its line of known_hosts.
func (h *Host) first(ctx context.Context) (string, error) {
	if err := h.wire.make(ctx); err != nil {
		return "", err
	}
	key, err := h.prepare(ctx)
	if err != nil {
		return "", fmt.Errorf("prepare %s: %w", h.Spec.Name, err)
	}
	if err := h.Boot(ctx); err != nil {
		return "", err
	}
	within, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	if !poll(within, 100*time.Millisecond, func() bool { return greets(within, h.Address) }) {
		return "", fmt.Errorf("boot %s: no SSH server answers at %s", h.Spec.Name, h.Address)
	}
	return h.Address + "," + h.Spec.Name + " " + key + "\n", h.WaitAgent(ctx)
}

// Down takes the lab off the machine: its processes, mounts, interfaces and
// namespaces, and its directory with everything in it. The last lab on the machine
// takes the bridge along and puts the kernel's limit back. What is gone already is
// no error, so it may be called again after a failure.
func (l *Lab) Down(ctx context.Context) error {
	for _, step := range []func(context.Context) error{l.removeHosts, l.removeSetup, l.release} {
		if !owns(l.dir, l.slot) { // released, or lost when the machine was restarted
			break
		}
		if err := step(ctx); err != nil {
			return fmt.Errorf("take down the lab in %s: %w", l.dir, err)
		}
	}
	return removeTree(l.dir)
}

func (l *Lab) removeHosts(ctx context.Context) error {
	return l.each(ctx, 16, func(ctx context.Context, _ int, h *Host) error { return h.remove(ctx) })
}

func (l *Lab) removeSetup(ctx context.Context) error {
	if err := l.setupCgroup().kill(ctx); err != nil {
		return err
	}
	return errors.Join(unmount(l.layer("root")), l.cgroup().remove())
}

func (l *Lab) release(ctx context.Context) error { return release(ctx, l.slot, l.all) }

// each does something for every host, so many at once, until one fails.
func (l *Lab) each(ctx context.Context, parallel int, do func(context.Context, int, *Host) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i, h := range l.hosts {
		g.Go(func() error { return do(ctx, i, h) })
	}
	return g.Wait()
}
