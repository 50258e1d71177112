package hcl

import (
	"cmp"
	"time"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/kepmctl/kepmctl/transport"
)

// Limits of a connection that the configuration does not set.
const (
	defaultConnectTimeout = 10 * time.Second
	defaultCommandTimeout = 2 * time.Minute
)

// readConnections finds the connections. They are evaluated later, once for each
// host that uses them.
func (r *reading) readConnections() {
	r.connections = map[string]*hclsyntax.Block{}
	for _, b := range r.blocks["connection"] {
		switch kind := b.Labels[0]; kind {
		case "ssh":
			r.connections[address(b)] = b
		case "winrm":
			r.d.notYet(b.LabelRanges[0].Ptr(), `connection "winrm"`)
		default:
			r.d.errorf(b.LabelRanges[0].Ptr(), "Unknown kind of connection", "%q is not %s.%s",
				kind, quoted([]string{"ssh", "winrm"}), didYouMean(kind, []string{"ssh", "winrm"}))
		}
	}
}

// connect settles how each host is reached: its own connection, else its groups'.
func (r *reading) connect() {
	for _, b := range r.blocks["connection"] {
		if r.connections[address(b)] == b {
			// Mistakes that need no host are found where no host uses it, too.
			r.connection(b, r.anyHost())
		}
	}
	clashes := clashes{}
	for _, h := range r.hosts {
		if h.connection == nil {
			h.connection = r.fromGroups(h, clashes)
		}
		if h.connection != nil {
			h.Connection = address(h.connection)
			h.reach = r.connection(h.connection, r.value(h))
			h.reach.User = cmp.Or(h.user, h.reach.User)
		}
	}
	clashes.report(r.d)
}

// fromGroups is the connection that a host's groups agree on.
func (r *reading) fromGroups(h *host, c clashes) *hclsyntax.Block {
	var from *group
	for _, name := range h.Groups {
		g := r.groups["group."+name]
		switch {
		case g.connection == nil:
		case from == nil:
			from = g
		case from.connection != g.connection:
			c[[2]*group{from, g}] = append(c[[2]*group{from, g}], h.Name)
		}
	}
	if from == nil {
		return nil
	}
	return from.connection
}

// clashes are pairs of groups that give the same hosts different connections.
type clashes map[[2]*group][]string

func (c clashes) report(d *Diagnostics) {
	for pair, hosts := range c {
		a, b := pair[0], pair[1]
		d.errorf(b.at("connection"), "Two groups disagree on a connection",
			"%s gives %s, %s gives %s (%s). Both hold %s. Set connection in the host blocks, which comes first, or take the hosts out of one group.",
			b.address, address(b.connection), a.address, address(a.connection), place(*a.at("connection")), some(hosts))
	}
}

// connection evaluates a connection block for one host.
func (r *reading) connection(b *hclsyntax.Block, host cty.Value) transport.Connection {
	return r.connectionVia(b, host, nil)
}

func (r *reading) connectionVia(b *hclsyntax.Block, host cty.Value, path []*hclsyntax.Block) transport.Connection {
	a := r.attrs(b).about(host)
	c := transport.Connection{
		Kind: b.Labels[0], Name: b.Labels[1], Become: transport.BecomeNone, HostKeys: transport.HostKeysStrict,
		PrivateKeyFile:       r.path(a, "private_key_file"),
		PrivateKey:           a.secret("private_key"),
		PrivateKeyPassphrase: a.secret("private_key_passphrase"),
		CertificateFile:      r.path(a, "certificate_file"),
		Password:             a.secret("password"),
		KnownHostsFile:       r.path(a, "known_hosts_file"),
		BecomePassword:       a.secret("become_password"),
		ConnectTimeout:       a.timeoutOr("connect_timeout", defaultConnectTimeout),
		CommandTimeout:       a.timeoutOr("command_timeout", defaultCommandTimeout),
	}
	c.User, _ = a.word("user")
	c.Port, _ = a.number("port", 1, maxPort)
	if address, ok := a.text("address"); ok {
		c.Address = address
		if !validAddress(address) {
			a.wrong("address", notAddress, address)
		}
	}
	c.Agent, _ = a.boolean("agent")
	if keys, ok := a.choice("host_keys", []string{string(transport.HostKeysStrict), string(transport.HostKeysAcceptNew)}); ok {
		c.HostKeys = transport.HostKeys(keys)
	}
	if become, ok := a.choice("become", []string{
		string(transport.BecomeNone), string(transport.BecomeSudo), string(transport.BecomeKeeperSudo), string(transport.BecomeKeeperAgent),
	}); ok {
		c.Become = transport.Become(become)
	}
	r.checkLogin(a, c)
	r.through(a, &c, host, append(path, b))
	return c
}

// checkLogin reports attributes of a login that contradict each other, or have no
// effect.
func (r *reading) checkLogin(a attrs, c transport.Connection) {
	if a.set("private_key") && a.set("private_key_file") {
		a.wrong("private_key", "private_key_file names a key already: write one of the two.")
	}
	for _, one := range []struct {
		name, without string
		useless       bool
	}{
		{"become_password", `become = "sudo"`, !c.BecomePassword.IsZero() && c.Become != transport.BecomeSudo},
		{"private_key_passphrase", "private_key_file or private_key", !c.PrivateKeyPassphrase.IsZero() && !a.has("private_key_file") && !a.has("private_key")},
		{"certificate_file", "private_key_file or private_key", c.CertificateFile != "" && !a.has("private_key_file") && !a.has("private_key") && !c.Agent},
	} {
		if one.useless {
			r.d.warnf(a.at(one.name), "Without effect", "%s is not used without %s.", one.name, one.without)
		}
	}
}

// path reads a path of a file that the program will open.
func (r *reading) path(a attrs, name string) string {
	p, ok := a.text(name)
	if !ok {
		return ""
	}
	p, err := localPath(p)
	if err != nil {
		a.wrong(name, "%s.", err)
	}
	return p
}
