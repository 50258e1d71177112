package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kepmctl/kepmctl/hcl"
	"github.com/kepmctl/kepmctl/plans"
	"github.com/kepmctl/kepmctl/provider"
)

// selectFlags narrow a run to some hosts and some controls.
type selectFlags struct {
	targets, excludes   []string
	where, sample, seed string
	set                 *pflag.FlagSet // nil: the command has none of these
}

// chooses are the flags of selectFlags.
var chooses = []string{"target", "exclude", "where", "sample", "seed"}

func (f *selectFlags) register(cmd *cobra.Command) {
	f.set = cmd.Flags()
	f.set.StringArrayVar(&f.targets, "target", nil, "only these: a host or a glob of hosts, group.NAME, control.NAME, or @FILE with a host a line (@-: standard input); may be repeated")
	f.set.StringArrayVar(&f.excludes, "exclude", nil, "all but these, spelled as for --target; may be repeated")
	f.set.StringVar(&f.where, "where", "", "only hosts for which this holds, as in a group: 'host.labels.env == \"prod\"'")
	f.set.StringVar(&f.sample, "sample", "", "only so many of the hosts, such as 10 or 5%")
	f.set.StringVar(&f.seed, "seed", "", "draw another sample; the same seed draws the same again")
}

// given are the flags that were given, as they may be typed again.
func (f *selectFlags) given() []string {
	var list []string
	for _, name := range chooses {
		if f.set == nil || !f.set.Changed(name) {
			continue
		}
		values := map[string][]string{"target": f.targets, "exclude": f.excludes, "where": {f.where}, "sample": {f.sample}, "seed": {f.seed}}[name]
		for _, value := range values {
			list = append(list, "--"+name+" "+provider.Redact(typed(value)))
		}
	}
	return list
}

// typed is a value in quotes if a shell needs them.
func typed(value string) string {
	special := func(r rune) bool {
		return !strings.ContainsRune("@%+=:,./_-", r) && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}
	if value != "" && !strings.ContainsFunc(value, special) {
		return value
	}
	return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
}

// check refuses what would silently select everything: an empty variable of a shell.
func (f *selectFlags) check() error {
	if f.set == nil {
		return nil
	}
	for _, name := range []string{"where", "sample"} {
		if f.set.Changed(name) && f.set.Lookup(name).Value.String() == "" {
			return fmt.Errorf("--%s is empty: leave it out to select every host", name)
		}
	}
	if f.set.Changed("seed") && f.sample == "" {
		return fmt.Errorf("--seed draws a sample: say how large with --sample")
	}
	return nil
}

// notOfKept refuses to select from a plan that is kept: it is carried out as it is.
func (f *selectFlags) notOfKept(path, signature string) error {
	given := f.given()
	if signature != "" {
		given = append(given, "--signature "+typed(signature))
	}
	if len(given) == 0 {
		return nil
	}
	name, _, _ := strings.Cut(given[0], " ")
	return &advised{
		fmt.Errorf("%s cannot narrow %s: a kept plan is carried out as it is", name, path),
		"select when planning: kepmctl plan --out FILE " + strings.Join(given, " "),
	}
}

// readsInput says whether standard input is a list of hosts.
func (f *selectFlags) readsInput() bool {
	return slices.Contains(f.targets, "@-") || slices.Contains(f.excludes, "@-")
}

// choose narrows the configuration, and says how; nil: everything is selected.
func (a *app) choose(config *hcl.Config, f *selectFlags) (*hcl.Config, *plans.Selection, error) {
	if err := f.check(); err != nil {
		return nil, nil, err
	}
	s := hcl.Selection{Targets: f.targets, Excludes: f.excludes, Where: f.where, Sample: f.sample, Seed: f.seed, Stdin: a.in}
	if s.IsZero() {
		return config, nil, nil
	}
	part, diags := config.Select(s)
	a.tell(diags)
	if err := diags.Write(a.err, 100, a.color(a.errTerminal)); err != nil {
		return nil, nil, err
	}
	if diags.HasErrors() {
		return nil, nil, fmt.Errorf("the selection has %s: no host was touched", number(diags.Errors(), "error", "errors"))
	}
	n := part.Selected
	of := &plans.Selection{Hosts: n.Hosts, OfHosts: n.OfHosts, Controls: n.Controls, OfControls: n.OfControls, Flags: f.given()}
	if a.lines != nil {
		a.lines.Selection(of)
	}
	return part, of, nil
}
