package provider_test

import (
	"testing"

	"github.com/kepmctl/kepmctl/provider"
	"github.com/kepmctl/kepmctl/transport"
)

// A waiver accepts exactly what it names besides the wanted; any other value stays a
// finding, and what is waived is not changed.
func TestWaivers(t *testing.T) {
	const aa, bb = "A94A8FE5CCB19BA61C4C0873D391E987982FBBD3", "B94A8FE5CCB19BA61C4C0873D391E987982FBBD3"
	with := func(key, value string) string {
		return `{"AllowedHosts":"localhost;127.0.0.1","` + key + `":` + value + `}`
	}
	version := want(provider.AgentVersion, "", ">= 2.1")
	key := want(provider.AppSetting, "Watchdog:Retries", 3)
	for name, c := range map[string]struct {
		want    provider.Want
		change  func(*provider.Facts)
		accepts []any
		waived  bool
	}{
		"a thumbprint":               {thumbs, settings(with("Settings", `{"AlternativeSignatures":["`+aa+`"]}`)), []any{aa}, true},
		"spelled otherwise":          {thumbs, settings(with("Settings", `{"AlternativeSignatures":["a9 4a8fe5ccb19ba61c4c0873d391e987982fbbd3"]}`)), []any{aa}, true},
		"one of two":                 {thumbs, settings(with("Settings", `{"AlternativeSignatures":["`+aa+`","`+bb+`"]}`)), []any{aa}, false},
		"both":                       {thumbs, settings(with("Settings", `{"AlternativeSignatures":["`+aa+`","`+bb+`"]}`)), []any{aa, bb}, true},
		"another one":                {thumbs, settings(with("Settings", `{"AlternativeSignatures":["`+bb+`"]}`)), []any{aa}, false},
		"one more host":              {hosts, settings(`{"AllowedHosts":"localhost;127.0.0.1;Intra"}`), []any{"intra"}, true},
		"a wanted host is missing":   {hosts, settings(`{"AllowedHosts":"localhost;intra"}`), []any{"intra"}, false},
		"everything":                 {hosts, settings(`{"AllowedHosts":"*"}`), []any{"intra"}, false},
		"everything, and it is said": {hosts, settings(`{"AllowedHosts":"localhost;127.0.0.1;*"}`), []any{"*"}, true},
		"a filter that does not work": {hosts, func(f *provider.Facts) {
			f.Settings.Bytes = []byte(`{"AllowedHosts":"localhost;127.0.0.1;intra"}`)
			f.Answers = append(f.Answers, transport.Answer{
				Question: transport.Question{Port: 6889, Path: "/", Hosts: []string{"localhost", "127.0.0.1", "kepmctl-probe.invalid"}},
				Replies:  []transport.Reply{{Status: 200}, {Status: 200}, {Status: 200}},
			})
		}, []any{"intra"}, false},
		"a level":                 {levels, settings(with("Settings", `{"system.logging.level":"debug"}`)), []any{"Debug"}, true},
		"another level":           {levels, settings(with("Settings", `{"system.logging.level":"Trace"}`)), []any{"Debug"}, false},
		"a key":                   {key, settings(with("Watchdog", `{"Retries":"7"}`)), []any{7}, true},
		"a key of another value":  {key, settings(with("Watchdog", `{"Retries":8}`)), []any{7}, false},
		"a key that is not there": {key, settings(`{}`), []any{7}, false},
		"a version":               {version, func(f *provider.Facts) { f.Version = "2.0.82" }, []any{"2.0.82"}, true},
		"another version":         {version, func(f *provider.Facts) { f.Version = "2.0.81" }, []any{"2.0.82"}, false},
		"anything":                {boot, func(f *provider.Facts) { f.Service.Boot = "disabled" }, nil, true},
		"what it shows":           {boot, func(f *provider.Facts) { f.Service.Boot = "disabled" }, []any{"disabled"}, true},
		"not what it shows":       {boot, func(f *provider.Facts) { f.Service.Boot = "disabled" }, []any{"static"}, false},
		"what is not known":       {boot, func(f *provider.Facts) { f.Service.Known = false }, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := hardened()
			c.change(&f)
			g := provider.Goal{Wants: []provider.Want{c.want}, Options: provider.Options{AgentRequired: true}}
			before := provider.Judge(g, provider.Look{Facts: f})[0]
			if before.Outcome == provider.Compliant {
				t.Fatal("there is nothing to waive")
			}
			waiver := provider.Waiver{Name: "w"}
			for _, v := range c.accepts {
				waiver.Accepts = append(waiver.Accepts, provider.MakeValue(v))
			}
			g.Waivers = map[string][]provider.Waiver{c.want.Control.String(): {{Name: "other", Accepts: []provider.Value{`"x"`}}, waiver}}
			after := provider.Judge(g, provider.Look{Facts: f})[0]
			if waived := after.Outcome == provider.Waived; waived != c.waived || (waived && (after.Waiver != "w" || after.Changes != nil)) {
				t.Errorf("it is %s (%s), has %s", after.Outcome, after.Waiver, after.Have)
			}
			if !c.waived && after.Outcome != before.Outcome {
				t.Errorf("it was %s and is %s", before.Outcome, after.Outcome)
			}
		})
	}
}
