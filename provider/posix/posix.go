// Package posix looks at and changes hosts of the POSIX family: facts and
// transactions, by readable scripts.
//
// Proven on Linux with systemd; without it, and on macOS, as far as stand-ins for
// the commands of such hosts go. The scripts use only what operations.md names, so
// that dash, busybox and ksh run them too.
package posix

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"maps"
	"slices"
	"sync"

	"github.com/kepmctl/kepmctl/provider"
)

// kepmctl's own directory on a host: root's alone. The scripts choose between the
// two when they are given none; settle.service and supervise.plist name them too.
const (
	stateDir    = "/var/lib/kepmctl"
	stateDirMac = "/Library/Application Support/kepmctl"
	usualState  = "" // the argument that leaves the choice to the script
)

//go:embed scripts
var scripts embed.FS

// Family is how POSIX hosts are looked at and changed.
func Family() provider.Family {
	return provider.Family{Looker: looker{}, Changer: changer{}, Keeper: keeper{}, Digest: digest()}
}

// text is an embedded script. The names are constants of this package: a missing
// one is a mistake that every test shows.
func text(name string) string {
	s, ok := texts()[name]
	if !ok {
		panic("posix: there is no script " + name)
	}
	return s
}

// texts are all scripts, read once: thousands of hosts are sent the same one.
var texts = sync.OnceValue(func() map[string]string {
	entries, err := scripts.ReadDir("scripts")
	list := map[string]string{}
	for _, e := range entries {
		var b []byte
		b, err = scripts.ReadFile("scripts/" + e.Name())
		list[e.Name()] = held(e.Name(), string(b))
	}
	if err != nil {
		panic(err) // the files are part of this program
	}
	return list
})

// digest names all scripts of this build together.
func digest() string {
	sum := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(texts())) {
		sum.Write([]byte("scripts/" + name + "\x00" + text(name) + "\x00"))
	}
	return "posix:" + hex.EncodeToString(sum.Sum(nil))[:16]
}
