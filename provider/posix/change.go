package posix

import (
	"bytes"
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/kepmctl/kepmctl/provider"
	"github.com/kepmctl/kepmctl/transport"
)

type changer struct{}

// Begin is begin.sh with the transaction's files on standard input.
func (changer) Begin(t provider.Transaction) transport.Script {
	var in bytes.Buffer
	add := func(name string, body []byte) {
		fmt.Fprintf(&in, "%s %d\n", name, len(body))
		in.Write(body)
	}
	for _, name := range []string{"tx.sh", "settle.sh", "spec.sh", "services.sh", "supervise.sh", "note.sh", "settle.service", "supervise.plist"} {
		add(name, []byte(text(name)))
	}
	add("owner", []byte(oneLine(t.Owner)+"\n"))
	add("spec", spec(t))
	for i, f := range t.Files {
		add("was."+strconv.Itoa(i), f.Was)
		add("new."+strconv.Itoa(i), f.Bytes)
	}
	add("complete", nil)
	return transport.Script{
		Name: "begin.sh", Text: text("begin.sh"), Args: []string{usualState, t.Run, strconv.Itoa(int(t.Limit().Seconds())), strconv.Itoa(cmp.Or(t.Keep, 5)), cmp.Or(t.Undoes, t.Back)},
		Stdin: in.Bytes(), Elevate: true,
	}
}

// Status is status.sh.
func (changer) Status(run string, until provider.Phase, seconds int) transport.Script {
	return transport.Script{
		Name: "status.sh", Text: text("status.sh"),
		Args: []string{usualState, run, string(until), strconv.Itoa(seconds)}, Elevate: true,
	}
}

// Settle is verdict.sh.
func (changer) Settle(run string, v provider.Verdict) transport.Script {
	return transport.Script{Name: "verdict.sh", Text: text("verdict.sh"), Args: []string{usualState, run, string(v)}, Elevate: true}
}

// spec is what spec.sh reads: lines "KEY VALUE". Values come from discovery and
// from validated wants and hold no newline; a root with one is never compiled.
func spec(t provider.Transaction) []byte {
	var b bytes.Buffer
	put := func(key string, value any) { fmt.Fprintf(&b, "%s %v\n", key, value) }
	flag := func(key string, on bool) {
		if on {
			put(key, "yes")
		}
	}
	put("owner", oneLine(t.Owner))
	put("changes", oneLine(strings.Join(t.Changes, ", ")))
	put("limit", int(t.Limit().Seconds()))
	put("root", t.Root)
	put("service", t.Service.Service)
	put("watchdog", t.Service.Watchdog)
	put("group", t.AdminID)
	put("start_timeout", int(t.StartTimeout.Seconds()))
	put("confirm_timeout", int(t.ConfirmTimeout.Seconds()))
	flag("restart", t.Service.Restart)
	flag("start", t.Service.Start)
	flag("enable", t.Service.Enable)
	flag("start_watchdog", t.Service.StartWatchdog)
	for i, f := range t.Files {
		put("file", strconv.Itoa(i)+" "+strings.TrimPrefix(f.Path, strings.TrimSuffix(t.Root, "/")+"/"))
	}
	for _, r := range t.Rows {
		put("row", taken(r.Administrators)+" "+taken(r.Users)+" "+r.Path)
	}
	if t.Tree != nil {
		put("tree", "yes")
		for _, p := range t.Tree.Except {
			put("except", glob("./"+p))
		}
	}
	if t.Back != "" {
		put("back", t.Back)
	}
	for _, p := range t.Ports {
		put("port", p)
	}
	return b.Bytes()
}

// taken are the letters of the rights that a bound takes away, or "-".
func taken(keep provider.Rights) string {
	out := strings.ReplaceAll((^keep & (provider.Read | provider.Write | provider.Execute)).String(), "-", "")
	if out == "" {
		return "-"
	}
	return out
}

// oneLine makes text fit a line of the host's files and log.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}
