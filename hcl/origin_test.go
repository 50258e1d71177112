package hcl

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kepmctl/kepmctl/transport"
)

// Of two inventories that know a host the one of lower priority wins, labels of both
// are merged, a host block comes first, and its connection before theirs.
func TestInventoriesAreMerged(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"first.csv":  "name,address,port,site\na,10.0.0.1,,par1\nb,10.0.0.2,2222,par1\nsystem,10.0.0.3,,\n",
		"second.csv": "name,address,user,os,site,ring\na,10.9.9.9,ops,linux,fra2,0\nwindow,10.0.0.9,,windows,,\n",
		"x.kepm.hcl": `
connection "ssh" "mine" { user = "me" }
connection "ssh" "theirs" { user = "them" }
inventory "csv" "second" {
  path       = "second.csv"
  connection = connection.ssh.mine
  priority   = 20
  labels     = { source = "second" }
}
inventory "csv" "first" {
  path       = "first.csv"
  connection = connection.ssh.theirs
  priority   = 10
}
inventory "exec" "program" { command = ["hosts", "--json"] }
host "b" {
  address    = "192.0.2.1"
  connection = connection.ssh.mine
}
assign "all" {
  baseline = builtin.hardening_guide
  hosts    = ["*"]
}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var ran []string
	config, d := Load(dir, Options{Run: func(p Program) ([]byte, error) {
		ran = append(ran, p.Command...)
		return []byte(`[{"name":"system","labels":{"made":"yes"}}]`), nil
	}})
	if config == nil || d.Warnings() != 1 { // of the Windows host
		t.Fatal(text(t, d))
	}
	var got []Host
	users := map[string]string{}
	for _, h := range config.Hosts {
		h.Assignments, h.Groups = nil, nil
		got = append(got, h)
	}
	for _, g := range config.Goals {
		users[g.Host.Name] = g.Host.Connection.User
	}
	want := []Host{
		{Name: "a", Address: "10.0.0.1", OS: transport.Linux, Connection: "connection.ssh.theirs", Labels: map[string]string{"site": "par1", "ring": "0", "source": "second"}},
		{Name: "b", Address: "192.0.2.1", Port: 2222, Connection: "connection.ssh.mine", Labels: map[string]string{"site": "par1"}},
		{Name: "system", Address: "10.0.0.3", Connection: "connection.ssh.theirs", Labels: map[string]string{"made": "yes"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"a": "ops", "b": "me", "system": "them"}, users); diff != "" {
		t.Errorf("users (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{"hosts", "--json"}, ran); diff != "" {
		t.Errorf("ran %v", ran)
	}
}
