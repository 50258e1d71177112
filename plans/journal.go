package plans

import "time"

// An Entry is one line of a run's journal. What a run does to a host is written
// before it is done.
type Entry struct {
	Type    EntryType `json:"type"`
	Time    time.Time `json:"time"`
	By      string    `json:"by,omitempty"`      // who, for RunBegun, WaveApproved and RunRolledBack
	Change  string    `json:"change,omitempty"`  // ticket that the run carries
	Attempt int       `json:"attempt,omitempty"` // how often the run has begun, for RunBegun
	// RequireProof says, for RunBegun, that open questions undo: also when it is resumed.
	RequireProof bool    `json:"require_proof,omitempty"`
	Rollout      string  `json:"rollout,omitempty"`
	Wave         string  `json:"wave,omitempty"`
	Host         string  `json:"host,omitempty"`
	Transaction  string  `json:"transaction,omitempty"` // its name on the host, for HostBegun
	Result       *Result `json:"result,omitempty"`      // for HostEnded
	Stop         *Stop   `json:"stop,omitempty"`        // for RolloutStopped
	Rollback     string  `json:"rollback,omitempty"`    // the other run, for RunRolledBack
}

// EntryType is what an entry tells.
type EntryType string

// Entries.
const (
	RunBegun       EntryType = "run_begun"
	WaveBegun      EntryType = "wave_begun"
	HostBegun      EntryType = "host_begun"
	HostEnded      EntryType = "host_ended"
	WavePassed     EntryType = "wave_passed" // its soak too
	WaveApproved   EntryType = "wave_approved"
	RolloutStopped EntryType = "rollout_stopped"
	RunEnded       EntryType = "run_ended"
	RunRolledBack  EntryType = "run_rolled_back" // another run takes back what this one changed
)

// Progress is how far a run came.
type Progress struct {
	Attempts     int
	Change       string
	RequireProof bool
	Results      map[string]Result // the last of each host that ended
	Open         map[string]string // hosts that began and did not end, or are in doubt: the transaction's name
	begun        map[step]bool
	passed       map[step]bool
	approved     map[step]bool
	Stopped      []Stop // why rollouts of the last attempt did
	Ended        bool   // the last attempt came to its end
	RolledBack   string // the last run that took this one's changes back; empty: none did
}

// A step is a wave of a rollout, by their names.
type step struct{ rollout, wave string }

// Replay tells from a journal how far its run came.
func Replay(entries []Entry) Progress {
	p := Progress{
		Results: map[string]Result{}, Open: map[string]string{},
		begun: map[step]bool{}, passed: map[step]bool{}, approved: map[step]bool{},
	}
	for _, e := range entries {
		at := step{e.Rollout, e.Wave}
		switch e.Type {
		case RunBegun:
			p.Attempts, p.Change, p.Stopped, p.Ended = e.Attempt, e.Change, nil, false
			p.RequireProof = p.RequireProof || e.RequireProof
		case WaveBegun:
			p.begun[at] = true
		case HostBegun:
			p.Open[e.Host] = e.Transaction
			delete(p.Results, e.Host) // of an earlier attempt
		case HostEnded:
			if e.Result == nil {
				continue
			}
			r := *e.Result
			r.Host = e.Host
			p.Results[e.Host] = r
			if e.Result.Status != InDoubt {
				delete(p.Open, e.Host)
			}
		case WavePassed:
			p.passed[at] = true
		case WaveApproved:
			p.approved[at] = true
		case RolloutStopped:
			if e.Stop != nil {
				p.Stopped = append(p.Stopped, *e.Stop)
			}
		case RunEnded:
			p.Ended = true
		case RunRolledBack:
			p.RolledBack = e.Rollback
		}
	}
	return p
}

// Waiting are the waves that passed and wait for a person's approval.
func (p Progress) Waiting(plan *Plan) []Entry {
	var list []Entry
	for _, r := range plan.Rollouts {
		for _, w := range r.Waves {
			at := step{r.Name, w.Name}
			if w.Approve && p.passed[at] && !p.approved[at] {
				list = append(list, Entry{Type: WaveApproved, Rollout: r.Name, Wave: w.Name})
			}
		}
	}
	return list
}

// Approve takes a person's approval of a wave that Waiting named.
func (p Progress) Approve(e Entry) { p.approved[step{e.Rollout, e.Wave}] = true }

// Outcome is what became of the plan's hosts so far.
func (p Progress) Outcome(run string, plan *Plan) Outcome {
	o := Outcome{Run: run, CutOff: !p.Ended}
	for _, h := range plan.Hosts {
		if len(h.Changes) == 0 || h.Problem != nil {
			continue
		}
		r, ended := p.Results[h.Name]
		switch {
		case ended:
		case p.Open[h.Name] != "":
			r = Result{Host: h.Name, Status: InDoubt, Run: p.Open[h.Name], Reason: "it was begun, and no end of it is written down", Hint: "kepmctl resume " + run + " asks it"}
		default:
			r = Result{Host: h.Name, Status: Skipped, Reason: "not begun"}
		}
		o.Results = append(o.Results, r)
	}
	o.Stops = p.Stopped
	return o
}

// Again forgets the results of hosts that ended so: they are tried once more.
func (p Progress) Again(statuses ...Status) {
	for host, r := range p.Results {
		for _, s := range statuses {
			if r.Status == s {
				delete(p.Results, host)
			}
		}
	}
}
