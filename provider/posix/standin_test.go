package posix

import (
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// standInDir names, in the environment, the directory of the host that a stand-in
// belongs to.
const standInDir = "KEPM_STAND_IN"

const macService = "com.keeper.keeper-privilege-manager"

// The test's program is also the commands that hosts without systemd have, as far
// as the scripts use them.
func TestMain(m *testing.M) {
	dir := os.Getenv(standInDir)
	if dir == "" {
		if err := flag.Set("test.parallel", "6"); err != nil { // transactions mostly wait
			panic(err)
		}
		os.Exit(m.Run())
	}
	args := os.Args[1:]
	var err error
	switch filepath.Base(os.Args[0]) {
	case "service", "rc-service":
		err = initScript(dir, args[0], args[1])
	case "launchd":
		err = launchctl(dir, args)
	case "launchd-job":
		err = runJob(dir, args[0], args[1])
	default:
		err = fmt.Errorf("no stand-in is called %s", os.Args[0])
	}
	var code exitCode
	switch {
	case errors.As(err, &code):
		os.Exit(int(code))
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type exitCode int

func (c exitCode) Error() string { return "exit " + strconv.Itoa(int(c)) }

// block waits while the test says so, as a manager that does not answer.
func block(dir string) {
	for {
		if _, err := os.Stat(dir + "/block"); err != nil {
			return
		}
		_ = os.WriteFile(dir+"/blocked", nil, 0o600)
		time.Sleep(20 * time.Millisecond)
	}
}

func numberIn(path string) int {
	b, _ := os.ReadFile(path)
	n, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	return n
}

func gone(pid int) bool { return pid == 0 || syscall.Kill(pid, 0) != nil || zombie(pid) }

// ---- service ------------------------------------------------------------------------

func initScript(dir, name, act string) error {
	file := filepath.Join(dir, name+".number")
	pid := numberIn(file)
	switch act {
	case "status":
		if gone(pid) {
			fmt.Println("stopped")
			return exitCode(3)
		}
		fmt.Println("running")
		return nil
	case "stop":
		block(dir)
		for !gone(pid) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			time.Sleep(10 * time.Millisecond)
		}
		return nil
	}
	if !gone(pid) {
		return nil
	}
	program := filepath.Join(dir, "my root", initService)
	if name != initService {
		program = "sleep"
	}
	cmd := exec.Command(program, "1000")
	if err := cmd.Start(); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(strconv.Itoa(cmd.Process.Pid)+"\n"), 0o600)
}

// ---- launchd ---------------------------------------------------------------------------

// Files of a job in DIR/launchd: LABEL.runner and LABEL.pid hold process numbers,
// LABEL.plist where its definition is, LABEL.out that it was booted out just now.
func launchctl(dir string, args []string) error {
	label := strings.TrimPrefix(args[len(args)-1], "system/")
	if args[0] == "bootstrap" {
		label = strings.TrimSuffix(filepath.Base(args[2]), ".plist")
	}
	if args[0] == "kickstart" && args[1] == "-k" || args[0] == "kill" {
		label = strings.TrimPrefix(args[2], "system/")
	}
	at := filepath.Join(dir, "launchd", label)
	_, unloaded := os.Stat(at + ".plist")
	if label == macService && args[0] != "print-disabled" {
		block(dir)
	}
	switch args[0] {
	case "print-disabled":
		fmt.Print("\ndisabled services = {\n\t\"com.example.other\" => disabled\n")
		if _, err := os.Stat(filepath.Join(dir, "launchd/disabled")); err == nil {
			fmt.Printf("\t\"%s\" => disabled\n", macService)
		}
		fmt.Print("}\n")
	case "enable":
		return os.Remove(filepath.Join(dir, "launchd/disabled"))
	case "disable":
		return os.WriteFile(filepath.Join(dir, "launchd/disabled"), nil, 0o600)
	case "bootstrap":
		return bootstrapJob(dir, at, label, args[2], unloaded == nil)
	case "bootout":
		if unloaded != nil {
			return exitCode(3)
		}
		bootoutJob(at)
	case "kickstart", "kill":
		if unloaded != nil {
			return exitCode(113)
		}
		if pid := numberIn(at + ".pid"); args[0] == "kill" || args[1] == "-k" {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		} else if !gone(pid) {
			return exitCode(37)
		}
	default:
		return fmt.Errorf("launchctl %v is not known to the stand-in", args)
	}
	return nil
}

func bootstrapJob(dir, at, label, plist string, loaded bool) error {
	if loaded {
		return errors.New("Bootstrap failed: 37: Operation already in progress")
	}
	if st, err := os.Stat(at + ".out"); err == nil && time.Since(st.ModTime()) < 300*time.Millisecond {
		return errors.New("Bootstrap failed: 5: Input/output error")
	}
	if _, err := os.Stat(filepath.Join(dir, "launchd/disabled")); err == nil && label == macService {
		return errors.New("Bootstrap failed: 5: Input/output error")
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self, label, plist)
	cmd.Args[0] = "launchd-job"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	if err := os.WriteFile(at+".runner", []byte(strconv.Itoa(cmd.Process.Pid)+"\n"), 0o600); err != nil {
		return err
	}
	return os.WriteFile(at+".plist", []byte(plist+"\n"), 0o600)
}

// bootoutJob may be called by the job itself, and then ends its caller.
func bootoutJob(at string) {
	runner, pid := numberIn(at+".runner"), numberIn(at+".pid")
	_ = os.WriteFile(at+".out", nil, 0o600)
	_ = syscall.Kill(runner, syscall.SIGKILL)
	for _, kind := range []string{".plist", ".runner", ".pid"} {
		_ = os.Remove(at + kind)
	}
	if pid > 1 {
		_ = syscall.Kill(-pid, syscall.SIGKILL)
	}
}

var stringElement = regexp.MustCompile(`(?s)<string>(.*?)</string>`)

// runJob is launchd for one job: it starts the program, and again as KeepAlive says.
func runJob(dir, label, plist string) error {
	at := filepath.Join(dir, "launchd", label)
	body, err := os.ReadFile(plist)
	if err != nil {
		return err
	}
	_, array, _ := strings.Cut(string(body), "<array>")
	array, _, _ = strings.Cut(array, "</array>")
	var args []string
	for _, m := range stringElement.FindAllStringSubmatch(array, -1) {
		var text string
		if err := xml.Unmarshal([]byte("<s>"+m[1]+"</s>"), &text); err != nil {
			return err
		}
		args = append(args, text)
	}
	always := !strings.Contains(string(body), "SuccessfulExit")
	for {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := cmd.Start(); err != nil {
			return err
		}
		if err := os.WriteFile(at+".pid", []byte(strconv.Itoa(cmd.Process.Pid)+"\n"), 0o600); err != nil {
			return err
		}
		failed := cmd.Wait() != nil
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		if !failed && !always {
			select {} // loaded, and idle
		}
		time.Sleep(300 * time.Millisecond)
	}
}

// ---- other commands of macOS ------------------------------------------------------------

// macTools are asked often, and are therefore scripts.
var macTools = map[string]string{
	"uname": `case $1 in -r) echo 25.1.0 ;; *) echo Darwin ;; esac`,
	// As an older BSD's, date knows no files.
	"date": `case $1 in +%s) exec ` + program("date") + ` +%s ;; *) echo 'date: illegal time format' >&2; exit 1 ;; esac`,
	"stat": `[ "$1 $2" = '-f %m' ] && exec ` + program("stat") + ` -c %Y "$3"; exit 1`,
	"ps": `for pid; do :; done
[ -r "/proc/$pid/stat" ] && read -r stat <"/proc/$pid/stat" || exit 1
set -- "$*" ${stat##*) }
case $1 in
'-o stat= -o lstart= -p '*) echo "$2    Wed Nov 25 ${21} 2026" ;;
'-o etime= -p '*) echo '   01:02' ;;
'-o uid= -p '*) echo '    0' ;;
*) echo "ps $1 is not known to the stand-in" >&2; exit 2 ;;
esac`,
	"netstat": `case $* in '-an -p tcp' | '-anl -p tcp') ;; *) exit 1 ;; esac
echo 'Active Internet connections (including servers)'
echo 'Proto Recv-Q Send-Q  Local Address          Foreign Address        (state)    '
if read -r pid <"$` + standInDir + `/launchd/` + macService + `.pid" && [ -e "/proc/$pid/exe" ]; then
	echo 'tcp4       0      0  127.0.0.1.6888         *.*                    LISTEN     '
fi 2>/dev/null
echo 'tcp46      0      0  *.8675                 *.*                    LISTEN     '
echo 'tcp6       0      0  ::1.6889               *.*                    LISTEN     '
echo 'tcp4       0      0  10.0.0.2.50123         10.0.0.1.443           ESTABLISHED'`,
	// Only looking is a script; what changes a job is this test's own program.
	"launchctl": `[ "$1" = print ] || exec launchd "$@"
job=$` + standInDir + `/launchd/${2#system/}
read -r plist <"$job.plist" || exit 113
state='not running'
if read -r pid <"$job.pid" && [ -e "/proc/$pid/exe" ]; then state=running; fi
printf '%s = {\n\tactive count = 1\n\tpath = %s\n\ttype = LaunchDaemon\n\tstate = %s\n\n' "$2" "$plist" "$state"
printf '\tenvironment = {\n\t\tstate = odd\n\t\tpid = 1\n\t}\n\tdomain = system\n'
[ "$state" != running ] || printf '\tpid = %s\n' "$pid"
echo '}'`,
}

// program is where a command really is.
func program(name string) string {
	path, err := exec.LookPath(name)
	if err != nil {
		return name
	}
	return path
}
