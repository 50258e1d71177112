package inventory

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// disk reads below a directory.
type disk string

func (d disk) Read(path string) ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(string(d), path))
	if info, e := os.Stat(filepath.Join(string(d), path)); e == nil && info.IsDir() {
		return nil, fs.ErrNotExist
	}
	return b, err
}

func (d disk) List(dir string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(string(d), dir))
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

// memory is files by path.
type memory map[string]string

func (m memory) Read(path string) ([]byte, error) {
	text, ok := m[path]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return []byte(text), nil
}

func (m memory) List(dir string) (names []string, err error) {
	for path := range m {
		if rest, ok := strings.CutPrefix(path, dir+"/"); ok {
			names = append(names, rest)
		}
	}
	if names == nil {
		return nil, fs.ErrNotExist
	}
	slices.Sort(names)
	return names, nil
}

// What we read is what Ansible reads: the same hosts in the same groups, with the same
// simple variables.
func TestAsAnsibleReads(t *testing.T) {
	program, err := exec.LookPath("ansible-inventory")
	if err != nil {
		t.Skip("LEFT OUT: ansible-inventory is not installed here")
	}
	for dir, file := range map[string]string{"ini": "hosts", "yaml": "hosts.yml"} {
		t.Run(dir, func(t *testing.T) {
			cmd := exec.Command(program, "--list", "-i", filepath.Join("testdata", dir, file))
			cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "HOME="+t.TempDir())
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			tree, err := ansibleTree(file, disk(filepath.Join("testdata", dir)))
			if err != nil {
				t.Fatal(err)
			}
			vars, groups, err := tree.variables()
			if err != nil {
				t.Fatal(err)
			}
			ours := map[string]map[string]string{}
			for host, v := range vars {
				ours[host] = simple(v)
				for _, g := range groups[host] {
					ours[host]["group "+g] = "yes"
				}
			}
			if d := cmp.Diff(theirs(t, out), ours); d != "" {
				t.Errorf("(-ansible +ours)\n%s", d)
			}
		})
	}
}

func simple(vars map[string]any) map[string]string {
	out := map[string]string{}
	for k, v := range vars {
		if text, ok := scalar(v); ok && k != "ansible_group_priority" {
			out[k] = text
		}
	}
	return out
}

// theirs is what ansible-inventory --list says, host by host.
func theirs(t *testing.T, out []byte) map[string]map[string]string {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(out, &raw); err != nil {
		t.Fatal(err)
	}
	type listedGroup struct{ Hosts, Children []string }
	groups := map[string]listedGroup{}
	for name, text := range raw {
		var g listedGroup
		if name != "_meta" {
			if err := json.Unmarshal(text, &g); err != nil {
				t.Fatal(err)
			}
			groups[name] = g
		}
	}
	var meta struct {
		HostVars map[string]map[string]any `json:"hostvars"`
	}
	if err := decode(raw["_meta"], &meta); err != nil {
		t.Fatal(err)
	}
	hosts := map[string]map[string]string{}
	var members func(name string) []string
	members = func(name string) []string {
		list := groups[name].Hosts
		for _, c := range groups[name].Children {
			list = append(list, members(c)...)
		}
		return list
	}
	for _, h := range members("all") {
		hosts[h] = simple(meta.HostVars[h])
	}
	for name := range groups {
		if name == "all" || name == "ungrouped" {
			continue
		}
		for _, h := range members(name) {
			hosts[h]["group "+name] = "yes"
		}
	}
	return hosts
}

