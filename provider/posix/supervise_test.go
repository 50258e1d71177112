package posix

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kepmctl/kepmctl/provider"
	"github.com/kepmctl/kepmctl/transport"
)

// A plain is a host without systemd, as far as the scripts can tell: a directory
// with an agent, and a PATH on which a stand-in manages its service.
type plain struct {
	t     *testing.T
	dir   string
	shell []string
	mac   bool
	rc    string // the command that manages services, where it is not a mac
	state string
	root  string
	run   string
}

const (
	wasSettings = `{"AllowedHosts":"*"}`
	newSettings = `{"AllowedHosts":"localhost"}`
	initService = "keeper-privilege-manager"
)

// newPlain makes the host and starts its agent.
func newPlain(t *testing.T, shell []string, mac bool) *plain {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("LEFT OUT: transactions without systemd need root")
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	h := &plain{t: t, rc: "service", dir: dir, shell: shell, mac: mac, root: dir + "/my root", state: dir + "/Application Support/kepmctl", run: "r1"}
	for _, d := range []string{"bin", "init.d", "daemons", "launchd", "my root/Jobs", "Application Support"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	h.tools()
	h.write("my root/appsettings.json", wasSettings, 0o644)
	h.write("my root/Jobs/a job.json", "{}", 0o644)
	for path, mode := range map[string]os.FileMode{"": 0o755, "Jobs": 0o777, "Jobs/a job.json": 0o666} {
		if err := os.Chmod(filepath.Join(h.root, path), mode); err != nil {
			t.Fatal(err)
		}
	}
	program, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	body, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	h.write("my root/"+initService, string(body), 0o755)
	t.Cleanup(h.end)
	h.manage()
	h.until("the service runs", func() bool { return h.active(h.service()) })
	return h
}

// tools fills the PATH: what operations.md allows, the shell as sh, and stand-ins,
// which are this test's own program under other names.
func (h *plain) tools() {
	self, err := os.Executable()
	if err != nil {
		h.t.Fatal(err)
	}
	links := map[string]string{}
	for _, name := range append(allowed, "kill", "setsid") {
		if path, err := exec.LookPath(name); err == nil {
			links[name] = path
		}
	}
	if links["sh"], err = exec.LookPath(h.shell[0]); err != nil {
		h.t.Fatal(err)
	}
	if h.mac {
		delete(links, "setsid")
		for name, body := range macTools {
			delete(links, name)
			h.write("bin/"+name, "#!/bin/sh\n"+body, 0o755)
		}
		links["launchd"] = self
	} else {
		links["service"], links["rc-service"] = self, self
		h.write("init.d/"+initService, "", 0o755)
		h.write("init.d/keeper-watchdog", "", 0o755)
	}
	for name, path := range links {
		if err := os.Symlink(path, filepath.Join(h.dir, "bin", name)); err != nil {
			h.t.Fatal(err)
		}
	}
}

// manage has the agent started by whatever manages services.
func (h *plain) manage() {
	if !h.mac {
		h.tool(h.rc, initService, "start")
		h.tool(h.rc, "keeper-watchdog", "start")
		return
	}
	h.write("daemons/"+macService+".plist", `<?xml version="1.0"?><plist><dict><key>Label</key><string>`+macService+`</string>
		<key>ProgramArguments</key><array><string>`+h.root+"/"+initService+`</string><string>1000</string></array>
		<key>RunAtLoad</key><true/><key>KeepAlive</key><true/></dict></plist>`, 0o644)
	h.tool("launchctl", "bootstrap", "system", h.dir+"/daemons/"+macService+".plist")
}

func (h *plain) service() string {
	if h.mac {
		return macService
	}
	return initService
}

func (h *plain) write(name, body string, mode os.FileMode) {
	h.t.Helper()
	if err := os.WriteFile(filepath.Join(h.dir, name), []byte(body), mode); err != nil {
		h.t.Fatal(err)
	}
}

func (h *plain) env() []string {
	return []string{"PATH=" + h.dir + "/bin", standInDir + "=" + h.dir}
}

func (h *plain) tool(name string, args ...string) string {
	cmd := exec.Command(filepath.Join(h.dir, "bin", name), args...)
	cmd.Args[0] = name
	cmd.Env = h.env()
	out, _ := cmd.CombinedOutput()
	return string(out)
}

// here makes a script speak of this host's places instead of the system's. On
// macOS there is no /proc.
func (h *plain) here(body string) string {
	places := []string{
		"/bin/sh", h.dir + "/bin/sh", "/run/systemd/system", h.dir + "/no-systemd", "/run/openrc", h.dir + "/no-openrc",
		"/etc/init.d", h.dir + "/init.d", "/Library/LaunchDaemons", h.dir + "/daemons",
		"/Library/Application Support", h.dir + "/Application Support", "/var/run/", h.dir + "/run/",
		"-ge 300 ]", "-ge 30 ]", // one process for 3 s
		"\t# hold\n", `	while [ -r "` + h.dir + `/hold" ] && read -r hold <"` + h.dir + `/hold" && [ "$hold" = "$1" ]; do : >"` + h.dir + `/held"; sleep 0.05; done
`,
	}
	if h.mac {
		places = append(places, "/proc/", h.dir+"/no-proc/")
	}
	return strings.NewReplacer(places...).Replace(body)
}

// repack does the same to uploaded files; limit, if not 0, is the transaction's.
func (h *plain) repack(in []byte, limit int) []byte {
	var out bytes.Buffer
	r := bufio.NewReader(bytes.NewReader(in))
	for {
		line, err := r.ReadString('\n')
		if err == io.EOF {
			return out.Bytes()
		}
		name, size, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		n, _ := strconv.Atoi(size)
		body := make([]byte, n)
		if _, err := io.ReadFull(r, body); err != nil {
			h.t.Fatal(err)
		}
		if strings.HasSuffix(name, ".sh") || strings.HasSuffix(name, ".plist") {
			body = []byte(h.here(string(body)))
		}
		if name == "spec" && limit > 0 {
			body = append(body, fmt.Sprintf("limit %d\n", limit)...)
		}
		fmt.Fprintf(&out, "%s %d\n", name, len(body))
		out.Write(body)
	}
}

// do runs one of the changer's scripts and reads its answer.
func (h *plain) do(s transport.Script, limit int) (provider.State, string) {
	h.t.Helper()
	out, trouble := h.output(s, limit)
	state, _ := provider.ReadState(out)
	return state, trouble
}

func (h *plain) output(s transport.Script, limit int) ([]byte, string) {
	h.t.Helper()
	if s.Args[0] != usualState {
		h.t.Fatalf("%s is told of a state directory", s.Name)
	}
	s.Args[0] = h.state
	if h.mac {
		s.Args[0] = usualState // the script chooses, of places that are this test's
	}
	path := filepath.Join(h.dir, s.Name)
	if err := os.WriteFile(path, []byte(h.here(s.Text)), 0o600); err != nil {
		h.t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(h.dir, "bin", "sh"), append([]string{path}, s.Args...)...)
	cmd.Args[0] = "sh"
	cmd.Env = h.env()
	cmd.Stdin = bytes.NewReader(h.repack(s.Stdin, limit))
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		h.t.Fatalf("%s: %v\n%s", s.Name, err, stderr.String())
	}
	return out.Bytes(), stderr.String()
}

