package simfleet

import (
	"bytes"
	"fmt"
	"path"
	"strings"
	"sync"
)

const root = "/opt/keeper/sbin"

// answers keeps what observe.sh says of each kind of host: thousands of hosts are of
// a few dozen kinds.
type answers struct {
	mu   sync.Mutex
	kept map[key][]byte
}

type key struct {
	look look
	args string
}

func newAnswers() *answers { return &answers{kept: map[key][]byte{}} }

// observe is what observe.sh says of a host, asked with these arguments.
func (a *answers) observe(l look, args []string) []byte {
	k := key{l, strings.Join(args, "\x00")}
	a.mu.Lock()
	defer a.mu.Unlock()
	b, ok := a.kept[k]
	if !ok {
		b = observed(l, args)
		if len(a.kept) < 100_000 { // those of transactions come and go
			a.kept[k] = b
		}
	}
	return b
}

func observed(l look, args []string) []byte {
	var b bytes.Buffer
	section := func(name, body string) {
		fmt.Fprintf(&b, "@%s\n", name)
		for rest := []byte(body); len(rest) > 0; {
			n := min(16, len(rest))
			fmt.Fprintf(&b, " % x\n", rest[:n])
			rest = rest[n:]
		}
	}
	section("facts", strings.Join(facts(l, args), "\x00")+"\x00")
	if l.active {
		section("environ", "PATH=/usr/bin\x00")
		section("arguments", root+"/keeper-privilege-manager\x00")
	}
	section("content", l.settings)
	b.WriteString("@end\n")
	return b.Bytes()
}

// facts are the words of the list that observe.sh begins with. The clocks are
// constant, so that hosts of one look answer alike: the process began a second after
// boot, the settings are older.
func facts(l look, args []string) []string {
	const uptime, clock, modified = "100000.00", "1700100000", "1600000000"
	words := []string{"@system", "Linux", l.kernel, "0", "systemd", uptime, clock}
	if l.open != "" {
		words = append(words, "@transaction", "run "+l.open, "owner "+l.owner)
	}
	words = append(words, "@units", units(l), "@environment")
	if l.active {
		words = append(words, "@stat", fmt.Sprintf("%d (keeper) S 1 %d %d 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 9 0 100 1 1 1", l.pid, l.pid, l.pid),
			"@process", fmt.Sprintf("dr-xr-xr-x 9 0 0 0 Nov 23 15:49 /proc/%d", l.pid))
	}
	words = append(words, "@roots", root+"\n", "@version", "v"+l.version, "@group", "0", "@listeners")
	if l.active {
		words = append(words, "0100007F:1AE8", "0100007F:1AE9", "0100007F:21E3")
	}
	words = append(words, "end", "@settings", "", modified, "@ancestors")
	for dir := path.Dir(root); ; dir = path.Dir(dir) {
		words = append(words, dir, "drwxr-xr-x 3 0 0 4096 Nov 23 15:49 "+dir)
		if dir == "/" {
			break
		}
	}
	words = append(append(words, "@rows"), rows(l, args)...)
	words = append(words, "@tree")
	if l.writable > 0 {
		words = append(words, fmt.Sprintf("O %d 0", l.writable), "=./Plugins/bin/KeeperLogger/KeeperLogger.dll")
	}
	return append(words, "end ")
}

// units is what systemctl show says of the agent and its watchdog.
func units(l look) string {
	active, pid := "active", l.pid
	if !l.active {
		active, pid = "inactive", 0
	}
	return fmt.Sprintf(`Id=keeper-privilege-manager.service
LoadState=loaded
ActiveState=%s
UnitFileState=%s
User=
DynamicUser=no
ExecStart={ path=%s/keeper-privilege-manager ; argv[]=%s/keeper-privilege-manager ; ignore_errors=no }
MainPID=%d

Id=keeper-watchdog.service
LoadState=loaded
ActiveState=active
UnitFileState=enabled
User=
DynamicUser=no
MainPID=699`, active, l.boot, root, root, pid)
}

// rows are the directories that were asked for, each as ls describes it.
func rows(l look, args []string) []string {
	var words []string
	for _, arg := range args {
		name, ok := strings.CutPrefix(arg, "row=")
		if !ok {
			if name, ok = strings.CutPrefix(arg, "pattern="); !ok {
				continue
			}
		}
		for i, dir := range directories {
			if strings.EqualFold(dir, name) {
				at := "./" + dir
				words = append(words, at, l.modes[i]+" 5 0 0 4096 Nov 23 15:49 "+at)
			}
		}
	}
	return words
}
