package provider_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kepmctl/kepmctl/provider"
)

// What a kept control rests on stays, switched off; all else is gone.
func TestNarrow(t *testing.T) {
	overrides := want(provider.ConfigOverrides, "", true)
	off := levels
	off.Mode, off.Override = provider.Off, provider.Override{Reason: "vendor case", Expires: time.Unix(1, 0)}
	for _, c := range []struct {
		keep  string
		wants []provider.Want
		left  []string
	}{
		{"log_level", []provider.Want{hosts, levels, tree, jobs, overrides}, []string{"log_level enforce"}},
		{"install_tree", []provider.Want{hosts, tree, jobs, top}, []string{"install_tree enforce", `permissions["Jobs"] off`, `permissions["."] off`}},
		{`permissions["Jobs"]`, []provider.Want{hosts, tree, jobs, top}, []string{`permissions["Jobs"] enforce`, `permissions["."] off`}},
		{"config_overrides", []provider.Want{hosts, off, loop, tree, overrides}, []string{"allowed_hosts off", "log_level off vendor case", "loopback_only off", "config_overrides enforce"}},
		{"tls_minimum", []provider.Want{hosts, tree, jobs}, nil},
	} {
		g := provider.Goal{Wants: c.wants, Options: provider.Options{AgentRequired: true}}
		n := g.Narrow(func(control provider.Control) bool { return control.String() == c.keep })
		var left []string
		for _, w := range n.Wants {
			left = append(left, strings.TrimSpace(w.Control.String()+" "+string(w.Mode)+" "+w.Override.Reason))
		}
		if d := cmp.Diff(c.left, left); d != "" {
			t.Errorf("%s (-want +got)\n%s", c.keep, d)
		}
		if n.Options != g.Options || len(g.Wants) != len(c.wants) || slices.ContainsFunc(g.Wants, func(w provider.Want) bool { return w.Mode == provider.Off && w.Override.IsZero() }) {
			t.Errorf("%s: the goal itself was changed", c.keep)
		}
	}
}

// A control alone is judged as it is among all others.
func TestNarrowedGoalsAreJudgedTheSame(t *testing.T) {
	f := hardened()
	open := provider.Access{Owner: "root", Privileged: true, Administrators: 7, Users: 7}
	f.Rows = []provider.Row{f.Rows[0], {Path: "Jobs", Access: open}}
	f.Variables = []provider.Variable{{Key: "AllowedHosts", Where: "the unit's environment"}}
	overrides := want(provider.ConfigOverrides, "", true)
	g := provider.Goal{Wants: []provider.Want{hosts, levels, thumbs, tree, jobs, top, loop, overrides}}
	look := provider.Look{Facts: f}
	whole := provider.Judge(g, look)
	for i, w := range g.Wants {
		alone := provider.Judge(g.Narrow(func(c provider.Control) bool { return c == w.Control }), look)
		at := slices.IndexFunc(alone, func(f provider.Finding) bool { return f.Control == w.Control })
		if d := cmp.Diff(whole[i], alone[at]); d != "" {
			t.Errorf("%s (-all others +alone)\n%s", w.Control, d)
		}
		for j, other := range alone {
			if j != at && (other.Outcome != provider.NotApplicable || other.Reason != "not selected in this run" || other.Changes != nil) {
				t.Errorf("%s alone: %s is %+v", w.Control, other.Address, other)
			}
		}
	}
}

// A row that is left out is not the tree's to change, and stays as open as it is.
func TestTheTreeLeavesUnselectedRowsAlone(t *testing.T) {
	f := hardened()
	f.Tree.Others, f.Tree.Examples = 1, []string{"Jobs/a.json"}
	g := provider.Goal{Wants: []provider.Want{tree, jobs, top}}
	g = g.Narrow(func(c provider.Control) bool { return c.Name == provider.InstallTree })
	look := provider.Look{Facts: f}
	findings := provider.Judge(g, look)
	tx, err := provider.Compile(g, look, findings[0].Changes, "r", "o")
	if err != nil {
		t.Fatal(err)
	}
	if tx.Tree == nil || !slices.Contains(tx.Tree.Except, "Jobs") || len(tx.Rows) != 0 {
		t.Errorf("the tree's fix is %+v, rows %+v", tx.Tree, tx.Rows)
	}
}
