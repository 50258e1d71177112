package hcl

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// A schema is what may stand in a block. Blocks of one type may repeat only with
// different labels.
type schema struct {
	labels   []string // what each label says
	free     bool     // labels are texts of their own kind, not names that references use
	fold     bool     // labels that differ in case alone are the same
	repeat   bool     // blocks without labels that may repeat
	any      bool     // attributes have names of the writer's choice
	attrs    []string
	required []string
	blocks   map[string]schema
	later    []string // attributes and blocks of the language that this version does not read
}

// language is the grammar: everything docs/language.md names, whether this
// version reads it or not.
func language() schema {
	name := []string{"NAME"}
	return schema{
		blocks: map[string]schema{
			"kepmctl":    {attrs: []string{"required_version", "max_unreachable"}},
			"connection": {labels: []string{"KIND", "NAME"}, attrs: connectionAttributes()},
			"locals":     {any: true, repeat: true},
			"variable": {
				labels: name, attrs: []string{"type", "default", "description"},
				blocks: map[string]schema{"validation": {
					attrs: []string{"condition", "error_message"}, required: []string{"condition", "error_message"}, repeat: true,
				}},
			},
			"host": {
				labels: name, free: true,
				attrs: []string{"address", "port", "os", "labels", "connection", "install_root"},
			},
			"inventory": {
				labels: []string{"KIND", "NAME"},
				attrs:  []string{"path", "columns", "command", "timeout", "cache", "connection", "labels", "priority"},
			},
			"group":    {labels: name, attrs: []string{"where", "hosts", "connection"}},
			"baseline": baselineSchema(),
			"assign": {
				labels: name, attrs: []string{"baseline", "to", "hosts", "except", "mode", "rollout"},
				required: []string{"baseline"},
			},
			"gate": {labels: name, attrs: []string{"condition", "error_message"}, required: []string{"condition", "error_message"}},
			"waiver": {
				labels:   name,
				attrs:    []string{"controls", "accepts", "hosts", "groups", "where", "reason", "owner", "approved_by", "ticket", "granted", "expires"},
				required: []string{"controls", "reason", "owner", "expires"},
			},
			"rollout": {
				labels: name, attrs: []string{"parallelism", "max_failed", "max_unreachable", "confirm_timeout", "keep"},
				blocks: map[string]schema{
					"wave":   {labels: name, attrs: []string{"where", "size", "soak", "approve"}},
					"limit":  {labels: name, attrs: []string{"by", "count"}, required: []string{"by", "count"}},
					"window": {attrs: []string{"days", "from", "to", "zone"}, required: []string{"from", "to"}, repeat: true},
				},
			},
		},
		later: []string{"issuer"},
	}
}

func connectionAttributes() []string {
	return []string{
		"address", "user", "port", "private_key_file", "private_key", "private_key_passphrase", "certificate_file",
		"password", "agent", "known_hosts_file", "host_keys", "via", "proxy_jump", "become", "become_password",
		"connect_timeout", "command_timeout",
	}
}

func baselineSchema() schema {
	blocks := map[string]schema{
		"app_setting": {
			labels: []string{"KEY"}, free: true, fold: true, attrs: []string{"value", "match"},
		},
		"plugin_setting": {
			labels: []string{"PLUGIN", "KEY"}, free: true, fold: true, attrs: []string{"value", "match"},
		},
		"override": {
			attrs: []string{"controls", "mode", "severity", "reason", "expires"}, required: []string{"controls"}, repeat: true,
		},
		"certificate": {later: []string{
			"issuer", "common_name", "dns_names", "ip_addresses", "validity", "key_type", "store", "directory",
			"thumbprint_setting", "certificate_path_setting", "key_path_setting",
		}},
		"permissions": {blocks: map[string]schema{
			"path": {labels: []string{"PATH"}, free: true, fold: true, attrs: []string{"administrators", "users"}},
		}},
	}
	for _, a := range baselineAttributes() {
		s := blocks[a.block]
		s.attrs = append(s.attrs, a.name)
		blocks[a.block] = s
	}
	return schema{
		labels: []string{"NAME"}, attrs: []string{"title", "extends"}, blocks: blocks,
	}
}

// labelsFit says whether a block has the labels it needs, so that its name can be used.
func (s schema) labelsFit(b *hclsyntax.Block) bool {
	if len(b.Labels) != len(s.labels) {
		return false
	}
	return s.free || !slices.ContainsFunc(b.Labels, func(l string) bool { return !hclsyntax.ValidIdentifier(l) })
}

// wellFormed are the blocks inside a block that the grammar knows, with the labels
// they need; the others are reported.
func (s schema) wellFormed(b *hclsyntax.Block) []*hclsyntax.Block {
	var list []*hclsyntax.Block
	for _, inner := range b.Body.Blocks {
		if known, ok := s.blocks[inner.Type]; ok && known.labelsFit(inner) {
			list = append(list, inner)
		}
	}
	return list
}

