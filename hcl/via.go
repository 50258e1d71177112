package hcl

import (
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/kepmctl/kepmctl/transport"
)

// through reads the machines that a connection leads through: via names another
// connection, proxy_jump is the short form. The path holds the connections that
// lead here.
func (r *reading) through(a attrs, c *transport.Connection, host cty.Value, path []*hclsyntax.Block) {
	ref, named := a.reference("via", "connection")
	jumps, short := a.word("proxy_jump")
	switch {
	case named && a.set("proxy_jump"):
		a.wrong("proxy_jump", "via says already what leads there: write one of the two.")
	case short:
		via, err := transport.Jumps(*c, jumps)
		if err != nil {
			a.wrong("proxy_jump", "%s.", sentence(err))
		}
		c.Via = via
	case named:
		if b, ok := find(r.d, ref, r.connections); ok {
			c.Via = r.bastion(a, b, host, path)
		}
	}
}

// bastion is a connection that others lead through.
func (r *reading) bastion(a attrs, b *hclsyntax.Block, host cty.Value, path []*hclsyntax.Block) *transport.Connection {
	for i, before := range path {
		if before == b {
			var names []string
			for _, step := range append(path[i:], b) {
				names = append(names, address(step))
			}
			a.wrong("via", "The connections lead in a circle: %s.", strings.Join(names, " -> "))
			return nil
		}
	}
	c := r.connectionVia(b, host, path)
	if c.Address == "" && r.attrs(b).set("address") {
		return &c // it is not known yet, or reported
	}
	if c.Address == "" {
		a.wrong("via", "%s leads through, so it needs an address of its own (%s).", address(b), place(b.DefRange()))
	}
	return &c
}

// sentence begins an error's text with a capital letter.
func sentence(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:]
}
