package simfleet

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A transaction is what begin.sh was sent, and how far it came.
type transaction struct {
	run, owner string
	before     look // the host, to be restored
	after      look
	restart    bool
	starts     bool
	ready      time.Time    // when it has changed the host
	until      time.Time    // when it undoes for want of a verdict
	fails      bool         // the agent does not come up
	back       *transaction // whose permissions are given back; nil: nobody's
	took       bool         // it took rights away

	changed bool   // it came to be ready
	ending  string // empty: it is open
	failure string // "KIND TEXT"
}

// begin reads a transaction and opens it, as begin.sh does.
func (h *host) begin(args []string, stdin []byte, now time.Time) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.advance(now)
	if h.open != nil {
		return say("phase", "none", "kind", "locked", "failure", "transaction "+h.open.run+" is open")
	}
	files, err := readFiles(stdin)
	if err != nil || len(args) < 3 {
		return say("phase", "none", "kind", "failed", "failure", "the transaction did not arrive whole")
	}
	t, err := h.read(args[1], files, now)
	if err != nil {
		return say("phase", "none", "kind", "failed", "failure", err.Error())
	}
	h.runs[t.run], h.open = t, t
	h.now.open, h.now.owner = t.run, t.owner
	return say("phase", "begun")
}

// readFiles reads lines "NAME SIZE", each followed by so many bytes.
func readFiles(stdin []byte) (map[string][]byte, error) {
	files := map[string][]byte{}
	r := bufio.NewReader(bytes.NewReader(stdin))
	for {
		line, err := r.ReadString('\n')
		if err == io.EOF && line == "" {
			break
		}
		name, size, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		n, err := strconv.ParseUint(size, 10, 24)
		if err != nil {
			return nil, err
		}
		body := make([]byte, n)
		if _, err := io.ReadFull(r, body); err != nil {
			return nil, err
		}
		files[name] = body
	}
	if _, whole := files["complete"]; !whole {
		return nil, io.ErrUnexpectedEOF
	}
	return files, nil
}

// read makes a transaction of its specification.
func (h *host) read(run string, files map[string][]byte, now time.Time) (*transaction, error) {
	t := &transaction{run: run, owner: strings.TrimSpace(string(files["owner"])), before: h.now, after: h.now}
	confirm := time.Minute
	for line := range strings.Lines(string(files["spec"])) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		words := strings.Fields(value)
		switch key {
		case "file":
			if len(words) != 2 || words[1] != "appsettings.json" {
				return nil, fmt.Errorf("a simulated host has no file %q to change", value)
			}
			if string(files["was."+words[0]]) != h.now.settings {
				return nil, fmt.Errorf("appsettings.json is not what it was when it was looked at")
			}
			t.after.settings = string(files["new."+words[0]])
		case "row":
			if len(words) != 3 || !t.after.close(words) {
				return nil, fmt.Errorf("a simulated host has no directory %q to change", value)
			}
		case "tree":
			t.after.writable = 0
		case "enable":
			t.after.boot = "enabled"
		case "restart":
			t.restart = true
		case "back":
			t.back = h.runs[value]
		case "start":
			t.starts = true
		case "confirm_timeout":
			if s, err := strconv.Atoi(value); err == nil {
				confirm = time.Duration(s) * time.Second
			}
		}
	}
	t.took = t.after.modes != t.before.modes || t.after.writable != t.before.writable
	t.ready = now
	if t.restart || t.starts {
		t.ready = now.Add(h.restart)
		t.after.active, t.after.pid = true, t.before.pid+1
	}
	t.fails = h.fault == NoRestart && t.restart
	t.until = t.ready.Add(confirm)
	return t, nil
}

// close takes rights from a directory: words are what to take from administrators
// and from users, and its path.
func (l *look) close(words []string) bool {
	i := slices.IndexFunc(directories[:], func(d string) bool { return strings.EqualFold(d, words[2]) })
	if i < 0 {
		return false
	}
	mode := []byte(l.modes[i])
	for class, take := range words[:2] {
		for at, bit := range "rwx" {
			if strings.ContainsRune(take, bit) {
				mode[4+3*class+at] = '-'
			}
		}
	}
	l.modes[i] = string(mode)
	return true
}

