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
	"io/fs"

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
	b, err := scripts.ReadFile("scripts/" + name)
	if err != nil {
		panic(err)
	}
	return held(name, string(b))
}

// digest names all scripts of this build together.
func digest() string {
	sum := sha256.New()
	names, err := fs.Glob(scripts, "scripts/*")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	for _, path := range names { // Glob sorts
		body := text(path[len("scripts/"):])
		sum.Write([]byte(path + "\x00" + body + "\x00"))
	}
	return "posix:" + hex.EncodeToString(sum.Sum(nil))[:16]
}
