package provider

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
)

// A Transaction is everything a host must be told to change itself and to heal
// itself. It is compiled from changes and a second look, and never stored in a plan.
type Transaction struct {
	Run     string   // a token of [0-9a-z-], unique per run and host
	Owner   string   // who changes the host, for its log and for others who look
	Changes []string // controls that change, for the host's log
	Root    string   // install root, absolute
	Files   []FileEdit
	Rows    []RowFix // parents before children
	Tree    *TreeFix // nil: the tree is left alone
	AdminID string   // of the group that stands for Administrators
	Service ServiceFix
	Undoes  string // a committed run of which something is taken back: the host keeps what it replaced
	Back    string // a committed run whose permissions are given back when this one is committed; or empty
	Ports   []int  // that listened before, and must listen again after a restart

	StartTimeout   time.Duration // for the service to come up
	ConfirmTimeout time.Duration // for the verdict to arrive
	Keep           int           // before-images of so many runs stay on the host; 0: of five
}

// A FileEdit replaces a file whose bytes are still Was.
type FileEdit struct {
	Path  string
	Was   []byte
	Bytes []byte
}

// A RowFix lowers one directory to its bound and gives it to the service account.
type RowFix struct {
	Path           string // relative to the root
	Administrators Rights // kept at most
	Users          Rights
}

// A TreeFix takes write from group and others, and ownership from anyone but the
// service account, on every entry below the root except the paths named.
type TreeFix struct {
	Except  []string // relative to the root
	Foreign int      // how many entries change their owner, as last counted
}

// Limit is how long a transaction may take until its verdict; after it the host
// undoes. Noting the owner of a foreign entry takes about a millisecond.
func (t Transaction) Limit() time.Duration {
	limit := t.StartTimeout + t.ConfirmTimeout + 30*time.Second
	if t.Tree != nil {
		limit += time.Duration(t.Tree.Foreign) * 5 * time.Millisecond
	}
	return limit
}

// A ServiceFix is what happens to the services.
type ServiceFix struct {
	Service  string
	Watchdog string

	Restart       bool // stop before the files change, start after
	Start         bool
	Enable        bool // start at boot
	StartWatchdog bool
}

// Touches says whether the agent's service is stopped or started.
func (s ServiceFix) Touches() bool { return s.Restart || s.Start }

// Verdict is the controller's judgement on a transaction.
type Verdict string

// Verdicts. No verdict in time counts as Undo.
const (
	Commit Verdict = "commit"
	Undo   Verdict = "undo"
	// NoVerdict decides nothing: it only starts settling again where that was
	// itself interrupted, so that a host does not stay locked.
	NoVerdict Verdict = "none"
	// Lapsed is what a host says of a verdict that did not come in time.
	Lapsed Verdict = "lapsed"
)

// ValidRun says whether a run's name is one of ours: [0-9a-z-], at most 64 long.
func ValidRun(run string) bool {
	return run != "" && len(run) <= 64 && strings.Trim(run, "0123456789abcdefghijklmnopqrstuvwxyz-") == ""
}

// Phase is how far a transaction has come.
type Phase string

// Phases, in order.
const (
	PhaseNone    Phase = "none"    // the host does not know the run
	PhaseBegun   Phase = "begun"   // at work
	PhaseReady   Phase = "ready"   // changed, waiting for the verdict
	PhaseSettled Phase = "settled" // over
)

// Ending is how a settled transaction ended.
type Ending string

// Endings.
const (
	Committed Ending = "committed"
	Undone    Ending = "undone"
	Conflict  Ending = "conflict" // undone, but for what a third party changed meanwhile
)

// A State is what a host says of a transaction.
type State struct {
	Phase   Phase
	Ending  Ending
	Verdict Verdict       // the first that came, or Lapsed; empty: none yet
	Failure string        // what tx.sh could not do; empty: nothing failed
	Kind    string        // of the failure: "stale", "space", "locked" ... or empty
	Down    time.Duration // from stopping the service until its ports listened again; 0: not stopped
	PID     int           // of the service when it was ready
	Running bool          // what carries it out is alive
	Log     string        // the service's last lines, when something failed
	Details []string      // what was left alone and why (conflicts)
	// Supervisor is what watches over it: "systemd", "launchd", or "process", which
	// a power cut ends.
	Supervisor string
}

// ReadState understands the answer of a Changer's scripts: lines of "key hex".
// Unknown keys are passed over; ok is false when the answer has no phase.
func ReadState(out []byte) (s State, ok bool) {
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		key, text, _ := strings.Cut(lines.Text(), " ")
		raw, err := hex.DecodeString(strings.Join(strings.Fields(text), ""))
		if err != nil {
			continue
		}
		value := string(raw)
		switch key {
		case "phase":
			s.Phase, ok = Phase(value), true
		case "ending":
			s.Ending = Ending(value)
		case "verdict":
			s.Verdict = Verdict(value)
		case "failure":
			s.Failure = value
		case "kind":
			s.Kind = value
		case "down":
			ms, err := strconv.ParseInt(value, 10, 32)
			if err == nil && ms >= 0 {
				s.Down = time.Duration(ms) * time.Millisecond
			}
		case "pid":
			s.PID, _ = strconv.Atoi(value)
		case "running":
			s.Running = value == "yes"
		case "supervisor":
			s.Supervisor = value
		case "log":
			s.Log = value
		case "detail":
			s.Details = append(s.Details, value)
		}
	}
	return s, ok
}
