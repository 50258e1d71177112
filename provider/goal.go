package provider

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/kepmctl/kepmctl/transport"
)

// A Goal is what one host must be: how to reach it and what is wanted there.
type Goal struct {
	Host        transport.Host
	InstallRoot string // absolute path; empty: discovered on the host
	Wants       []Want // sorted by control; at most one per control
	Options     Options
	Waivers     map[string][]Waiver // in effect now, by the control's text
}

// Narrow is the goal with only those of its wants whose controls are kept. What the
// meaning of a kept one rests on stays, switched off and without an override: the
// tree leaves rows of permissions alone, which must not be its own only because they
// are left out, and overrides are those of all settings that are managed.
func (g Goal) Narrow(keep func(Control) bool) Goal {
	rows, settings := false, false
	for _, w := range g.Wants {
		if !keep(w.Control) {
			continue
		}
		rows = rows || w.Control.Name == InstallTree || w.Control.Name == Permissions
		settings = settings || w.Control.Name == ConfigOverrides
	}
	all := g.Wants
	g.Wants = nil
	for _, w := range all {
		switch {
		case keep(w.Control):
		case (rows && w.Control.Name == Permissions) || (settings && Overridable(w.Control)):
			if w.Mode != Off { // what the baseline switched off keeps its reason
				w.Mode, w.Override = Off, Override{}
			}
		default:
			continue
		}
		g.Wants = append(g.Wants, w)
	}
	return g
}

// leftOut says whether the want is there for the sake of others only: see Narrow.
func (w Want) leftOut() bool { return w.Mode == Off && w.Override.IsZero() }

// Options are what the desired state says about how to judge and to change,
// beside the wants themselves.
type Options struct {
	AgentRequired       bool          // a host without an agent is a finding; false: not applicable
	AdministratorsGroup string        // POSIX group that stands for Administrators; empty: gid 0
	StartTimeout        time.Duration // how long the service may take to come up
	ConfirmTimeout      time.Duration // how long a host waits for the verdict
}

// Mode says what happens to a control that is not as wanted.
type Mode string

// Modes, strongest first.
const (
	Enforce Mode = "enforce" // reported and changed
	Audit   Mode = "audit"   // reported, never changed
	Off     Mode = "off"     // not judged, only counted
)

// Weaker is the weaker of two modes.
func (m Mode) Weaker(n Mode) Mode {
	order := []Mode{Off, Audit, Enforce}
	return order[min(slices.Index(order, m), slices.Index(order, n))]
}

// Match says when a present value is right.
type Match string

// Matches. The empty one is MatchEqual.
const (
	MatchEqual   Match = "equal"
	MatchAtLeast Match = "at_least" // a number not below the value
	MatchAtMost  Match = "at_most"  // a number not above the value
	MatchOneOf   Match = "one_of"   // any of the value's elements; the first is written
	MatchAbsent  Match = "absent"   // the key is not there; the value is null
)

// A Want is one control's desired state on one host.
type Want struct {
	Control  Control
	Value    Value
	Match    Match // of app_setting and plugin_setting
	Mode     Mode
	Severity Severity // empty: the catalogue's
	Override Override // why the mode is weaker than enforce; zero: it is the assignment's
	Source   Source
}

// An Override is why, and until when, a baseline weakens a control.
type Override struct {
	Reason  string    `json:"reason"`
	Expires time.Time `json:"expires"`
}

// IsZero says whether there is none.
func (o Override) IsZero() bool { return o == Override{} }

// Source is where in the configuration a want was written.
type Source struct {
	File string // relative to the configuration's directory; of what a built-in baseline wants, where that is named
	Line int    // 1-based; 0 unknown
}

// A Value is a desired or present value as canonical JSON text: no white space,
// object keys sorted. Two values are the same when the texts are. The empty
// Value means "not there".
//
// What a control's value is:
//
//	allowed_hosts, alternative_signatures,
//	allowed_non_admin_executables           array of strings
//	log_level                               array of strings, any of which is right, the first is written
//	app_setting["KEY"],
//	plugin_setting["PLUGIN"]["KEY"]         string, number, boolean or array of strings; an array of those for one_of, null for absent
//	config_overrides                        true
//	agent_version                           constraints as Constraint reads them
//	certificate                             {"kind":KIND,"max_age":SECONDS,"renew_before":SECONDS}; 0: not judged
//	cert_password                           ""
//	service_account                         "privileged"
//	service_running, service_at_boot        true
//	watchdog                                "running"
//	loopback_only, agent_installed          true
//	tls_minimum                             "1.2" or "1.3"
//	permissions["PATH"]                     {"administrators":GRANT,"users":GRANT}; the path "." is the install root
//	install_tree                            true
type Value string

// MakeValue is the canonical form of v. It panics on what JSON cannot hold,
// which no caller in this program hands it.
func MakeValue(v any) Value {
	b, err := json.Marshal(v)
	if err != nil {
		panic("provider: not a value: " + err.Error())
	}
	return Value(b)
}

// Grant is what a class of users may do with a directory: an upper bound.
type Grant string

// Grants, smallest first.
const (
	GrantNone        Grant = "none"
	GrantRead        Grant = "read"
	GrantReadExecute Grant = "read_execute"
	GrantModify      Grant = "modify"
	GrantFull        Grant = "full"
)

// Bound is the value of a permissions row.
type Bound struct {
	Administrators Grant `json:"administrators"`
	Users          Grant `json:"users"`
}