// checkBodies checks the bodies that together make up one block (or the whole
// configuration, when in is empty) against its schema.
func checkBodies(d *Diagnostics, in string, bodies []*hclsyntax.Body, s schema) {
	first := map[string]*hclsyntax.Block{}
	for _, body := range bodies {
		for _, attr := range body.Attributes {
			checkAttribute(d, in, attr, s)
		}
		for _, b := range body.Blocks {
			inner, ok := s.blocks[b.Type]
			if !ok {
				unknownBlock(d, in, b, s)
				continue
			}
			if !checkLabels(d, b, inner) {
				continue
			}
			key := blockKey(b, inner.fold)
			if before, twice := first[key]; twice && !inner.repeat {
				d.errorf(b.DefRange().Ptr(), "Duplicate block", "%s is already at %s. Write it once, or give one another name.",
					header(b), place(before.DefRange()))
			} else {
				first[key] = b
			}
			checkBodies(d, b.Type, []*hclsyntax.Body{b.Body}, inner)
			checkRequired(d, b, inner)
		}
	}
}

func blockKey(b *hclsyntax.Block, fold bool) string {
	key := strings.Join(append([]string{b.Type}, b.Labels...), "\x00")
	if fold {
		key = strings.ToLower(key)
	}
	return key
}

// address is how references name a block: connection.ssh.ops.
func address(b *hclsyntax.Block) string {
	return strings.Join(append([]string{b.Type}, b.Labels...), ".")
}

// header is how a block is written: connection "ssh" "ops".
func header(b *hclsyntax.Block) string { return written(b.Type, b.Labels) }

func written(blockType string, labels []string) string {
	for _, l := range labels {
		blockType += fmt.Sprintf(" %q", l)
	}
	return blockType
}

func checkAttribute(d *Diagnostics, in string, attr *hclsyntax.Attribute, s schema) {
	at := attr.NameRange.Ptr()
	_, isBlock := s.blocks[attr.Name]
	switch {
	case s.any, slices.Contains(s.attrs, attr.Name):
	case slices.Contains(s.later, attr.Name):
		d.notYet(at, fmt.Sprintf("attribute %q", attr.Name))
	case isBlock:
		d.errorf(at, "A block, not an attribute", "%q is a block: write it without the equals sign, %s { ... }.", attr.Name, attr.Name)
	case in == "":
		d.errorf(at, "Unknown attribute", "No attribute stands outside of a block.%s", didYouMean(attr.Name, s.names()))
	default:
		d.errorf(at, "Unknown attribute", "A block %q has no attribute %q.%s", in, attr.Name, didYouMean(attr.Name, s.names()))
	}
}

func unknownBlock(d *Diagnostics, in string, b *hclsyntax.Block, s schema) {
	at := b.TypeRange.Ptr()
	where := "The language has no block"
	if in != "" {
		where = fmt.Sprintf("A block %q holds no block", in)
	}
	switch {
	case slices.Contains(s.later, b.Type):
		d.notYet(at, fmt.Sprintf("block %q", b.Type))
	case slices.Contains(s.attrs, b.Type):
		d.errorf(at, "An attribute, not a block", "%q is an attribute: write it with an equals sign, %s = ...", b.Type, b.Type)
	default:
		d.errorf(at, "Unknown block", "%s %q.%s", where, b.Type, didYouMean(b.Type, s.names()))
	}
}

// names are all that may be written, for suggestions.
func (s schema) names() []string {
	return slices.Concat(s.attrs, slices.Collect(maps.Keys(s.blocks)), s.later)
}

func checkLabels(d *Diagnostics, b *hclsyntax.Block, s schema) bool {
	if len(b.Labels) != len(s.labels) {
		d.errorf(b.DefRange().Ptr(), "Wrong number of labels", "This block is written %s { ... }.", written(b.Type, s.labels))
		return false
	}
	if s.labelsFit(b) {
		return true
	}
	for i, l := range b.Labels {
		if !hclsyntax.ValidIdentifier(l) {
			d.errorf(b.LabelRanges[i].Ptr(), "Not a name",
				"%q cannot be used in references. A name has letters, digits, - and _, and begins with a letter.", l)
		}
	}
	return false
}

func checkRequired(d *Diagnostics, b *hclsyntax.Block, s schema) {
	for _, name := range s.required {
		if _, ok := b.Body.Attributes[name]; !ok {
			d.errorf(b.DefRange().Ptr(), "Missing attribute", "A block %q needs the attribute %q.", b.Type, name)
		}
	}
}

// find looks up a reference, or says which name may have been meant.
func find[T any](d *Diagnostics, r reference, known map[string]T) (T, bool) {
	found, ok := known[r.address]
	if !ok {
		d.errorf(r.at.Ptr(), "Unknown reference", "There is no %s.%s", r.address, didYouMean(r.address, sameKind(r.address, known)))
	}
	return found, ok
}

// sameKind are the addresses that differ from one in the last part at most.
func sameKind[T any](address string, known map[string]T) []string {
	kind := address[:strings.LastIndexByte(address, '.')+1]
	var list []string
	for other := range known {
		if strings.HasPrefix(other, kind) {
			list = append(list, other)
		}
	}
	return list
}

// A reference is a name of a block, as in group.prod.
type reference struct {
	address string
	at      hcl.Range
}
