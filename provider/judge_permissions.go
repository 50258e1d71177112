package provider

import (
	"cmp"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/kepmctl/kepmctl/transport"
)

// Bound reads a permissions row; ok is false when v is none, or asks for rights
// that only the service account may have.
func (v Value) Bound() (b Bound, ok bool) {
	if json.Unmarshal([]byte(v), &b) != nil {
		return Bound{}, false
	}
	_, okA := b.Administrators.rights()
	_, okU := b.Users.rights()
	return b, okA && okU
}

// rights are what a grant allows on a directory, where read without execute
// would be useless: read counts as read and execute.
func (g Grant) rights() (r Rights, ok bool) {
	switch g {
	case GrantNone:
		return 0, true
	case GrantRead, GrantReadExecute:
		return Read | Execute, true
	default:
		return 0, false
	}
}

// lower is the access within a bound: nothing is ever added.
func (a Access) lower(b Bound) Access {
	admins, _ := b.Administrators.rights()
	users, _ := b.Users.rights()
	a.Owner, a.Privileged = "root", true
	a.Administrators &= admins
	a.Users &= users
	return a
}

// accountHolds says why the tree must wait: it is given to the service account
// only when the service really runs as that account.
func (j *judge) accountHolds() (reason string) {
	if f := j.serviceAccount(); f.Outcome != Compliant {
		return "waits until the service is known to run as root (service_account: " + cmp.Or(f.Have, f.Reason) + ")"
	}
	return ""
}

func (j *judge) row(w Want) Finding {
	rows := j.facts.RowsAt(w.Control.Key)
	bound, ok := w.Value.Bound()
	switch {
	case j.facts.AdminGroup != "":
		return unknown(j.facts.AdminGroup, "name a group that the host has in administrators_group")
	case !ok:
		return unknown("the bound asks for rights that only the service account may have", "")
	case j.facts.Rows == nil:
		return unknown("the host did not say", "")
	case len(rows) == 0:
		return Finding{Outcome: NotApplicable, Reason: "there is no " + w.Control.Key}
	case len(rows) > 1:
		return unknown(rows[0].Path+" and "+rows[1].Path+" differ only in case", "find out which one the agent uses, and remove the other")
	case rows[0].Link:
		return unknown(rows[0].Path+" is a symbolic link", "put the real path in its place: what a link points to is not judged")
	case rows[0].Access.Extended:
		return unknown(rows[0].Path+" has an extended ACL", j.aclHint())
	}
	have := rows[0].Access
	want := have.lower(bound)
	f := Finding{Outcome: Compliant, Have: have.String(), Want: want.String()}
	if have == want {
		return f
	}
	f.Outcome = NonCompliant
	if f.Reason = cmp.Or(j.accountHolds(), j.openAbove(rows[0].Path)); f.Reason == "" {
		f.Changes = []Change{{Attr: "access", Action: Modify, From: f.Have, To: f.Want}}
	}
	return f
}

// aclHint names the system's own commands.
func (j *judge) aclHint() string {
	if j.facts.System.OS == transport.MacOS {
		return "look at it with ls -le, remove it with chmod -N"
	}
	return "look at it with getfacl, remove it with setfacl -b"
}

// open says why nothing may be changed inside a directory: others can write there
// and will still be able to, so they could exchange what is being changed for a
// link. It is empty for a directory that is closed, or that this goal closes.
func (j *judge) open(dir string) string {
	rows := j.facts.RowsAt(dir)
	if dir == "." && len(rows) != 1 {
		return "the install root was not described"
	}
	for _, r := range rows {
		if r.Access.Privileged && (r.Access.Users|r.Access.Administrators)&Write == 0 {
			continue
		}
		if len(rows) != 1 || !j.closes(r) {
			return dirName(r.Path) + " can be written by others, and nothing that is wanted in this run closes it: enforce permissions for it first"
		}
	}
	return ""
}

