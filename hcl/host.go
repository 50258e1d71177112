package hcl

import (
	"net/netip"
	"path"
	"regexp"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/kepmctl/kepmctl/transport"
)

const (
	maxPort      = 65535
	maxHostBytes = 253 // of a DNS name (RFC 1035, 2.3.4)
	maxLabel     = 256
)

// A host is a host block while the configuration is read.
type host struct {
	Host
	at         hcl.Range        // of what it was first known by
	user       string           // that its inventory names; empty: the connection's
	connection *hclsyntax.Block // nil: none
	reach      transport.Connection
}

func (r *reading) readHosts() {
	for _, b := range r.blocks["host"] {
		if h := r.readHost(b); h != nil {
			r.hosts = append(r.hosts, h)
		}
	}
}

// hostName is what a host, and an address that is no IP address, may be called.
// It ends up in file names and on command lines.
var hostName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*$`)

func (r *reading) readHost(b *hclsyntax.Block) *host {
	a := r.attrs(b)
	h := &host{Host: Host{Name: b.Labels[0]}, at: b.DefRange()}
	if !hostName.MatchString(h.Name) || len(h.Name) > maxHostBytes {
		r.d.errorf(b.LabelRanges[0].Ptr(), "Not a host name",
			"A host's name has at most %d letters, digits, \".\", \"-\" and \"_\", and begins with a letter or a digit. The address may be another: address = \"...\".", maxHostBytes)
		return nil
	}
	if address, ok := a.text("address"); ok {
		h.Address = address
		if !validAddress(address) {
			a.wrong("address", notAddress, address)
		}
	}
	h.Port, _ = a.number("port", 1, maxPort)
	if system, ok := a.choice("os", []string{string(transport.Linux), string(transport.MacOS)}, string(transport.Windows)); ok {
		h.OS = transport.OS(system)
	}
	h.Labels = a.hostLabels()
	if root, ok := a.word("install_root"); ok {
		h.InstallRoot = root
		if !path.IsAbs(root) || path.Clean(root) != root || root == "/" {
			a.wrong("install_root", "Write an absolute path below /, without \"..\" and without a slash at the end.")
		}
	}
	if ref, ok := a.reference("connection", "connection"); ok {
		h.connection, _ = find(r.d, ref, r.connections)
	}
	return h
}

const notAddress = "%q is neither a host name nor an IP address. Write it without a port, a user and brackets; the port has an attribute of its own."

func validAddress(s string) bool {
	if ip, err := netip.ParseAddr(s); err == nil {
		return ip.Zone() == "" || hostName.MatchString(ip.Zone())
	}
	return hostName.MatchString(s) && len(s) <= maxHostBytes
}

// hostLabels reads labels: an object of texts. A null label is none.
func (a attrs) hostLabels() map[string]string {
	const name = "labels"
	labels := map[string]string{}
	v, ok := a.value(name)
	if !ok {
		return labels
	}
	if !v.Type().IsObjectType() && !v.Type().IsMapType() {
		a.wrong(name, "Write labels = { env = \"prod\" }.")
		return labels
	}
	for it := v.ElementIterator(); it.Next(); {
		key, value := it.Element()
		label := key.AsString()
		switch {
		case !hclsyntax.ValidIdentifier(label):
			a.wrong(name, "%q is no name for a label: it has letters, digits, - and _, and begins with a letter.", label)
		case value.IsNull():
		case value.Type() != cty.String:
			a.wrong(name, "The label %q is not a text: write it in quotes.", label)
		case len(value.AsString()) > maxLabel || hasControl(value.AsString()):
			a.wrong(name, "The label %q is longer than %d bytes or has control characters.", label, maxLabel)
		default:
			labels[label] = value.AsString()
		}
	}
	return labels
}

// value is a host as expressions see it. Every label that any host has is there,
// null where this one has none.
func (r *reading) value(h *host) cty.Value {
	labels := map[string]cty.Value{}
	for _, label := range r.labels {
		labels[label] = cty.NullVal(cty.String)
		if text, ok := h.Labels[label]; ok {
			labels[label] = cty.StringVal(text)
		}
	}
	system := cty.NullVal(cty.String)
	if h.OS != "" {
		system = cty.StringVal(string(h.OS))
	}
	return hostObject(cty.StringVal(h.Name), cty.StringVal(h.Address), system, labels)
}

// anyHost has the attributes of a host and no values.
func (r *reading) anyHost() cty.Value {
	text := cty.UnknownVal(cty.String)
	labels := map[string]cty.Value{}
	for _, label := range r.labels {
		labels[label] = text
	}
	return hostObject(text, text, text, labels)
}

func hostObject(name, address, system cty.Value, labels map[string]cty.Value) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{
		"name": name, "address": address, "os": system, "labels": cty.ObjectVal(labels),
	})
}
