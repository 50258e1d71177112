package provider

import "encoding/json"

const (
	yes = "yes"
	no  = "no"
)

func (j *judge) serviceAccount() Finding {
	s := j.facts.Service
	switch {
	case !s.Known:
		return unknown("the service manager did not answer", "")
	case !s.Loaded:
		return Finding{Outcome: NonCompliant, Have: "no service", Want: Privileged, Hint: "reinstall the agent"}
	case s.Account != "" && s.Account != Privileged:
		return Finding{Outcome: NonCompliant, Have: s.Account, Want: Privileged, Hint: "remove User= from the unit and its drop-ins (UserName from the plist), or reinstall the agent"}
	case s.Account == "" && s.RunningAs == "":
		return unknown("neither the service's definition nor a process says who it runs as", "")
	case s.RunningAs != "" && s.RunningAs != Privileged:
		return Finding{Outcome: NonCompliant, Have: "its process runs as " + s.RunningAs, Want: Privileged, Hint: "restart the service and see what starts it"}
	default:
		return Finding{Outcome: Compliant, Have: Privileged}
	}
}

func (j *judge) serviceRunning() Finding {
	s := j.facts.Service
	switch {
	case !s.Known:
		return unknown("the service manager did not answer", "")
	case !s.Loaded:
		return Finding{Outcome: NonCompliant, Have: "no service", Want: "running", Hint: "reinstall the agent"}
	case !s.Active && s.Masked:
		return Finding{Outcome: NonCompliant, Have: "masked", Want: "running", Hint: "somebody forbade its start: find out who, then unmask it"}
	case !s.Active:
		return Finding{
			Outcome: NonCompliant, Have: "stopped", Want: "running",
			Changes: []Change{{Attr: "running", Action: Modify, From: no, To: yes, Effect: Start}},
		}
	case j.settings == nil: // a restart could be the end of an agent that still runs
		return unknown("it runs, but whether with its present settings cannot be told: "+j.broken, "put the file right by hand, then restart the service")
	case j.facts.PendingWhy != "":
		return unknown(j.facts.PendingWhy, "")
	case j.facts.Pending:
		return Finding{
			Outcome: NonCompliant, Have: "runs with older settings than its files have", Want: "runs with its present settings",
			Changes: []Change{{Attr: "settings in effect", Action: Modify, From: no, To: yes, Effect: Restart}},
		}
	default:
		return Finding{Outcome: Compliant, Have: "running"}
	}
}

func (j *judge) serviceAtBoot() Finding {
	s := j.facts.Service
	switch {
	case !s.Known:
		return unknown("the service manager did not answer", "")
	case !s.Loaded:
		return Finding{Outcome: NonCompliant, Have: "no service", Want: "enabled", Hint: "reinstall the agent"}
	}
	switch s.Boot {
	case "enabled":
		return Finding{Outcome: Compliant, Have: s.Boot}
	case "disabled":
		return Finding{
			Outcome: NonCompliant, Have: s.Boot, Want: "enabled",
			Changes: []Change{{Attr: "at boot", Action: Modify, From: "disabled", To: "enabled"}},
		}
	case "":
		return unknown("the service manager did not say how the service starts", "")
	default:
		return Finding{Outcome: NonCompliant, Have: s.Boot, Want: "enabled", Hint: "a unit that is " + s.Boot + " is not enabled by this program: find out who made it so"}
	}
}

func (j *judge) watchdog() Finding {
	s := j.facts.Watchdog
	switch {
	case j.layout.Watchdog == "":
		return unknown("no watchdog of the agent is known on this system", "leave watchdog out for these hosts")
	case !s.Known:
		return unknown("the service manager did not answer", "")
	case !s.Loaded:
		return Finding{Outcome: NonCompliant, Have: "no watchdog", Want: "running", Hint: "reinstall the agent, or leave watchdog out"}
	case s.Active:
		return Finding{Outcome: Compliant, Have: "running"}
	case s.Masked:
		return Finding{Outcome: NonCompliant, Have: "masked", Want: "running", Hint: "somebody forbade its start: find out who, then unmask it"}
	default:
		return Finding{
			Outcome: NonCompliant, Have: "stopped", Want: "running",
			Changes: []Change{{Attr: "running", Action: Modify, From: no, To: yes}},
		}
	}
}

func (j *judge) agentVersion(w Want) Finding {
	var text string
	_ = json.Unmarshal([]byte(w.Value), &text) // checked by Validate: it is a text
	wanted, err := ParseConstraint(text)
	if err != nil {
		return unknown("the constraint is none: "+err.Error(), "")
	}
	if j.facts.Version == "" {
		return unknown("the version is not known: no package of the system owns the agent", "see kepmctl plan --view hosts for what the host says")
	}
	f := Finding{Outcome: Compliant, Have: j.facts.Version, Want: text}
	switch right, err := wanted.Allows(j.facts.Version); {
	case err != nil:
		return unknown(err.Error(), "")
	case !right:
		f.Outcome, f.Hint = NonCompliant, "update the agent, or have its update policy do so"
	}
	return f
}
