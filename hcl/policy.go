package hcl

import (
	"path/filepath"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/kepmctl/kepmctl/provider"
)

// A Policy is what a site forbids whoever writes configurations: it can only tighten.
type Policy struct {
	File       string
	SignedBy   []string        // public keys, of which plans must be signed; nil: they need not be
	Signatures int             // by so many of them
	Programs   []string        // absolute paths that secrets and inventories may run
	AnyProgram bool            // Programs does not count
	MaxHosts   *provider.Share // of the assigned hosts that a run may change; nil: all
	Forbid     []string        // of Forbidden
}

// Forbidden are what a policy may forbid by name: host keys that are accepted unseen, and
// changing hosts without asking a person.
var Forbidden = []string{"accept_new", "auto_approve"}

// ReadPolicy reads a policy; it is nil when there are errors.
func ReadPolicy(name string, src []byte) (*Policy, Diagnostics) {
	d := &Diagnostics{}
	bodies, whole := parse([]file{{name, src}}, d)
	if !whole {
		return nil, d.tidy()
	}
	grammar := schema{attrs: []string{"signed_by", "signatures", "programs", "max_hosts", "forbid"}}
	checkBodies(d, "", bodies, grammar)
	p := &Policy{File: name, Signatures: 1, AnyProgram: true}
	a := attrs{d: d, body: bodies[0], ctx: &hcl.EvalContext{}}
	if list, ok := a.list("signed_by"); ok {
		p.SignedBy = list
		if len(list) == 0 {
			a.wrong("signed_by", "Name public keys, such as \"ssh-ed25519 AAAA... name\".")
		}
	}
	if n, ok := a.number("signatures", 1, max(len(p.SignedBy), 1)); ok {
		p.Signatures = n
		if p.SignedBy == nil {
			a.wrong("signatures", "It needs signed_by: whose signatures they are.")
		}
	}
	if list, ok := a.list("programs"); ok {
		p.Programs, p.AnyProgram = list, false
		for _, path := range list {
			if !filepath.IsAbs(path) || filepath.Clean(path) != path {
				a.wrong("programs", "%q is no absolute path.", path)
			}
		}
	}
	if s, ok := a.share("max_hosts", 1); ok {
		p.MaxHosts = &s
	}
	if list, ok := a.list("forbid"); ok {
		p.Forbid = list
		for _, what := range list {
			if !slices.Contains(Forbidden, what) {
				a.wrong("forbid", "%q is not %s.%s", what, quoted(Forbidden), didYouMean(what, Forbidden))
			}
		}
	}
	if d.HasErrors() {
		return nil, d.tidy()
	}
	return p, d.tidy()
}
