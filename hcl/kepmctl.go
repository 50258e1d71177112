package hcl

import (
	"regexp"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/kepmctl/kepmctl/provider"
)

var percentage = regexp.MustCompile(`^(100|[0-9]{1,2})%$`)

// maxUnreachable reads kepmctl's max_unreachable; none is 0.
func (r *reading) maxUnreachable() provider.Share {
	var share provider.Share
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
