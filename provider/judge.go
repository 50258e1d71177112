package provider

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/kepmctl/kepmctl/provider/appsettings"
	"github.com/kepmctl/kepmctl/transport"
)

// Judge compares what a host has with what is wanted: one finding per want, in
// the order of the wants. The same goal and look give the same findings.
func Judge(g Goal, l Look) []Finding {
	j := newJudge(g, l)
	findings := make([]Finding, 0, len(g.Wants))
	for _, w := range g.Wants {
		f := j.check(w)
		entry, _ := EntryOf(w.Control.Name)
		f.Control, f.Address, f.Severity, f.Mode, f.Source = w.Control, w.Control.String(), cmp.Or(w.Severity, entry.Severity), w.Mode, w.Source
		f.Override = w.Override
		f = j.waive(w, f)
		f.Have, f.Want, f.Reason = Printable(f.Have), Printable(f.Want), Printable(f.Reason)
		for i := range f.Changes {
			f.Changes[i].Control, f.Changes[i].From = f.Address, Printable(f.Changes[i].From)
		}
		if w.Mode != Enforce {
			f.Changes = nil
		}
		findings = append(findings, f)
	}
	return findings
}

// Drifted says whether the finding is an enforced demand that does not hold.
func (f Finding) Drifted() bool { return f.Mode == Enforce && f.Outcome == NonCompliant }

// NeedsPerson says whether the finding is an enforced demand that no change of
// this program can meet.
func (f Finding) NeedsPerson() bool {
	return f.Drifted() && len(f.Changes) == 0
}

type judge struct {
	goal     Goal
	facts    Facts
	layout   Layout
	settings *appsettings.File
	broken   string          // why settings is nil
	wants    map[string]Want // by the control's text; those that are off left out
	now      time.Time
}

func newJudge(g Goal, l Look) *judge {
	f := l.Facts
	j := &judge{goal: g, facts: f, wants: map[string]Want{}, now: l.At}
	j.layout, _ = LayoutOf(f.System.OS)
	for _, w := range g.Wants {
		if w.Mode != Off {
			j.wants[w.Control.String()] = w
		}
	}
	switch {
	case f.Root() == "":
	case f.Settings.Problem != "":
		j.broken = SettingsFile + " could not be read: " + f.Settings.Problem
	case f.Settings.Missing:
		j.broken = "there is no " + SettingsFile + " in " + f.Root()
	default:
		file, err := appsettings.Parse(f.Settings.Bytes)
		if err != nil {
			j.broken = SettingsFile + ": " + Redact(err.Error())
		}
		j.settings = file
	}
	return j
}

// check is the table of controls.
func (j *judge) check(w Want) Finding {
	if w.Mode == Off {
		return w.off()
	}
	if t := j.facts.Transaction; t != nil {
		return unknown(fmt.Sprintf("transaction %s by %s is open", t.Run, t.Owner),
			"wait until it settles by itself, then look again")
	}
	if w.Control.Name == AgentInstalled {
		return j.agentInstalled()
	}
	switch len(j.facts.Roots) {
	case 0:
		if j.facts.Service.Loaded {
			return j.noRoot()
		}
		return Finding{Outcome: NotApplicable, Reason: "no agent is installed"}
	case 1:
	default:
		return j.ambiguousRoot()
	}
	if j.facts.Settings.Missing { // not to be taken for an agent, whoever named it
		return unknown(j.broken, "see where the service runs from: systemctl show -p ExecStart "+j.layout.Service)
	}
	switch w.Control.Name {
	case AllowedHosts, LogLevel, AlternativeSignatures, AllowedNonAdminExecutables, AppSetting:
		return j.setting(w)
	case PluginSetting:
		return j.pluginSetting(w)
	case ConfigOverrides:
		return j.configOverrides()
	case CertPassword:
		return j.certPassword()
	case AgentVersion:
		return j.agentVersion(w)
	case ServiceAccount:
		return j.serviceAccount()
	case ServiceRunning:
		return j.serviceRunning()
	case ServiceAtBoot:
		return j.serviceAtBoot()
	case Watchdog:
		return j.watchdog()
	case LoopbackOnly:
		return j.loopbackOnly()
	case TLSMinimum:
		return j.tlsMinimum(w)
	case Certificate:
		return j.certificate(w)
	case Permissions:
		return j.row(w)
	case InstallTree:
		return j.installTree()
	default:
		return unknown("this version does not know the control", "use the version that made the plan")
	}
}

// off is the finding of a want that is not judged.
func (w Want) off() Finding {
	if w.leftOut() {
		return Finding{Outcome: NotApplicable, Reason: "not selected in this run"}
	}
	return Finding{Outcome: NotApplicable, Reason: "switched off by the baseline: " + w.Override.Reason}
}

func (j *judge) agentInstalled() Finding {
	switch {
	case len(j.facts.Roots) == 1 && j.facts.Settings.Missing:
		return unknown(j.broken, "see where the service runs from: systemctl show -p ExecStart "+j.layout.Service)
	case len(j.facts.Roots) == 1:
		return Finding{Outcome: Compliant, Have: j.facts.Root()}
	case len(j.facts.Roots) > 1:
		return j.ambiguousRoot()
	case j.facts.Service.Loaded:
		return j.noRoot()
	case !j.goal.Options.AgentRequired:
		return Finding{Outcome: NotApplicable, Reason: "no agent is installed, and none is required"}
	case !j.facts.Service.Known && j.goal.InstallRoot == "":
		return unknown("the service manager did not answer, and no install root was found", "")
	default:
		return Finding{
			Outcome: NonCompliant, Have: "not installed", Want: "installed",
			Hint: "install the agent, or set required = false in the agent block",
		}
	}
}

func (j *judge) ambiguousRoot() Finding {
	return unknown("more than one install root: "+strings.Join(j.facts.Roots, " and "),
		"name the right one with install_root in the host block")
}

// noRoot is a host that has the service, but shows no directory with its settings.
func (j *judge) noRoot() Finding {
	if root := j.goal.InstallRoot; root != "" {
		return unknown("there is no directory "+root, "see where the service runs from: systemctl show -p ExecStart "+j.layout.Service)
	}
	return unknown("the service is there, but its install root cannot be told", "name it with install_root in the host block")
}

// effect is what a change of appsettings.json asks of the service: nothing where
// it does not run.
func (j *judge) effect() Effect {
	if j.facts.Service.Active {
		return Restart
	}
	return NoEffect
}

func unknown(reason, hint string) Finding {
	return Finding{Outcome: Unknown, Reason: reason, Hint: hint}
}

// Questions are what must be asked of the host's loopback services before its
// goal can be judged.
func Questions(g Goal, f Facts) []transport.Question {
	if f.Root() == "" || !f.Service.Active || f.Transaction != nil {
		return nil
	}
	j := newJudge(g, Look{Facts: f})
	minimum, managed := j.wants[TLSMinimum]
	switch _, certificate := j.wants[Certificate]; {
	case managed:
		return tlsQuestions(minimum.Value, j.tlsPorts()...)
	case certificate:
		return modernQuestions(j.tlsPorts()...)
	default:
		return nil
	}
}
