package hcl

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/kepmctl/kepmctl/provider"
)

// A slot is one attribute of a baseline, wherever it is written. Labels are in
// lower case: the agent's keys and directories are matched that way.
type slot struct{ block, label, attr string }

// A setting is what a slot holds. A nil value undoes what was inherited: not managed.
type setting struct {
	value  any    // as provider.MakeValue takes it, or a type of its own
	plugin string // of a plugin_setting, as written
	label  string // as written
	at     hcl.Range
}

func (s setting) source() provider.Source { return sourceOf(s.at) }

// agentPresent is the slot that says that there is an agent block.
const agentPresent = "(present)"

// A baseline is a baseline block: merged is what it inherits, overlaid with its own.
type baseline struct {
	address string
	at      hcl.Range
	own     map[slot]setting
	extends []reference
	merged  map[slot]setting // nil until resolved

	overrides []override // once resolved those it inherits come first
}

func (r *reading) readBaselines() {
	r.baselines = map[string]*baseline{}
	for _, b := range builtinBaselines(r.d) {
		r.addBaseline(b, "builtin."+b.Labels[0])
	}
	for _, b := range r.blocks["baseline"] {
		r.addBaseline(b, address(b))
	}
	for _, name := range slices.Sorted(maps.Keys(r.baselines)) {
		r.resolve(r.baselines[name], nil)
	}
	for _, b := range r.baselines {
		r.checkRows(b)
		r.checkCertificate(b)
		r.checkNested(b)
		r.weaken(b, b.wants())
	}
}

func (r *reading) addBaseline(block *hclsyntax.Block, name string) {
	if r.baselines[name] != nil {
		return // reported as a duplicate
	}
	b := &baseline{address: name, at: block.DefRange(), own: map[slot]setting{}}
	top := r.attrs(block)
	top.text("title")
	b.extends = top.references("extends", "baseline", "builtin")
	grammar := baselineSchema()
	for _, inner := range grammar.wellFormed(block) {
		if inner.Type != "override" {
			r.readSettings(b.own, inner)
		} else if o, ok := r.readOverride(inner); ok {
			b.overrides = append(b.overrides, o)
		}
	}
	r.baselines[name] = b
}

// readSettings fills the slots of one block of a baseline.
func (r *reading) readSettings(own map[slot]setting, block *hclsyntax.Block) {
	switch block.Type {
	case "app_setting":
		r.readAppSetting(own, block)
		return
	case "plugin_setting":
		r.readPluginSetting(own, block)
		return
	case "permissions":
		rows := baselineSchema().blocks["permissions"]
		for _, row := range rows.wellFormed(block) {
			r.readRow(own, row)
		}
	case "agent":
		own[slot{"agent", "", agentPresent}] = setting{value: true, at: block.DefRange()}
	}
	a := r.attrs(block)
	for _, attribute := range baselineAttributes() {
		if attribute.block == block.Type && a.has(attribute.name) {
			s := setting{at: a.body.Attributes[attribute.name].NameRange}
			if v, ok := attribute.read(a, attribute.name); ok {
				s.value = v
			}
			own[slot{block.Type, "", attribute.name}] = s
		}
	}
}

// resolve merges what a baseline extends: later entries, then its own slots, win.
// The path holds the baselines that are being resolved.
func (r *reading) resolve(b *baseline, path []string) {
	if b.merged != nil {
		return
	}
	path = append(path, b.address)
	merged := map[slot]setting{}
	var inherited []override
	for _, ref := range b.extends {
		if i := slices.Index(path, ref.address); i >= 0 {
			r.d.errorf(ref.at.Ptr(), "A baseline extends itself", "%s.", strings.Join(append(slices.Clone(path[i:]), ref.address), " -> "))
			continue
		}
		if parent, ok := find(r.d, ref, r.baselines); ok {
			r.resolve(parent, path)
			for where, s := range parent.merged {
				if s.at.Filename == builtinFile && b.at.Filename != builtinFile {
					s.at = ref.at // what people can find in their files
				}
				merged[where] = s
			}
			inherited = append(inherited, parent.overrides...)
		}
	}
	maps.Copy(merged, b.own)
	b.merged, b.overrides = merged, append(inherited, b.overrides...)
}

