// Package hcl reads what people wrote, and says where they erred.
package hcl

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/kepmctl/kepmctl/provider"
	"github.com/kepmctl/kepmctl/transport"
)

// Suffix is how the name of a configuration file ends.
const Suffix = ".kepm.hcl"

// Limits on a configuration directory: far above any real one.
const (
	maxFiles     = 1000
	maxFileBytes = 1 << 20
)

// Options are what Load must know beside the files.
type Options struct {
	// ToolVersion is the version required_version is checked against, without a
	// leading "v"; a pre-release counts as its release. What is no semantic
	// version (a development build) fits every constraint.
	ToolVersion string
	// Vars are assignments "NAME=VALUE" of variables, the last of a name wins.
	Vars []string
	// VarFiles are files of values, read after the directory's own.
	VarFiles []string
	// Env looks up environment variables: KEPM_VAR_NAME sets a variable. Nil: none is set.
	Env func(name string) (string, bool)
	// Now decides which overrides have expired. Zero: none has.
	Now time.Time
	// Run runs a program of an inventory in the configuration's directory and returns
	// what it printed. Nil: programs are not run, and what depends on their hosts is not
	// checked.
	Run func(Program) ([]byte, error)
	// Extra is the text of a further file, as if it lay in the directory.
	Extra []byte
	// Alone: Extra is all there is; the directory's own files are not read.
	Alone bool
	// Probe replaces the assignments: the hosts of none, and no others, are looked at for
	// what the hardening guide asks.
	Probe bool
	// Strict makes errors of waivers that have no effect.
	Strict bool
}

// extraFile is what mistakes in Options.Extra are told of.
const extraFile = "discovered" + Suffix

// A Program is one that an inventory names.
type Program struct {
	Command []string
	Limit   time.Duration // it may take so long
	Most    int           // bytes it may print
	Cache   time.Duration // what it printed so long ago still holds; 0: it is run each time
}

func (o Options) env(name string) (string, bool) {
	if o.Env == nil {
		return "", false
	}
	return o.Env(name)
}

// A Config is a directory's desired state, fully evaluated.
type Config struct {
	Goals          []provider.Goal // hosts of at least one assignment, by name; wants by control
	Hosts          []Host          // all hosts, by name
	MaxUnreachable provider.Share  // silent hosts that a run tolerates
	Rollouts       []Rollout       // that assignments name, by name
	Waivers        []Waiver        // by name
	Gates          []Gate          // by name
	Selected       *Selected       // of which part of everything this is; nil: it is everything

	reading *reading // for Select
}

// Forget lets go of what only Select needs: the whole text of the configuration.
func (c *Config) Forget() { c.reading = nil }

// A Host is one host, of a block or an inventory, and what the configuration does with it.
type Host struct {
	Name        string
	Address     string
	Port        int          // 0: the connection's
	OS          transport.OS // empty: found out on first contact
	Labels      map[string]string
	Connection  string // "connection.ssh.ops"; empty: none
	InstallRoot string // empty: discovered on the host
	Groups      []string
	Assignments []string // empty: nothing is wanted of the host
}

// Load reads every *.kepm.hcl file of one directory, hidden files excepted, and
// reports every mistake at once. The Config is nil when there are errors.
func Load(dir string, o Options) (*Config, Diagnostics) {
	var d Diagnostics
	var files []file
	if !o.Alone {
		files = readDir(dir, &d)
	}
	if d.HasErrors() {
		return nil, d
	}
	if o.Extra != nil {
		files = append(files, file{extraFile, o.Extra})
	}
	values := append(readFiles(dir, AutoSuffix, &d), namedFiles(o.VarFiles, &d)...)
	if d.HasErrors() {
		return nil, d
	}
	return load(dir, files, values, o)
}

// A file is one configuration file; its name is relative to the directory.
type file struct {
	name string
	src  []byte
}

// readDir reads the configuration files of a directory.
func readDir(dir string, d *Diagnostics) []file {
	files := readFiles(dir, Suffix, d)
	if len(files) == 0 && !d.HasErrors() {
		d.errorf(nil, "No configuration", "The directory %q has no file named *%s. Three blocks are enough to begin, host, baseline, assign: kepmctl init writes them. Or name another directory with --chdir.", dir, Suffix)
	}
	return files
}

// readFiles reads the regular files of a directory whose names end so, by name;
// hidden ones are left out.
func readFiles(dir, suffix string, d *Diagnostics) []file {
	entries, err := os.ReadDir(dir)
	if err != nil {
		d.errorf(nil, "Cannot read the configuration directory", "%s.", err)
		return nil
	}
	var files []file
	for _, entry := range entries {
		name := entry.Name()
		if !strings.HasSuffix(name, suffix) || strings.HasPrefix(name, ".") {
			continue
		}
		if len(files) == maxFiles {
			d.errorf(nil, "Too many files", "The directory %q has more than %d files named *%s.", dir, maxFiles, suffix)
			return nil
		}
		if !entry.Type().IsRegular() {
			d.errorf(nil, "Not a regular file", "%q is a link, a directory or a device. Only regular files are read: put the file itself there, or rename it.", name)
			continue
		}
		src, err := readFile(filepath.Join(dir, name))
		if err != nil {
			d.errorf(nil, "Cannot read a configuration file", "%s.", err)
			continue
		}
		files = append(files, file{name, src})
	}
	return files
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err == nil && len(src) > maxFileBytes {
		err = fmt.Errorf("%s is larger than %d MiB", path, maxFileBytes>>20)
	}
	return src, err
}

