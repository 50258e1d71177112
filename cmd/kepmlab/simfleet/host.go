package simfleet

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// A look is all of a host that an answer depends on. Hosts of one look answer alike.
type look struct {
	settings string // appsettings.json
	modes    [5]string
	writable int // files below the root that everyone may write
	active   bool
	boot     string
	version  string
	kernel   string
	pid      int
	open     string
	owner    string
}

// directories are the rows, as modes counts them.
var directories = [5]string{".", "Plugins", "Jobs", "KeeperStorage", "policies"}

// A host is one host of the fleet.
type host struct {
	name    string
	address netip.Addr
	fault   Fault
	latency time.Duration
	restart time.Duration

	mu        sync.Mutex
	now       look
	first     look
	planned   look
	effective string // AllowedHosts as the running agent has read them
	runs      map[string]*transaction
	open      *transaction
	restarts  int
	committed int
	undone    int
}

const hardened = `{"AllowedHosts":"localhost;127.0.0.1","Settings":{"AlternativeSignatures":[],"AllowedNonAdminExecutables":[],"system.logging.level":"Warning"},"MqttBrokerSettings":{"IpAddress":"127.0.0.1"}}`

// drifts are what hosts have instead of what the guide demands.
var drifts = []func(*look){
	func(l *look) { l.settings = strings.Replace(l.settings, "localhost;127.0.0.1", "*", 1) },
	func(l *look) { l.settings = strings.Replace(l.settings, "Warning", "Debug", 1) },
	func(l *look) {
		l.settings = strings.Replace(l.settings, `"AlternativeSignatures":[]`, `"AlternativeSignatures":["A94A8FE5CCB19BA61C4C0873D391E987982FBBD3"]`, 1)
	},
	func(l *look) {
		l.settings = strings.Replace(l.settings, `"AllowedNonAdminExecutables":[]`, `"AllowedNonAdminExecutables":["helper"]`, 1)
	},
	func(l *look) { l.modes[2] = "drwxrwxrwx" },
	func(l *look) { l.modes[3] = "drwxr-xr-x" },
	func(l *look) { l.modes[4] = "drwxr-xr-x" },
	func(l *look) { l.writable = 3 },
	func(l *look) { l.boot = "disabled" },
	func(l *look) { l.active = false },
}

// newHost is a host in a state of its own: half of them are as the guide demands.
func newHost(i int, fault Fault, o Options) *host {
	chance := rand.New(rand.NewPCG(o.Seed, uint64(i)+2))
	l := look{
		settings: hardened, modes: [5]string{"drwxr-xr-x", "drwxr-xr-x", "drwxr-xr-x", "drwxr-x---", "drwxr-x---"},
		active: true, boot: "enabled", pid: 700, kernel: "6.1.0-28-amd64",
		version: []string{"2.0.82", "2.0.82", "2.0.82", "2.1.0"}[chance.IntN(4)],
	}
	if chance.IntN(2) == 0 || fault == NoRestart {
		for range 1 + chance.IntN(3) {
			drifts[chance.IntN(len(drifts))](&l)
		}
	}
	if fault == NoRestart { // it is one that must restart
		drifts[1](&l)
		l.active = true
	}
	h := &host{
		name: fmt.Sprintf("sim-%06d", i), address: address(i), fault: fault, latency: o.Latency, restart: o.Restart,
		now: l, first: l, runs: map[string]*transaction{},
	}
	h.effective = allowed(l.settings)
	return h
}

// allowed is AllowedHosts of settings that we have written ourselves, or of any
// that has it once.
func allowed(settings string) string {
	const key = `"AllowedHosts":"`
	_, rest, found := strings.Cut(strings.ReplaceAll(settings, `": "`, `":"`), key)
	if !found {
		return "*"
	}
	value, _, _ := strings.Cut(rest, `"`)
	return value
}

// same says whether nothing that a plan may change differs.
func (l look) same(m look) bool {
	l.pid, l.open, l.owner = 0, "", ""
	m.pid, m.open, m.owner = 0, "", ""
	return l == m
}

func (h *host) state(now time.Time) State {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.advance(now)
	s := State{Host: h.name, Fault: h.fault, State: "other", Restarts: h.restarts, Committed: h.committed, Undone: h.undone}
	first := h.first
	if h.committed > 1 { // the second one took the first back, and leaves services alone
		first.boot, first.active = h.now.boot, h.now.active
	}
	switch {
	case h.now.same(first):
		s.State = "before"
	case h.committed > 0 && h.now.same(h.planned):
		s.State = "planned"
	}
	if h.open != nil {
		s.Open = h.open.run
	}
	return s
}
