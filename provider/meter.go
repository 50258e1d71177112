package provider

import (
	"strconv"
	"strings"
)

// A Meter is one reading of what a host has done so far.
type Meter struct {
	Newest int    // number of the newest process; 0: unknown
	Cursor string // where the host's log ends; empty: unknown
	Lines  int    // of the log since the cursor that was asked about; -1: unknown
}

// ReadMeter understands the answer of a Looker's meter: lines of "key value", which
// the host says and which may be missing or nonsense.
func ReadMeter(out []byte) Meter {
	m := Meter{Lines: -1}
	for line := range strings.Lines(string(out)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.Atoi(value)
		switch {
		case key == "cursor" && len(value) <= 1024:
			m.Cursor = value
		case err != nil || n < 0:
		case key == "newest":
			m.Newest = n
		case key == "lines":
			m.Lines = n
		}
	}
	return m
}

// A Cost is what work asked of a host, all that happened there meanwhile included.
type Cost struct {
	Processes int `json:"processes"` // started; -1: unknown
	LogLines  int `json:"log_lines"` // written to the system's log; -1: unknown
}

// CostOf is the cost between two readings.
func CostOf(before, after Meter) Cost {
	c := Cost{Processes: -1, LogLines: after.Lines}
	if before.Newest > 0 && after.Newest >= before.Newest { // else numbers began again
		c.Processes = after.Newest - before.Newest
	}
	return c
}
