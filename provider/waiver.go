package provider

import (
	"slices"
	"strings"
	"time"

	"github.com/kepmctl/kepmctl/provider/appsettings"
)

// A Waiver accepts, until a date, that a control is not as wanted on some hosts.
type Waiver struct {
	Name    string
	Accepts []Value // what is tolerated besides the wanted; empty: anything, of a control without a value
}

// Valued says whether waivers of a control must say which values they accept.
func Valued(control string) bool {
	switch control {
	case AllowedHosts, LogLevel, AlternativeSignatures, AllowedNonAdminExecutables, AppSetting, PluginSetting, AgentVersion, TLSMinimum, Permissions:
		return true
	default:
		return false
	}
}

// Soon is how long before its end a waiver or an override is announced.
const Soon = 14 * 24 * time.Hour

// waive lets a finding that a waiver accepts be waived: it is shown, not mended.
func (j *judge) waive(w Want, f Finding) Finding {
	if f.Outcome != NonCompliant {
		return f
	}
	for _, waiver := range j.goal.Waivers[f.Address] {
		if j.accepts(w, f, waiver) {
			f.Outcome, f.Waiver, f.Changes = Waived, waiver.Name, nil
			return f
		}
	}
	return f
}

// accepts says whether what the host has is exactly what the waiver tolerates.
func (j *judge) accepts(w Want, f Finding, waiver Waiver) bool {
	var accepts []string
	for _, v := range waiver.Accepts {
		accepts = append(accepts, v.Strings()...)
	}
	lower := func(s string) string { return strings.ToLower(strings.TrimSpace(s)) }
	switch w.Control.Name {
	case AllowedHosts: // a filter that does not work is no other set of names
		return j.unfiltered() == "" && j.accepted(w, accepts, lower)
	case AlternativeSignatures:
		return j.accepted(w, accepts, Thumbprint)
	case AllowedNonAdminExecutables:
		return j.accepted(w, accepts, strings.TrimSpace)
	case LogLevel:
		list, ok := Present(Look{Facts: j.facts}, LogLevel)
		return ok && len(list) == 1 && slices.ContainsFunc(accepts, func(s string) bool { return strings.EqualFold(s, list[0]) })
	case AppSetting, PluginSetting:
		have := j.valueAt(w)
		return have.Kind != appsettings.Absent && slices.ContainsFunc(waiver.Accepts, func(v Value) bool { return equal(have, v) })
	case AgentVersion:
		return slices.Contains(accepts, j.facts.Version)
	default:
		return len(waiver.Accepts) == 0 || slices.Contains(accepts, f.Have)
	}
}

// accepted says whether a set is the wanted one, but for what is accepted besides.
func (j *judge) accepted(w Want, accepts []string, normal func(string) string) bool {
	list, ok := Present(Look{Facts: j.facts}, w.Control.Name)
	if !ok || sameSet(list, w.Value.Strings(), normal) { // not the set is wrong
		return false
	}
	wanted, tolerated := normalSet(w.Value.Strings(), normal), normalSet(accepts, normal)
	rest := slices.DeleteFunc(normalSet(list, normal), func(s string) bool {
		return slices.Contains(tolerated, s) && !slices.Contains(wanted, s)
	})
	return slices.Equal(rest, wanted)
}

// valueAt is what the file of an app_setting or a plugin_setting holds.
func (j *judge) valueAt(w Want) appsettings.Value {
	if w.Control.Name == PluginSetting {
		if d, key, why := j.pluginTarget(w); why.Outcome == "" && d.parsed != nil {
			return d.parsed.Get(key)
		}
		return appsettings.Value{}
	}
	if j.settings == nil {
		return appsettings.Value{}
	}
	return j.settings.Get(keyOf(w.Control))
}
