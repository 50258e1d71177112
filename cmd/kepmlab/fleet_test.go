package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/kepmctl/kepmctl/cmd/kepmlab/nspawn"
)

func TestFleet(t *testing.T) {
	f := fleet{User: "ops", PrivateKeyFile: `/a "b"/${c}/key`, KnownHostsFile: "/known", PasswordFile: "/password"}
	for i, s := range labSpecs(6) {
		f.Hosts = append(f.Hosts, &nspawn.Host{Spec: s, Address: "198.18.1." + string(rune('1'+i))})
	}
	b, err := f.render()
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for _, want := range []string{
		"private_key_file = \"/a \\\"b\\\"/$${c}/key\"\n",
		"become_password  = secret::file(\"/password\")\n",
		"host \"lab-01\" {\n  address    = \"198.18.1.1\"\n  os         = \"linux\"\n  labels     = { env = \"lab\" }\n  connection = connection.ssh.root\n}\n",
		"host \"lab-05\" {\n  address    = \"198.18.1.5\"\n  os         = \"linux\"\n  labels     = { env = \"lab\" }\n  connection = connection.ssh.ops_password\n}\n",
		"  extends = [builtin.hardening_guide]\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	f.Hosts = f.Hosts[5:]
	if b, err = f.render(); err != nil || strings.Contains(string(b), "ops_password") || strings.Contains(string(b), `"root"`) {
		t.Errorf("connections that no host uses: %v\n%s", err, b)
	}
}

func TestLabSpecs(t *testing.T) {
	for _, s := range labSpecs(4) {
		if s != (nspawn.Spec{Name: s.Name}) {
			t.Errorf("four hosts, and one is special: %+v", s)
		}
	}
	if got := labSpecs(20); len(got) != 20 || got[19].Name != "lab-20" || got[4].Sudo != nspawn.SudoPassword {
		t.Errorf("got %+v", got)
	}
}

func TestWords(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"/usr/bin/kepmlab deb --out x", "deb --out x"},
		{"/opt/keeper/sbin/keeper-privilege-manager", "agent --root /opt/keeper/sbin"},
		{"keeper-watchdog --unit x", "watchdog --root /opt/keeper/sbin --unit x"},
	} {
		got := words(strings.Fields(c.args), "/opt/keeper/sbin/keeper-privilege-manager")
		if !slices.Equal(got, strings.Fields(c.want)) {
			t.Errorf("%q: %q, want %q", c.args, got, c.want)
		}
	}
}
