package posix

import (
	"strconv"
	"strings"

	"github.com/kepmctl/kepmctl/provider"
)

// services reads what systemctl show says of the agent and its watchdog: two
// blocks of KEY=VALUE, apart by an empty line.
func (r *reader) services(f *provider.Facts) {
	units, ok := r.one("units")
	if !ok {
		return
	}
	layout, _ := provider.LayoutOf(f.System.OS)
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

// process is who owns the service's process, from ls -ldn /proc/PID.
func (r *reader) process() string {
	line, _ := r.one("process")
	d, ok := describe(line)
	switch {
	case !ok:
		return ""
	case d.uid == 0:
		return provider.Privileged
	default:
		return "user id " + strconv.Itoa(d.uid)
	}
}
