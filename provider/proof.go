package provider

import (
	"cmp"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/kepmctl/kepmctl/transport"
)

const (
	statusPath = "/api/system/status" // public [D]
	madeUpHost = "kepmctl-probe.invalid"
)

// A Proof is what the look after a change shows. A contradiction undoes the
// transaction; an open question is one that could not be asked.
type Proof struct {
	Contradictions []string
	Missing        []string // plug-ins and jobs that the agent does not show yet: a contradiction if they stay away
	Open           []string
}

// Holds says whether nothing contradicts.
func (p Proof) Holds() bool { return len(p.Contradictions) == 0 && len(p.Missing) == 0 }

func (p *Proof) contradict(format string, args ...any) {
	p.Contradictions = append(p.Contradictions, fmt.Sprintf(format, args...))
}

func (p *Proof) open(format string, args ...any) {
	p.Open = append(p.Open, fmt.Sprintf(format, args...))
}

// ProofQuestions are asked before a transaction and again before its verdict. The
// Host filter is asked only after, when it should hold.
func ProofQuestions(g Goal, f Facts, after bool) []transport.Question {
	qs := Questions(g, f)
	if f.Root() == "" || !f.Service.Active {
		return qs
	}
	j := newJudge(g, Look{Facts: f})
	https := transport.Question{Port: j.port(KeyHTTPSPort, PortHTTPS), TLSMin: tls.VersionTLS12, TLSMax: tls.VersionTLS13}
	status := https
	status.Path, status.Hosts = statusPath, []string{j.answeredName()}
	qs = append(qs, status)
	if allowed := j.allowedNames(); after && len(allowed) > 0 {
		filter := https
		filter.Path, filter.Hosts = "/", append(allowed, madeUpHost)
		qs = append(qs, filter)
	}
	return qs
}

// allowedNames are the names the Host filter must let through, or none when the
// filter is not managed or lets everything through.
func (j *judge) allowedNames() []string {
	var names []string
	for _, name := range j.wants[AllowedHosts].Value.Strings() {
		if name == "*" {
			return nil
		}
		names = append(names, strings.Replace(name, "*.", "kepmctl-probe.", 1))
	}
	return names
}

// answeredName is a Host that the agent's present settings let through.
func (j *judge) answeredName() string {
	const usual = "localhost"
	if j.settings == nil {
		return usual
	}
	for name := range strings.SplitSeq(plain(j.settings.Get(KeyAllowedHosts)), ";") {
		switch name = strings.TrimSpace(name); name {
		case "":
		case "*", usual:
			return usual
		default:
			return strings.Replace(name, "*.", "kepmctl-probe.", 1)
		}
	}
	return usual
}

// Prove compares the looks before and after the planned changes.
func Prove(g Goal, before, after Look, planned []Change) Proof {
	var p Proof
	then, now := Judge(g, before), Judge(g, after)
	p.readBack(now, planned)
	p.nothingWorse(then, now)
	p.agent(before.Facts, after.Facts)
	if !before.Facts.Service.Known && slices.ContainsFunc(planned, Change.edits) {
		p.open("%s", notRestarted)
	}
	if after.Facts.Service.Active {
		p.status(before.Facts, after.Facts)
		if allowed := slices.IndexFunc(now, func(f Finding) bool { return f.Address == AllowedHosts }); allowed >= 0 && now[allowed].Outcome == Compliant {
			p.filter(newJudge(g, after))
		}
	}
	return p
}

const notRestarted = "whether the agent reads the change: no service manager answered, so it was not restarted"

// agent: it is the same one, and still runs.
func (p *Proof) agent(before, after Facts) {
	if v, w := before.Version, after.Version; v != w {
		p.contradict("the agent's version went from %q to %q meanwhile", v, w)
	}
	if before.Service.Active && !after.Service.Active {
		p.contradict("the service ran before and does not run now")
	}
}

// readBack: each planned change shows as made.
func (p *Proof) readBack(now []Finding, planned []Change) {
	found := map[string]Finding{}
	for _, f := range now {
		found[f.Address] = f
	}
	for _, c := range planned {
		f, ok := found[c.Control]
		switch {
		case ok && f.Outcome == Compliant:
		case ok && f.Outcome == Unknown:
			p.open("%s: %s", c.Control, f.Reason)
		default:
			p.contradict("%s did not become %s: it is %s", c.Control, c.To, cmp.Or(f.Have, f.Reason))
		}
	}
}

