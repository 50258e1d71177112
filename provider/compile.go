package provider

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kepmctl/kepmctl/provider/appsettings"
)

// Compile turns changes into the transaction that carries them out on a host
// that looked like l. The changes must come from Judge of the same goal and look.
// Run, Owner, and Ports that listened are filled in; an error means that a
// change cannot be made with certainty.
func Compile(g Goal, l Look, changes []Change, run, owner string) (Transaction, error) {
	layout, ok := LayoutOf(l.Facts.System.OS)
	if !ok {
		return Transaction{}, fmt.Errorf("no agent layout is known for system %q", l.Facts.System.OS)
	}
	t := Transaction{
		Run: run, Owner: owner, Root: l.Facts.Root(), AdminID: l.Facts.AdminID,
		Service:        ServiceFix{Service: layout.Service, Watchdog: layout.Watchdog},
		StartTimeout:   g.Options.StartTimeout,
		ConfirmTimeout: g.Options.ConfirmTimeout,
	}
	j := newJudge(g, l)
	for _, c := range changes {
		t.Changes = append(t.Changes, c.Control)
		switch control := ControlName(c.Control); control {
		case Permissions:
			fix, err := j.rowFix(c.Control)
			if err != nil {
				return Transaction{}, err
			}
			t.Rows = append(t.Rows, fix)
		case InstallTree:
			t.Tree = &TreeFix{Except: j.ownRows(), Foreign: l.Facts.Tree.Foreign}
		case ServiceAtBoot:
			t.Service.Enable = true
		case ServiceRunning:
			t.Service.Start = t.Service.Start || c.Effect == Start
		case Watchdog:
			t.Service.StartWatchdog = true
		case Certificate: // the restart makes a new one
		default:
			if err := j.edit(&t, c); err != nil {
				return Transaction{}, err
			}
		}
		t.Service.Restart = t.Service.Restart || c.Effect == Restart
	}
	slices.SortFunc(t.Rows, func(a, b RowFix) int { return strings.Compare(a.Path, b.Path) })
	if fix := t.Service; !l.Facts.Service.Known && (fix.Touches() || fix.Enable || fix.StartWatchdog) {
		return Transaction{}, fmt.Errorf("%s is not changed: no manager of services that is known answered on this host", fix.Service)
	}
	if t.Service.Touches() {
		t.Ports = j.listening()
	}
	return t, nil
}

// edit applies a change of a settings file to the new version of it that earlier
// changes have made.
func (j *judge) edit(t *Transaction, c Change) error {
	d, key, err := j.target(c)
	if err != nil {
		return err
	}
	i := t.file(d.file)
	file, err := appsettings.Parse(t.Files[i].Bytes)
	if err == nil {
		t.Files[i].Bytes, err = edited(file, key, c.To)
	}
	if err != nil {
		return fmt.Errorf("edit %s: %w", d.name, err)
	}
	return nil
}

// target is the file and the key that a change of a settings file is about.
func (j *judge) target(c Change) (document, string, error) {
	if ControlName(c.Control) != PluginSetting {
		return j.appSettings(), c.Attr, nil
	}
	d, key, why := j.pluginTarget(j.wants[c.Control])
	if why.Outcome != "" {
		return d, "", fmt.Errorf("%s: %s", c.Control, why.Reason)
	}
	return d, key, nil
}

// file is where the transaction's version of a file is.
func (t *Transaction) file(f File) int {
	i := slices.IndexFunc(t.Files, func(e FileEdit) bool { return e.Path == f.Path })
	if i < 0 {
		i = len(t.Files)
		t.Files = append(t.Files, FileEdit{Path: f.Path, Was: f.Bytes, Bytes: f.Bytes})
	}
	return i
}

func (j *judge) rowFix(control string) (RowFix, error) {
	for _, w := range j.goal.Wants {
		if w.Control.String() != control {
			continue
		}
		bound, ok := w.Value.Bound()
		rows := j.facts.RowsAt(w.Control.Key)
		if !ok || len(rows) != 1 {
			break
		}
		admins, _ := bound.Administrators.rights()
		users, _ := bound.Users.rights()
		return RowFix{Path: rows[0].Path, Administrators: admins, Users: users}, nil
	}
	return RowFix{}, fmt.Errorf("%s: the host does not show one directory for it", control)
}

// ownRows are the directories that have a bound of their own, which the tree
// leaves alone: a row in audit mode must not be changed by the tree's fix.
func (j *judge) ownRows() []string {
	var paths []string
	for _, w := range j.goal.Wants {
		if w.Control.Name != Permissions {
			continue
		}
		for _, r := range j.facts.RowsAt(w.Control.Key) {
			paths = append(paths, r.Path)
		}
	}
	slices.Sort(paths)
	return paths
}

// listening are the agent's ports that have a listener now.
func (j *judge) listening() []int {
	ports := j.ports()
	return slices.DeleteFunc(ports, func(p int) bool {
		return !slices.ContainsFunc(j.facts.Listeners, func(l Listener) bool { return l.Port == p })
	})
}

// ControlName is the name of a control whose text may have a key: name["key"].
func ControlName(control string) string {
	name, _, _ := strings.Cut(control, "[")
	return name
}
