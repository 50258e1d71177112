package hcl

import (
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/kepmctl/kepmctl/provider"
)

// A Waiver is a waiver block. One whose State is not "active" has no effect.
type Waiver struct {
	Name       string
	State      string // active, expired, not_yet, unapproved, idle
	Why        string // it has no effect
	Controls   []string
	Accepts    []string // as written
	Reason     string
	Owner      string
	ApprovedBy []string
	Ticket     string
	Granted    time.Time // zero: at any time
	Expires    time.Time
	Hosts      int // it is for
	Source     provider.Source
}

// A waiver is a waiver block while the configuration is read.
type waiver struct {
	Waiver
	at      hcl.Range
	refs    []controlRef
	accepts []provider.Value
	hosts   []*host
}

func (r *reading) readWaivers() []*waiver {
	var list []*waiver
	for _, b := range r.blocks["waiver"] {
		if w, ok := r.readWaiver(b); ok {
			list = append(list, w)
		}
	}
	slices.SortFunc(list, func(a, b *waiver) int { return strings.Compare(a.Name, b.Name) })
	return list
}

func (r *reading) readWaiver(b *hclsyntax.Block) (*waiver, bool) {
	a, before := r.attrs(b), r.d.Errors()
	w := &waiver{at: b.DefRange(), refs: a.controlRefs("controls"), Waiver: Waiver{Name: b.Labels[0], Source: sourceOf(b.DefRange())}}
	for _, ref := range w.refs {
		w.Controls = append(w.Controls, ref.String())
	}
	w.accepts = a.accepted("accepts")
	for _, v := range w.accepts {
		w.Accepts = append(w.Accepts, string(v))
	}
	for name, to := range map[string]*string{"reason": &w.Reason, "owner": &w.Owner, "ticket": &w.Ticket} {
		*to, _ = a.text(name)
	}
	for _, name := range []string{"reason", "owner"} {
		if text, _ := a.text(name); a.has(name) && strings.TrimSpace(text) == "" && r.d.Errors() == before {
			a.wrong(name, "Write it: whoever reads a report will ask.")
		}
	}
	for _, ref := range w.refs {
		if len(ref.keys) > 0 && provider.SensitiveKey(ref.keys[len(ref.keys)-1]) && len(w.accepts) > 0 {
			a.wrong("accepts", "control.%s may hold a secret, and accepts would write it down. It can only be put right.", ref)
		}
	}
	w.ApprovedBy, _ = a.list("approved_by")
	w.Granted, _ = a.day("granted")
	w.Expires, _ = a.moment("expires")
	if valued := w.valued(); valued != "" && len(w.accepts) == 0 {
		r.d.errorf(&w.at, "A waiver of any value", "%s has a value: accepts says exactly which ones are tolerated besides the wanted.", valued)
	}
	if !a.set("hosts") && !a.set("groups") && !a.set("where") {
		r.d.errorf(&w.at, "A waiver for nobody", "Set hosts, groups, where, or several: it is for all of them together.")
	}
	if r.d.Errors() > before {
		return nil, false
	}
	w.hosts = r.waived(a)
	if r.d.Errors() > before {
		return nil, false
	}
	w.Hosts = len(w.hosts)
	return w, true
}

// valued is a control of the waiver that has a value; empty: none has.
func (w *waiver) valued() string {
	for _, ref := range w.refs {
		if ref.name == "all" || provider.Valued(ref.name) {
			return "control." + ref.String()
		}
	}
	return ""
}

// accepted reads a list of values.
func (a attrs) accepted(name string) []provider.Value {
	if !a.set(name) {
		return nil
	}
	v, ok := a.value(name)
	if !ok {
		return nil
	}
	if v.Type().IsPrimitiveType() || !v.CanIterateElements() || v.Type().IsObjectType() || v.Type().IsMapType() {
		a.wrong(name, "Write a list of values: %s = [\"...\"].", name)
		return nil
	}
	var list []provider.Value
	for it := v.ElementIterator(); it.Next(); {
		_, one := it.Element()
		if one.IsNull() || (one.Type().IsPrimitiveType() && !one.IsKnown()) {
			a.wrong(name, "A null stands in the list: leave it out.")
			return nil
		}
		value := settingValue(a, name, one)
		if value == nil {
			return nil
		}
		list = append(list, provider.MakeValue(value))
	}
	if len(list) == 0 {
		a.wrong(name, "An empty list accepts nothing: leave the waiver out.")
	}
	return list
}

