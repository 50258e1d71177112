package posix

import (
	"strconv"
	"strings"

	"github.com/kepmctl/kepmctl/provider"
)

// services reads what the manager of services says of the agent and its watchdog.
func (r *reader) services(f *provider.Facts) {
	layout, _ := provider.LayoutOf(f.System.OS)
	switch f.System.Manager {
	case "systemd":
		r.systemd(f, layout)
	case "launchd":
		r.launchd(f, layout)
	case "openrc", "sysv":
		r.init(f, layout)
	}
}

// systemd reads systemctl show: two blocks of KEY=VALUE, apart by an empty line.
func (r *reader) systemd(f *provider.Facts, layout provider.Layout) {
	units, ok := r.one("units")
	if !ok {
		return
	}
	for block := range strings.SplitSeq(units, "\n\n") {
		show := map[string]string{}
		for line := range strings.Lines(block) {
			key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
			show[key] = value
		}
		switch show["Id"] {
		case layout.Service + ".service":
			f.Service, r.unit = service(show), show
			r.started = r.startTime()
			f.Service.RunningAs = r.process()
		case layout.Watchdog + ".service":
			f.Watchdog = service(show)
		}
	}
}

func service(show map[string]string) provider.Service {
	s := provider.Service{
		Known:  true,
		Loaded: show["LoadState"] == "loaded" || show["LoadState"] == "masked",
		Masked: show["LoadState"] == "masked" || show["UnitFileState"] == "masked",
		Active: show["ActiveState"] == "active" || show["ActiveState"] == "reloading",
		Boot:   show["UnitFileState"],
	}
	s.PID, _ = strconv.Atoi(show["MainPID"])
	switch user := show["User"]; {
	case show["DynamicUser"] == "yes":
		s.Account = "a dynamic user"
	case user == "" || user == "root" || user == "0":
		s.Account = provider.Privileged
	default:
		s.Account = user
	}
	return s
}

// startTime is when the service's process began, in hundredths of a second after
// boot, the host's suspensions included: field 22 of /proc/PID/stat (proc(5)).
func (r *reader) startTime() string {
	stat, _ := r.one("stat")
	name := strings.LastIndexByte(stat, ')') // the name may hold blanks and brackets
	if f := strings.Fields(stat[name+1:]); len(f) > 19 {
		return f[19]
	}
	return ""
}

// init reads what the scripts of OpenRC or System V say: of each service its name,
// whether it is there, the exit code of its status (LSB: 0 runs, 1 to 3 does not;
// OpenRC: more codes for "not yet" and "crashed") and whether it starts at boot. Who
// it runs as is known only from its process.
func (r *reader) init(f *provider.Facts, layout provider.Layout) {
	for list := r.words["init"]; len(list) >= 4; list = list[4:] {
		s := provider.Service{Known: true, Loaded: list[1] == "yes", Boot: "disabled"}
		if list[3] == "yes" {
			s.Boot = "enabled"
		}
		code, err := strconv.Atoi(list[2])
		switch {
		case !s.Loaded:
		case err != nil, code == 4, code > 32: // unknown, or no answer of a status at all
			s.Known = false
		default:
			s.Active = code == 0
		}
		switch name := strings.TrimPrefix(list[0], "unit "); {
		case name == layout.Service:
			r.started = r.startTime()
			s.RunningAs, s.PID = r.process(), r.pid()
			s.Account = s.RunningAs
			f.Service = s
		case name == layout.Watchdog:
			f.Watchdog = s
		}
	}
}

// pid is the number at the beginning of /proc/PID/stat.
func (r *reader) pid() int {
	stat, _ := r.one("stat")
	number, _, _ := strings.Cut(stat, " ")
	n, _ := strconv.Atoi(number)
	return n
}

// process is who owns the service's process, from ls -ldn /proc/PID.
func (r *reader) process() string {
	line, _ := r.one("process")
	d, ok := describe(line)
	if !ok {
		return ""
	}
	return account(d.uid)
}

// account names a user by number.
func account(uid int) string {
	if uid == 0 {
		return provider.Privileged
	}
	return "user id " + strconv.Itoa(uid)
}
