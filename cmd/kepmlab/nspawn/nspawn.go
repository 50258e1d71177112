// Package nspawn runs real systemd hosts on one machine: small Debian systems in
// containers, each with sshd, the agent's package and an address of its own, that
// can be logged into, cut off from the network and powered off.
//
// It needs root, and Debian's debootstrap, systemd-container, iproute2,
// util-linux and openssh-client. A lab is a directory:
//
//	lab, err := nspawn.Up(ctx, nspawn.Options{Dir: dir, Deb: deb, Hosts: []nspawn.Spec{{Name: "lab-01"}}})
//	...
//	defer lab.Down(context.WithoutCancel(ctx))
//	host := lab.Hosts()[0]
//	out, err := host.Exec(ctx, "systemctl", "is-active", "keeper-privilege-manager")
//
// Everything a lab holds on the machine is named by its directory, so a lab whose
// program died is taken down by Open and Down.
package nspawn

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// DefaultCache is where base images are kept between labs.
const DefaultCache = "/var/cache/kepmlab"

// User is the account on every host that the lab's key opens; it may use sudo.
const User = "ops"

// maxHosts is how many addresses a lab has.
const maxHosts = 250

// Sudo is what sudo asks of User.
type Sudo string

// What sudo asks for.
const (
	SudoNoPassword Sudo = "nopasswd" // nothing; the default
	SudoPassword   Sudo = "password" // the password in Lab.PasswordFile
	// SudoIntercepted refuses as the agent does: only keepersudo and keeperagent
	// elevate, and not even they while /etc/keeper-approval is there.
	SudoIntercepted Sudo = "intercepted"
)

// A Spec is how one host is set up. The zero value, with a name, is an ordinary
// host: login as User, sudo without a password.
type Spec struct {
	Name              string `json:"name"` // lower-case letters, digits and dashes; unique
	Sudo              Sudo   `json:"sudo,omitempty"`
	Root              bool   `json:"root,omitempty"`                // the lab's key opens root too
	KillUserProcesses bool   `json:"kill_user_processes,omitempty"` // logind ends what a session leaves behind
	NoForwarding      bool   `json:"no_forwarding,omitempty"`       // sshd refuses every forwarding
	Bare              bool   `json:"bare,omitempty"`                // no curl, no openssl, no python
}

// Options are what a lab is made from.
type Options struct {
	Dir      string        // the lab's directory: must be empty or not exist yet
	Cache    string        // of base images; empty: DefaultCache
	Deb      string        // the agent's package, installed on every host
	Mirror   string        // URL of a Debian mirror; empty: the one this machine's apt uses
	Hosts    []Spec        // at least one, at most 250
	Parallel int           // hosts that boot side by side; 0: 10
	Timeout  time.Duration // for one boot until login and agent answer; 0: 90 s
	Progress func(string)  // told what is being done; may be nil
}

// withDefaults checks the options and fills in what is left out.
func (o Options) withDefaults() (Options, error) {
	var err error
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return o, err
	}
	if strings.ContainsAny(o.Dir, `,:\"`) { // each means something in overlayfs' mount options
		return o, fmt.Errorf("use %s for a lab: its path may not contain , : \\ or \"", o.Dir)
	}
	if o.Cache == "" {
		o.Cache = DefaultCache
	}
	if o.Deb == "" {
		return o, errors.New("make a lab: no package of the agent was named")
	}
	if o.Parallel == 0 {
		o.Parallel = 10
	}
	if o.Timeout == 0 {
		o.Timeout = 90 * time.Second
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	return o, checkSpecs(o.Hosts)
}

func checkSpecs(specs []Spec) error {
	if len(specs) == 0 || len(specs) > maxHosts {
		return fmt.Errorf("make a lab of %d hosts: it must have 1 to %d", len(specs), maxHosts)
	}
	valid := regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,40}$`)
	seen := map[string]bool{}
	for _, s := range specs {
		switch {
		case !valid.MatchString(s.Name):
			return fmt.Errorf("make host %q: a name is up to 41 lower-case letters, digits and dashes", s.Name)
		case seen[s.Name]:
			return fmt.Errorf("make host %q: another has this name", s.Name)
		case s.Sudo != "" && !slices.Contains([]Sudo{SudoNoPassword, SudoPassword, SudoIntercepted}, s.Sudo):
			return fmt.Errorf("make host %q: unknown kind of sudo %q", s.Name, s.Sudo)
		}
		seen[s.Name] = true
	}
	return nil
}
