package hcl

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/kepmctl/kepmctl/provider"
)

// A Share is a number of hosts, or a percentage of them.
type Share struct {
	Value   int  // hosts, or percent from 0 to 100
	Percent bool // whether Value is a percentage
}

// Of is the share of n hosts, rounded down.
func (s Share) Of(n int) int {
	if s.Percent {
		return n * s.Value / 100
	}
	return s.Value
}

// up is the share of n hosts, rounded up.
func (s Share) up(n int) int {
	if s.Percent {
		return (n*s.Value + 99) / 100
	}
	return s.Value
}

// String is the share as written: "3", "30%".
func (s Share) String() string {
	if s.Percent {
		return strconv.Itoa(s.Value) + "%"
	}
	return strconv.Itoa(s.Value)
}

var percentage = regexp.MustCompile(`^(100|[0-9]{1,2})%$`)

// maxUnreachable reads kepmctl's max_unreachable; none is 0.
func (r *reading) maxUnreachable() Share {
	var share Share
	for _, b := range r.blocks["kepmctl"] {
		share, _ = r.attrs(b).share("max_unreachable", 0)
	}
	return share
}

// fitsVersion checks required_version before anything else: what another version
// of the language says is not for this one to judge.
func (r *reading) fitsVersion(bodies []*hclsyntax.Body, version string) bool {
	fits := true
	for _, body := range bodies {
		for _, b := range body.Blocks {
			if b.Type == "kepmctl" {
				fits = r.versionFits(r.attrs(b), version) && fits
			}
		}
	}
	return fits
}

func (r *reading) versionFits(a attrs, version string) bool {
	const name = "required_version"
	wanted, ok := a.text(name)
	if !ok {
		return true
	}
	allowed, err := provider.ParseConstraint(wanted)
	if err != nil {
		a.wrong(name, "%s.", sentence(err))
		return true
	}
	// A development build has no version, and fits.
	if fits, err := allowed.Allows(strings.TrimPrefix(version, "v")); err == nil && !fits {
		r.d.errorf(a.at(name), "Another version is required", "The configuration asks for kepmctl %s, and this is %s. Nothing else in it was checked.", wanted, version)
		return false
	}
	return true
}
