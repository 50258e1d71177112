package provider

import (
	"net/netip"
	"strings"
	"time"

	"github.com/kepmctl/kepmctl/transport"
)

// Facts is everything one look at a host returned. A fact that did not come is
// its zero value together with a reason, or a Known flag that is false: silence
// is not absence. All of it was said by the host and is hostile until judged.
type Facts struct {
	System      System
	Transaction *OpenTransaction // nil: none is open
	Service     Service
	Watchdog    Service
	Roots       []string // directories that hold an agent, the service definition's first; more than one is ambiguous
	Version     string   // the agent's, as its package says; empty: unknown
	AdminGroup  string   // why the administrators' group is unknown; empty: known
	AdminID     string   // its id on the host
	Settings    File     // appsettings.json
	Plugins     []File   // settings files of the plug-ins asked for that are there
	PluginsWhy  string   // why Plugins may lack something; empty: it is whole
	Layers      []File   // appsettings.*.json, which may be read over appsettings.json
	Variables   []Variable
	Overrides   string // why Layers and Variables may lack something; empty: they are whole
	Documents   []File // JSON files of the root that may hold a password
	Passwords   string // why the root could not be searched for passwords; empty: it was
	Rows        []Row  // the install root (".") and the directories asked for that are there; nil: unknown
	Ancestors   []Row  // directories above the root, nearest first
	Tree        Tree
	Listeners   []Listener
	Listening   bool               // Listeners is complete
	Pending     bool               // appsettings.json, or a plug-in's file, is newer than the running service
	PendingWhy  string             // why that cannot be told; empty: it can
	Answers     []transport.Answer // what loopback services said
}

// RowsAt are the rows at a path, relative to the root. Right below the root names
// match in any case, because agent versions spell them differently [D]; so there
// may be two.
func (f Facts) RowsAt(path string) []Row {
	var found []Row
	for _, r := range f.Rows {
		if r.Path == path || (!strings.Contains(path, "/") && strings.EqualFold(r.Path, path)) {
			found = append(found, r)
		}
	}
	return found
}

// Root is the install root, or empty when there is none or more than one.
func (f Facts) Root() string {
	if len(f.Roots) != 1 {
		return ""
	}
	return f.Roots[0]
}

// System is what a host runs.
type System struct {
	OS      transport.OS
	Kernel  string // release, for people
	Manager string // what runs its services: "systemd", "launchd", "openrc", "sysv"; empty: nothing known
}

// An OpenTransaction is one that has begun on the host and has not been settled.
type OpenTransaction struct {
	Run   string
	Owner string // who began it
}

// A Service is the present state of one system service.
type Service struct {
	Known     bool   // the service manager answered
	Loaded    bool   // there is such a service
	Masked    bool   // its start is forbidden
	Active    bool   // it runs
	Boot      string // how it starts at boot: "enabled", "disabled", "static", "masked" ...
	Account   string // who it runs as, by definition; "privileged" for root and SYSTEM; empty: unknown
	RunningAs string // who its process runs as; empty: no process
	PID       int    // of its main process; 0: none
}

// Privileged is the account of root and of SYSTEM.
const Privileged = "privileged"

// A File is one file as the host returned it.
type File struct {
	Path    string // absolute
	Bytes   []byte
	Missing bool   // it is known not to be there
	Problem string // why it could not be read; empty: it was
}

// Rights are what one class of users may do.
type Rights uint8

// Rights, as on POSIX.
const (
	Execute Rights = 1 << iota
	Write
	Read
)

func (r Rights) String() string {
	b := []byte("---")
	for i, bit := range []Rights{Read, Write, Execute} {
		if r&bit != 0 {
			b[i] = "rwx"[i]
		}
	}
	return string(b)
}

// Access is who owns an entry and what others may do with it. The owner's own
// rights are not judged.
type Access struct {
	Owner          string // "root", or what names the owner
	Privileged     bool   // the owner is the service account
	Administrators Rights
	Users          Rights // everyone else, foreign groups included
	Extended       bool   // an extended ACL says more than this
}

// String is the part of the access that a row judges; hosts with the same text
// need the same change.
func (a Access) String() string {
	return "owner " + a.Owner + ", administrators " + a.Administrators.String() + ", users " + a.Users.String()
}

// A Row is one directory of the agent.
type Row struct {
	Path   string // as found, relative to the root; absolute for an ancestor
	Link   bool   // a symbolic link
	Sticky bool   // only owners may delete in it
	Access Access
}

// Tree counts what offends below the install root, directories that are rows
// of their own left out.
type Tree struct {
	Known    bool // the whole tree was seen
	Foreign  int  // entries the service account does not own
	Group    int  // entries their group may write
	Others   int  // entries everyone may write
	Links    int  // links that lead out of the root
	Extended int  // offenders with an extended ACL
	Examples []string
}

// A Listener is a TCP port someone listens on.
type Listener struct {
	Address netip.Addr
	Port    int
}

// A Variable is a key that the service is given beside its files, and where: of
// its values nothing is kept, for they may be secrets.
type Variable struct {
	Key   string // as .NET reads it: levels joined by ":"
	Where string // "the unit's environment" ...
}

// A Look is the facts of one host, who answered, and when.
type Look struct {
	Peer  transport.Identity
	Facts Facts
	At    time.Time // by the clock of whoever looked, not the host's
}