func (h *plain) transaction() provider.Transaction {
	tx := provider.Transaction{
		Run: h.run, Owner: "test", Changes: []string{"allowed_hosts"}, Root: h.root, AdminID: "0",
		Files:        []provider.FileEdit{{Path: h.root + "/appsettings.json", Was: []byte(wasSettings), Bytes: []byte(newSettings)}},
		Rows:         []provider.RowFix{{Path: "Jobs"}},
		Tree:         &provider.TreeFix{},
		Service:      provider.ServiceFix{Service: h.service(), Restart: true},
		StartTimeout: time.Minute, ConfirmTimeout: time.Minute,
	}
	if h.mac {
		tx.Ports = []int{6888}
	} else {
		tx.Service.Watchdog = "keeper-watchdog"
	}
	return tx
}

func (h *plain) begin(tx provider.Transaction, limit int) {
	h.t.Helper()
	if s, trouble := h.do(changer{}.Begin(tx), limit); s.Phase != provider.PhaseBegun {
		h.t.Fatalf("begin: %+v\n%s%s", s, trouble, h.log())
	}
}

func (h *plain) status(until provider.Phase) provider.State {
	h.t.Helper()
	s, _ := h.do(changer{}.Status(h.run, until, 100), 0)
	return s
}

func (h *plain) verdict(v provider.Verdict) {
	h.t.Helper()
	h.do(changer{}.Settle(h.run, v), 0)
}

