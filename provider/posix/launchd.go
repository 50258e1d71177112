package posix

import (
	"encoding/xml"
	"io"
	"strconv"
	"strings"

	"github.com/kepmctl/kepmctl/provider"
)

// launchd reads what launchctl and the job's plist say of the agent. The output of
// launchctl print is documented as not stable: what is not there is unknown.
func (r *reader) launchd(f *provider.Facts, layout provider.Layout) {
	job := r.words["job"]
	if len(job) != 3 {
		return
	}
	exit, print := strings.TrimPrefix(job[0], "exit "), strings.TrimPrefix(job[1], "text ")
	plist, readable := readPlist(strings.TrimPrefix(job[2], "plist "))
	state, said := value(print, "state")
	const noSuchService = "113"
	s := provider.Service{
		Known:  (exit == "0" && said) || exit == noSuchService,
		Loaded: exit == "0" || job[2] != "plist ",
		Active: exit == "0" && state == "running",
		Boot:   r.atBoot(layout.Service, plist, readable),
	}
	if s.Active {
		pid, _ := value(print, "pid")
		s.PID, _ = strconv.Atoi(pid)
		owner, _ := r.one("owner")
		if uid, err := strconv.Atoi(strings.TrimSpace(owner)); err == nil && s.PID != 0 {
			s.RunningAs = account(uid)
		}
		r.age, _ = r.one("elapsed")
	}
	user, named := value(print, "username")
	if !named {
		user = plist["UserName"]
	}
	switch {
	case user == "root":
		s.Account = provider.Privileged
	case user != "":
		s.Account = user
	case readable:
		s.Account = provider.Privileged // launchd's default for a daemon
	default:
		s.Account = s.RunningAs
	}
	f.Service = s
}

// value is a job's own line "key = value" of launchctl print; those of its parts
// are indented further.
func value(print, key string) (v string, ok bool) {
	for line := range strings.Lines(print) {
		if v, ok = strings.CutPrefix(strings.TrimRight(line, "\n"), "\t"+key+" = "); ok {
			return v, true
		}
	}
	return "", false
}

// atBoot says how a daemon starts at boot: launchctl's own list of disabled services
// beats the plist; an enabled one starts when the plist says so.
func (r *reader) atBoot(label string, plist map[string]string, readable bool) string {
	word, _ := r.one("disabled")
	disabled := plist["Disabled"] == "true"
	list := strings.TrimPrefix(word, "text ")
	if !strings.Contains(list, "disabled services = {") || !readable {
		return ""
	}
	for line := range strings.Lines(list) {
		if state, ok := strings.CutPrefix(strings.TrimSpace(line), strconv.Quote(label)+" => "); ok {
			disabled = state == "disabled" || state == "true"
		}
	}
	keep := plist["KeepAlive"]
	switch {
	case disabled:
		return "disabled"
	case plist["RunAtLoad"] == "true" || (keep != "" && keep != "false"):
		return "enabled"
	default:
		return "" // sockets, calendars and the like may start it
	}
}

// readPlist reads the keys of a property list's outermost dictionary: the text of a
// string, else the name of the element ("true", "false", "dict").
func readPlist(text string) (keys map[string]string, ok bool) {
	keys = map[string]string{}
	d := xml.NewDecoder(strings.NewReader(text))
	key, depth, body := "", 0, ""
	for {
		token, err := d.Token()
		if err == io.EOF {
			return keys, ok
		}
		if err != nil {
			return map[string]string{}, false
		}
		switch e := token.(type) {
		case xml.StartElement:
			depth++
			body = ""
			ok = ok || (depth == 2 && e.Name.Local == "dict")
			if depth == 3 && e.Name.Local != "key" && key != "" {
				keys[key] = e.Name.Local
			}
		case xml.CharData:
			body += string(e)
		case xml.EndElement:
			switch {
			case depth == 3 && e.Name.Local == "key":
				key = body
			case depth == 3 && e.Name.Local == "string" && key != "":
				keys[key] = body
			}
			depth--
		}
	}
}
