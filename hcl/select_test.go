package hcl

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/kepmctl/kepmctl/provider"
)

// some hosts of every kind; "spare" is in no assignment.
const selectable = `
connection "ssh" "c" {}
variable "tier" { default = "db" }
host "app-1" {
  labels     = { env = "prod" }
  os         = "linux"
  connection = connection.ssh.c
}
host "app-2" {
  labels     = { env = "test" }
  os         = "linux"
  connection = connection.ssh.c
}
host "db-1" {
  labels     = { env = "prod", tier = "db" }
  connection = connection.ssh.c
}
host "group.x" { connection = connection.ssh.c }
host "spare" {}
group "prod" { where = host.labels.env == "prod" }
group "prod_db" { hosts = ["db-*"] }
group "idle" { hosts = ["spare"] }
baseline "b" {
  settings { log_level = "Warning" }
  permissions { profile = "no_write" }
  service {
    running       = true
    start_timeout = "90s"
  }
}
baseline "d" {
  network { loopback_only = true }
}
assign "b" {
  baseline = baseline.b
  hosts    = ["app-*", "db-1", "group.x"]
}
assign "d" {
  baseline = baseline.d
  hosts    = ["db-1"]
}
`

// chosen are the hosts and, if they are fewer than all, the controls that are
// enforced somewhere.
func chosen(c *Config) string {
	var hosts []string
	controls := map[string]bool{}
	for _, g := range c.Goals {
		hosts = append(hosts, g.Host.Name)
		for _, w := range g.Wants {
			if w.Mode == provider.Enforce {
				controls[w.Control.String()] = true
			}
		}
	}
	text := strings.Join(hosts, " ")
	if c.Selected.Controls < c.Selected.OfControls {
		var list []string
		for name := range controls {
			list = append(list, name)
		}
		slices.Sort(list)
		text += ": " + strings.Join(list, " ")
	}
	return text
}

func TestSelect(t *testing.T) {
	list := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(list, []byte("\xef\xbb\xbf# ours\r\n\r\napp-2  # the second\r\n  db-*\r\ngroup.x"), 0o600); err != nil {
		t.Fatal(err)
	}
	config, _ := loadText(t, selectable)
	for name, c := range map[string]struct {
		s    Selection
		want string
	}{
		"a name":                      {Selection{Targets: []string{"app-1"}}, "app-1"},
		"a union of hosts and groups": {Selection{Targets: []string{"app-2", "group.prod_*"}}, "app-2 db-1"},
		"a name like a group's":       {Selection{Targets: []string{"[g]roup.x"}}, "group.x"},
		"a pattern without the idle":  {Selection{Targets: []string{"*"}}, "app-1 app-2 db-1 group.x"},
		"a list":                      {Selection{Targets: []string{"@" + list}}, "app-2 db-1 group.x"},
		"standard input":              {Selection{Targets: []string{"@-"}, Stdin: strings.NewReader("app-1\n")}, "app-1"},
		"a group less a host":         {Selection{Targets: []string{"group.prod"}, Excludes: []string{"db-1"}}, "app-1"},
		"all less a group":            {Selection{Excludes: []string{"group.prod"}}, "app-2 group.x"},
		"less a list":                 {Selection{Excludes: []string{"@" + list}}, "app-1"},
		"where":                       {Selection{Where: `host.labels.env != null && host.labels.env == "prod" && host.name != "db-1"`}, "app-1"},
		"where with a variable":       {Selection{Where: `host.labels.tier != null && host.labels.tier == var.tier`}, "db-1"},
		"where asks targets only":     {Selection{Targets: []string{"app-*"}, Where: `host.os == "linux"`}, "app-1 app-2"},
		"a control":                   {Selection{Targets: []string{"control.log_level"}}, "app-1 app-2 db-1 group.x: log_level"},
		"a control on hosts":          {Selection{Targets: []string{"control.log_level", "control.service_running", "app-*"}}, "app-1 app-2: log_level service_running"},
		"only hosts that want it":     {Selection{Targets: []string{"control.loopback_only"}}, "db-1: loopback_only"},
		"one row in any case":         {Selection{Targets: []string{`control.permissions["jobs"]`, "app-1"}}, `app-1: permissions["Jobs"]`},
		"a pattern for controls":      {Selection{Targets: []string{"control.*_l?vel", "app-1"}}, "app-1: log_level"},
		"all but some":                {Selection{Targets: []string{"app-1"}, Excludes: []string{"control.permissions", "control.install_tree", "control.config_overrides"}}, "app-1: log_level service_running"},
		"all controls":                {Selection{Targets: []string{"control.all", "app-1"}}, "app-1"},
		"all rows, then less one":     {Selection{Targets: []string{"control.permissions", "app-1"}, Excludes: []string{`control.permissions["Jobs"]`}}, `app-1: permissions["."] permissions["KeeperStorage"] permissions["Plugins"] permissions["policies"]`},
		"a sample of more than all":   {Selection{Sample: "99"}, "app-1 app-2 db-1 group.x"},
		"a sample after the rest":     {Selection{Targets: []string{"group.prod"}, Excludes: []string{"app-1"}, Sample: "1"}, "db-1"},
		"a share is rounded up":       {Selection{Targets: []string{"app-1"}, Sample: "1%"}, "app-1"},
	} {
		t.Run(name, func(t *testing.T) {
			part, d := config.Select(c.s)
			if d.HasErrors() || d.Warnings() > 0 {
				t.Fatal(text(t, d))
			}
			if got := chosen(part); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if len(part.Hosts) != len(part.Goals) || part.Selected.Hosts != len(part.Goals) || part.Selected.OfHosts != 4 {
				t.Errorf("%d hosts, %d goals, selected %+v", len(part.Hosts), len(part.Goals), part.Selected)
			}
			for _, g := range part.Goals {
				if whole, _ := config.goal(g.Host.Name); g.Options != whole.Options || g.Options.StartTimeout.Seconds() != 90 {
					t.Errorf("the options of %s changed to %+v", g.Host.Name, g.Options)
				}
			}
		})
	}
}