// advance does what the time that passed has brought.
func (h *host) advance(now time.Time) {
	t := h.open
	if t == nil {
		return
	}
	if !t.changed && !now.Before(t.ready) {
		t.changed = true
		h.now = t.after
		h.now.open, h.now.owner = t.run, t.owner
		if t.restart {
			h.restarts++
		}
		if t.restart || t.starts {
			h.effective = allowed(h.now.settings)
		}
		if t.fails {
			t.failure = "agent keeper-privilege-manager was not ready after 8 s"
			h.settle(false)
			return
		}
	}
	if !now.Before(t.until) {
		t.failure = "verdict no verdict came in time"
		h.settle(false)
	}
}

// settle ends the open transaction.
func (h *host) settle(commit bool) {
	t := h.open
	h.open = nil
	if commit {
		if t.back != nil {
			h.now.modes, h.now.writable = t.back.before.modes, t.back.before.writable
		}
		t.ending, h.planned, h.committed = "committed", h.now, h.committed+1
		h.now.open, h.now.owner = "", ""
		return
	}
	t.ending = "undone"
	h.undone++
	pid := h.now.pid
	h.now = t.before
	h.now.open, h.now.owner = "", ""
	if t.restart && t.changed {
		h.restarts++
		h.now.pid = pid + 1
	}
	h.effective = allowed(h.now.settings)
}

// verdict offers one, as verdict.sh does.
func (h *host) verdict(args []string, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.advance(now)
	if len(args) < 3 || h.open == nil || h.open.run != args[1] || args[2] == "none" {
		return
	}
	h.settle(args[2] == "commit" && h.open.changed)
}

// status waits until a transaction came as far as asked, as status.sh does.
func (h *host) status(args []string, now func() time.Time) string {
	if len(args) < 4 {
		return say("phase", "none")
	}
	seconds, _ := strconv.Atoi(args[3])
	end := now().Add(time.Duration(seconds) * time.Second)
	for {
		text, phase, next := h.phase(args[1], now())
		if phase == args[2] || phase == "settled" || phase == "none" || !now().Before(end) {
			return text
		}
		time.Sleep(min(max(next.Sub(now()), time.Millisecond), 100*time.Millisecond))
	}
}

// kept says what a transaction keeps, as kept.sh does.
func (h *host) kept(args []string, now time.Time) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.advance(now)
	var b strings.Builder
	section := func(name, body string) { fmt.Fprintf(&b, "@%s\n%x\n", name, body) }
	for name := range h.runs {
		if name == args[len(args)-1] || strings.HasPrefix(name, args[len(args)-1]+"-") {
			section("attempt", name)
		}
	}
	if t := h.runs[args[len(args)-1]]; t != nil {
		section("ending", t.ending)
		section("root", root)
		if t.after.settings != t.before.settings {
			section("file", "appsettings.json")
			section("was", t.before.settings)
			section("new", t.after.settings)
		}
		if t.took {
			section("permissions", "yes")
		}
	}
	section("end", "yes")
	return b.String()
}

// phase says where a transaction is, and when it will be further.
func (h *host) phase(run string, now time.Time) (text, phase string, next time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.advance(now)
	t := h.runs[run]
	if t == nil {
		return say("phase", "none"), "none", now
	}
	phase, running, next := "begun", "yes", t.ready
	switch {
	case t.ending != "":
		phase, running = "settled", "no"
	case t.changed:
		phase, next = "ready", t.until
	}
	pairs := []string{"phase", phase, "running", running, "supervisor", "systemd", "ending", t.ending}
	if t.changed && t.restart {
		pairs = append(pairs, "down", strconv.Itoa(int(h.restart.Milliseconds())))
	}
	if t.changed && (t.restart || t.starts) {
		pairs = append(pairs, "pid", strconv.Itoa(t.after.pid))
	}
	if kind, failure, failed := strings.Cut(t.failure, " "); failed {
		pairs = append(pairs, "kind", kind, "failure", failure)
		if kind == "agent" {
			pairs = append(pairs, "log", "reading appsettings.json\nfatal: cannot bind 127.0.0.1:6889\n")
		}
	}
	return say(pairs...), phase, next
}

// say writes answers as the scripts do: "KEY HEX" lines.
func say(pairs ...string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		fmt.Fprintf(&b, "%s %x\n", pairs[i], pairs[i+1])
	}
	return b.String()
}
