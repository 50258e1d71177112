package plans

import (
	"github.com/kepmctl/kepmctl/provider"
)

// A Gate is a condition on a plan's numbers, and how it was judged.
type Gate struct {
	Name      string `json:"name"`
	Condition string `json:"condition"`
	Values    string `json:"values"` // that decided: "plan.hosts = 60, plan.restarts = 25"
	Pass      bool   `json:"pass"`
	Message   string `json:"message,omitempty"` // of one that does not pass
	File      string `json:"file,omitempty"`
	Line      int    `json:"line,omitempty"`
}

// Numbers are what gates speak of: hosts, changed, changes, restarts, unreachable,
// compliant, drifted, unknown, waived, severity.high (enforced findings of that
// severity), controls.allowed_hosts (hosts on which that control is not as enforced).
func (p *Plan) Numbers() map[string]int {
	s := p.Summary()
	n := map[string]int{
		"hosts": s.Hosts, "changed": s.Change, "changes": s.Add + s.Modify + s.Remove, "restarts": s.Restarts, "unreachable": s.Unreachable,
		"compliant": s.Compliant, "drifted": p.Drifted(), "unknown": s.Unknown, "waived": s.Waived,
	}
	for _, h := range p.Hosts {
		seen := map[string]bool{}
		for _, i := range h.Findings {
			f := p.Findings[i]
			if !f.Drifted() {
				continue
			}
			n["severity."+string(f.Severity)]++
			name := provider.ControlName(f.Address)
			if !seen[name] {
				seen[name] = true
				n["controls."+name]++
			}
		}
	}
	return n
}

// Refused is the first gate that the plan does not pass; nil: it passes all.
func (p *Plan) Refused() *Gate {
	for i := range p.Gates {
		if !p.Gates[i].Pass {
			return &p.Gates[i]
		}
	}
	return nil
}
