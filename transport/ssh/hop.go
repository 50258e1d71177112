package ssh

import (
	"errors"
	"net"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/kepmctl/kepmctl/transport"
)

// A hop is one machine on the way to a host, the host itself too, with
// everything settled: what the connection says, else the user's own SSH
// configuration, else the defaults.
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

// settle fills in what the connection leaves open. The user's own configuration
// is asked for the machine as it would be typed after ssh: by its address. Its
// HostName counts only if that address is but the host's name.
func (d *Dialer) settle(how transport.Connection, host string, onlyName bool, port int) (*hop, error) {
	h := &hop{host: host, given: how, how: how, via: how.Via, address: host}
	said, err := d.lookUp(host, how.User)
	if err == nil {
		err = d.settleAddress(h, said, onlyName, port)
	}
	if err == nil {
		err = d.settleFiles(h, said)
	}
	if err == nil {
		err = settleWay(h, said)
	}
	if err != nil {
		return nil, &transport.Error{Kind: transport.ErrUnreachable, Doing: h.doing(), Err: errors.New(printableWhole(err.Error())), Hint: configHint}
	}
	return h, nil
}

func (d *Dialer) settleAddress(h *hop, said *found, onlyName bool, port int) error {
	how := &h.how
	how.ConnectTimeout = orDefault(how.ConnectTimeout, defaultConnectTimeout)
	how.CommandTimeout = orDefault(how.CommandTimeout, defaultCommandTimeout)
	how.User = orDefault(how.User, orDefault(said.user, d.User))
	how.Port = orDefault(port, orDefault(how.Port, orDefault(said.port, defaultPort)))
	machine := h.host
	if said.hostName != "" && onlyName {
		name, err := expand(said.hostName, map[byte]string{'h': machine})
		if err != nil {
			return said.refuse("hostname", err)
		}
		machine = strings.ToLower(name)
	}
	h.address = net.JoinHostPort(machine, strconv.Itoa(how.Port))
	return nil
}

// settleFiles decides which files are used: keys, certificates, known_hosts, the
// agent's socket.
func (d *Dialer) settleFiles(h *hop, said *found) error {
	machine, port, _ := net.SplitHostPort(h.address)
	h.alias = said.alias
	tokens := map[byte]string{
		'd': d.Home, 'h': machine, 'n': h.host, 'p': port, 'r': h.how.User, 'u': d.User, 'k': orDefault(said.alias, h.host),
	}
	var err error
	file := func(key, name string) string {
		expanded, bad := expand(strings.ReplaceAll(name, "${HOME}", strings.ReplaceAll(d.Home, "%", "%%")), tokens)
		if bad == nil && strings.Contains(name, "$") && strings.Contains(expanded, "${") {
			bad = errToken("a variable in " + name)
		}
		if bad == nil && strings.HasPrefix(expanded, "~") && !strings.HasPrefix(expanded, "~/") {
			bad = errToken(name)
		}
		if bad != nil && err == nil {
			err = said.refuse(key, bad)
		}
		return expanded
	}
	d.settleKeys(h, said, file)
	if said.agent != "" && !d.keepsAgent(h, said.agent) {
		h.agentSocket = d.path(file("identityagent", said.agent))
	}
	switch {
	case h.how.KnownHostsFile != "":
		h.known = []string{d.path(h.how.KnownHostsFile)}
	case said.known == nil:
		h.known = []string{filepath.Join(d.Home, ".ssh", "known_hosts")}
	default:
		for _, name := range said.known {
			if !strings.EqualFold(name, "none") {
				h.known = append(h.known, d.path(file("userknownhostsfile", name)))
			}
		}
	}
	if said.strict { // stricter than the connection is always right, weaker never
		h.how.HostKeys = transport.HostKeysStrict
	}
	return err
}

// keepsAgent says whether the agent stays the one there is anyhow, or there is
// none: IdentityAgent names no socket then.
func (d *Dialer) keepsAgent(h *hop, name string) bool {
	h.agentSocket = d.AgentSocket
	switch name {
	case "SSH_AUTH_SOCK", "$SSH_AUTH_SOCK", "${SSH_AUTH_SOCK}":
		return true
	}
	if strings.EqualFold(name, "none") {
		if !h.how.Agent {
			h.agentSocket = ""
		}
		return true
	}
	return false
}

// settleKeys decides which keys are offered. A connection with a password and no
// key means the password: other keys would only use up the server's patience.
func (d *Dialer) settleKeys(h *hop, said *found, file func(key, name string) string) {
	how := h.how
	h.agentSocket = d.AgentSocket
	switch {
	case how.PrivateKeyFile != "":
		h.keys = append(h.keys, keySource{path: how.PrivateKeyFile, passphrase: how.PrivateKeyPassphrase})
	case !how.PrivateKey.IsZero():
		h.keys = append(h.keys, keySource{secret: how.PrivateKey, passphrase: how.PrivateKeyPassphrase})
	}
	h.named = len(h.keys) > 0
	silent := !h.named && how.Password.IsZero()
	h.agentFirst = how.Agent || silent
	h.onlyNamed = said.onlyNamed && silent && !how.Agent
	if how.CertificateFile != "" {
		h.certificates = []string{how.CertificateFile}
	} else if h.named || silent {
		for _, name := range said.certificates {
			h.certificates = append(h.certificates, file("certificatefile", name))
		}
	}
	if !silent {
		return
	}
	files := []string{"~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa"}
	if said.keys != nil {
		files = nil
		for _, name := range said.keys {
			if !strings.EqualFold(name, "none") {
				files = append(files, file("identityfile", name))
			}
		}
	}
	for _, name := range files {
		h.keys = append(h.keys, keySource{path: name, passphrase: how.PrivateKeyPassphrase})
	}
}

// settleWay decides what leads there, if the connection does not. The machines of
// a ProxyJump get what the connection says about trust and time, but neither its
// keys nor its password: they have entries of their own.
func settleWay(h *hop, said *found) error {
	switch {
	case h.how.Via != nil:
		return nil
	case said.command != nil:
		return said.command.refuse("ProxyCommand is not run: use ProxyJump, or via in the connection")
	case said.jump == "":
		return nil
	}
	machine, port, _ := net.SplitHostPort(h.address)
	list, err := expand(said.jump, map[byte]string{'h': machine, 'n': h.host, 'p': port, 'r': h.how.User})
	if err == nil {
		h.via, err = transport.Jumps(transport.Connection{
			Kind: h.how.Kind, Name: h.how.Name, KnownHostsFile: h.how.KnownHostsFile, HostKeys: h.how.HostKeys,
			Agent: h.how.Agent, ConnectTimeout: h.how.ConnectTimeout,
		}, list)
	}
	if err != nil {
		return said.refuse("proxyjump", err)
	}
	return nil
}

// path is where a file of the configuration lies: "~/" is the home, and what is
// relative lies in the configuration's directory.
func (d *Dialer) path(file string) string {
	if rest, ok := strings.CutPrefix(file, "~/"); ok {
		return filepath.Join(d.Home, rest)
	}
	if filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(d.Dir, file)
}

// orDefault is v, or def where v is its type's zero.
func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}