// wants are the controls of a baseline, by control, before its overrides.
func (b *baseline) wants() []provider.Want {
	var wants []provider.Want
	add := func(name, key string, s setting) {
		w := provider.Want{
			Control: provider.Control{Name: name, Plugin: s.plugin, Key: key}, Mode: provider.Enforce, Source: s.source(),
		}
		if m, ok := s.value.(matched); ok {
			w.Match, s.value = m.match, m.value
		}
		w.Value = provider.MakeValue(s.value)
		wants = append(wants, w)
	}
	controls := map[slot]string{{"agent", "", agentPresent}: provider.AgentInstalled}
	for _, a := range baselineAttributes() {
		if a.control != "" {
			controls[slot{a.block, "", a.name}] = a.control
		}
	}
	for where, s := range b.merged {
		switch control, ok := controls[where]; {
		case s.value == nil:
		case ok:
			add(control, "", s)
		case where.block == "app_setting" || where.block == "plugin_setting":
			add(where.block, s.label, s)
		}
	}
	rows, tree := b.rows()
	for _, row := range rows {
		if row.complete() {
			add(provider.Permissions, row.path, setting{value: row.bound, at: row.at})
		}
	}
	if tree != nil {
		add(provider.InstallTree, "", setting{value: true, at: tree.at})
	}
	if terms, at, ok := b.certificate(); ok {
		add(provider.Certificate, "", setting{value: terms, at: at})
	}
	for _, w := range wants { // whoever manages a setting wants nothing to override it
		if provider.Overridable(w.Control) && !slices.ContainsFunc(wants, isOverrides) {
			add(provider.ConfigOverrides, "", setting{value: true, at: b.at})
		}
	}
	slices.SortFunc(wants, func(a, b provider.Want) int { return strings.Compare(a.Control.String(), b.Control.String()) })
	return wants
}

// checkNested reports settings of which one lies inside the other: what is written
// for one would change the other.
func (r *reading) checkNested(b *baseline) {
	for inner, s := range b.merged {
		for outer, o := range b.merged {
			if s.value != nil && o.value != nil && inner.block == outer.block && strings.HasSuffix(inner.block, "_setting") &&
				strings.HasPrefix(inner.label, outer.label+":") {
				r.d.errorf(s.at.Ptr(), "A setting inside another", "%s lies inside %s, which is at %s: manage one of the two.", s.label, o.label, place(o.at))
			}
		}
	}
}

func isOverrides(w provider.Want) bool { return w.Control.Name == provider.ConfigOverrides }

// certificate is what the certificate block asks for; ok is false without a kind.
func (b *baseline) certificate() (t provider.Terms, at hcl.Range, ok bool) {
	kind := b.merged[slot{"certificate", "", "kind"}]
	if t.Kind, ok = kind.value.(string); !ok {
		return t, at, false
	}
	seconds := func(attr string) int64 {
		d, _ := b.merged[slot{"certificate", "", attr}].value.(time.Duration) // absent: not judged
		return int64(d.Seconds())
	}
	t.RenewBefore, t.MaxAge = seconds("renew_before"), seconds("max_age")
	return t, kind.at, true
}

// checkCertificate reports terms of a certificate whose kind nobody says.
func (r *reading) checkCertificate(b *baseline) {
	if _, _, ok := b.certificate(); ok {
		return
	}
	for _, attr := range []string{"renew_before", "max_age"} {
		if s := b.merged[slot{"certificate", "", attr}]; s.value != nil {
			r.d.errorf(s.at.Ptr(), "A certificate of no kind", "Set kind = \"self_signed\" for the agent's own certificate, or \"external\" for one that is only checked.")
			return
		}
	}
}
