package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"github.com/kepmctl/kepmctl/cmd/kepmlab/nspawn"
)

//go:embed fleet.kepm.hcl.tmpl
var fleetTemplate string

// labSpecs are n hosts; from five on, a mix of what real fleets hold.
func labSpecs(n int) []nspawn.Spec {
	specs := make([]nspawn.Spec, max(0, n))
	if n >= 5 {
		specs[0].Root = true
		specs[1].KillUserProcesses = true
		specs[2].Bare = true
		specs[3].NoForwarding = true
		specs[4].Sudo = nspawn.SudoPassword
	}
	for i := range specs {
		specs[i].Name = fmt.Sprintf("lab-%02d", i+1)
	}
	return specs
}

// A fleet is what the template of the configuration needs to know of a lab.
type fleet struct {
	User, PrivateKeyFile, KnownHostsFile, PasswordFile string
	Hosts                                              []*nspawn.Host
}

// Has says whether any host uses a connection.
func (f fleet) Has(name string) bool {
	return slices.ContainsFunc(f.Hosts, func(h *nspawn.Host) bool { return connectionOf(h.Spec) == name })
}

// connectionOf names the connection by which a host is reached.
func connectionOf(s nspawn.Spec) string {
	switch {
	case s.Root:
		return "root"
	case s.Sudo == nspawn.SudoPassword:
		return "ops_password"
	}
	return "ops"
}

// hclQuote writes a string as HCL does: what Go escapes, and no templates.
func hclQuote(s string) string {
	return strings.NewReplacer("${", "$${", "%{", "%%{").Replace(strconv.Quote(s))
}

func (f fleet) render() ([]byte, error) {
	t, err := template.New("fleet").Funcs(template.FuncMap{"quote": hclQuote, "connection": connectionOf}).Parse(fleetTemplate)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, f)
	return b.Bytes(), err
}

// writeFleet writes the configuration that describes a lab, in its directory.
func writeFleet(lab *nspawn.Lab) error {
	b, err := fleet{
		User:           nspawn.User,
		PrivateKeyFile: lab.PrivateKeyFile(),
		KnownHostsFile: lab.KnownHostsFile(),
		PasswordFile:   lab.PasswordFile(),
		Hosts:          lab.Hosts(),
	}.render()
	if err != nil {
		return err
	}
	dir := filepath.Join(lab.Dir(), "config")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "fleet.kepm.hcl"), b, 0o644)
}
