package provider

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"github.com/kepmctl/kepmctl/provider/appsettings"
)

// Kept is what a committed transaction keeps on its host of what it replaced.
type Kept struct {
	Attempts    []string   // names of the run's transactions that the host knows, at most one per attempt
	Ending      Ending     // empty: the host keeps nothing of it, or never knew it
	Root        string     // install root, absolute
	Files       []FileEdit // what they were, and what was made of them
	Permissions bool       // it took rights away, and knows which
}

// Restorable says whether a change can be taken back from what was kept: files and
// permissions can, the state of services and a new certificate stay.
func (c Change) Restorable() bool {
	name := ControlName(c.Control)
	return name == Permissions || name == InstallTree || c.edits()
}

// Access says whether the finding is of who may do what with files.
func (f Finding) Access() bool {
	name := ControlName(f.Address)
	return name == Permissions || name == InstallTree
}

// Reversed is the change that takes c back.
func (c Change) Reversed() Change {
	c.From, c.To = c.To, c.From
	switch c.Action {
	case Add:
		c.Action = Remove
	case Remove:
		c.Action = Add
	}
	return c
}

// Restore compiles the transaction that takes reversed changes back on a host that
// looks like l, from what their transaction kept. What is as before already is left
// out; without a change left the transaction is Empty. Stale says which address is
// neither as the transaction made it nor as it was before. An error means that a
// change cannot be taken back with certainty.
func Restore(g Goal, l Look, kept Kept, changes []Change, run, back, owner string) (t Transaction, stale string, err error) {
	if kept.Ending != Committed || kept.Root != l.Facts.Root() {
		return t, "", fmt.Errorf("the host no longer keeps what run %s replaced", back)
	}
	if t, err = Compile(g, l, nil, run, owner); err != nil {
		return t, "", err
	}
	t.Undoes = back
	j := newJudge(g, l)
	found := map[string]Finding{}
	for _, f := range Judge(g, l) {
		found[f.Address] = f
	}
	for _, c := range changes {
		var touched bool
		switch {
		case !c.Restorable():
			return t, "", fmt.Errorf("%s cannot be taken back", c.Control)
		case c.edits():
			touched, stale, err = j.restore(&t, kept, c)
		default:
			touched, stale = given(found[c.Control], c)
			if touched = touched && kept.Permissions; touched { // otherwise they were right when the run came
				t.Back = back
			}
		}
		if stale != "" || err != nil {
			return t, stale, err
		}
		if touched {
			t.Changes = append(t.Changes, c.Control)
		}
	}
	t.whole(kept)
	if t.Service.Restart = len(t.Files) > 0 && l.Facts.Service.Known; t.Service.Restart {
		t.Ports = j.listening()
	}
	return t, "", nil
}

// Empty says whether the transaction changes nothing.
func (t Transaction) Empty() bool { return len(t.Changes) == 0 }

// given says whether permissions are as a run made them, so that they can be given back.
func given(f Finding, c Change) (touched bool, stale string) {
	asBefore := slices.ContainsFunc(f.Changes, func(now Change) bool { return now.Attr == c.Attr && now.From == c.To })
	switch {
	case f.Outcome == Compliant:
		return true, ""
	case asBefore:
		return false, ""
	default:
		return false, fmt.Sprintf("%s is now %s", c.Control, cmp.Or(f.Have, f.Reason, "not judged"))
	}
}

// restore puts one key of a settings file back, if it still is what the run made it.
func (j *judge) restore(t *Transaction, kept Kept, c Change) (touched bool, stale string, err error) {
	d, key, err := j.target(c)
	if err != nil {
		return false, "", err
	}
	at := slices.IndexFunc(kept.Files, func(f FileEdit) bool { return f.Path == d.file.Path })
	if at < 0 { // it was right when the run came
		return false, "", nil
	}
	if bytes.Equal(d.file.Bytes, kept.Files[at].Was) {
		return false, "", nil
	}
	i := t.file(d.file)
	was, err := appsettings.Parse(kept.Files[at].Was)
	if err != nil {
		return false, "", fmt.Errorf("the earlier %s: %w", d.name, err)
	}
	made, err := appsettings.Parse(kept.Files[at].Bytes)
	if err != nil {
		return false, "", fmt.Errorf("%s as it was made: %w", d.name, err)
	}
	now, err := appsettings.Parse(t.Files[i].Bytes)
	if err != nil {
		return false, "", fmt.Errorf("read %s: %w", d.name, err)
	}
	before, have := was.Get(key), now.Get(key)
	switch {
	case same(have, before):
		return false, "", nil
	case !same(have, made.Get(key)):
		return false, fmt.Sprintf("%s is now %s", c.Control, cmp.Or(shown(key, have), "not set")), nil
	case before.Kind == appsettings.Other:
		if !bytes.Equal(d.file.Bytes, kept.Files[at].Bytes) {
			return false, "", fmt.Errorf("%s changed otherwise since, and %s was (%s) before, which is not written", d.name, c.Control, before.Note)
		}
	default:
		if t.Files[i].Bytes, err = edited(now, key, before.JSON); err != nil {
			return false, "", fmt.Errorf("edit %s: %w", d.name, err)
		}
	}
	return true, "", nil
}

// same says whether two values are certainly the same.
func same(a, b appsettings.Value) bool {
	return a.Kind == b.Kind && a.JSON == b.JSON && a.Kind != appsettings.Other
}

// whole puts files back byte by byte that nobody has written since, and leaves out
// those that are as before.
func (t *Transaction) whole(kept Kept) {
	for i, f := range t.Files {
		for _, k := range kept.Files {
			if k.Path == f.Path && bytes.Equal(f.Was, k.Bytes) {
				t.Files[i].Bytes = k.Was
			}
		}
	}
	t.Files = slices.DeleteFunc(t.Files, func(f FileEdit) bool { return bytes.Equal(f.Was, f.Bytes) })
}

// ProveRestored compares the looks before and after a transaction that Restore made:
// its files read back, and nothing else got worse.
func ProveRestored(g Goal, before, after Look, files []FileEdit, controls []string) Proof {
	var p Proof
	there := append([]File{after.Facts.Settings}, after.Facts.Plugins...)
	for _, f := range files {
		if !slices.ContainsFunc(there, func(now File) bool { return now.Path == f.Path && bytes.Equal(now.Bytes, f.Bytes) }) {
			p.contradict("%s is not what it was before", f.Path)
		}
	}
	p.nothingWorse(without(Judge(g, before), controls), without(Judge(g, after), controls))
	p.agent(before.Facts, after.Facts)
	if after.Facts.Service.Active {
		p.status(before.Facts, after.Facts)
	} else if !before.Facts.Service.Known && len(files) > 0 {
		p.open("%s", notRestarted)
	}
	return p
}

func without(findings []Finding, controls []string) []Finding {
	return slices.DeleteFunc(findings, func(f Finding) bool { return slices.Contains(controls, f.Address) })
}