// hold stops the transaction at a step, and waits until it is there.
func (h *plain) hold(step string) { h.write("hold", step+"\n", 0o600) }

func (h *plain) held() {
	h.t.Helper()
	h.until("the transaction is held", func() bool { _, err := os.Stat(h.dir + "/held"); return err == nil })
}

func (h *plain) until(what string, ok func() bool) {
	h.t.Helper()
	for limit := time.Now().Add(time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(limit) {
			h.t.Fatalf("not in time: %s\n%s", what, h.log())
		}
	}
}

// pid reads the number in front of what a file or a link in the run says.
func (h *plain) pid(name string) int {
	path := filepath.Join(h.state, h.run, name)
	text, err := os.Readlink(path)
	if err != nil {
		b, _ := os.ReadFile(path)
		text = string(b)
	}
	number, _, _ := strings.Cut(text, " ")
	n, _ := strconv.Atoi(number)
	return n
}

func (h *plain) kill(name string) {
	h.t.Helper()
	pid := h.pid(name)
	if pid < 2 {
		h.t.Fatalf("%s names no process\n%s", name, h.log())
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		h.t.Fatalf("kill %s: %v", name, err)
	}
}

func (h *plain) log() string {
	var b strings.Builder
	for _, name := range []string{"log", "journal", "failure", "details", "outcome", "spec"} {
		body, _ := os.ReadFile(filepath.Join(h.state, h.run, name))
		fmt.Fprintf(&b, "--- %s\n%s", name, body)
	}
	list, _ := os.ReadDir(filepath.Join(h.state, h.run))
	for _, e := range list {
		fmt.Fprintf(&b, " %s", e.Name())
	}
	return b.String()
}

// ends checks how the host was left: nothing open, the service as it was.
func (h *plain) ends(want provider.Ending) provider.State {
	h.t.Helper()
	s := h.status(provider.PhaseSettled)
	if s.Phase != provider.PhaseSettled || s.Ending != want {
		h.t.Fatalf("ended as %+v, want %s\n%s", s, want, h.log())
	}
	h.left(want)
	return s
}

// left checks what an ending leaves behind.
func (h *plain) left(ending provider.Ending) {
	h.t.Helper()
	settings, mode, job := wasSettings, os.FileMode(0o777), os.FileMode(0o666)
	if ending == provider.Committed {
		settings, mode, job = newSettings, 0o700, 0o644
	}
	if b, _ := os.ReadFile(h.root + "/appsettings.json"); string(b) != settings {
		h.t.Errorf("settings are %s\n%s", b, h.log())
	}
	for path, want := range map[string]os.FileMode{"Jobs": mode, "Jobs/a job.json": job} {
		if st, err := os.Stat(filepath.Join(h.root, path)); err != nil || st.Mode().Perm() != want {
			h.t.Errorf("%s has mode %v, want %v", path, st.Mode(), want)
		}
	}
	if left, _ := filepath.Glob(h.root + "/*.kepmctl-*"); len(left) > 0 {
		h.t.Errorf("left over: %s", left)
	}
	if _, err := os.Lstat(h.state + "/open"); err == nil {
		h.t.Error("the transaction is still open")
	}
	h.until("the service runs", func() bool { return h.active(h.service()) })
	if h.mac {
		h.until("the job of the transaction is gone", func() bool { return !h.active("com.kepmctl.tx") })
		if _, err := os.Lstat(h.dir + "/daemons/com.kepmctl.tx.plist"); err == nil {
			h.t.Error("the plist of the transaction is still there")
		}
	} else {
		h.until("the watchdog runs", func() bool { return h.active("keeper-watchdog") })
	}
}

