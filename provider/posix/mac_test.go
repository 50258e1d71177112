package posix

import (
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kepmctl/kepmctl/provider"
	"github.com/kepmctl/kepmctl/transport"
)

const printed = `system/com.keeper.keeper-privilege-manager = {
	active count = 1
	path = /Library/LaunchDaemons/com.keeper.keeper-privilege-manager.plist
	type = LaunchDaemon
	state = running

	program = /Library/Keeper/sbin/keeper-privilege-manager
	environment = {
		state = odd
		pid = 1
	}

	domain = system
	pid = 412
}
`

const defined = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>Label</key>
	<string>com.keeper.keeper-privilege-manager</string>
	<key>EnvironmentVariables</key>
	<dict><key>UserName</key><string>nested</string></dict>
	<key>KeepAlive</key>
	<dict><key>SuccessfulExit</key><false/></dict>
	<key>ProgramArguments</key>
	<array><string>/Library/Keeper/sbin/keeper-privilege-manager</string></array>
	EXTRA
</dict>
</plist>
`

const notDisabled = "\ndisabled services = {\n\t\"com.example.other\" => disabled\n}\n"

func TestReadLaunchd(t *testing.T) {
	const label = `"com.keeper.keeper-privilege-manager" => `
	plain := strings.Replace(defined, "EXTRA", "", 1)
	running := provider.Service{Known: true, Loaded: true, Active: true, Boot: "enabled", Account: provider.Privileged, RunningAs: provider.Privileged, PID: 412}
	with := func(change func(*provider.Service)) provider.Service {
		s := running
		change(&s)
		return s
	}
	stopped := func(s *provider.Service) { s.Active, s.PID, s.RunningAs = false, 0, "" }
	for name, c := range map[string]struct {
		exit, text, plist, disabled, owner string
		want                               provider.Service
	}{
		"running": {"0", printed, plain, notDisabled, "  0\n", running},
		"another user by definition": {
			"0", printed, strings.Replace(defined, "EXTRA", "<key>UserName</key><string>_keeper</string>", 1), notDisabled, "0",
			with(func(s *provider.Service) { s.Account = "_keeper" }),
		},
		"another user as launchd says": {
			"0", strings.Replace(printed, "\tdomain", "\tusername = _keeper\n\tdomain", 1), plain, notDisabled, "501",
			with(func(s *provider.Service) { s.Account, s.RunningAs = "_keeper", "user id 501" }),
		},
		"disabled":          {"0", printed, plain, notDisabled + "\t" + label + "disabled\n", "0", with(func(s *provider.Service) { s.Boot = "disabled" })},
		"disabled, old":     {"0", printed, plain, notDisabled + "\t" + label + "true\n", "0", with(func(s *provider.Service) { s.Boot = "disabled" })},
		"enabled in words":  {"0", printed, plain, notDisabled + "\t" + label + "enabled\n", "0", running},
		"no list":           {"0", printed, plain, "", "0", with(func(s *provider.Service) { s.Boot = "" })},
		"a binary plist":    {"0", printed, "bplist00\xd1\x01", notDisabled, "0", with(func(s *provider.Service) { s.Boot = "" })},
		"on demand":         {"0", printed, strings.Replace(plain, "KeepAlive", "Sockets", 1), notDisabled, "0", with(func(s *provider.Service) { s.Boot = "" })},
		"disabled by plist": {"0", printed, strings.Replace(defined, "EXTRA", "<key>Disabled</key><true/>", 1), notDisabled, "0", with(func(s *provider.Service) { s.Boot = "disabled" })},
		"waiting":           {"0", strings.Replace(printed, "state = running", "state = spawn scheduled", 1), plain, notDisabled, "", with(stopped)},
		"not loaded":        {"113", "", plain, notDisabled, "", with(stopped)},
		"not there":         {"113", "", "", notDisabled, "", provider.Service{Known: true}},
		"no such answer": {
			"0", "a new form\n", plain, notDisabled, "",
			with(func(s *provider.Service) { stopped(s); s.Known = false }),
		},
		"launchctl fails": {"1", "", plain, notDisabled, "", with(func(s *provider.Service) { stopped(s); s.Known = false })},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := read(t, facts("@system", "Darwin", "25.1.0", "0", "launchd", "", "1000", "@disabled", "text "+c.disabled,
				"@job", "exit "+c.exit, "text "+c.text, "plist "+c.plist, "@owner", c.owner, "@roots", "").section("end", ""))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, f.Service); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
			if f.System.OS != transport.MacOS || f.Watchdog.Known {
				t.Errorf("%+v", f)
			}
		})
	}
}

func TestReadSockets(t *testing.T) {
	for word, want := range map[string]string{
		"tcp4 127.0.0.1.6888": "127.0.0.1:6888", "tcp4 *.8675": "0.0.0.0:8675", "tcp46 *.8675": "[::]:8675", "tcp6 ::1.6889": "[::1]:6889",
		"tcp6 fe80::1%lo0.6888": "[fe80::1]:6888", "tcp6 fe80::aede:48ff:.6888": "", "tcp4 *.*": "", "udp4 *.53": "", "tcp4 1": "", "": "", "tcp4 127.0.0.1.70000": "",
	} {
		l, ok := bsdListener(word)
		if ok != (want != "") || (ok && netip.AddrPortFrom(l.Address, uint16(l.Port)).String() != want) {
			t.Errorf("%q is read as %v %v, want %q", word, l, ok, want)
		}
	}
}

func TestElapsed(t *testing.T) {
	for s, want := range map[string]int64{"  00:05\n": 5, "01:02:03": 3723, "2-00:00:01": 172801, "99": -1, "": -1, "-1-00:00:00": -1, "a:b": -1, "00:99": -1} {
		if got, ok := elapsed(s); ok != (want >= 0) || (ok && got != want) {
			t.Errorf("%q is %d %v, want %d", s, got, ok, want)
		}
	}
}

// Whole seconds leave a moment of which nothing is known.
func TestPendingBySeconds(t *testing.T) {
	for mtime, want := range map[string]string{"900": "false ", "941": "false ", "942": "why", "943": "why", "944": "true ", "": "why"} {
		r := reader{age: "01:00"}
		older, why := r.pending(mtime, "", "1000")
		if got := strings.ToLower(map[bool]string{true: "true ", false: "false "}[older]); (why != "") != (want == "why") || (why == "" && got != want) {
			t.Errorf("a file of %s: %v %q, want %s", mtime, older, why, want)
		}
	}
}

// What the scripts of OpenRC and System V say.
func TestReadInit(t *testing.T) {
	const stat = "77 (keeper) S 1 77 77 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 9 0 5000 1 1 1"
	f, err := read(t, facts("@system", "Linux", "6.1", "0", "openrc", "100.00", "1000100",
		"@init", "unit keeper-privilege-manager", "yes", "0", "yes", "unit keeper-watchdog", "yes", "3", "no",
		"@stat", stat, "@process", "dr-xr-xr-x 9 0 0 0 Nov 23 15:49 /proc/77", "@roots", "").section("end", ""))
	if err != nil {
		t.Fatal(err)
	}
	if want := (provider.Service{Known: true, Loaded: true, Active: true, Boot: "enabled", Account: provider.Privileged, RunningAs: provider.Privileged, PID: 77}); f.Service != want {
		t.Errorf("service %+v, want %+v", f.Service, want)
	}
	if want := (provider.Service{Known: true, Loaded: true, Boot: "disabled"}); f.Watchdog != want {
		t.Errorf("watchdog %+v, want %+v", f.Watchdog, want)
	}
}

func TestReadACLOfMacOS(t *testing.T) {
	for line, want := range map[string]bool{
		"drwxr-xr-x@ 3 0 0 96 Nov 1 12:00 x":                                 false,
		"drwxr-xr-x+ 3 0 0 96 Nov 1 12:00 x":                                 true,
		"drwxr-xr-x@ 3 0 0 96 Nov 1 12:00 x\n 0: group:everyone allow write": true,
	} {
		if d, ok := describe(line); !ok || d.extended != want {
			t.Errorf("%q: %+v %v", line, d, ok)
		}
	}
}

// look is observe.sh on this host, as root= is not given.
func (h *plain) look() provider.Facts {
	h.t.Helper()
	s := looker{}.Look(provider.Goal{Wants: []provider.Want{{Control: provider.Control{Name: provider.Permissions, Key: "Jobs"}}}})
	path := filepath.Join(h.dir, "observe.sh")
	if err := os.WriteFile(path, []byte(h.here(s.Text)), 0o600); err != nil {
		h.t.Fatal(err)
	}
	cmd := exec.Command(h.dir+"/bin/sh", append([]string{path}, s.Args...)...)
	cmd.Args[0], cmd.Env = "sh", h.env()
	out, err := cmd.Output()
	if err != nil {
		h.t.Fatal(err)
	}
	f, err := looker{}.Read(transport.Output{Stdout: out})
	if err != nil {
		h.t.Fatal(err)
	}
	return f
}

// observe.sh on a host that has the commands of macOS and no /proc.
func TestObserveMac(t *testing.T) {
	for _, shell := range shells(t) {
		t.Run(shell[0], func(t *testing.T) {
			t.Parallel()
			h := newPlain(t, shell, true)
			if err := os.Remove(h.dir + "/bin/ls"); err != nil {
				t.Fatal(err)
			}
			h.write("bin/ls", `#!/bin/sh
