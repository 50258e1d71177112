package plans

import (
	"slices"
	"time"

	"github.com/kepmctl/kepmctl/provider"
)

// A Summary counts a plan.
type Summary struct {
	Hosts       int `json:"hosts"`
	Change      int `json:"change"` // hosts to change
	Add         int `json:"add"`    // changes, by action
	Modify      int `json:"modify"`
	Remove      int `json:"remove"`
	Restarts    int `json:"restarts"`     // hosts whose service restarts
	Compliant   int `json:"compliant"`    // hosts on which everything is as wanted, or waived
	Audit       int `json:"audit"`        // findings that are reported only
	Overridden  int `json:"overridden"`   // controls on hosts that a baseline weakens to audit or off
	ExpireSoon  int `json:"expire_soon"`  // of these, whose override ends within 14 days
	NeedPerson  int `json:"need_person"`  // findings no change of this program can mend
	Unknown     int `json:"unknown"`      // findings that could not be told
	Waived      int `json:"waived"`       // findings that a waiver accepts
	WaiversSoon int `json:"waivers_soon"` // waivers in effect that end within 14 days
	WaiversIdle int `json:"waivers_idle"` // waivers without effect
	Unreachable int `json:"unreachable"`  // hosts that gave no answer
	OnlyStart   int `json:"only_start"`   // hosts whose service is started, not restarted
	Unmatched   int `json:"not_matching"` // hosts that answered and do not match the configuration
}

// Summary counts the plan.
func (p *Plan) Summary() Summary {
	s := Summary{Hosts: len(p.Hosts)}
	for _, w := range p.Waivers {
		switch {
		case w.State != WaiverActive:
			s.WaiversIdle++
		case w.EndsSoon(p.Created):
			s.WaiversSoon++
		}
	}
	for _, h := range p.Hosts {
		p.overrides(h, &s)
		if h.Problem != nil {
			s.Unreachable++
			continue
		}
		if len(h.Changes) > 0 {
			s.Change++
		}
		if p.matches(h) {
			s.Compliant++
		} else {
			s.Unmatched++
		}
		p.count(h, &s)
	}
	return s
}

// overrides counts a host's weakened controls, whatever they were found to be.
func (p *Plan) overrides(h HostPlan, s *Summary) {
	for _, w := range p.Baselines[h.Baseline].Wants {
		if w.Override.IsZero() {
			continue
		}
		s.Overridden++
		if w.Override.Expires.Before(p.Created.Add(provider.Soon)) {
			s.ExpireSoon++
		}
	}
}

func (p *Plan) count(h HostPlan, s *Summary) {
	for _, i := range h.Changes {
		switch p.Changes[i].Action {
		case provider.Add:
			s.Add++
		case provider.Remove:
			s.Remove++
		default:
			s.Modify++
		}
	}
	switch {
	case p.Restarts(h):
		s.Restarts++
	case slices.ContainsFunc(h.Changes, func(i int) bool { return p.Changes[i].Effect == provider.Start }):
		s.OnlyStart++
	}
	for _, i := range h.Findings {
		switch f := p.Findings[i]; {
		case f.Outcome == provider.Unknown:
			s.Unknown++
		case f.Outcome == provider.Waived:
			s.Waived++
		case f.Outcome == provider.NonCompliant && f.Mode == provider.Audit:
			s.Audit++
		case p.NeedsPerson(h, i):
			s.NeedPerson++
		}
	}
}

// Severity is how a control that is not as wanted on a host weighs: as the baseline
// says, else the catalogue.
func (p *Plan) Severity(h HostPlan, control string) provider.Severity {
	for _, i := range h.Findings {
		if f := p.Findings[i]; f.Address == control {
			return f.Severity
		}
	}
	entry, _ := provider.EntryOf(provider.ControlName(control))
	return entry.Severity
}

// NeedsPerson says whether a finding of the host is an enforced demand for which
// the plan has no change.
func (p *Plan) NeedsPerson(h HostPlan, finding int) bool {
	f := p.Findings[finding]
	if p.Signature != "" { // what else differs is left out, not for a person
		return false
	}
	return f.Drifted() && !slices.ContainsFunc(h.Changes, func(i int) bool { return p.Changes[i].Control == f.Address })
}

// matches says whether everything on the host is known to be as wanted, also what
// is only audited.
func (p *Plan) matches(h HostPlan) bool {
	return !slices.ContainsFunc(h.Findings, func(i int) bool {
		return p.Findings[i].Outcome != provider.NotApplicable && p.Findings[i].Outcome != provider.Waived
	})
}

// Down is how long the agents did not answer: the median and the worst of the
// hosts that restarted, and which host that was.
func (o Outcome) Down() (median, worst time.Duration, host string, restarts int) {
	var all []time.Duration
	for _, r := range o.Results {
		if !r.Restarted {
			continue
		}
		restarts++
		if r.Down == 0 {
			continue
		}
		all = append(all, r.Down)
		if r.Down > worst {
			worst, host = r.Down, r.Host
		}
	}
	if len(all) == 0 {
		return 0, 0, "", restarts
	}
	slices.Sort(all)
	return all[len(all)/2], worst, host, restarts
}

// Drifted is how many hosts are not as an enforced demand wants them.
func (p *Plan) Drifted() int {
	n := 0
	for _, h := range p.Hosts {
		if slices.ContainsFunc(h.Findings, func(i int) bool { return p.Findings[i].Drifted() }) {
			n++
		}
	}
	return n
}