func (h *plain) active(service string) bool {
	if h.mac {
		return strings.Contains(h.tool("launchctl", "print", "system/"+service), "state = running")
	}
	return strings.Contains(h.tool(h.rc, service, "status"), "running")
}

// end ends whatever of this host is left, by the numbers it wrote down itself.
func (h *plain) end() {
	_ = os.Remove(h.dir + "/block")
	if h.mac {
		h.tool("launchctl", "bootout", "system/com.kepmctl.tx")
		h.tool("launchctl", "bootout", "system/"+macService)
	} else {
		h.tool(h.rc, initService, "stop")
		h.tool(h.rc, "keeper-watchdog", "stop")
	}
	_ = os.Remove(h.dir + "/hold")
}

// onEachShell runs a test for each shell that hosts may have, as sh. That takes
// minutes: without KEPM_ALL_SHELLS, which make e2e sets, only for the most unlike.
func onEachShell(t *testing.T, test func(t *testing.T, shell []string, mac bool)) {
	list := shells(t)[1:] // of which sh is one
	if os.Getenv("KEPM_ALL_SHELLS") == "" && len(list) > 2 {
		list = [][]string{list[0], list[len(list)-1]}
	}
	for _, shell := range list {
		for _, system := range []string{"Linux", "Darwin"} {
			t.Run(shell[0]+" "+system, func(t *testing.T) {
				t.Parallel()
				test(t, shell, system == "Darwin")
			})
		}
	}
}

func TestWithoutSystemd(t *testing.T) {
	onEachShell(t, func(t *testing.T, shell []string, mac bool) {
		h := newPlain(t, shell, mac)
		h.begin(h.transaction(), 0)
		s := h.status(provider.PhaseReady)
		want := "process"
		if mac {
			want = "launchd"
		}
		if s.Phase != provider.PhaseReady || s.Supervisor != want || !s.Running || s.PID == 0 || s.Down < 0 {
			t.Fatalf("not ready: %+v\n%s", s, h.log())
		}
		tx := h.transaction()
		tx.Run = "r2"
		if s, _ := h.do(changer{}.Begin(tx), 0); s.Kind != "locked" {
			t.Errorf("a second transaction: %+v", s)
		}
		h.verdict(provider.Commit)
		h.verdict(provider.Undo) // too late
		h.ends(provider.Committed)
		h.until("the supervisor ends", func() bool { return !h.status(provider.PhaseSettled).Running })
	})
}

// A supervisor that is killed is replaced: by launchd, or by whoever asks next.
func TestKilledSupervisor(t *testing.T) {
	onEachShell(t, func(t *testing.T, shell []string, mac bool) {
		h := newPlain(t, shell, mac)
		h.hold("replaced")
		h.begin(h.transaction(), 0)
		h.held()
		worker := h.pid("worker.1")
		h.kill("supervisor.1")
		h.ends(provider.Undone)
		if syscall.Kill(worker, 0) == nil && !zombie(worker) {
			t.Error("the transaction is still at work")
		}
	})
}

func zombie(pid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || strings.Contains(string(b), ") Z ")
}

