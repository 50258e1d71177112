package posix

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"path"
	"strconv"
	"strings"

	"github.com/kepmctl/kepmctl/provider"
	"github.com/kepmctl/kepmctl/transport"
)

// Limits of what a host may make us remember.
const (
	maxList     = 10000   // entries of one list
	maxSettings = 4 << 20 // bytes of appsettings.json
	maxDocument = 1 << 20 // bytes of another JSON file

	maxVariables = 1000 // of the service's environment
)

type reader struct {
	words    map[string][]string // by the "@NAME" before them
	sections map[string][][]byte
	unit     map[string]string // what systemctl show says of the agent's unit
	admin    int               // the group that stands for Administrators
	started  string            // hundredths of a second after boot at which the service's process began
}

// newReader splits the list of facts into words by name.
func newReader(sections map[string][][]byte) *reader {
	r := &reader{words: map[string][]string{}, sections: sections}
	if len(sections["facts"]) != 1 {
		return r
	}
	name := ""
	for word := range strings.SplitSeq(strings.TrimSuffix(string(sections["facts"][0]), "\x00"), "\x00") {
		if after, ok := strings.CutPrefix(word, "@"); ok {
			name = after
			r.words[name] = []string{}
		} else if len(r.words[name]) < maxList {
			r.words[name] = append(r.words[name], word)
		}
	}
	return r
}

// one is a fact that is a single word; ok is false when the host did not send it.
func (r *reader) one(name string) (word string, ok bool) {
	if len(r.words[name]) != 1 {
		return "", false
	}
	return r.words[name][0], true
}

func (r *reader) facts() (provider.Facts, error) {
	var f provider.Facts
	system := r.words["system"]
	if len(system) != 6 {
		return f, fmt.Errorf("read the facts: the host does not say what it is")
	}
	if system[0] != "Linux" {
		return f, fmt.Errorf("this host runs %.40q: only Linux is supported yet", system[0])
	}
	if system[2] != "0" {
		return f, fmt.Errorf("the look ran as user id %.20q, not as root: log in as root or set become", system[2])
	}
	f.System = provider.System{OS: transport.Linux, Kernel: system[1], Manager: system[3]}
	if open := r.words["transaction"]; len(open) == 2 {
		f.Transaction = &provider.OpenTransaction{Run: strings.TrimPrefix(open[0], "run "), Owner: strings.TrimPrefix(open[1], "owner ")}
	}
	r.services(&f)
	if roots, _ := r.one("roots"); roots != "" {
		f.Roots = strings.Split(strings.TrimSuffix(roots, "\n"), "\n")
	}
	version, _ := r.one("version")
	f.Version = strings.TrimPrefix(version, "v")
	r.group(&f)
	r.listeners(&f)
	if f.Root() == "" || strings.ContainsAny(f.Root(), "\n\x00") || !path.IsAbs(f.Root()) {
		return f, nil
	}
	r.settings(&f, system[4], system[5])
	r.rows(&f)
	r.tree(&f)
	f.Documents, f.Passwords = r.files(f.Root(), "document")
	f.Plugins, _ = r.files(f.Root(), "plugin") // a file that did not come is not known to be there
	r.overrides(&f)
	return f, nil
}

// group reads the id of the administrators' group.
func (r *reader) group(f *provider.Facts) {
	word, _ := r.one("group")
	id, err := strconv.ParseUint(word, 10, 31)
	if err != nil {
		f.AdminGroup = "the administrators' group does not exist on the host"
		return
	}
	r.admin = int(id)
	f.AdminID = word
}

// listeners reads the kernel's own table: addresses in hexadecimal, four bytes at
// a time in the host's byte order (little endian on every system the agent has).
func (r *reader) listeners(f *provider.Facts) {
	for _, word := range r.words["listeners"] {
		if word == "end" {
			f.Listening = true
			continue
		}
		addr, port, _ := strings.Cut(word, ":")
		raw, err := hex.DecodeString(addr)
		n, perr := strconv.ParseUint(port, 16, 16)
		if err != nil || perr != nil || (len(raw) != 4 && len(raw) != 16) {
			f.Listening = false
			return
		}
		for i := 0; i < len(raw); i += 4 {
			raw[i], raw[i+1], raw[i+2], raw[i+3] = raw[i+3], raw[i+2], raw[i+1], raw[i]
		}
		ip, _ := netip.AddrFromSlice(raw)
		f.Listeners = append(f.Listeners, provider.Listener{Address: ip, Port: int(n)})
	}
}

// settings reads appsettings.json, and whether the running service is older.
func (r *reader) settings(f *provider.Facts, uptime, now string) {
	about, content := r.words["settings"], r.sections["content"]
	f.Settings.Path = path.Join(f.Root(), provider.SettingsFile)
	switch {
	case len(about) != 2:
		f.Settings.Problem = "the host did not say"
	case about[0] == "missing":
		f.Settings.Missing = true
	case about[0] != "":
		f.Settings.Problem = about[0]
	case len(content) != 1:
		f.Settings.Problem = "the host did not send it"
	case len(content[0]) > maxSettings:
		f.Settings.Problem = "it is larger than 4 MiB"
	default:
		f.Settings.Bytes = content[0]
		if f.Service.Active {
			f.Pending, f.PendingWhy = older(r.started, about[1], uptime, now)
		}
	}
}

// older says whether a process that started so many hundredths of a second after
// boot is more than two seconds older than a file.
func older(started, modified, uptime, now string) (older bool, why string) {
	start, err1 := strconv.ParseInt(started, 10, 64)
	mtime, err2 := strconv.ParseInt(modified, 10, 64)
	up, err3 := strconv.ParseFloat(uptime, 64)
	clock, err4 := strconv.ParseInt(now, 10, 64)
	switch {
	case err1 != nil || err2 != nil || err3 != nil || err4 != nil:
		return false, "the host did not say when the service began and " + provider.SettingsFile + " was written"
	case mtime > clock+2:
		return false, provider.SettingsFile + " is dated in the future, so it cannot be told whether the service has read it"
	}
	begun := float64(clock) - up + float64(start)/100
	return float64(mtime) > begun+2, ""
}
