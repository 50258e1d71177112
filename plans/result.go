package plans

import "time"

// Status is how a host ended in an apply.
type Status string

// Statuses.
const (
	Done        Status = "done"        // as planned, and proven
	Unverified  Status = "unverified"  // as planned, but not everything could be proven
	Already     Status = "already"     // it was as planned before
	Stale       Status = "stale"       // it is no longer what was planned for; untouched or restored
	Failed      Status = "failed"      // not as planned, and not certainly as before
	RolledBack  Status = "rolled_back" // as before, undone
	Skipped     Status = "skipped"     // not started
	InDoubt     Status = "in_doubt"    // settles by itself, unseen
	Locked      Status = "locked"      // another transaction is open
	Unreachable Status = "unreachable" // gave no answer before anything was begun
)

// A Result is what became of one host.
type Result struct {
	Host      string        `json:"host"`
	Status    Status        `json:"status"`
	Kind      string        `json:"kind,omitempty"` // of the reason, for grouping
	Reason    string        `json:"reason,omitempty"`
	Hint      string        `json:"hint,omitempty"`
	Run       string        `json:"run,omitempty"`     // the transaction's name on the host
	Changes   []int         `json:"changes,omitempty"` // of the plan, that were carried out
	Restarted bool          `json:"restarted,omitempty"`
	Down      time.Duration `json:"down_ns,omitempty"` // how long the agent did not answer
	Open      []string      `json:"open,omitempty"`    // questions of the proof that stayed open
	Details   []string      `json:"details,omitempty"`
	Log       string        `json:"log,omitempty"` // the service's last lines
	// Supervisor is what watched over the transaction on the host: "systemd",
	// "launchd", or "process", which a power cut ends.
	Supervisor string    `json:"supervisor,omitempty"`
	Until      time.Time `json:"until,omitzero"` // when a host in doubt begins to undo, if it did not settle before
}

// AsPlanned says whether the host is now what the plan says.
func (r Result) AsPlanned() bool {
	return r.Status == Done || r.Status == Unverified || r.Status == Already
}

// An Outcome is what became of a plan.
type Outcome struct {
	Run     string   `json:"run"`
	Results []Result `json:"results"` // of the hosts that had changes, sorted by name
	Stops   []Stop   `json:"stops,omitempty"`
	CutOff  bool     `json:"cut_off,omitempty"` // the run did not come to an end
}

// Count is how many hosts ended so.
func (o Outcome) Count(s Status) int {
	n := 0
	for _, r := range o.Results {
		if r.Status == s {
			n++
		}
	}
	return n
}

// Supervised is on how many hosts a transaction was watched over so.
func (o Outcome) Supervised(by string) int {
	n := 0
	for _, r := range o.Results {
		if r.Supervisor == by {
			n++
		}
	}
	return n
}