// nothingWorse: no control that was compliant is so no more, whatever its mode.
func (p *Proof) nothingWorse(then, now []Finding) {
	for i, f := range now {
		if i >= len(then) || then[i].Outcome != Compliant {
			continue
		}
		switch f.Outcome {
		case Compliant, NotApplicable:
		case Unknown:
			p.open("%s: %s", f.Address, f.Reason)
		default:
			p.contradict("%s was compliant and is now %s", f.Address, f.Have)
		}
	}
}

// status: the agent shows no fewer plug-ins and jobs than before.
func (p *Proof) status(before, after Facts) {
	then, thenWhy := counts(before)
	now, nowWhy := counts(after)
	switch {
	case !before.Service.Active:
	case thenWhy != "":
		p.open("plug-ins and jobs before the change: %s", thenWhy)
	case nowWhy != "":
		p.open("plug-ins and jobs after the change: %s", nowWhy)
	}
	if thenWhy != "" || nowWhy != "" {
		return
	}
	keys := make([]string, 0, len(then))
	for k := range then {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, k := range keys {
		if now[k] < then[k] {
			p.Missing = append(p.Missing, fmt.Sprintf("the agent's status shows %d %s, before it showed %d", now[k], k, then[k]))
		}
	}
}

// counts reads plug-ins and jobs from the status. Its exact form is not documented:
// lists that are called so count, and numbers that can only be their count [I].
func counts(f Facts) (n map[string]int, why string) {
	for _, a := range f.Answers {
		if a.Question.Path != statusPath {
			continue
		}
		if a.Unknown != "" || len(a.Replies) != 1 || a.Replies[0].Status == 0 {
			return nil, cmp.Or(a.Unknown, a.TLSError, "no answer")
		}
		if s := a.Replies[0].Status; s != 200 {
			return nil, fmt.Sprintf("%s answered %d", statusPath, s)
		}
		var doc any
		if err := json.Unmarshal(a.Replies[0].Body, &doc); err != nil {
			return nil, statusPath + " did not answer JSON"
		}
		n = map[string]int{}
		collect(n, "", doc)
		if len(n) == 0 {
			return nil, statusPath + " names no plug-ins and no jobs"
		}
		return n, ""
	}
	return nil, statusPath + " was not asked"
}

func collect(n map[string]int, path string, v any) {
	object, ok := v.(map[string]any)
	if !ok {
		return
	}
	for k, child := range object {
		at := strings.TrimPrefix(path+"."+k, ".")
		switch c := child.(type) {
		case []any:
			if strings.EqualFold(k, "plugins") || strings.EqualFold(k, "jobs") {
				n[at] = len(c)
			}
		case float64:
			if slices.ContainsFunc([]string{"plugins", "jobs", "plugincount", "jobcount"}, func(name string) bool { return strings.EqualFold(k, name) }) {
				n[at] = int(min(max(c, 0), 1e9))
			}
		}
		collect(n, at, child)
	}
}

// filter: the agent answers to each allowed name and refuses a made-up one.
func (p *Proof) filter(j *judge) {
	names := j.allowedNames()
	if len(names) == 0 {
		return
	}
	for _, a := range j.facts.Answers {
		if a.Question.Path != "/" {
			continue
		}
		for _, name := range append(names, madeUpHost) {
			status := 0
			if i := slices.Index(a.Question.Hosts, name); i >= 0 && i < len(a.Replies) {
				status = a.Replies[i].Status
			}
			switch {
			case status == 0:
				p.open("GET / as %s: %s", name, cmp.Or(a.Unknown, a.TLSError, "no answer"))
			case name == madeUpHost && status != 400:
				p.contradict("GET / as the made-up host %s is answered with %d, not refused", name, status)
			case name != madeUpHost && status != 200:
				p.contradict("GET / as %s is answered with %d", name, status)
			}
		}
		return
	}
	p.open("whether the Host filter works: not asked")
}
