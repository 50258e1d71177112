package plans

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/kepmctl/kepmctl/provider"
	"github.com/kepmctl/kepmctl/transport"
)

const schemas = "../docs/schema/"

// planSchema is the published description of plan documents.
func planSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	s, err := c.Compile(filepath.FromSlash(schemas + "plan.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func document(t *testing.T, p *Plan) string {
	t.Helper()
	b, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func valid(t *testing.T, s *jsonschema.Schema, text string) error {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(v)
}

func TestPlansFitTheSchema(t *testing.T) {
	silent := &standIn{dialErr: &transport.Error{Kind: transport.ErrUnreachable, Doing: "dial", Hint: "is it on?"}}
	for name, h := range map[string]*standIn{
		"to change": {}, "as wanted": {settings: `{"AllowedHosts":"localhost"}`}, "silent": silent,
		"held": {open: true}, "broken": {settings: "{"},
	} {
		if err := valid(t, planSchema(t), document(t, made(t, one(h)))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	empty, err := one(&standIn{}).Make(context.Background(), nil, Terms{Tool: "0.1.0", TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if err := valid(t, planSchema(t), document(t, empty)); err != nil {
		t.Errorf("no hosts: %v", err)
	}
}

func made(t *testing.T, f Fleet) *Plan {
	t.Helper()
	p, err := f.Make(context.Background(), []provider.Goal{goal("web")}, Terms{Tool: "0.1.0", TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// A minor version adds; what is there keeps its name and its kind.
func TestSchemaOfPlansIsStrictAndTolerant(t *testing.T) {
	s, text := planSchema(t), document(t, made(t, one(&standIn{})))
	for _, c := range []struct {
		old, new string
		fits     bool
	}{
		{`"format_version": "` + FormatVersion + `"`, `"format_version": "1.7", "later": [1]`, true},
		{`"mode": "enforce"`, `"mode": "off", "match": "at_least", "severity": "low", "reason": "x", "expires": "2027-01-01"`, true},
		{`"action": "change"`, `"action": "replace"`, true},
		{`"effect": "restart"`, `"effect": "none"`, true},
		{`"complete": true,`, `"complete": true, "selection": {"hosts": 1, "of_hosts": 2, "controls": 1, "of_controls": 1, "flags": ["--sample 1"]},`, true},
		{`"complete": true,`, `"complete": true, "selection": {"hosts": 1},`, false},
		{`"format_version": "` + FormatVersion + `"`, `"format_version": "2.0"`, false},
		{`"complete": true`, `"complete": "true"`, false},
		{`"complete": true,`, ``, false},
		{`"action": "change"`, `"action": "explode"`, false},
		{`"from":`, `"form":`, false},
		{`"mode": "enforce"`, `"mode": "maybe"`, false},
		{`"checksum": "sha256:`, `"checksum": "md5:`, false},
		{`"created": "2026-`, `"created": "26-`, false},
		{`"compliant": `, `"compliant": -`, false},
		{`"reach": "`, `"reach": "x`, false},
	} {
		mutated := strings.Replace(text, c.old, c.new, 1)
		if mutated == text {
			t.Errorf("%s is not in\n%s", c.old, text)
			continue
		}
		if err := valid(t, s, mutated); (err == nil) != c.fits {
			t.Errorf("%s to %s: %v", c.old, c.new, err)
		}
	}
}

// Every key that a plan can hold is described.
func TestSchemaNamesEveryKey(t *testing.T) {
	b, err := os.ReadFile(filepath.FromSlash(schemas + "plan.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	full := Plan{
		Selection: &Selection{Flags: []string{"--sample 1"}},
		Baselines: []Baseline{{Wants: []Want{{Key: "k", Value: json.RawMessage("1"), File: "f", Line: 1}}, Options: Options{AdministratorsGroup: "g"}}},
		Changes:   []provider.Change{{Effect: provider.Start}},
		Findings:  []provider.Finding{{Have: "h", Want: "w", Reason: "r", Hint: "h"}},
		Hosts: []HostPlan{{
			Problem: &Problem{Hint: "h"}, HostKey: "k", System: "s", Version: "v", Root: "r", Findings: []int{0}, Changes: []int{0},
		}},
	}
	var v any
	if err := json.Unmarshal([]byte(document(t, &full)), &v); err != nil {
		t.Fatal(err)
	}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for k, e := range v {
				if !strings.Contains(string(b), `"`+k+`": {`) {
					t.Errorf("the schema does not name %q", k)
				}
				walk(e)
			}
		}
	}
	walk(v)
}
