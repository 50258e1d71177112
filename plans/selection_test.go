package plans

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kepmctl/kepmctl/provider"
)

func TestSelectionsAreSaidInALine(t *testing.T) {
	for _, c := range []struct {
		s    Selection
		want string
	}{
		{Selection{12, 1204, 2, 21, []string{"--target control.log_level"}}, "Selected: 12 of 1204 hosts, 2 of 21 controls (--target control.log_level)."},
		{Selection{1, 1, 21, 21, []string{"--sample 1"}}, "Selected: 1 of 1 host (--sample 1)."},
		{Selection{3, 9, 1, 1, []string{"--target a", "--target b", "--target c", "--exclude d", "--where e", "--sample 3"}}, "Selected: 3 of 9 hosts (--target a --target b --target c --exclude d and 2 more)."},
		{Selection{1, 2, 1, 1, []string{strings.Repeat("\u00e4", 121)}}, "Selected: 1 of 2 hosts (" + strings.Repeat("\u00e4", 120) + "...)."},
		{Selection{1, 2, 0, 0, nil}, "Selected: 1 of 2 hosts."},
	} {
		if d := cmp.Diff(c.want, c.s.String()); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
	}
}

// A plan of a part says so, also when it is read again.
func TestPlansKeepTheirSelection(t *testing.T) {
	s := &Selection{Hosts: 1, OfHosts: 7, Controls: 2, OfControls: 3, Flags: []string{"--sample 1"}}
	p, err := one(&standIn{}).Make(context.Background(), []provider.Goal{goal("web")}, Terms{Tool: "0.1.0", TTL: time.Hour, Selection: s})
	if err != nil {
		t.Fatal(err)
	}
	b, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(s, back.Selection); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if text := document(t, made(t, one(&standIn{}))); strings.Contains(text, "selection") {
		t.Errorf("a plan of everything has a selection:\n%s", text)
	}
}