// load is Load without the disk.
func load(dir string, files, values []file, o Options) (*Config, Diagnostics) {
	d := &Diagnostics{}
	bodies, whole := parse(files, d)
	r := &reading{
		dir: dir, d: d, functions: functions(dir), varFiles: values, now: o.Now, run: o.Run, probe: o.Probe, strict: o.Strict,
		blocks: map[string][]*hclsyntax.Block{}, scope: map[string]cty.Value{},
	}
	if !r.fitsVersion(bodies, o.ToolVersion) {
		return nil, d.tidy()
	}
	r.collect(bodies)
	if !whole {
		// What a broken file would have defined is not missing elsewhere.
		return nil, d.tidy()
	}
	r.readVariables(o)
	r.readLocals()
	config := r.config()
	tidy := d.tidy()
	if tidy.HasErrors() {
		return nil, tidy
	}
	return config, tidy
}

// A parsed is a file's syntax.
type parsed struct {
	body   *hclsyntax.Body
	source source
	diags  hcl.Diagnostics
	deep   *hcl.Range // where it nests too deeply: then it was not parsed
}

// parse reads the syntax of each file; whole is false when one is broken.
func parse(files []file, d *Diagnostics) (bodies []*hclsyntax.Body, whole bool) {
	list := make([]parsed, len(files))
	var group sync.WaitGroup
	places := make(chan struct{}, runtime.NumCPU())
	for i, f := range files {
		places <- struct{}{}
		group.Go(func() {
			list[i] = f.parse()
			<-places
		})
	}
	group.Wait()
	whole = true
	for i, p := range list {
		if p.deep != nil {
			d.errorf(p.deep, "Nested too deeply", "No configuration needs this much nesting or this many operators in one file.")
			whole = false
			continue
		}
		d.learn(files[i].name, p.source)
		d.foreign(p.diags)
		if p.diags.HasErrors() {
			whole = false
			continue
		}
		bodies = append(bodies, p.body)
	}
	return bodies, whole
}

func (f file) parse() parsed {
	tokens, _ := hclsyntax.LexConfig(f.src, f.name, hcl.InitialPos)
	if at, ok := tooDeep(tokens); ok {
		return parsed{deep: &at}
	}
	whole, diags := hclsyntax.ParseConfig(f.src, f.name, hcl.InitialPos)
	p := parsed{source: sourceFor(whole, f.src, tokens), diags: diags}
	if !diags.HasErrors() {
		p.body = whole.Body.(*hclsyntax.Body)
	}
	return p
}

// A reading is one Load and what it has found so far. Named things are kept by
// address: "group.prod".
type reading struct {
	dir       string
	d         *Diagnostics
	functions map[string]function.Function
	varFiles  []file               // values of variables, later ones win
	scope     map[string]cty.Value // var and local
	now       time.Time
	run       func(Program) ([]byte, error)
	probe     bool
	strict    bool
	unrun     bool                          // a program of an inventory was not run
	blocks    map[string][]*hclsyntax.Block // well-formed blocks by type, in order of the files

	labels      []string // every label that any host has
	hosts       []*host  // by name
	connections map[string]*hclsyntax.Block
	groups      map[string]*group
	baselines   map[string]*baseline
	rollouts    map[string]rollout
}

// collect checks the blocks against the grammar and keeps those whose labels are right.
func (r *reading) collect(bodies []*hclsyntax.Body) {
	grammar := language()
	checkBodies(r.d, "", bodies, grammar)
	for _, body := range bodies {
		for _, b := range body.Blocks {
			if s, ok := grammar.blocks[b.Type]; ok && s.labelsFit(b) {
				r.blocks[b.Type] = append(r.blocks[b.Type], b)
			}
		}
	}
}

func (r *reading) config() *Config {
	c := &Config{MaxUnreachable: r.maxUnreachable(), reading: r}
	r.readConnections()
	r.readHosts()
	r.readInventories()
	r.sortHosts()
	r.readGroups()
	r.readBaselines()
	r.readRollouts()
	r.connect()
	assignments := r.readAssignments()
	if r.probe {
		assignments = r.probing()
	}
	waivers := r.readWaivers()
	c.Goals, c.Rollouts = r.goals(assignments), r.placed(assignments)
	c.Waivers, c.Gates = r.waive(waivers, c.Goals), r.readGates()
	for _, h := range r.hosts {
		c.Hosts = append(c.Hosts, h.Host)
	}
	return c
}