// What is wrong with a selection is said with its place, and nothing is selected.
func TestSelectMistakes(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return "@" + path
	}
	config, _ := loadText(t, selectable)
	for name, c := range map[string]struct {
		s    Selection
		says []string
	}{
		"unknown host":         {Selection{Targets: []string{"db-1", "ap-1"}}, []string{"on --target line 2", "2: ap-1", `There is no host "ap-1". Did you mean "app-1"?`}},
		"matches none":         {Selection{Targets: []string{"web-*"}}, []string{`No host's name matches "web-*".`}},
		"no assignment":        {Selection{Targets: []string{"spare"}}, []string{"Nothing is wanted of spare: it is in no assignment."}},
		"a group's name":       {Selection{Targets: []string{"prod"}}, []string{"There is a group: write group.prod."}},
		"a control's name":     {Selection{Targets: []string{"log_level"}}, []string{"There is a control: write control.log_level."}},
		"unknown group":        {Selection{Targets: []string{"group.prd"}}, []string{`There is no group.prd. Did you mean "group.prod"?`}},
		"idle group":           {Selection{Targets: []string{"group.idle"}}, []string{"Nothing is wanted of any host in group.idle."}},
		"unknown control":      {Selection{Targets: []string{"control.log_lvel"}}, []string{`There is no control "log_lvel". Did you mean "log_level"?`}},
		"control of no host":   {Selection{Targets: []string{"control.watchdog"}}, []string{"control.watchdog is wanted of no host."}},
		"row of no host":       {Selection{Targets: []string{`control.permissions["Jops"]`}}, []string{`Did you mean "control.permissions[\"Jobs\"]"?`}},
		"no control matches":   {Selection{Targets: []string{"control.*_x"}}, []string{`No control's name matches "*_x".`}},
		"without quotes":       {Selection{Targets: []string{"control.permissions[Jobs]"}}, []string{"the shell takes them away"}},
		"too many brackets":    {Selection{Targets: []string{`control.log_level["x"]`}}, []string{"control.log_level takes no key in brackets."}},
		"no control at all":    {Selection{Targets: []string{`control.log_level "`}}, []string{"Not a control"}},
		"deep":                 {Selection{Targets: []string{`control.permissions["` + strings.Repeat("${[", 200)}}, []string{"Not a control"}},
		"empty":                {Selection{Targets: []string{""}}, []string{"Not a name"}},
		"no pattern":           {Selection{Targets: []string{"app-[1"}}, []string{"Not a name"}},
		"control characters":   {Selection{Targets: []string{"db-1\nError: \x1b[31m"}}, []string{"Not a name", "db-1?Error: ?[31m"}},
		"exclude is as strict": {Selection{Excludes: []string{"control.nonsense"}}, []string{"on --exclude line 1", "There is no control"}},

		"no file":             {Selection{Targets: []string{"@" + dir + "/none"}}, []string{"Cannot read a list of hosts", "no such file"}},
		"no name of a file":   {Selection{Targets: []string{"@"}}, []string{"Name a file behind the @"}},
		"a directory":         {Selection{Targets: []string{"@" + dir}}, []string{"Cannot read a list of hosts"}},
		"no input":            {Selection{Targets: []string{"@-"}}, []string{"Standard input can be read once only"}},
		"input twice":         {Selection{Targets: []string{"@-"}, Excludes: []string{"@-"}, Stdin: strings.NewReader("app-1")}, []string{"on --exclude line 1", "Standard input can be read once only"}},
		"broken input":        {Selection{Targets: []string{"@-"}, Stdin: iotest.ErrReader(os.ErrClosed)}, []string{"File already closed"}},
		"large":               {Selection{Targets: []string{"@-"}, Stdin: strings.NewReader(strings.Repeat("app-1\n", 2<<20))}, []string{"- is larger than 8 MiB"}},
		"empty list":          {Selection{Targets: []string{write("empty", "# nobody\n\n")}}, []string{"names no host."}},
		"unknown in a list":   {Selection{Targets: []string{write("typo", "app-1\nap-2\n")}}, []string{"typo line 2", "2: ap-2", `Did you mean "app-2"?`}},
		"a group in a list":   {Selection{Targets: []string{write("group", "group.prod\n")}}, []string{`There is no host "group.prod".`}},
		"no list":             {Selection{Targets: []string{write("key", "app-1\n-----BEGIN KEY-----\nc2VjcmV0\n")}}, []string{"Not a list of hosts", "Line 2 of"}},
		"a pattern in a list": {Selection{Targets: []string{write("open", "app-[1\n")}}, []string{"Not a list of hosts", "Line 1 of"}},

		"where of no name":      {Selection{Where: `env == "prod"`}, []string{"on --where line 1", "Nothing is called env"}},
		"where of no label":     {Selection{Where: `host.labels.evn == "prod"`}, []string{`No host has a label "evn". Did you mean "env"?`}},
		"where is no condition": {Selection{Where: `host.name`}, []string{"It must be true or false for every host"}},
		"where is broken":       {Selection{Where: `host.name ==`}, []string{"on --where line 1"}},
		"where is blank":        {Selection{Where: " "}, []string{"on --where"}},
		"all at once":           {Selection{Targets: []string{"ap-1", "ap-2"}, Excludes: []string{"["}, Where: "host.nam", Sample: "x"}, []string{`"ap-1"`, `"ap-2"`, "on --exclude", "Unknown attribute of a host", "on --sample"}},
		"where is deep":         {Selection{Where: strings.Repeat("(", 500)}, []string{"Nested too deeply"}},
		"where asks for os":     {Selection{Where: `host.os == "linux"`}, []string{"The system of a host is not known", "db-1, group.x have none"}},

		"nothing is left":   {Selection{Targets: []string{"app-*"}, Excludes: []string{"app-*"}}, []string{"No host with an assignment is left after --target and --exclude."}},
		"no such control":   {Selection{Targets: []string{"control.loopback_only", "app-1"}}, []string{"is left after --target."}},
		"where nobody is":   {Selection{Targets: []string{"app-1"}, Excludes: []string{"app-2"}, Where: "false"}, []string{"is left after --target, --exclude and --where."}},
		"sample of none":    {Selection{Sample: "0"}, []string{"on --sample line 1", "from 1 on"}},
		"sample of 0%":      {Selection{Sample: "0%"}, []string{"Not a size of a sample"}},
		"sample of 101%":    {Selection{Sample: "101%"}, []string{"Not a size of a sample"}},
		"sample of a text":  {Selection{Sample: "some"}, []string{"Not a size of a sample"}},
		"a negative sample": {Selection{Sample: "-1"}, []string{"Not a size of a sample"}},
	} {
		t.Run(name, func(t *testing.T) {
			part, d := config.Select(c.s)
			if part != nil || !d.HasErrors() {
				t.Fatalf("%+v is selected", part)
			}
			said := text(t, d)
			for _, says := range c.says {
				if !strings.Contains(said, says) {
					t.Errorf("%q is not in\n%s", says, said)
				}
			}
			if strings.Contains(said, "c2VjcmV0") || strings.ContainsRune(said, '\x1b') {
				t.Errorf("shown as it is:\n%s", said)
			}
		})
	}
}

