package hcl

import (
	"bytes"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kepmctl/kepmctl/provider"
	"github.com/kepmctl/kepmctl/transport"
)

// looking is what a host with these settings shows.
func looking(settings string, jobs provider.Rights) provider.Look {
	closed := provider.Access{Owner: "root", Privileged: true, Administrators: provider.Read | provider.Execute, Users: provider.Read | provider.Execute}
	open := closed
	open.Users = jobs
	shut := closed
	shut.Administrators, shut.Users = provider.Read, 0
	service := provider.Service{Known: true, Loaded: true, Active: true, Boot: "enabled", Account: provider.Privileged, RunningAs: provider.Privileged, PID: 42}
	return provider.Look{Facts: provider.Facts{
		System: provider.System{OS: transport.Linux, Manager: "systemd"}, Service: service, Watchdog: service,
		Roots: []string{"/opt/keeper/sbin"}, AdminID: "0", Version: "2.0.82",
		Settings: provider.File{Path: "/opt/keeper/sbin/appsettings.json", Bytes: []byte(settings)},
		Rows: []provider.Row{
			{Path: ".", Access: closed}, {Path: "Plugins", Access: closed}, {Path: "Jobs", Access: open}, {Path: "KeeperStorage", Access: shut}, {Path: "policies", Access: shut},
		},
		Ancestors: []provider.Row{{Path: "/opt", Access: closed}}, Tree: provider.Tree{Known: true}, Listening: true,
		Listeners: []provider.Listener{{Address: netip.MustParseAddr("127.0.0.1"), Port: 6888}},
	}}
}

// What hosts have is written so that it is valid, and so that every host is then
// judged to be as it must be.
func TestCompose(t *testing.T) {
	const usual = `{"AllowedHosts":"localhost;127.0.0.1","Settings":{"system.logging.level":"warning","AlternativeSignatures":null}}`
	looks := map[string]provider.Look{}
	for i := range 8 {
		looks[fmt.Sprintf("app-%02d", i)] = looking(usual, provider.Read|provider.Execute)
	}
	looks["db-1"] = looking(strings.Replace(usual, "127.0.0.1", "${evil}\\u001b", 1), 0)
	looks["db-2"] = looking(strings.Replace(usual, "localhost;127.0.0.1", "*", 1), 7)
	looks["db-3"] = looking(strings.Replace(usual, "localhost;127.0.0.1", "*", 1), 7)
	looks["db-4"] = looking(strings.Replace(usual, "null", `["no thumbprint"]`, 1), 0)
	looks["db-5"] = looking("{", 0)
	off := looking(usual, 0)
	off.Facts.Service.Boot, off.Facts.Service.Active = "disabled", false
	looks["db-6"] = off
	looks["gone"] = provider.Look{Facts: provider.Facts{System: provider.System{OS: transport.Linux}, Service: provider.Service{Known: true}}}
	var d Describer
	var list []Description
	var hosts []string
	for name, l := range looks {
		list, hosts = append(list, d.Describe(name, l)), append(hosts, name)
	}
	text := Compose([]byte(Scaffold{User: "ops", Become: "sudo", Port: 2222, BecomePasswordEnv: "B", Hosts: hosts[:0]}.Text()), "discovered", list, []string{"silent"})
	path := filepath.Join("testdata", "discovered.txt")
	if flag.Lookup("update").Value.String() == "true" {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(text)); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	var whole bytes.Buffer
	whole.Write(text)
	for _, name := range hosts {
		fmt.Fprintf(&whole, "host %q { connection = connection.ssh.discovered }\n", name)
	}
	config, diags := load("", []file{{"a" + Suffix, whole.Bytes()}}, nil, Options{})
	if diags.HasErrors() || len(config.Goals) != len(hosts)-1 {
		t.Fatal(diags)
	}
	for _, g := range config.Goals {
		for _, f := range provider.Judge(g, looks[g.Host.Name]) {
			unreadable := g.Host.Name == "db-5" && f.Address == provider.ConfigOverrides
			if f.Outcome != provider.Compliant && f.Outcome != provider.NotApplicable && !unreadable {
				t.Errorf("%s: %s is %s: %s", g.Host.Name, f.Address, f.Outcome, f.Have+f.Reason)
			}
		}
	}
}
