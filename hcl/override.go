package hcl

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/kepmctl/kepmctl/provider"
)

// An override is an override block of a baseline: it makes controls weaker, or
// weighs them anew.
type override struct {
	at       hcl.Range
	controls []controlRef
	mode     provider.Mode     // empty: as assigned
	severity provider.Severity // empty: the catalogue's
	why      provider.Override // of a mode that is weaker than enforce
}

// A controlRef is a name of controls: control.log_level, control.permissions for
// all its rows, control.permissions["Jobs"], control.all.
type controlRef struct {
	name string   // "all" for everything
	keys []string // in brackets
	at   hcl.Range
}

// String is the control as written behind "control.".
func (c controlRef) String() string {
	text := c.name
	for _, key := range c.keys {
		text += fmt.Sprintf("[%q]", key)
	}
	return text
}

func controlNames(wants []provider.Want) []string {
	var names []string
	for _, w := range wants {
		names = append(names, w.Control.String())
	}
	return names
}

// holds says whether the reference names a control; keys are matched as the agent
// matches names, in any case.
func (c controlRef) holds(control provider.Control) bool {
	if c.name == "all" {
		return true
	}
	keys := []string{control.Key}
	if control.Plugin != "" {
		keys = []string{control.Plugin, control.Key}
	}
	if c.name != control.Name || len(c.keys) > len(keys) {
		return false
	}
	for i, key := range c.keys {
		if !strings.EqualFold(key, keys[i]) {
			return false
		}
	}
	return true
}

// readOverride reads one block; ok is false when it has no effect.
func (r *reading) readOverride(b *hclsyntax.Block) (o override, ok bool) {
	a := r.attrs(b)
	before := r.d.Errors()
	o = override{at: b.DefRange(), controls: a.controlRefs("controls")}
	modes := []string{string(provider.Enforce), string(provider.Audit), string(provider.Off)}
	if mode, set := a.choice("mode", modes); set {
		o.mode = provider.Mode(mode)
	}
	severities := []string{string(provider.Low), string(provider.Medium), string(provider.High), string(provider.Critical)}
	if severity, set := a.choice("severity", severities); set {
		o.severity = provider.Severity(severity)
	}
	reason, _ := a.text("reason")
	if a.set("reason") && strings.TrimSpace(reason) == "" {
		a.wrong("reason", "Say why the control is weakened: whoever reads a report will ask.")
	}
	expires, dated := a.moment("expires")
	weak := o.mode == provider.Audit || o.mode == provider.Off
	switch {
	case !a.set("mode") && !a.set("severity"):
		r.d.errorf(b.DefRange().Ptr(), "An override of nothing", "Set mode, severity, or both.")
	case weak && (!a.set("reason") || !a.set("expires")):
		r.d.errorf(b.DefRange().Ptr(), "An override without a reason or an end", "mode = %q needs a reason and expires = \"2027-03-31\", so that it is not forgotten.", o.mode)
	}
	switch {
	case r.d.Errors() > before:
		return o, false
	case dated && !r.now.IsZero() && !r.now.Before(expires):
		r.d.warnf(a.at("expires"), "An override has expired", "It has no effect any more: %s UTC is over. Take it out, or give it a new end.", expires.Add(-time.Second).UTC().Format(time.DateTime))
		return o, false
	case weak:
		o.why = provider.Override{Reason: reason, Expires: expires.UTC()}
	}
	return o, true
}

// controlRefs reads a list of controls.
func (a attrs) controlRefs(name string) []controlRef {
	if !a.set(name) {
		return nil
	}
	expr := a.body.Attributes[name].Expr
	list, isList := expr.(*hclsyntax.TupleConsExpr)
	if !isList || len(list.Exprs) == 0 {
		a.d.errorf(expr.Range().Ptr(), "Not a list of controls", "Write a list of names: %s = [control.log_level].", name)
		return nil
	}
	var refs []controlRef
	for _, item := range list.Exprs {
		if ref, ok := a.controlRef(item); ok {
			refs = append(refs, ref)
		}
	}
	return refs
}

func (a attrs) controlRef(expr hclsyntax.Expression) (controlRef, bool) {
	t, diags := hcl.AbsTraversalForExpr(expr)
	path := steps(t)
	if diags.HasErrors() || len(path) != len(t) || len(path) < 2 || path[0] != "control" {
		a.d.errorf(expr.Range().Ptr(), "Not a control", "Write the name of a control without quotes: control.log_level, control.permissions[\"Jobs\"], or control.all.")
		return controlRef{}, false
	}
	ref := controlRef{name: path[1], keys: path[2:], at: expr.Range()}
	names := []string{"all"}
	for _, e := range provider.Catalogue() {
		names = append(names, e.Name)
	}
	if !slices.Contains(names, ref.name) {
		a.d.errorf(expr.Range().Ptr(), "Unknown control", "There is no control %q.%s kepmctl controls lists them.", ref.name, didYouMean(ref.name, names))
		return controlRef{}, false
	}
	entry, _ := provider.EntryOf(ref.name)
	most := 0
	switch {
	case ref.name == provider.PluginSetting:
		most = 2
	case entry.Keyed:
		most = 1
	}
	if len(ref.keys) > most {
		a.d.errorf(expr.Range().Ptr(), "Too many brackets", "control.%s takes %s in brackets.", ref.name, []string{"no key", "one key", "two keys"}[most])
		return controlRef{}, false
	}
	return ref, true
}

// moment reads a date, which ends with its day in UTC, or a time of RFC 3339.
func (a attrs) moment(name string) (time.Time, bool) {
	text, ok := a.text(name)
	if !ok {
		return time.Time{}, false
	}
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return day.AddDate(0, 0, 1), true
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		a.wrong(name, "Write a date, such as \"2027-03-31\", which ends with that day in UTC, or a time such as \"2027-03-31T18:00:00+02:00\".")
		return time.Time{}, false
	}
	return at, true
}

// weaken applies the overrides of a baseline to its wants; later ones win.
func (r *reading) weaken(b *baseline, wants []provider.Want) {
	for _, o := range b.overrides {
		for _, ref := range o.controls {
			found := false
			for i := range wants {
				if !ref.holds(wants[i].Control) {
					continue
				}
				found = true
				if o.mode != "" {
					wants[i].Mode, wants[i].Override = o.mode, o.why
				}
				if o.severity != "" {
					wants[i].Severity = o.severity
				}
			}
			if !found {
				r.d.warnf(ref.at.Ptr(), "Without effect", "%s is not managed by %s, so there is nothing to override.%s", ref, b.address, didYouMean(ref.String(), controlNames(wants)))
			}
		}
	}
}