func TestSelectDoubts(t *testing.T) {
	config, _ := loadText(t, selectable)
	for name, c := range map[string]struct {
		s    Selection
		says string
	}{
		"excludes an unknown host":    {Selection{Excludes: []string{"ap-1"}}, `There is no host "ap-1". Did you mean "app-1"? Nothing is excluded by this.`},
		"excludes an unknown group":   {Selection{Excludes: []string{"group.x"}}, "There is no group.x."},
		"excludes an idle host":       {Selection{Excludes: []string{"spare"}}, "it is in no assignment. Nothing is excluded by this."},
		"excludes an unwanted":        {Selection{Excludes: []string{"control.watchdog"}}, "control.watchdog is wanted of no host."},
		"excludes nobody":             {Selection{Excludes: []string{"@-"}, Stdin: strings.NewReader("")}, "standard input names no host. Nothing is excluded by this."},
		"where meets a missing label": {Selection{Where: `host.labels.tier != "db" || host.name == "app-1"`}, "host.labels.tier is null for 3 hosts"},
	} {
		part, d := config.Select(c.s)
		if part == nil || d.Warnings() != 1 || !strings.Contains(text(t, d), c.says) {
			t.Errorf("%s: %s", name, text(t, d))
		}
	}
}

// Of a long list that fits badly the first lines are shown, and all the others
// have their effect all the same.
func TestLongListsAreReadToTheirEnd(t *testing.T) {
	config, _ := loadText(t, selectable)
	var list strings.Builder
	for i := range 40 {
		fmt.Fprintf(&list, "gone-%d\n", i)
	}
	list.WriteString("app-1\n")
	part, d := config.Select(Selection{Excludes: []string{"@-"}, Stdin: strings.NewReader(list.String())})
	if part == nil || d.Warnings() != 11 || !strings.Contains(text(t, d), "30 more lines of standard input name no host") {
		t.Fatalf("%d warnings: %s", d.Warnings(), text(t, d))
	}
	if got := chosen(part); got != "app-2 db-1 group.x" {
		t.Errorf("left: %s", got)
	}
}

