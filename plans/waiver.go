package plans

import (
	"time"

	"github.com/kepmctl/kepmctl/provider"
)

// A Waiver is one of the configuration as plans and reports tell of it.
type Waiver struct {
	Name       string      `json:"name"`
	State      WaiverState `json:"state"`         // when the plan was made
	Why        string      `json:"why,omitempty"` // it has no effect
	Controls   []string    `json:"controls"`
	Accepts    []string    `json:"accepts,omitempty"`
	Reason     string      `json:"reason"`
	Owner      string      `json:"owner"`
	ApprovedBy []string    `json:"approved_by,omitempty"`
	Ticket     string      `json:"ticket,omitempty"`
	Granted    time.Time   `json:"granted,omitzero"`
	Expires    time.Time   `json:"expires"`
	Hosts      int         `json:"hosts"` // it is for
	File       string      `json:"file,omitempty"`
	Line       int         `json:"line,omitempty"`
}

// WaiverState is whether a waiver has an effect.
type WaiverState string

// States of waivers; only the first has an effect.
const (
	WaiverActive     WaiverState = "active"
	WaiverExpired    WaiverState = "expired"
	WaiverNotYet     WaiverState = "not_yet"    // granted from a later day on
	WaiverUnapproved WaiverState = "unapproved" // by nobody but its owner
	WaiverIdle       WaiverState = "idle"       // no host, or no control, that it could be for
)

// EndsSoon says whether an active waiver ends within 14 days.
func (w Waiver) EndsSoon(now time.Time) bool {
	return w.State == WaiverActive && w.Expires.Before(now.Add(provider.Soon))
}
