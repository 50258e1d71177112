package simfleet

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// A Fault is how a host misbehaves; empty: it does not.
type Fault string

// Faults.
const (
	Refuse    Fault = "refuse"    // nothing listens
	Hang      Fault = "hang"      // it takes the connection and says nothing
	Reset     Fault = "reset"     // it cuts the connection in the middle of its first answer
	Garbage   Fault = "garbage"   // it answers nonsense
	Flood     Fault = "flood"     // it never stops answering
	Drip      Fault = "drip"      // it answers a byte at a time
	WrongKey  Fault = "wrongkey"  // its host key is another one
	NoAuth    Fault = "noauth"    // it refuses every login
	NoRestart Fault = "norestart" // its agent does not come up with new settings
)

// Faults are all of them.
var Faults = []Fault{Refuse, Hang, Reset, Garbage, Flood, Drip, WrongKey, NoAuth, NoRestart}

// A Share is how many hosts have a fault: a number, or a percentage of all.
type Share struct {
	Fault   Fault
	Value   int
	Percent bool
}

// ParseFaults reads "refuse=5%,hang=3".
func ParseFaults(text string) ([]Share, error) {
	var list []Share
	if text == "" {
		return nil, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(part, "=")
		number, percent := strings.CutSuffix(value, "%")
		n, err := strconv.Atoi(number)
		if !slices.Contains(Faults, Fault(name)) {
			return nil, fmt.Errorf("%q is no fault: write %s", name, words())
		}
		if err != nil || n < 0 || (percent && n > 100) {
			return nil, fmt.Errorf("%q is neither a number of hosts nor a share: write %s=3 or %s=5%%", value, name, name)
		}
		list = append(list, Share{Fault(name), n, percent})
	}
	return list, nil
}

func words() string {
	var names []string
	for _, f := range Faults {
		names = append(names, string(f))
	}
	return strings.Join(names, ", ")
}

// spread gives hosts their faults, by chance.
func spread(shares []Share, hosts int, chance *rand.Rand) ([]Fault, error) {
	faults := make([]Fault, hosts)
	order := chance.Perm(hosts)
	for _, s := range shares {
		n := s.Value
		if s.Percent {
			n = hosts * s.Value / 100
		}
		if n > len(order) {
			return nil, fmt.Errorf("%d hosts have more faults than that", hosts)
		}
		for _, i := range order[:n] {
			faults[i] = s.Fault
		}
		order = order[n:]
	}
	return faults, nil
}