func TestEndings(t *testing.T) {
	for name, test := range map[string]func(*plain){
		"undo": func(h *plain) {
			h.begin(h.transaction(), 0)
			h.status(provider.PhaseReady)
			h.verdict(provider.Undo)
			h.ends(provider.Undone)
		},
		"no verdict": func(h *plain) {
			tx := h.transaction()
			tx.ConfirmTimeout = time.Second
			h.begin(tx, 0)
			if s := h.ends(provider.Undone); s.Kind != "verdict" {
				h.t.Errorf("%+v", s)
			}
		},
		"the worker is killed": func(h *plain) {
			h.hold("stopped")
			h.begin(h.transaction(), 0)
			h.held()
			h.kill("worker.1")
			h.ends(provider.Undone)
		},
		"the time limit": func(h *plain) {
			h.hold("stage")
			h.begin(h.transaction(), 10)
			h.held()
			h.ends(provider.Undone)
		},
		"settling is killed": func(h *plain) {
			h.hold("replaced")
			h.begin(h.transaction(), 0)
			h.held()
			worker := h.pid("worker.1")
			h.write("block", "", 0o600) // the manager of services does not answer
			h.kill("worker.1")
			h.until("settling is at work", func() bool { return h.pid("worker.1") != worker && h.blocked() })
			h.kill("worker.1")
			_ = os.Remove(h.dir + "/block")
			h.ends(provider.Undone)
		},
		"the supervisor is killed while a verdict is awaited": func(h *plain) {
			h.begin(h.transaction(), 0)
			h.status(provider.PhaseReady)
			h.kill("supervisor.1")
			h.verdict(provider.Commit)
			h.ends(provider.Committed)
		},
		"the supervisor is killed while it settles": func(h *plain) {
			h.hold("replaced")
			h.begin(h.transaction(), 0)
			h.held()
			h.write("block", "", 0o600)
			h.kill("worker.1")
			h.until("settling is at work", h.blocked)
			h.kill("supervisor.1")
			_ = os.Remove(h.dir + "/block")
			h.ends(provider.Undone)
		},
		"the settings changed meanwhile": func(h *plain) {
			h.write("my root/appsettings.json", wasSettings+" ", 0o644)
			h.begin(h.transaction(), 0)
			s := h.status(provider.PhaseSettled)
			if s.Kind != "stale" || s.Ending != provider.Undone {
				h.t.Errorf("%+v\n%s", s, h.log())
			}
			h.write("my root/appsettings.json", wasSettings, 0o644)
			h.ends(provider.Undone)
		},
	} {
		for _, system := range []string{"Linux", "Darwin"} {
			t.Run(name+" "+system, func(t *testing.T) {
				t.Parallel()
				test(newPlain(t, []string{"sh"}, system == "Darwin"))
			})
		}
	}
}

// blocked says whether the stand-in for the manager of services is being waited for.
func (h *plain) blocked() bool {
	_, err := os.Stat(h.dir + "/blocked")
	return err == nil
}

