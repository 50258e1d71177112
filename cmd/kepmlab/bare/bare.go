// Package bare makes hosts of a lab out of nothing but processes: each has its own
// user, mount, process and network namespaces, files in memory, real sh and real SSH.
package bare

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Paths on a host.
const (
	program    = "/opt/kepmlab/kepmlab" // this program
	socketFile = "/run/kepmlab.sock"    // where the host's first process takes orders for services
	envFile    = "/etc/keeper-lab.env"  // what makes the stand-in misbehave
)

// A Host is one host of a lab, as seen from outside.
type Host struct {
	Name string `json:"name"`
	Port int    `json:"port"` // of its SSH server, on 127.0.0.1
	PID  int    `json:"pid"`  // of its first process, as this machine counts; 0: not started
	Born string `json:"born"` // tells that process from a later one of the same number
	User bool   `json:"user"` // lives in a user namespace: root there is who made it here
	Key  string `json:"key"`  // its public SSH key, as in known_hosts
}

// A Lab is a directory and the hosts that belong to it.
type Lab struct {
	dir   string
	hosts []*Host
}

// Dir is the lab's directory, an absolute path.
func (l *Lab) Dir() string { return l.dir }

// Hosts are the lab's hosts, in order.
func (l *Lab) Hosts() []*Host { return l.hosts }

// PrivateKeyFile opens root's account on every host.
func (l *Lab) PrivateKeyFile() string { return filepath.Join(l.dir, "id_ed25519") }

// KnownHostsFile holds every host's key.
func (l *Lab) KnownHostsFile() string { return filepath.Join(l.dir, "known_hosts") }

// Host finds a host by its name.
func (l *Lab) Host(name string) (*Host, error) {
	var names []string
	for _, h := range l.hosts {
		if h.Name == name {
			return h, nil
		}
		names = append(names, h.Name)
	}
	return nil, fmt.Errorf("find host %q: the lab in %s has %s", name, l.dir, strings.Join(names, ", "))
}

// mountPoint is where a host, and nobody else, has its root file system.
func (l *Lab) mountPoint(h *Host) string { return filepath.Join(l.dir, "hosts", h.Name, "root") }

func (l *Lab) logFile(h *Host) string { return filepath.Join(l.dir, "hosts", h.Name, "log") }

func stateFile(dir string) string { return filepath.Join(dir, "bare.json") }

func (l *Lab) writeState() error {
	b, err := json.MarshalIndent(l.hosts, "", "  ")
	if err != nil {
		return err
	}
	next := stateFile(l.dir) + ".new"
	if err := os.WriteFile(next, append(b, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(next, stateFile(l.dir))
}

// Open finds a lab that Up has made, by whatever program, in whatever state.
func Open(dir string) (*Lab, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(stateFile(dir))
	if err != nil {
		return nil, fmt.Errorf("open the lab in %s: %w (kepmlab up --dir makes one)", dir, err)
	}
	l := &Lab{dir: dir}
	if err := json.Unmarshal(b, &l.hosts); err != nil {
		return nil, fmt.Errorf("open the lab in %s: read bare.json: %w", dir, err)
	}
	return l, nil
}