// day reads a date, which begins with its day in UTC, or a time of RFC 3339.
func (a attrs) day(name string) (time.Time, bool) {
	at, ok := a.moment(name)
	if text, _ := a.text(name); ok && len(text) == len(time.DateOnly) {
		at = at.AddDate(0, 0, -1)
	}
	return at, ok
}

// waived are the hosts of a waiver: those of its names, its groups and its condition.
func (r *reading) waived(a attrs) []*host {
	in := map[*host]bool{}
	globs := r.globs(a, "hosts")
	for _, h := range r.hosts {
		if matchesAny(globs, h.Name) {
			in[h] = true
		}
	}
	for _, g := range r.groupsOf(a, "groups") {
		for _, h := range g.members {
			in[h] = true
		}
	}
	if a.set("where") {
		for _, h := range r.filter(a, a.body.Attributes["where"].Expr, r.hosts) {
			in[h] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(r.hosts), func(h *host) bool { return !in[h] })
}

// waive says which waivers have an effect, and gives them to the goals.
func (r *reading) waive(list []*waiver, goals []provider.Goal) []Waiver {
	at := map[string]int{}
	for i, g := range goals {
		at[g.Host.Name] = i
	}
	shared := map[string]map[string][]provider.Waiver{} // hosts of the same waivers and wants share theirs
	keys := make([]string, len(goals))
	var out []Waiver
	for _, w := range list {
		r.judge(w)
		found := map[string]bool{}
		for _, h := range w.hosts {
			i, wanted := at[h.Name]
			if !wanted || w.State != "active" {
				continue
			}
			w.attach(&goals[i], found, shared, &keys[i])
		}
		switch missing := w.missing(found); {
		case w.State != "active" || missing == "":
		case len(found) == 0:
			r.lapse(w, "idle", "no host that it is for has "+missing)
		default:
			r.doubt(w, "No host that it is for has %s.", missing)
		}
		out = append(out, w.Waiver)
	}
	return out
}

// attach gives the waiver to a goal for the controls that it is for.
func (w *waiver) attach(g *provider.Goal, found map[string]bool, shared map[string]map[string][]provider.Waiver, key *string) {
	var addresses []string
	for _, want := range g.Wants {
		for _, ref := range w.refs {
			if ref.holds(want.Control) {
				found[ref.String()] = true
				addresses = append(addresses, want.Control.String())
			}
		}
	}
	if len(addresses) == 0 {
		return
	}
	*key += w.Name + "\x00" + strings.Join(addresses, "\x00") + "\x01"
	waivers, known := shared[*key]
	if !known {
		waivers = map[string][]provider.Waiver{}
		for address, before := range g.Waivers {
			waivers[address] = slices.Clip(before)
		}
		for _, address := range addresses {
			waivers[address] = append(waivers[address], provider.Waiver{Name: w.Name, Accepts: w.accepts})
		}
		shared[*key] = waivers
	}
	g.Waivers = waivers
}

func (w *waiver) missing(found map[string]bool) string {
	for _, ref := range w.refs {
		if !found[ref.String()] {
			return "control." + ref.String()
		}
	}
	return ""
}

// judge says whether a waiver has an effect now.
func (r *reading) judge(w *waiver) {
	approved := slices.ContainsFunc(w.ApprovedBy, func(by string) bool {
		return !strings.EqualFold(strings.TrimSpace(by), strings.TrimSpace(w.Owner)) && strings.TrimSpace(by) != ""
	})
	switch now := r.now; {
	case !now.IsZero() && !now.Before(w.Expires):
		r.lapse(w, "expired", "it ended on "+w.Expires.Add(-time.Second).UTC().Format(time.DateOnly))
	case !now.IsZero() && now.Before(w.Granted):
		r.lapse(w, "not_yet", "it is granted from "+w.Granted.UTC().Format(time.DateOnly)+" on")
	case !approved:
		r.lapse(w, "unapproved", "nobody but its owner approved it")
	case len(w.hosts) == 0:
		r.lapse(w, "idle", "it is for no host")
	default:
		w.State = "active"
	}
}

// lapse notes that a waiver has no effect, or not on all it names.
func (r *reading) lapse(w *waiver, state, why string) {
	w.State, w.Why = state, why
	r.doubt(w, "waiver.%s: %s. What it was to accept is a finding.", w.Name, why)
}

// doubt reports a waiver that has no effect; strictly, it is a mistake.
func (r *reading) doubt(w *waiver, format string, args ...any) {
	report := r.d.warnf
	if r.strict && !r.unrun { // hosts of programs that were not run are not known
		report = r.d.errorf
	}
	report(&w.at, "A waiver without effect", format, args...)
}