// A sample is the same again, another seed gives another one, and a greater one
// holds the smaller.
func TestSamples(t *testing.T) {
	var src strings.Builder
	src.WriteString("connection \"ssh\" \"c\" {}\ngroup \"all\" {\n  hosts = [\"*\"]\n  connection = connection.ssh.c\n}\nassign \"a\" {\n  baseline = builtin.hardening_guide\n  to = [group.all]\n}\n")
	for i := range 200 {
		fmt.Fprintf(&src, "host \"h%03d\" {}\n", i)
	}
	config, _ := loadText(t, src.String())
	draw := func(size, seed string) []string {
		part, d := config.Select(Selection{Sample: size, Seed: seed})
		if d.HasErrors() {
			t.Fatal(text(t, d))
		}
		var names []string
		for _, h := range part.Hosts {
			names = append(names, h.Name)
		}
		return names
	}
	ten := draw("10", "")
	if want := []string{"h021", "h036", "h054", "h110", "h142", "h154", "h171", "h182", "h188", "h190"}; !slices.Equal(ten, want) {
		t.Errorf("a release draws other samples than the last: %q", ten)
	}
	if d := cmp.Diff(ten, draw("5%", "")); d != "" {
		t.Error(d)
	}
	if slices.Equal(ten, draw("10", "s")) {
		t.Error("another seed gives the same sample")
	}
	if n := len(draw("4%", "")); n != 8 {
		t.Errorf("4%% of 200 are %d", n)
	}
	twenty := draw("20", "")
	if len(twenty) != 20 || !slices.IsSorted(twenty) || slices.ContainsFunc(ten, func(name string) bool { return !slices.Contains(twenty, name) }) {
		t.Errorf("%q does not hold %q", twenty, ten)
	}
}

// FuzzSelect holds for everything that may be typed or listed: it ends, it is
// never both wrong and chosen, nothing steers the terminal, and it never widens.
func FuzzSelect(f *testing.F) {
	for _, seed := range []string{"app-1", "group.prod", "control.log_level", `control.permissions["Jobs"]`, "control.*", "@-", "@-\x00app-1\n#x\ndb-*", "[", "*"} {
		f.Add(seed, `host.labels.env == "prod"`, "5%")
		f.Add(seed, "", "")
	}
	config, d := load(".", []file{{"main.kepm.hcl", []byte(selectable)}}, nil, Options{})
	if d.HasErrors() {
		f.Fatal(d.All())
	}
	f.Fuzz(func(t *testing.T, target, where, sample string) {
		target, input, _ := strings.Cut(target, "\x00")
		if strings.HasPrefix(target, "@") {
			target = "@-" // no other file of this machine
		}
		if strings.Contains(where, "file") || len(where) > 1000 {
			t.Skip("no file of this machine; long texts are another test")
		}
		part, d := config.Select(Selection{Targets: []string{target}, Where: where, Sample: sample, Stdin: strings.NewReader(input)})
		if (part == nil) != d.HasErrors() {
			t.Fatalf("selected: %v, errors: %d", part != nil, d.Errors())
		}
		if strings.ContainsAny(text(t, d), "\x1b\x00") {
			t.Errorf("%q", text(t, d))
		}
		if part == nil {
			return
		}
		for _, g := range part.Goals {
			whole, ok := config.goal(g.Host.Name)
			if !ok || len(g.Wants) == 0 || len(g.Wants) > len(whole.Wants) {
				t.Errorf("%s: %d wants of %d", g.Host.Name, len(g.Wants), len(whole.Wants))
			}
		}
	})
}
