package plans

import (
	"fmt"
	"strings"
)

// A Selection says of which part of what the configuration wants a run is.
type Selection struct {
	Hosts      int      `json:"hosts"`
	OfHosts    int      `json:"of_hosts"`    // that have an assignment
	Controls   int      `json:"controls"`    // distinct ones, on all selected hosts
	OfControls int      `json:"of_controls"` // that are wanted of those hosts
	Flags      []string `json:"flags"`       // that chose, as they were given
}

// String is one line: "Selected: 12 of 1204 hosts, 2 of 21 controls (--target log_level)."
func (s Selection) String() string {
	const most, longest = 4, 120
	text := "Selected: " + ofAll(s.Hosts, s.OfHosts, "host")
	if s.Controls < s.OfControls {
		text += ", " + ofAll(s.Controls, s.OfControls, "control")
	}
	var flags []string
	for _, f := range s.Flags[:min(len(s.Flags), most)] {
		if runes := []rune(f); len(runes) > longest {
			f = string(runes[:longest]) + "..."
		}
		flags = append(flags, f)
	}
	if more := len(s.Flags) - most; more > 0 {
		flags = append(flags, fmt.Sprintf("and %d more", more))
	}
	if len(flags) > 0 {
		text += " (" + strings.Join(flags, " ") + ")"
	}
	return text + "."
}

func ofAll(n, all int, what string) string {
	if all != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d of %d %s", n, all, what)
}