[ "$1" = -lden ] || { echo "ls: $1 hides ACLs" >&2; exit 1; }
shift
for f do
	`+program("ls")+` -ldn "$f"
	case $f in */Jobs) echo ' 0: group:everyone allow add_file' ;; esac
done
`, 0o755)
			if err := os.Symlink("/etc/passwd", h.root+"/Jobs/link"); err != nil {
				t.Fatal(err)
			}
			f := h.look()
			if f.System != (provider.System{OS: transport.MacOS, Kernel: "25.1.0", Manager: "launchd"}) {
				t.Errorf("system %+v", f.System)
			}
			if !f.Service.Active || f.Service.Boot != "enabled" || f.Service.Account != provider.Privileged || f.Service.RunningAs != provider.Privileged || f.Service.PID == 0 {
				t.Errorf("service %+v", f.Service)
			}
			if f.Root() != h.root {
				t.Errorf("root %q is not that of the job, %q", f.Root(), h.root)
			}
			if !f.Listening || len(f.Listeners) != 3 {
				t.Errorf("listeners %v %+v", f.Listening, f.Listeners)
			}
			if f.Settings.Problem != "" || f.PendingWhy != "" || !f.Pending { // it began 62 s ago, as ps says
				t.Errorf("settings %+v, pending %v %s", f.Settings, f.Pending, f.PendingWhy)
			}
			if rows := f.RowsAt("Jobs"); len(rows) != 1 || !rows[0].Access.Extended || f.RowsAt(".")[0].Access.Extended {
				t.Errorf("rows %+v", f.Rows)
			}
			if !f.Tree.Known || f.Tree.Others != 1 || f.Tree.Links != 1 {
				t.Errorf("tree %+v", f.Tree)
			}
			// Before macOS 12.3 readlink could not follow a link: where it leads is unknown.
			if err := os.Remove(h.dir + "/bin/readlink"); err != nil {
				t.Fatal(err)
			}
			h.write("bin/readlink", "#!/bin/sh\necho 'readlink: illegal option -- f' >&2\nexit 1\n", 0o755)
			if f := h.look(); f.Tree.Known {
				t.Errorf("a tree with a link that cannot be followed: %+v", f.Tree)
			}
		})
	}
}

// Both directories of kepmctl are named wherever a script chooses, or cannot.
func TestStateDirectories(t *testing.T) {
	for _, name := range []string{"begin.sh", "status.sh", "verdict.sh"} {
		if body := text(name); !strings.Contains(body, "state="+stateDir+"\n") || !strings.Contains(body, "state='"+stateDirMac+"'\n") {
			t.Errorf("%s does not choose between %s and %s", name, stateDir, stateDirMac)
		}
	}
	if !strings.Contains(text("settle.service"), stateDir+"/open") {
		t.Errorf("settle.service does not speak of %s", stateDir)
	}
	if !strings.Contains(text("supervise.plist"), `"`+stateDirMac+`"/`) {
		t.Errorf("supervise.plist does not speak of %s", stateDirMac)
	}
}

// Without systemd the manager of services is asked by its own command.
func TestObserveInit(t *testing.T) {
	for _, shell := range shells(t)[1:] {
		t.Run(shell[0], func(t *testing.T) {
			t.Parallel()
			h := newPlain(t, shell, false)
			f := h.look()
			if f.System.Manager != "sysv" || !f.Service.Known || !f.Service.Active || f.Service.Boot != "disabled" || !f.Watchdog.Active {
				t.Errorf("%+v\n%+v\n%+v", f.System, f.Service, f.Watchdog)
			}
			h.tool(h.rc, "keeper-watchdog", "stop")
			if err := os.Mkdir(h.dir+"/no-openrc", 0o755); err != nil {
				t.Fatal(err)
			}
			if f := h.look(); f.System.Manager != "openrc" || !f.Service.Active || !f.Watchdog.Known || f.Watchdog.Active {
				t.Errorf("%+v\n%+v\n%+v", f.System, f.Service, f.Watchdog)
			}
			if err := os.RemoveAll(h.dir + "/no-openrc"); err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(h.dir + "/init.d/" + initService); err != nil {
				t.Fatal(err)
			}
			if f := h.look(); f.System.Manager != "" || f.Service.Known || f.Watchdog.Known {
				t.Errorf("%+v\n%+v\n%+v", f.System, f.Service, f.Watchdog)
			}
		})
	}
}
