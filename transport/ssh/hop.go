package ssh

import (
	"net"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/kepmctl/kepmctl/transport"
)

// A hop is one machine on the way to a host, the host itself too, with
// everything settled: what the connection says, else the defaults.
type hop struct {
	host    string                // as configured
	given   transport.Connection  // as configured
	address string                // of what is dialled, with port
	how     transport.Connection  // with user and limits
	via     *transport.Connection // the machine that leads there; nil: directly

	keys         []keySource
	named        bool // the connection names its key: no other will do
	certificates []string
	agentFirst   bool   // the agent is asked
	agentSocket  string // empty: there is no agent
	onlyNamed    bool   // of the agent's keys only those whose files are in keys

	known []string // known_hosts files, the first is written to
	alias string   // under which known_hosts has the machine; empty: its address
}

func (h *hop) doing() string { return "dial " + h.address }

// looked is where keys were looked for.
func (h *hop) looked() []string {
	var all []string
	for _, k := range h.keys {
		all = append(all, k.String())
	}
	return all
}

// settle fills in what the connection leaves open.
func (d *Dialer) settle(how transport.Connection, host, name string, port int) (*hop, error) {
	given := how
	how.ConnectTimeout = orDefault(how.ConnectTimeout, defaultConnectTimeout)
	how.CommandTimeout = orDefault(how.CommandTimeout, defaultCommandTimeout)
	how.User = orDefault(how.User, d.User)
	port = orDefault(port, orDefault(how.Port, defaultPort))
	h := &hop{host: host, given: given, how: how, via: how.Via, address: net.JoinHostPort(host, strconv.Itoa(port)), agentSocket: d.AgentSocket}
	d.settleKeys(h)
	h.known = []string{d.path(orDefault(how.KnownHostsFile, "~/.ssh/known_hosts"))}
	return h, nil
}

// settleKeys decides which keys are offered. A connection with a password and no
// key means the password: other keys would only use up the server's patience.
func (d *Dialer) settleKeys(h *hop) {
	how := h.how
	switch {
	case how.PrivateKeyFile != "":
		h.keys = append(h.keys, keySource{path: how.PrivateKeyFile, passphrase: how.PrivateKeyPassphrase})
	case !how.PrivateKey.IsZero():
		h.keys = append(h.keys, keySource{secret: how.PrivateKey, passphrase: how.PrivateKeyPassphrase})
	}
	h.named = len(h.keys) > 0
	silent := !h.named && how.Password.IsZero()
	h.agentFirst = how.Agent || silent
	if how.CertificateFile != "" {
		h.certificates = []string{how.CertificateFile}
	}
	if silent {
		for _, file := range []string{"~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa"} {
			h.keys = append(h.keys, keySource{path: file, passphrase: how.PrivateKeyPassphrase})
		}
	}
}

// path is a file of the configuration, with "~/" replaced by the home.
func (d *Dialer) path(file string) string {
	if rest, ok := strings.CutPrefix(file, "~/"); ok {
		return filepath.Join(d.Home, rest)
	}
	return file
}

// orDefault is v, or def where v is its type's zero.
func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}
