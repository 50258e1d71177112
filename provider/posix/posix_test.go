package posix

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kepmctl/kepmctl/provider"
	"github.com/kepmctl/kepmctl/transport"
)

// answer writes sections as observe.sh does.
type answer struct{ bytes.Buffer }

func (a *answer) section(name string, body string) *answer {
	fmt.Fprintf(a, "@%s\n", name)
	for chunk := range chunks([]byte(body), 16) {
		fmt.Fprintf(a, " % x\n", chunk)
	}
	return a
}

func chunks(b []byte, n int) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(b) > 0 && yield(b[:min(n, len(b))]) {
			b = b[min(n, len(b)):]
		}
	}
}

func list(items ...string) string { return strings.Join(items, "\x00") + "\x00" }

// facts writes the list of facts, by name.
func facts(words ...string) *answer { return (&answer{}).section("facts", list(words...)) }

const units = `Id=keeper-privilege-manager.service
LoadState=loaded
ActiveState=active
UnitFileState=enabled
User=
DynamicUser=no
ExecStart={ path=/opt/keeper/sbin/keeper-privilege-manager ; argv[]=/opt/keeper/sbin/keeper-privilege-manager --config x ; ignore_errors=no }
MainPID=77
Environment=ASPNETCORE_URLS=http://127.0.0.1:6888 "Settings__system.logging.level=very \"loud\" x=y"
EnvironmentFiles=/etc/agent.env (ignore_errors=yes)

Id=keeper-watchdog.service
LoadState=masked
ActiveState=inactive
UnitFileState=masked
User=keeper
DynamicUser=no
MainPID=0`

func whole() *answer {
	return facts(
		"@system", "Linux", "6.1", "0", "systemd", "100.00", "1000100",
		"@units", units, "@environment", "f/etc/agent.env", "c# a comment\nAllowedHosts=*\n\n; another=x\n",
		"@stat", "77 (odd ) name) S 1 77 77 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 9 0 5000 1 1 1",
		"@process", "dr-xr-xr-x 9 0 0 0 Nov 23 15:49 /proc/77",
		"@roots", "/opt/keeper/sbin\n", "@version", "v2.0.82", "@group", "0",
		"@listeners", "0100007F:1AE8", "00000000000000000000000001000000:1AE9", "00000000:21E3", "end",
		"@settings", "", "1000053",
		"@ancestors", "/opt/keeper", "drwxr-xr-x 3 0 0 1 x", "/", "drwxrwxrwt 3 0 0 1 x",
		"@rows", "./.", "drwxr-xr-x 5 0 0 1 x", "./jobs", "drwxrwxrwx+ 5 0 1001 1 x", "./odd", "nonsense",
		"@tree", "O 2 1", "=./Jobs/a\nb", "=./c", "F 1 0", "=./d", "L 1 0", "=./e", "end ",
	).section("content", "{}").section("document", "./Plugins/x.json").section("documentbytes", `{"Password":""}`).
		section("layer", "./appsettings.Production.json").section("layerbytes", `{}`).
		section("plugin", "./plugins/./KeeperLogger.json").section("pluginbytes", `{"a":1}`).
		section("environ", "PATH=/bin\x00Settings__AlternativeSignatures__0=AB\x00SECRET=hunter2\x00").
		section("arguments", "/opt/keeper/sbin/agent\x00--AllowedHosts=*\x00--urls\x00http://*:80\x00/a/path\x00").
		section("end", "")
}

func read(t *testing.T, a *answer) (provider.Facts, error) {
	t.Helper()
	return looker{}.Read(transport.Output{Stdout: a.Bytes()})
}

