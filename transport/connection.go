package transport

import (
	"strings"
	"time"
)

// A Connection is how a group of hosts is reached: a `connection` block of the
// configuration, evaluated for one host. It holds references to secrets, never
// the secrets.
type Connection struct {
	Kind string // "ssh"
	Name string // the block's label
	User string // empty: the current user
	Port int    // 0: the kind's default

	PrivateKeyFile       string
	PrivateKeyPassphrase SecretRef
	Agent                bool
	KnownHostsFile       string // empty: ~/.ssh/known_hosts

	Become         Become
	BecomePassword SecretRef

	ConnectTimeout time.Duration // for dialling, handshake and login together
	CommandTimeout time.Duration // for one script
}

// Address is how the configuration names the connection: "connection.ssh.ops".
func (c Connection) Address() string { return "connection." + c.Kind + "." + c.Name }

// Secrets lists the references the connection holds, for resolving them before
// any host is dialled.
func (c Connection) Secrets() []SecretRef {
	var refs []SecretRef
	for _, r := range []SecretRef{c.PrivateKeyPassphrase, c.BecomePassword} {
		if !r.IsZero() {
			refs = append(refs, r)
		}
	}
	return refs
}

// Become is how a login account gets the rights of root.
type Become string

// The ways to become root.
const (
	BecomeNone Become = "none"
	BecomeSudo Become = "sudo"
)

// A SecretRef names a secret without holding it: secret::env("NAME") or
// secret::file("path"). It is comparable, so it can key a table of resolved values.
type SecretRef struct {
	Source string // "env" or "file"; empty: no secret
	Name   string // the variable's name, or the file's path
}

// IsZero says whether there is no secret.
func (r SecretRef) IsZero() bool { return r.Source == "" }

// String is the reference as written, which is safe to show.
func (r SecretRef) String() string {
	return "secret::" + r.Source + "(\"" + strings.ReplaceAll(r.Name, `"`, `\"`) + "\")"
}

// Secrets looks up a resolved secret. It is handed in by the program, the only
// place that reads the environment.
type Secrets func(SecretRef) (string, error)
