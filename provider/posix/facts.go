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
)

type reader struct {
	sections map[string][][]byte
	admin    int    // the group that stands for Administrators
	started  string // hundredths of a second after boot at which the service's process began
}

// one is a section's bytes; ok is false when the host did not send it.
func (r *reader) one(name string) (b []byte, ok bool) {
	all := r.sections[name]
	if len(all) != 1 {
		return nil, false
	}
	return all[0], true
}

// list is a section of NUL-terminated strings.
func (r *reader) list(name string) []string {
	b, ok := r.one(name)
	if !ok || len(b) == 0 {
		return nil
	}
	list := strings.Split(strings.TrimSuffix(string(b), "\x00"), "\x00")
	return list[:min(len(list), maxList)]
}

func (r *reader) facts() (provider.Facts, error) {
	var f provider.Facts
	system := r.list("system")
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
	if open := r.list("transaction"); len(open) == 2 {
		f.Transaction = &provider.OpenTransaction{Run: open[0], Owner: open[1]}
	}
	r.services(&f)
	if roots, _ := r.one("roots"); len(roots) > 0 {
		f.Roots = strings.Split(strings.TrimSuffix(string(roots), "\n"), "\n")
	}
	version, _ := r.one("version")
	f.Version = strings.TrimSpace(string(version))
	r.group(&f)
	r.listeners(&f)
	if f.Root() == "" || strings.ContainsAny(f.Root(), "\n\x00") || !path.IsAbs(f.Root()) {
		return f, nil
	}
	r.settings(&f, system[4], system[5])
	r.rows(&f)
	r.tree(&f)
	r.documents(&f)
	return f, nil
}

// group reads the id of the administrators' group; without a section it is 0.
func (r *reader) group(f *provider.Facts) {
	b, asked := r.one("group")
	f.AdminID = "0"
	if !asked {
		return
	}
	id, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 31)
	if err != nil {
		f.AdminGroup = "the administrators' group does not exist on the host"
		return
	}
	r.admin = int(id)
	f.AdminID = strconv.Itoa(r.admin)
}

// listeners reads the kernel's own table: addresses in hexadecimal, four bytes at
// a time in the host's byte order (little endian on every system the agent has).
func (r *reader) listeners(f *provider.Facts) {
	b, _ := r.one("listeners")
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if line == "end" {
			f.Listening = true
			continue
		}
		addr, port, _ := strings.Cut(line, ":")
		raw, err := hex.DecodeString(addr)
		n, perr := strconv.ParseUint(port, 16, 16)
		if err != nil || perr != nil || (len(raw) != 4 && len(raw) != 16) || len(f.Listeners) >= maxList {
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
	about := r.list("settings")
	f.Settings.Path = path.Join(f.Root(), provider.SettingsFile)
	body, sent := r.one("content")
	switch {
	case len(about) != 3:
		f.Settings.Problem = "the host did not say"
	case about[1] == "missing":
		f.Settings.Missing = true
	case about[1] != "":
		f.Settings.Problem = about[1]
	case !sent:
		f.Settings.Problem = "the host did not send it"
	case len(body) > maxSettings:
		f.Settings.Problem = "it is larger than 4 MiB"
	default:
		f.Settings.Bytes = body
		if f.Service.Active {
			f.Pending, f.PendingWhy = older(r.started, about[2], uptime, now)
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

// documents are the JSON files that speak of passwords.
func (r *reader) documents(f *provider.Facts) {
	names, bodies := r.sections["document"], r.sections["bytes"]
	if len(names) != len(bodies) || len(names) > maxList {
		f.Passwords = "the host's list of JSON files is not whole"
		return
	}
	for i, name := range names {
		doc := provider.File{Path: path.Join(f.Root(), string(name)), Bytes: bodies[i]}
		if len(doc.Bytes) > maxDocument {
			doc.Bytes, doc.Problem = nil, "larger than 1 MiB"
		}
		f.Documents = append(f.Documents, doc)
	}
}
