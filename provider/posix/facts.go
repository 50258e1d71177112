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
	age      string            // of that process, as ps says it, where the start is not known
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
	f.System = provider.System{Kernel: system[1], Manager: system[3]}
	switch system[0] {
	case "Linux":
		f.System.OS = transport.Linux
	case "Darwin":
		f.System.OS = transport.MacOS
	default:
		return f, fmt.Errorf("this host runs %.40q: only Linux and macOS are supported", system[0])
	}
	if system[2] != "0" {
		return f, fmt.Errorf("the look ran as user id %.20q, not as root: log in as root or set become", system[2])
	}
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
	f.Plugins, f.PluginsWhy = r.files(f.Root(), "plugin")
	r.pluginTimes(&f, system[4], system[5])
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

// listeners reads what the host listens on, in the words of its system.
func (r *reader) listeners(f *provider.Facts) {
	read := hexListener
	if f.System.OS == transport.MacOS {
		read = bsdListener
	}
	for _, word := range r.words["listeners"] {
		if word == "end" {
			f.Listening = true
			continue
		}
		l, ok := read(word)
		if !ok {
			f.Listening = false
			return
		}
		f.Listeners = append(f.Listeners, l)
	}
}

// hexListener reads the kernel's own table: addresses in hexadecimal, four bytes at
// a time in the host's byte order (little endian on every system the agent has).
func hexListener(word string) (l provider.Listener, ok bool) {
	addr, port, _ := strings.Cut(word, ":")
	raw, err := hex.DecodeString(addr)
	n, perr := strconv.ParseUint(port, 16, 16)
	if err != nil || perr != nil || (len(raw) != 4 && len(raw) != 16) {
		return l, false
	}
	for i := 0; i < len(raw); i += 4 {
		raw[i], raw[i+1], raw[i+2], raw[i+3] = raw[i+3], raw[i+2], raw[i+1], raw[i]
	}
	ip, ok := netip.AddrFromSlice(raw)
	return provider.Listener{Address: ip, Port: int(n)}, ok
}

// bsdListener reads the protocol and the address of a line of BSD's netstat:
// "tcp4 127.0.0.1.6888", "tcp46 *.8675". An address that was cut short to fit its
// column is none.
func bsdListener(word string) (l provider.Listener, ok bool) {
	family, addr, _ := strings.Cut(word, " ")
	dot := strings.LastIndexByte(addr, '.')
	if dot < 0 || !strings.HasPrefix(family, "tcp") {
		return l, false
	}
	n, err := strconv.ParseUint(addr[dot+1:], 10, 16)
	if err != nil {
		return l, false
	}
	l.Port = int(n)
	switch addr = addr[:dot]; {
	case addr == "*" && family == "tcp4":
		l.Address = netip.IPv4Unspecified()
	case addr == "*":
		l.Address = netip.IPv6Unspecified()
	default:
		addr, _, _ = strings.Cut(addr, "%") // the interface
		if l.Address, err = netip.ParseAddr(addr); err != nil {
			return l, false
		}
	}
	return l, true
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
			f.Pending, f.PendingWhy = r.pending(about[1], uptime, now)
		}
	}
}

// pluginTimes looks for plug-ins' files that are newer than the running service.
func (r *reader) pluginTimes(f *provider.Facts, uptime, now string) {
	for _, modified := range r.sections["plugintime"] {
		if !f.Service.Active || f.Pending || f.PendingWhy != "" {
			return
		}
		if text := strings.TrimSpace(string(modified)); text != "" {
			f.Pending, f.PendingWhy = r.pending(text, uptime, now)
		}
	}
}

// pending says whether the service's process is more than two seconds older than a
// file. When it began is known as hundredths of a second after boot, or as its age
// in whole seconds.
func (r *reader) pending(modified, uptime, now string) (older bool, why string) {
	mtime, err1 := strconv.ParseInt(modified, 10, 64)
	clock, err2 := strconv.ParseInt(now, 10, 64)
	var begun, slack float64
	start, err3 := strconv.ParseInt(r.started, 10, 64)
	up, err4 := strconv.ParseFloat(uptime, 64)
	known := err3 == nil && err4 == nil
	if known {
		begun = float64(clock) - up + float64(start)/100
	} else if age, ok := elapsed(r.age); ok {
		known, begun, slack = true, float64(clock-age), 1
	}
	switch {
	case err1 != nil || err2 != nil || !known:
		return false, "the host did not say when the service began and " + provider.SettingsFile + " was written"
	case mtime > clock+2:
		return false, provider.SettingsFile + " is dated in the future, so it cannot be told whether the service has read it"
	case float64(mtime) > begun+2+slack:
		return true, ""
	case slack > 0 && float64(mtime) > begun+slack:
		return false, provider.SettingsFile + " was written within a second or two of the start of the service, so it cannot be told whether the service has read it"
	}
	return false, ""
}

// elapsed reads what ps says of a process's age: [[DD-]HH:]MM:SS.
func elapsed(s string) (seconds int64, ok bool) {
	s = strings.TrimSpace(s)
	days, clock, found := strings.Cut(s, "-")
	if !found {
		days, clock = "0", s
	}
	d, err := strconv.ParseInt(days, 10, 32)
	parts := strings.Split(clock, ":")
	if err != nil || d < 0 || len(parts) < 2 || len(parts) > 3 {
		return 0, false
	}
	for _, p := range parts {
		n, err := strconv.ParseUint(p, 10, 6)
		if err != nil {
			return 0, false
		}
		seconds = seconds*60 + int64(n)
	}
	return d*24*60*60 + seconds, true
}