// closes says whether the goal enforces the row, and can.
func (j *judge) closes(r Row) bool {
	i := slices.IndexFunc(j.goal.Wants, func(w Want) bool {
		return w.Control.Name == Permissions && w.Mode == Enforce && slices.Contains(j.facts.RowsAt(w.Control.Key), r)
	})
	return i >= 0 && !r.Link && !r.Access.Extended && j.accountHolds() == ""
}

// openAbove is open for the directories that lead to a row.
func (j *judge) openAbove(row string) string {
	if row == "." {
		return ""
	}
	for dir := path.Dir(row); dir != "."; dir = path.Dir(dir) {
		if why := j.open(dir); why != "" {
			return why
		}
	}
	return j.open(".")
}

// openRow is open for every row: the tree lies below them.
func (j *judge) openRow() string {
	for _, r := range j.facts.Rows {
		if why := j.open(r.Path); why != "" {
			return why
		}
	}
	return j.open(".")
}

func dirName(dir string) string {
	if dir == "." {
		return "the install root"
	}
	return dir
}

// treeClean is the wanted state of the install tree.
const treeClean = "owned by root, no write for group or others"

func (j *judge) installTree() Finding {
	t := j.facts.Tree
	if !t.Known {
		return unknown("the tree was not seen whole", "")
	}
	if len(j.facts.Ancestors) == 0 {
		return unknown("the directories above the install root were not described", "")
	}
	if above := j.ancestors(); above != "" {
		return Finding{
			Outcome: NonCompliant, Have: above, Want: treeClean,
			Hint: "directories above the install root are not this program's to change: chown root and chmod go-w them",
		}
	}
	class, counts := t.class()
	if t.Extended > 0 || t.Links > 0 {
		f := j.unclearTree()
		f.Have = counts // what is certain is named all the same
		return f
	}
	f := Finding{Outcome: Compliant, Have: treeClean, Want: treeClean}
	if class == "" {
		return f
	}
	f.Outcome, f.Have = NonCompliant, counts+": "+examples(t.Examples)
	if f.Reason = cmp.Or(j.accountHolds(), j.openRow()); f.Reason == "" {
		f.Changes = []Change{{Attr: "entries", Action: Modify, From: class, To: treeClean}}
	}
	return f
}

// unclearTree is a tree in which something cannot be judged.
func (j *judge) unclearTree() Finding {
	t := j.facts.Tree
	if t.Extended > 0 {
		return unknown(fmt.Sprintf("%d entries are writable and have an extended ACL: %s", t.Extended, examples(t.Examples)),
			j.aclHint())
	}
	return unknown(fmt.Sprintf("%d links lead out of the install root: %s", t.Links, examples(t.Examples)),
		"see that root alone can change what they lead to, or put copies in their place")
}

// class names what offends without counting, so that hosts share a change and a
// new file does not make a plan stale.
func (t Tree) class() (class, counts string) {
	var classes, counted []string
	for _, c := range []struct {
		n    int
		name string
	}{{t.Foreign, "not owned by root"}, {t.Group, "writable by their group"}, {t.Others, "writable by everyone"}} {
		if c.n > 0 {
			classes = append(classes, c.name)
			counted = append(counted, fmt.Sprintf("%d %s", c.n, c.name))
		}
	}
	return strings.Join(classes, ", "), strings.Join(counted, ", ")
}

func (j *judge) ancestors() string {
	for _, a := range j.facts.Ancestors {
		writable := a.Access.Users&Write != 0 || a.Access.Administrators&Write != 0
		if !a.Access.Privileged || (writable && !a.Sticky) {
			return fmt.Sprintf("%s, above the install root: %s", a.Path, a.Access)
		}
	}
	return ""
}

func examples(list []string) string {
	const most = 3
	list = slices.Clone(list)
	slices.Sort(list)
	if len(list) > most {
		return strings.Join(list[:most], ", ") + ", ..."
	}
	return strings.Join(list, ", ")
}
