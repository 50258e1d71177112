package transport

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// A Connection is how a group of hosts is reached: a `connection` block of the
// configuration, evaluated for one host. It holds references to secrets, never
// the secrets. What is empty is looked up in the user's own SSH configuration,
// and only then is the default.
type Connection struct {
	Kind    string // "ssh"
	Name    string // the block's label
	Address string // of the machine itself, when other connections lead through it (Via); else empty
	User    string // empty: the current user
	Port    int    // 0: the kind's default

	PrivateKeyFile       string
	PrivateKey           SecretRef // the key itself, in PEM; instead of a file
	PrivateKeyPassphrase SecretRef
	CertificateFile      string // OpenSSH certificate of the private key
	Password             SecretRef
	Agent                bool

	KnownHostsFile string // empty: ~/.ssh/known_hosts
	HostKeys       HostKeys
	Via            *Connection // the machine that leads there, which may have its own Via; nil: directly

	Become         Become
	BecomePassword SecretRef

	ConnectTimeout time.Duration // for dialling, handshake and login together
	CommandTimeout time.Duration // for one script
}

// Reference is how the configuration names the connection: "connection.ssh.ops".
func (c Connection) Reference() string { return "connection." + c.Kind + "." + c.Name }

// Secrets lists the references the connection and those it leads through hold,
// for resolving them before any host is dialled.
func (c Connection) Secrets() []SecretRef {
	var refs []SecretRef
	for hop := &c; hop != nil; hop = hop.Via {
		for _, r := range []SecretRef{hop.PrivateKey, hop.PrivateKeyPassphrase, hop.Password, hop.BecomePassword} {
			if !r.IsZero() {
				refs = append(refs, r)
			}
		}
	}
	return refs
}

// HostKeys is what happens to a host key that is not known.
type HostKeys string

// The ways to treat a host key that is not known. One that has changed is always
// refused.
const (
	HostKeysStrict    HostKeys = "strict"     // refused; the empty value is strict too
	HostKeysAcceptNew HostKeys = "accept_new" // written to known_hosts, and trusted from then on
)

// Become is how a login account gets the rights of root.
type Become string

// The ways to become root.
const (
	BecomeNone        Become = "none"
	BecomeSudo        Become = "sudo"
	BecomeKeeperSudo  Become = "keepersudo"  // the agent's own sudo
	BecomeKeeperAgent Become = "keeperagent" // the agent's command line, given a command
)

// A SecretRef names a secret without holding it: secret::env("NAME"),
// secret::file("path") or secret::exec(["command", "argument"]). It is comparable,
// so it can key a table of resolved values.
type SecretRef struct {
	Source string // "env", "file" or "exec"; empty: no secret
	Name   string // the variable's name, the file's path, or the command as a JSON array of strings
}

// IsZero says whether there is no secret.
func (r SecretRef) IsZero() bool { return r.Source == "" }

// String is the reference as written, which is safe to show; of a command only
// the program, since its arguments may hold what they should not.
func (r SecretRef) String() string {
	if argv := r.Command(); len(argv) > 0 {
		dots := ""
		if len(argv) > 1 {
			dots = ", ..."
		}
		return fmt.Sprintf("secret::exec([%q%s])", argv[0], dots)
	}
	return "secret::" + r.Source + "(\"" + strings.ReplaceAll(r.Name, `"`, `\"`) + "\")"
}

// Command is the command of an exec reference with its arguments; nil for another.
func (r SecretRef) Command() []string {
	var argv []string
	if r.Source != "exec" || json.Unmarshal([]byte(r.Name), &argv) != nil {
		return nil
	}
	return argv
}

// Secrets looks up a resolved secret. It is handed in by the program, the only
// place that reads the environment.
type Secrets func(SecretRef) (string, error)
