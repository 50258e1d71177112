// Package provider knows what a control means: from facts to findings, from
// changes to transactions, without ever touching a host.
//
// It is pure: no connections, no clock, no disk. The families of systems below
// it (posix, windows) turn wants into scripts and answers into Facts; plans asks
// it to Judge facts, to Compile changes and to check the proof.
package provider

import "github.com/kepmctl/kepmctl/transport"

// A Looker looks at a host of one family of systems: one read-only script, and
// what its output says.
type Looker interface {
	Look(Goal) transport.Script
	Read(transport.Output) (Facts, error)
	// Meter reads what ReadMeter understands: what work costs the host. The cursor
	// is that of an earlier reading, or empty.
	Meter(cursor string) transport.Script
}

// A Changer carries out transactions on a host of one family of systems. All
// three scripts answer with text that ReadState understands.
type Changer interface {
	// Begin uploads the transaction and starts it. It returns before it ends.
	Begin(Transaction) transport.Script
	// Status waits, at most seconds, until the transaction reached a phase.
	Status(run string, until Phase, seconds int) transport.Script
	// Settle offers a verdict; the first one wins.
	Settle(run string, v Verdict) transport.Script
}

// A Keeper says what committed transactions keep on a host of one family of systems.
type Keeper interface {
	Kept(run string) transport.Script
	ReadKept(transport.Output) (Kept, error)
}

// A Family is how hosts of one kind of system are looked at and changed.
type Family struct {
	Looker  Looker
	Changer Changer
	Keeper  Keeper
	// Digest names the scripts of this build: a plan made by other scripts is refused.
	Digest string
}

// Outcome of a control on a host.
type Outcome string

// Outcomes. Only Compliant counts as compliant.
const (
	Compliant     Outcome = "compliant"
	NonCompliant  Outcome = "non_compliant"
	NotApplicable Outcome = "not_applicable"
	Unknown       Outcome = "unknown" // the host did not say, or not clearly
	Waived        Outcome = "waived"  // it does not hold, and a waiver accepts that
)

// A Finding is what one look says of one control.
type Finding struct {
	Control  Control  `json:"-"`
	Address  string   `json:"control"` // Control.String()
	Severity Severity `json:"severity"`
	Mode     Mode     `json:"mode"`
	Override Override `json:"override,omitzero"` // why the mode is weaker than the assignment's
	Outcome  Outcome  `json:"outcome"`
	Waiver   string   `json:"waiver,omitempty"` // that accepts it, of a waived finding
	Have     string   `json:"have,omitempty"`   // what the host has, for people; never a secret
	Want     string   `json:"want,omitempty"`   // what is wanted, for people
	Reason   string   `json:"reason,omitempty"` // why it is so, or why it cannot be told
	Hint     string   `json:"hint,omitempty"`   // what a person can do
	Source   Source   `json:"-"`
	Changes  []Change `json:"-"` // what would make it right; empty: check only, or nothing to do
}

// Action says what a change does to its attribute.
type Action string

// Actions.
const (
	Add    Action = "add"
	Modify Action = "change"
	Remove Action = "remove"
	// Replace takes something away and puts something new in its place: a certificate.
	Replace Action = "replace"
)

// Effect is what a change asks of the service.
type Effect string

// Effects, weakest first.
const (
	NoEffect Effect = ""
	Start    Effect = "start"
	Restart  Effect = "restart"
)

// A Change is one attribute going from one value to another. It is comparable:
// hosts that need the same change share it in a plan. From and To are values of
// Attr as the control judges them; the empty string is "not there".
type Change struct {
	Control string `json:"control"`
	Attr    string `json:"attr"`
	Action  Action `json:"action"`
	From    string `json:"from"`
	To      string `json:"to"`
	Effect  Effect `json:"effect,omitempty"`
}

// edits says whether the change is one of a settings file.
func (c Change) edits() bool {
	name := ControlName(c.Control)
	return name == AppSetting || name == PluginSetting || name == LoopbackOnly || keys[name] != ""
}