func TestHosts(t *testing.T) {
	files := memory{
		"inv/hosts": `
[web]
a ansible_host=10.0.0.1 ansible_port=2222 ansible_user=deploy site=par1 db_password=hunter2 note="{{ x }}"
b ansible_connection=winrm
c ansible_connection=local
d ansible_host="{{ elsewhere }}"
[web-1.x]
a
`,
		"inv/host_vars/b.yml": "secret: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6162\nplain: 1\n",
		"inv/group_vars/web":  "$ANSIBLE_VAULT;1.1;AES256\n6162\n",
	}
	got, err := Ansible("inv/hosts", files)
	if err != nil {
		t.Fatal(err)
	}
	web := func(more map[string]string) map[string]string {
		more["group_web"] = "true"
		return more
	}
	want := &Inventory{
		Hosts: []Host{
			{Name: "a", Address: "10.0.0.1", Port: 2222, User: "deploy", Labels: web(map[string]string{"site": "par1", "group_web-1_x": "true"})},
			{Name: "b", Connection: "winrm", Labels: web(map[string]string{"plain": "1"})},
			{Name: "c", Connection: "local", Labels: web(map[string]string{})},
			{Name: "d", Hidden: true, Labels: web(map[string]string{})},
		},
		Vaulted: 5, Templates: 2, Skipped: []string{`"db_password"`},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if text := strings.Join(got.Warnings(), "\n"); strings.Contains(text, "hunter2") || !strings.Contains(text, "5 values are in an Ansible vault") {
		t.Error(text)
	}
}

func TestProgramAndCSV(t *testing.T) {
	list := []Host{
		{Name: "a", Address: "10.0.0.1", Port: 22, User: "ops", OS: "linux", Labels: map[string]string{"site": "par1", "n": "3"}},
		{Name: "b", Labels: map[string]string{"group_web": "true"}},
	}
	got, err := Program([]byte(`[{"name":"b","groups":["web"]},{"name":"a","address":"10.0.0.1","port":22,"user":"ops","os":"linux","labels":{"site":"par1","n":3,"x":[1]}}]`))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(list, got.Hosts); d != "" {
		t.Errorf("a list (-want +got)\n%s", d)
	}
	got, err = Program([]byte(`{"web":{"hosts":["b"],"vars":{"v":1}},"short":["a"],"up":{"children":["web"]},"_meta":{"hostvars":{"a":{"ansible_host":"10.0.0.1"}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []Host{{Name: "a", Address: "10.0.0.1", Labels: map[string]string{"group_short": "true"}}, {Name: "b", Labels: map[string]string{"v": "1", "group_up": "true", "group_web": "true"}}}
	if d := cmp.Diff(want, got.Hosts); d != "" {
		t.Errorf("Ansible's list (-want +got)\n%s", d)
	}
	got, err = CSV([]byte("\xef\xbb\xbfHost, IP, Place, Token\na,10.0.0.1,par1,x\n\"b\",,,\n"), map[string]string{"name": "Host", "address": "IP", "site": "Place"})
	if err != nil {
		t.Fatal(err)
	}
	want = []Host{{Name: "a", Address: "10.0.0.1", Labels: map[string]string{"site": "par1"}}, {Name: "b", Labels: map[string]string{}}}
	if d := cmp.Diff(want, got.Hosts); d != "" {
		t.Errorf("a table (-want +got)\n%s", d)
	}
}

// Each mistake is one error that says where.
func TestMistakes(t *testing.T) {
	ini := func(text string) error { _, err := Ansible("h", memory{"h": text}); return err }
	yml := func(text string) error { _, err := Ansible("h.yml", memory{"h.yml": text}); return err }
	program := func(text string) error { _, err := Program([]byte(text)); return err }
	table := func(text string) error { _, err := CSV([]byte(text), nil); return err }
	for says, err := range map[string]error{
		"h: line 2: [a:sons] is none of":        ini("x\n[a:sons]\n"),
		"line 1: a quote is not closed":         ini("a b='\n"),
		`line 1: "b" is no variable`:            ini("a b\n"),
		`"5:1" is no range`:                     ini("a[5:1]\n"),
		"stands for too many hosts":             ini("a[1:999][1:999][1:999]\n"),
		"opens a range":                         ini("a[1:\n"),
		"in a circle":                           ini("[a:children]\nb\n[b:children]\na\n"),
		`host "a": ansible_port "x" is no port`: ini("a ansible_port=x\n"),
		"a variable is written":                 ini("[a:vars]\nx\n"),
		"h.yml: line 2":                         yml("all:\n  sons: {}\n"),
		"a mapping is wanted":                   yml("all: [1]\n"),
		"did not find expected":                 yml("all: {\n"),
		"neither a list of hosts":               program("hello"),
		"without a name, or one twice":          program(`[{"name":"a"},{"name":"a"}]`),
		`unknown field "adress"`:                program(`[{"name":"a","adress":"x"}]`),
		"neither an object nor a list":          program(`{"web": 3}`),
		"the table is empty":                    table(""),
		"no column gives the hosts' names":      table("host\na\n"),
		"already on line 2":                     table("name\na\na\n"),
		`the port "x" is no number`:             table("name,port\na,x\n"),
		"wrong number of fields":                table("name,port\na\n"),
	} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
}

func FuzzAnsible(f *testing.F) {
	f.Add("[a]\nweb[01:20:2] x='y z'\n[a:vars]\nq=1\n[b:children]\na\n", "all:\n  hosts:\n    a: &x {b: 1}\n  children:\n    g: {hosts: {c: *x}}\n")
	f.Fuzz(func(t *testing.T, ini, yml string) {
		for _, r := range []struct {
			file string
			m    memory
		}{{"h", memory{"h": ini}}, {"h.yml", memory{"h.yml": yml}}} {
			if i, err := Ansible(r.file, r.m); err == nil {
				i.Warnings()
			}
		}
		_, _ = Program([]byte(yml)) // must end
		_, _ = CSV([]byte(ini), nil)
	})
}
