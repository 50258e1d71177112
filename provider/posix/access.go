package posix

import (
	"strconv"
	"strings"

	"github.com/kepmctl/kepmctl/provider"
)

// A description is what one line of ls -ldn says of an entry.
type description struct {
	mode     string // drwxr-xr-x
	uid, gid int
	extended bool // an extended ACL follows
}

// describe reads a line of ls -ldn, on macOS with the lines of the ACL behind it; ok
// is false when it is none. The name at its end is not looked at.
func describe(line string) (d description, ok bool) {
	f := strings.Fields(line)
	if len(f) < 4 || len(f[0]) < 10 || len(f[0]) > 11 {
		return d, false
	}
	d.mode = f[0][:10]
	d.extended = strings.HasSuffix(f[0][10:], "+") || strings.Contains(line, "\n 0: ") // ls -e of macOS
	var err1, err2 error
	d.uid, err1 = strconv.Atoi(f[2])
	d.gid, err2 = strconv.Atoi(f[3])
	return d, err1 == nil && err2 == nil && d.uid >= 0 && d.gid >= 0
}

// rights are three letters of a mode; a set-id or sticky letter counts as execute
// when it is small.
func rights(rwx string) provider.Rights {
	var r provider.Rights
	if rwx[0] == 'r' {
		r |= provider.Read
	}
	if rwx[1] == 'w' {
		r |= provider.Write
	}
	if strings.ContainsAny(rwx[2:], "xst") {
		r |= provider.Execute
	}
	return r
}

// access reads a description as a row judges it: the group is Administrators if
// it is the one that stands for them; any other group is some of the users.
func (d description) access(admin int) provider.Access {
	a := provider.Access{
		Owner:      "root",
		Privileged: d.uid == 0,
		Users:      rights(d.mode[7:10]),
		Extended:   d.extended,
	}
	if d.uid != 0 {
		a.Owner = "user id " + strconv.Itoa(d.uid)
	}
	if group := rights(d.mode[4:7]); d.gid == admin {
		a.Administrators = group
	} else {
		a.Users |= group
	}
	return a
}

func (r *reader) row(path, line string) (provider.Row, bool) {
	d, ok := describe(line)
	if !ok {
		return provider.Row{}, false
	}
	return provider.Row{
		Path:   strings.TrimPrefix(path, "./"),
		Link:   d.mode[0] != 'd',
		Sticky: d.mode[9] == 't' || d.mode[9] == 'T',
		Access: d.access(r.admin),
	}, true
}

// rows reads the described directories: one by its path as found. What was asked
// for and did not come back is not there; when the section did not come, nothing
// is known.
func (r *reader) rows(f *provider.Facts) {
	list, sent := r.words["rows"]
	if !sent {
		return
	}
	f.Rows = []provider.Row{}
	for ; len(list) >= 2; list = list[2:] {
		row, ok := r.row(list[0], list[1])
		if !ok {
			row = provider.Row{Path: strings.TrimPrefix(list[0], "./"), Link: true}
		}
		f.Rows = append(f.Rows, row)
	}
	above := r.words["ancestors"]
	for ; len(above) >= 2; above = above[2:] {
		row, ok := r.row(above[0], above[1])
		if !ok {
			row = provider.Row{Path: above[0]} // of nobody we trust
		}
		f.Ancestors = append(f.Ancestors, row)
	}
}

// tree reads the batches of offenders: "CLASS COUNT EXTENDED", then "=NAME"
// examples, and at the end what find complained of.
func (r *reader) tree(f *provider.Facts) {
	for _, item := range r.words["tree"] {
		if name, ok := strings.CutPrefix(item, "="); ok {
			if len(f.Tree.Examples) < 64 {
				f.Tree.Examples = append(f.Tree.Examples, strings.TrimPrefix(name, "./"))
			}
			continue
		}
		if trouble, ok := strings.CutPrefix(item, "end "); ok {
			f.Tree.Known = harmless(trouble)
			continue
		}
		class := strings.Fields(item)
		if len(class) != 3 {
			continue
		}
		n, err1 := strconv.Atoi(class[1])
		extended, err2 := strconv.Atoi(class[2])
		if err1 != nil || err2 != nil || n < 0 || extended < 0 {
			continue
		}
		f.Tree.Extended += extended
		switch class[0] {
		case "F":
			f.Tree.Foreign += n
		case "G":
			f.Tree.Group += n
		case "O":
			f.Tree.Others += n
		case "L":
			f.Tree.Links += n
		}
	}
}

// harmless says whether find complained of nothing but entries that went away
// while it looked, as rotated logs do.
func harmless(trouble string) bool {
	for line := range strings.Lines(trouble) {
		if line = strings.TrimSpace(line); line != "" && !strings.Contains(line, "No such file or directory") {
			return false
		}
	}
	return true
}
