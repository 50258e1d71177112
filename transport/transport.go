// Package transport carries a script to a host and brings the output back.
//
// It holds the words every transport shares: a Host and how to reach it, a
// Script, its Output, and the closed list of reasons for which a host could not
// be reached. Transports themselves (ssh, winrm) live below this folder.
package transport

import (
	"context"
	"net"
	"time"
)

// OS is the system of a host, as written in the configuration.
type OS string

// The systems kepmctl knows. The empty OS means "found out on first contact".
const (
	Linux   OS = "linux"
	Windows OS = "windows"
	MacOS   OS = "macos"
)

// A Host is one endpoint and how it is reached.
type Host struct {
	Name       string // the name in the configuration, unique
	Address    string // host name or IP address, without a port
	Port       int    // 0: the connection's port
	OS         OS
	Connection Connection
}

// A Script is a program for the host's own shell. Args and Stdin travel on
// standard input, never on a command line that other users of the host can read.
type Script struct {
	Name    string   // for messages and logs: "observe.sh"
	Text    string   // the program
	Args    []string // its positional parameters
	Stdin   []byte   // its standard input
	Elevate bool     // run with the rights the connection's become gives
}

// Output is what a script left behind. A non-zero exit is output, not an error.
type Output struct {
	Stdout []byte
	Stderr []byte // capped; for messages only, never parsed
	Exit   int
	Took   time.Duration
}

// Identity is who answered.
type Identity struct {
	HostKey string // kind and SHA-256 fingerprint: "ssh-ed25519 SHA256:..."
	User    string // the login account
}

// A Conn is an open, authenticated connection to one host. Its methods may be
// called one after the other; Run may not be called concurrently.
type Conn interface {
	// Run runs one script to its end and returns what it said. An error means
	// that the script may have run in part, wholly or not at all: it is never
	// sent twice. Ending ctx ends the remote script.
	Run(ctx context.Context, s Script) (Output, error)
	Peer() Identity
	Close() error
}

// A Tunneler reaches ports on the host's own loopback interface. A Conn may
// implement it; a host that forbids forwarding answers ErrNoTunnel.
type Tunneler interface {
	DialLoopback(ctx context.Context, port int) (net.Conn, error)
}

// A Dialer opens connections. It wraps every failure in an Error of a Kind below.
type Dialer interface {
	Dial(ctx context.Context, h Host) (Conn, error)
}
