package hcl

import (
	"cmp"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/kepmctl/kepmctl/provider"
)

// A row is what permissions["PATH"] wants.
type row struct {
	path  string
	bound provider.Bound
	at    hcl.Range
}

func (r row) complete() bool { return r.bound.Administrators != "" && r.bound.Users != "" }

// profileRows are the rows of a profile, of docs/language.md, "Profiles".
func profileRows(profile string) map[string]provider.Bound {
	const none, read, execute = provider.GrantNone, provider.GrantRead, provider.GrantReadExecute
	switch profile {
	case "table":
		return map[string]provider.Bound{
			".": {Administrators: execute, Users: none}, "Plugins": {Administrators: execute, Users: none},
			"Jobs": {Administrators: execute, Users: none}, "KeeperStorage": {Administrators: read, Users: none},
			"policies": {Administrators: read, Users: none},
		}
	case "users_read_execute":
		return map[string]provider.Bound{
			".": {Administrators: execute, Users: execute}, "Plugins": {Administrators: execute, Users: execute},
			"Jobs": {Administrators: execute, Users: execute}, "KeeperStorage": {Administrators: read, Users: none},
			"policies": {Administrators: read, Users: none},
		}
	case "no_write":
		rows := map[string]provider.Bound{}
		for _, p := range []string{".", "Plugins", "Jobs", "KeeperStorage", "policies"} {
			rows[p] = provider.Bound{Administrators: execute, Users: execute}
		}
		return rows
	default:
		return nil
	}
}

// rows are a profile's rows as its path blocks change them, and those they add;
// tree is the profile's setting, nil without one.
func (b *baseline) rows() (rows []row, tree *setting) {
	byPath := map[string]*row{} // by path in lower case
	profile := b.merged[slot{"permissions", "", "profile"}]
	if name, ok := profile.value.(string); ok {
		tree = &profile
		for p, bound := range profileRows(name) {
			byPath[strings.ToLower(p)] = &row{path: p, bound: bound, at: profile.at}
		}
	}
	for _, where := range slices.SortedFunc(maps.Keys(b.merged), rowOrder) {
		s := b.merged[where]
		if where.block != "path" || s.value == nil {
			continue
		}
		known := byPath[where.label]
		if known == nil {
			known = &row{path: s.label}
			byPath[where.label] = known
		}
		known.set(where.attr, s)
	}
	for _, label := range slices.Sorted(maps.Keys(byPath)) {
		rows = append(rows, *byPath[label])
	}
	return rows, tree
}

// rowOrder puts administrators after users, so that a row's place is always the
// same: where its last attribute is written.
func rowOrder(a, b slot) int {
	return cmp.Or(strings.Compare(a.label, b.label), strings.Compare(b.attr, a.attr))
}

// set overlays one attribute of a path block.
func (r *row) set(attr string, s setting) {
	if attr == "users" {
		r.bound.Users = s.value.(provider.Grant)
	} else {
		r.bound.Administrators = s.value.(provider.Grant)
	}
	r.at = s.at
}

func (r *reading) readRow(own map[slot]setting, block *hclsyntax.Block) {
	p, at := block.Labels[0], block.LabelRanges[0].Ptr()
	if clean := path.Clean(p); !provider.LocalPath(clean) || len(p) > maxLabel {
		r.d.errorf(at, "Not a path below the install root",
			"Write it relative to the install root with forward slashes, without \"..\", backslashes and control characters. \".\" is the root itself.")
		return
	} else if clean != p {
		r.d.errorf(at, "Not a plain path", "Write %q.", clean)
		return
	}
	a := r.attrs(block)
	for _, name := range []string{"administrators", "users"} {
		if !a.has(name) {
			continue
		}
		s := setting{label: p, at: a.body.Attributes[name].NameRange}
		if g, ok := a.grant(name); ok {
			s.value = g
		}
		own[slot{"path", strings.ToLower(p), name}] = s
	}
	if !a.has("administrators") && !a.has("users") {
		r.d.errorf(block.DefRange().Ptr(), "A row without bounds", "Set administrators, users, or both.")
	}
}

// grant reads a grant; a wrong one is reported.
func (a attrs) grant(name string) (provider.Grant, bool) {
	const modify, full = string(provider.GrantModify), string(provider.GrantFull)
	known := []string{string(provider.GrantNone), string(provider.GrantRead), string(provider.GrantReadExecute), modify, full}
	s, ok := a.choice(name, known)
	if ok && (s == modify || s == full) {
		a.wrong(name, "%s is refused on Linux: only the service account may write below the install root, for whoever writes there owns the host.", s)
		return "", false
	}
	return provider.Grant(s), ok
}

// checkRows reports rows that no profile has and that miss a bound.
func (r *reading) checkRows(b *baseline) {
	if profile, written := b.merged[slot{"permissions", "", "profile"}]; written && profile.value == nil {
		return // a wrong profile is reported; it may have the rows
	}
	rows, _ := b.rows()
	for _, row := range rows {
		if !row.complete() {
			r.d.errorf(row.at.Ptr(), "An incomplete row", "The profile has no row %q, so its path block needs both administrators and users.", row.path)
		}
	}
}