// OpenRC is told by its directory, and its services start at boot by links of its own.
func TestOpenRC(t *testing.T) {
	for verdict, calls := range map[provider.Verdict]string{
		provider.Commit: "-q add keeper-privilege-manager default\n",
		provider.Undo:   "-q add keeper-privilege-manager default\n-q del keeper-privilege-manager default\n",
	} {
		t.Run(string(verdict), func(t *testing.T) {
			t.Parallel()
			h := newPlain(t, []string{"sh"}, false)
			h.write("bin/rc-update", "#!/bin/sh\necho \"$*\" >>"+h.dir+"/calls\n", 0o755)
			if err := os.Mkdir(h.dir+"/no-openrc", 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(h.dir + "/bin/service"); err != nil {
				t.Fatal(err)
			}
			h.rc = "rc-service"
			tx := h.transaction()
			tx.Service.Enable = true
			h.begin(tx, 0)
			h.status(provider.PhaseReady)
			h.verdict(verdict)
			h.ends(map[provider.Verdict]provider.Ending{provider.Commit: provider.Committed, provider.Undo: provider.Undone}[verdict])
			if b, _ := os.ReadFile(h.dir + "/calls"); string(b) != calls {
				t.Errorf("rc-update was called %q, want %q", b, calls)
			}
		})
	}
}

// A job that is disabled cannot be loaded, and is what it was when it is over.
func TestDisabledJob(t *testing.T) {
	for _, verdict := range []provider.Verdict{provider.Commit, provider.Undo} {
		t.Run(string(verdict), func(t *testing.T) {
			t.Parallel()
			h := newPlain(t, []string{"sh"}, true)
			h.write("launchd/disabled", "", 0o600)
			h.begin(h.transaction(), 0)
			h.status(provider.PhaseReady)
			h.verdict(verdict)
			h.ends(map[provider.Verdict]provider.Ending{provider.Commit: provider.Committed, provider.Undo: provider.Undone}[verdict])
			if _, err := os.Stat(h.dir + "/launchd/disabled"); err != nil {
				t.Error("the job is enabled")
			}
		})
	}
}

// Without a manager of services, services are left alone and the rest is done.
func TestNoManager(t *testing.T) {
	h := newPlain(t, []string{"sh"}, false)
	if err := os.Remove(h.dir + "/init.d/" + initService); err != nil {
		t.Fatal(err)
	}
	tx := h.transaction()
	if s, _ := h.do(changer{}.Begin(tx), 0); s.Kind != "unsupported" || !strings.Contains(s.Failure, "no manager of services") {
		t.Fatalf("%+v", s)
	}
	tx.Service.Restart = false
	h.begin(tx, 0)
	if s := h.status(provider.PhaseReady); s.Phase != provider.PhaseReady {
		t.Fatalf("%+v\n%s", s, h.log())
	}
	h.verdict(provider.Commit)
	h.write("init.d/"+initService, "", 0o755)
	h.ends(provider.Committed)
}

// What a committed transaction changed is taken back by another, on the word of what
// the host keeps; when that is undone, it stays as it was made.
func TestTakenBack(t *testing.T) {
	onEachShell(t, func(t *testing.T, shell []string, mac bool) {
		h := newPlain(t, shell, mac)
		h.begin(h.transaction(), 0)
		h.status(provider.PhaseReady)
		h.verdict(provider.Commit)
		h.ends(provider.Committed)
		kept := h.kept(h.run)
		first := h.transaction().Files
		if kept.Ending != provider.Committed || !slices.Equal(kept.Attempts, []string{h.run}) || kept.Root != h.root || !kept.Permissions || !reflect.DeepEqual(kept.Files, first) {
			t.Fatalf("kept is %+v", kept)
		}
		back := h.transaction()
		back.Back, back.Rows, back.Tree, back.Keep = h.run, nil, nil, 1
		back.Files[0].Was, back.Files[0].Bytes = first[0].Bytes, first[0].Was
		for _, verdict := range []provider.Verdict{provider.Undo, provider.Commit} {
			h.run = "r1-back-" + string(verdict)
			back.Run = h.run
			h.begin(back, 0)
			h.status(provider.PhaseReady)
			h.verdict(verdict)
			if verdict == provider.Undo {
				if s := h.status(provider.PhaseSettled); s.Ending != provider.Undone {
					t.Fatalf("%+v\n%s", s, h.log())
				}
			}
			h.until("the supervisor ends", func() bool { return !h.status(provider.PhaseSettled).Running })
			if s := h.status(provider.PhaseSettled); verdict == provider.Commit && s.Ending != provider.Committed {
				t.Fatalf("%+v\n%s", s, h.log())
			}
			h.left(map[provider.Verdict]provider.Ending{provider.Undo: provider.Committed, provider.Commit: provider.Undone}[verdict])
		}
		back.Run, back.Back = "r1-again", "r0"
		h.run = back.Run
		back.Files = nil
		h.begin(back, 0)
		if s := h.status(provider.PhaseSettled); s.Kind != "stale" || !strings.Contains(s.Failure, "kept no longer") {
			t.Errorf("%+v\n%s", s, h.log())
		}
		if kept := h.kept("r0"); kept.Ending != "" || len(kept.Files) > 0 {
			t.Errorf("of a run that never was: %+v", kept)
		}
	})
}

func (h *plain) kept(run string) provider.Kept {
	h.t.Helper()
	out, trouble := h.output(keeper{}.Kept(run), 0)
	kept, err := keeper{}.ReadKept(transport.Output{Stdout: out})
	if err != nil {
		h.t.Fatalf("%v\n%s", err, trouble)
	}
	return kept
}