func TestRead(t *testing.T) {
	got, err := read(t, whole())
	if err != nil {
		t.Fatal(err)
	}
	rx := provider.Read | provider.Execute
	closed := provider.Access{Owner: "root", Privileged: true, Administrators: rx, Users: rx}
	want := provider.Facts{
		System:    provider.System{OS: transport.Linux, Kernel: "6.1", Manager: "systemd"},
		Service:   provider.Service{Known: true, Loaded: true, Active: true, Boot: "enabled", Account: provider.Privileged, RunningAs: provider.Privileged, PID: 77},
		Watchdog:  provider.Service{Known: true, Loaded: true, Masked: true, Boot: "masked", Account: "keeper"},
		Roots:     []string{"/opt/keeper/sbin"},
		Version:   "2.0.82",
		AdminID:   "0",
		Listening: true,
		Listeners: []provider.Listener{
			{Address: netip.MustParseAddr("127.0.0.1"), Port: 6888},
			{Address: netip.MustParseAddr("::1"), Port: 6889},
			{Address: netip.MustParseAddr("0.0.0.0"), Port: 8675},
		},
		Settings: provider.File{Path: "/opt/keeper/sbin/appsettings.json", Bytes: []byte("{}")},
		Pending:  true, // the process began at 1000050, the file is of 1000053
		Rows: []provider.Row{
			{Path: ".", Access: closed},
			{Path: "jobs", Access: provider.Access{Owner: "root", Privileged: true, Users: 7, Extended: true}},
			{Path: "odd", Link: true},
		},
		Ancestors: []provider.Row{
			{Path: "/opt/keeper", Access: closed},
			{Path: "/", Sticky: true, Access: provider.Access{Owner: "root", Privileged: true, Administrators: 7, Users: 7}},
		},
		Tree:    provider.Tree{Known: true, Foreign: 1, Others: 2, Links: 1, Extended: 1, Examples: []string{"Jobs/a\nb", "c", "d", "e"}},
		Plugins: []provider.File{{Path: "/opt/keeper/sbin/plugins/KeeperLogger.json", Bytes: []byte(`{"a":1}`)}},
		Layers:  []provider.File{{Path: "/opt/keeper/sbin/appsettings.Production.json", Bytes: []byte(`{}`)}},
		Variables: []provider.Variable{
			{Key: "ASPNETCORE_URLS", Where: byUnit},
			{Key: "Settings:system.logging.level", Where: byUnit},
			{Key: "AllowedHosts", Where: "/etc/agent.env"},
			{Key: "config", Where: byCommand},
			{Key: "PATH", Where: byProcess},
			{Key: "Settings:AlternativeSignatures:0", Where: byProcess},
			{Key: "SECRET", Where: byProcess},
			{Key: "urls", Where: byCommand},
		},
		Documents: []provider.File{{Path: "/opt/keeper/sbin/Plugins/x.json", Bytes: []byte(`{"Password":""}`)}},
	}
	if d := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestReadRefuses(t *testing.T) {
	for name, a := range map[string]*answer{
		"nothing":         {},
		"no end":          facts("@system", "Linux", "6.1", "0", "", "", ""),
		"another system":  facts("@system", "SunOS", "6.1", "0", "", "", "").section("end", ""),
		"not root":        facts("@system", "Linux", "6.1", "1000", "", "", "").section("end", ""),
		"no system":       (&answer{}).section("end", ""),
		"two lists":       facts("@system", "Linux", "6.1", "0", "", "", "").section("facts", "@system").section("end", ""),
		"a strange name":  (&answer{}).section("sys\x1btem", "").section("end", ""),
		"not hexadecimal": {*bytes.NewBufferString("@system\nLinux\n@end\n")},
		"no section":      {*bytes.NewBufferString("2f 2f\n@end\n")},
		"odd digits":      {*bytes.NewBufferString("@system\n2f 2\n@end\n")},
	} {
		if f, err := read(t, a); err == nil {
			t.Errorf("%s: accepted as %+v", name, f)
		}
	}
}

// What did not come is unknown, never fine.
func TestSilenceIsNotAbsence(t *testing.T) {
	a := facts("@system", "Linux", "6.1", "0", "systemd", "1", "1", "@roots", "/opt/keeper/sbin\n").section("end", "")
	f, err := read(t, a)
	if err != nil {
		t.Fatal(err)
	}
	if f.Service.Known || f.Listening || f.Tree.Known || f.Rows != nil || f.Settings.Problem == "" || f.Settings.Missing {
		t.Errorf("taken for an answer: %+v", f)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(whole().Bytes())
	f.Add([]byte("@system\n@end\n"))
	f.Add(facts("@system", "Darwin", "25.1.0", "0", "launchd", "", "1000", "@disabled", "text "+notDisabled, "@job", "exit 0", "text "+printed, "plist "+defined,
		"@owner", "0", "@elapsed", "01:00", "@roots", "/Library/Keeper/sbin\n", "@listeners", "tcp4 *.8675", "end", "@settings", "", "960").
		section("content", "{}").section("end", "").Bytes())
	f.Add(facts("@system", "Linux", "6.1", "0", "sysv", "1", "1", "@init", "unit keeper-watchdog", "yes", "3", "no", "@roots", "").section("end", "").Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		facts, err := looker{}.Read(transport.Output{Stdout: b})
		if err != nil {
			return
		}
		provider.Judge(provider.Goal{Wants: []provider.Want{
			{Control: provider.Control{Name: provider.AllowedHosts}, Value: `["localhost"]`, Mode: provider.Enforce},
			{Control: provider.Control{Name: provider.InstallTree}, Value: `true`, Mode: provider.Enforce},
			{Control: provider.Control{Name: provider.Permissions, Key: "Jobs"}, Value: `{"administrators":"none","users":"none"}`, Mode: provider.Enforce},
			{Control: provider.Control{Name: provider.CertPassword}, Value: `""`, Mode: provider.Enforce},
		}}, provider.Look{Facts: facts})
	})
}

func TestSpec(t *testing.T) {
	tx := provider.Transaction{
		Run: "r", Owner: "me\nroot /", Changes: []string{"log_level", "install_tree"}, Root: "/opt/my keeper", AdminID: "10",
		Files:        []provider.FileEdit{{Path: "/opt/my keeper/appsettings.json"}},
		Rows:         []provider.RowFix{{Path: "."}, {Path: "Job s", Administrators: provider.Read | provider.Execute, Users: 7}},
		Tree:         &provider.TreeFix{Except: []string{"Jo*s"}},
		Service:      provider.ServiceFix{Service: "s", Watchdog: "w", Restart: true},
		Ports:        []int{1, 2},
		StartTimeout: time.Minute, ConfirmTimeout: 2 * time.Second,
	}
	want := `owner me root /
changes log_level, install_tree
limit 92
root /opt/my keeper
service s
watchdog w
group 10
start_timeout 60
confirm_timeout 2
restart yes
file 0 appsettings.json
row rwx rwx .
row w - Job s
tree yes
except ./Jo\*s
port 1
port 2
`
	if d := cmp.Diff(want, string(spec(tx))); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// note.sh must write shell words that bring back any name.
func TestNoteQuotesAnyName(t *testing.T) {
	for _, shell := range shells(t) {
		t.Run(shell[0], func(t *testing.T) {
			dir := t.TempDir()
			names := []string{"plain", "it's", "''", "a b\nc", "$(touch pwned)", `back\slash`, "-n", "*"}
			args := append(shell[1:], script(t, "note.sh"), "list", "write", "g+w", "--")
			run(t, dir, shell[0], append(args, names...)...)
			words := run(t, dir, "sh", "-c", `write() { for a; do printf '%s\0' "$a"; done; }; . ./list`)
			if want := list(append([]string{"g+w"}, names...)...); words != want {
				t.Errorf("came back as %q, want %q", words, want)
			}
			if _, err := os.Stat(filepath.Join(dir, "pwned")); err == nil {
				t.Error("a name was executed")
			}
		})
	}
}

// Every shell that hosts may have runs every script at least as far as parsing it.
func TestScriptsParse(t *testing.T) {
	for _, shell := range shells(t) {
		for _, name := range []string{"observe.sh", "begin.sh", "tx.sh", "settle.sh", "spec.sh", "services.sh", "supervise.sh", "note.sh", "status.sh", "verdict.sh"} {
			args := append(shell[1:], "-n", script(t, name))
			if out, err := exec.Command(shell[0], args...).CombinedOutput(); err != nil {
				t.Errorf("%s %s: %v\n%s", shell[0], name, err, out)
			}
		}
	}
}

// shells are those of hosts, as far as this machine has them.
func shells(t *testing.T) [][]string {
	var out [][]string
	for _, s := range [][]string{{"sh"}, {"dash"}, {"bash", "--posix"}, {"busybox", "sh"}, {"ksh93"}, {"mksh"}} {
		if _, err := exec.LookPath(s[0]); err == nil {
			out = append(out, s)
		} else {
			t.Logf("not on this machine: %s", s[0])
		}
	}
	return out
}

func script(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text(name)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, stderr.String())
	}
	return string(out)
}

// What systemd prints of a unit's environment is any text; words neither hang nor
// invent bytes.
func FuzzWords(f *testing.F) {
	f.Add(`A=b "C=d \"e\"" x`)
	f.Fuzz(func(t *testing.T, text string) {
		total := 0
		for _, w := range words(text) {
			total += len(w)
		}
		if total > len(text) {
			t.Errorf("%q became %q", text, words(text))
		}
	})
}
