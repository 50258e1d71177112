package provider_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kepmctl/kepmctl/provider"
	"github.com/kepmctl/kepmctl/transport"
)

const day = 24 * 3600

var (
	version    = want(provider.AgentVersion, "", ">= 2.0.82, < 3")
	selfSigned = want(provider.Certificate, "", provider.Terms{Kind: provider.SelfSigned, RenewBefore: 30 * day})
	external   = want(provider.Certificate, "", provider.Terms{Kind: provider.External, RenewBefore: 30 * day, MaxAge: 400 * day})
	overrides  = want(provider.ConfigOverrides, "", true)
)

func plugin(name, key string, value any, match provider.Match) provider.Want {
	w := want(provider.PluginSetting, key, value)
	w.Control.Plugin, w.Match = name, match
	return w
}

func setting(key string, value any, match provider.Match) provider.Want {
	w := want(provider.AppSetting, key, value)
	w.Match = match
	return w
}

// A judgement is one want on a host that the facts describe.
type judgement struct {
	name    string
	facts   func(*provider.Facts)
	want    provider.Want
	outcome provider.Outcome
	says    string
	change  string // "ATTR: FROM -> TO EFFECT" of each change
}

func judgeAll(t *testing.T, cases []judgement, more ...provider.Want) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f := hardened()
			c.facts(&f)
			g := provider.Goal{Wants: append([]provider.Want{c.want}, more...)}
			got := provider.Judge(g, provider.Look{Facts: f, At: now})[0]
			if got.Outcome != c.outcome {
				t.Fatalf("outcome %s, want %s: %+v", got.Outcome, c.outcome, got)
			}
			if text := got.Have + " | " + got.Reason; !strings.Contains(text, c.says) {
				t.Errorf("it says %q, want %q in it", text, c.says)
			}
			var changes []string
			for _, ch := range got.Changes {
				changes = append(changes, ch.Attr+": "+ch.From+" -> "+ch.To+" "+string(ch.Action)+" "+string(ch.Effect))
			}
			if d := cmp.Diff(c.change, strings.Join(changes, ", ")); d != "" {
				t.Errorf("changes (-want +got)\n%s", d)
			}
		})
	}
}

func TestMatches(t *testing.T) {
	thirty := settings(`{"A":{"Days":"30"}}`)
	judgeAll(t, []judgement{
		{"at least, a text", thirty, setting("A:Days", 30, provider.MatchAtLeast), provider.Compliant, "", ""},
		{"at least, too few", thirty, setting("A:Days", 31, provider.MatchAtLeast), provider.NonCompliant, "30", `A:Days: "30" -> 31 change restart`},
		{"at least, no number", settings(`{"A":{"Days":"many"}}`), setting("A:Days", 31, provider.MatchAtLeast), provider.NonCompliant, "many", `A:Days: "many" -> 31 change restart`},
		{"at least, not set", settings(`{}`), setting("A:Days", 31, provider.MatchAtLeast), provider.NonCompliant, "not set", `A:Days:  -> 31 add restart`},
		{"at most", thirty, setting("A:Days", 30.5, provider.MatchAtMost), provider.Compliant, "", ""},
		{"at most, too many", thirty, setting("A:Days", 7, provider.MatchAtMost), provider.NonCompliant, "", `A:Days: "30" -> 7 change restart`},
		{"one of", thirty, setting("A:Days", []any{7, 30}, provider.MatchOneOf), provider.Compliant, "", ""},
		{"one of, the first is written", thirty, setting("A:Days", []any{7, 8}, provider.MatchOneOf), provider.NonCompliant, "", `A:Days: "30" -> 7 change restart`},
		{"absent", settings(`{}`), setting("A:Days", nil, provider.MatchAbsent), provider.Compliant, "", ""},
		{"absent, but there", thirty, setting("a:days", nil, provider.MatchAbsent), provider.NonCompliant, "30", `a:days: "30" ->  remove restart`},
		{"absent, but an object", settings(`{"A":{"Days":{"x":1}}}`), setting("A:Days", nil, provider.MatchAbsent), provider.NonCompliant, "cannot be edited with certainty", ""},
	})
}

func TestPluginSettings(t *testing.T) {
	file := func(text string) func(*provider.Facts) {
		return func(f *provider.Facts) {
			f.Plugins = []provider.File{{Path: root + "/Plugins/keeperlogger.json", Bytes: []byte(text)}}
		}
	}
	days := func(match provider.Match, value any) provider.Want {
		return plugin("KeeperLogger", "logRetentionDays", value, match)
	}
	judgeAll(t, []judgement{
		{"at the root", file(`{"logRetentionDays":30}`), days(provider.MatchAtLeast, 30), provider.Compliant, "30", ""},
		{"under metadata", file(`{"metadata":{"logRetentionDays":15}}`), days("", 30), provider.NonCompliant, "15", `Plugins/keeperlogger.json metadata:logRetentionDays: 15 -> 30 change restart`},
		{"nowhere, without metadata", file(`{"a":1}`), days("", 30), provider.NonCompliant, "not set", `Plugins/keeperlogger.json logRetentionDays:  -> 30 add restart`},
		{"nowhere, with metadata", file(`{"metadata":{}}`), days("", 30), provider.NonCompliant, "not set", `Plugins/keeperlogger.json metadata:logRetentionDays:  -> 30 add restart`},
		{"in both places", file(`{"logRetentionDays":30,"metadata":{"logRetentionDays":30}}`), days("", 30), provider.Unknown, "at the root of Plugins/keeperlogger.json and under metadata", ""},
		{"no file", func(*provider.Facts) {}, days("", 30), provider.Unknown, "there is no file Plugins/KeeperLogger.json", ""},
		{"no file, and none is wanted", func(*provider.Facts) {}, days(provider.MatchAbsent, nil), provider.Compliant, "", ""},
		{"a broken file", file(`{`), days("", 30), provider.Unknown, "Plugins/keeperlogger.json", ""},
		{"two files", func(f *provider.Facts) {
			file(`{}`)(f)
			f.Plugins = append(f.Plugins, provider.File{Path: root + "/plugins/KeeperLogger.json"})
		}, days("", 30), provider.Unknown, "differ only in case", ""},
		{"a directory that others can write in", func(f *provider.Facts) {
			file(`{}`)(f)
			f.Rows = append(f.Rows, provider.Row{Path: "Plugins", Access: provider.Access{Owner: "root", Privileged: true, Users: 7}})
		}, days("", 30), provider.NonCompliant, "Plugins can be written by others", ""},
		{"a secret", file(`{"apiKey":"hunter2"}`), plugin("KeeperLogger", "apiKey", "", ""), provider.NonCompliant, provider.Sensitive, `Plugins/keeperlogger.json apiKey: (sensitive) -> "" change restart`},
	})
}

// Edits of several files are one transaction with one restart.
func TestCompilePluginSettings(t *testing.T) {
	f := hardened()
	f.Settings.Bytes = []byte(`{"AllowedHosts":"*","Gone":1}`)
	f.Plugins = []provider.File{{Path: root + "/Plugins/A.json", Bytes: []byte(`{"x":1,"metadata":{"y":1}}`)}}
	g := provider.Goal{Wants: []provider.Want{hosts, setting("Gone", nil, provider.MatchAbsent), plugin("A", "x", 2, ""), plugin("A", "y", 2, "")}}
	look := provider.Look{Facts: f}
	var changes []provider.Change
	for _, finding := range provider.Judge(g, look) {
		changes = append(changes, finding.Changes...)
	}
	tx, err := provider.Compile(g, look, changes, "run-1", "me")
	if err != nil {
		t.Fatal(err)
	}
	want := []provider.FileEdit{
		{Path: root + "/appsettings.json", Was: f.Settings.Bytes, Bytes: []byte(`{"AllowedHosts":"localhost;127.0.0.1"}`)},
		{Path: root + "/Plugins/A.json", Was: f.Plugins[0].Bytes, Bytes: []byte(`{"x":2,"metadata":{"y":2}}`)},
	}
	if d := cmp.Diff(want, tx.Files); d != "" || !tx.Service.Restart {
		t.Errorf("restart %v, files (-want +got)\n%s", tx.Service.Restart, d)
	}
}

func TestOverrides(t *testing.T) {
	variable := func(key, where string) func(*provider.Facts) {
		return func(f *provider.Facts) { f.Variables = []provider.Variable{{Key: key, Where: where}} }
	}
	layer := func(text string) func(*provider.Facts) {
		return func(f *provider.Facts) {
			f.Layers = []provider.File{{Path: root + "/appsettings.Production.json", Bytes: []byte(text)}}
		}
	}
	judgeAll(t, []judgement{
		{"none", func(*provider.Facts) {}, overrides, provider.Compliant, "none", ""},
		{"a variable in another case", variable("allowedhosts", "the unit's environment"), overrides, provider.NonCompliant, "AllowedHosts by the unit's environment", ""},
		{"an element of a list", variable("Settings:AlternativeSignatures:0", "/etc/x.env"), overrides, provider.NonCompliant, "Settings:AlternativeSignatures by /etc/x.env", ""},
		{"a longer name", variable("AllowedHostsFile", "the unit's environment"), overrides, provider.Compliant, "", ""},
		{"where it listens", variable("ASPNETCORE_URLS", "the unit's environment"), overrides, provider.NonCompliant, "ASPNETCORE_URLS", ""},
		{"a file", layer(`{"allowedhosts":"*"}`), overrides, provider.NonCompliant, "AllowedHosts by appsettings.Production.json", ""},
		{"a file about something else", layer(`{"Logging":{"LogLevel":{"Default":"Debug"}}}`), overrides, provider.Compliant, "", ""},
		{"a broken file", layer(`{`), overrides, provider.Unknown, "appsettings.Production.json cannot be read", ""},
		{"not whole", func(f *provider.Facts) { f.Overrides = "no environ" }, overrides, provider.Unknown, "no environ", ""},
		{"the overridden control", variable("AllowedHosts", "the unit's environment"), hosts, provider.Unknown, "overridden by the unit's environment", ""},
		{"another control", variable("AllowedHosts", "the unit's environment"), levels, provider.Compliant, "", ""},
	}, hosts, thumbs, loop)
}

func TestAgentVersion(t *testing.T) {
	is := func(v string) func(*provider.Facts) { return func(f *provider.Facts) { f.Version = v } }
	judgeAll(t, []judgement{
		{"as wanted", is("2.0.82-1"), version, provider.Compliant, "", ""},
		{"four numbers", is("1.1.0.327"), version, provider.NonCompliant, "1.1.0.327", ""},
		{"with an epoch", is("1:2.1-1"), version, provider.Compliant, "", ""},
		{"a pre-release", is("2.0.82~rc1"), version, provider.Unknown, "is no version", ""},
		{"not known", is(""), version, provider.Unknown, "not known", ""},
		{"no version", is("latest"), version, provider.Unknown, "is no version", ""},
	})
}

var now = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// issue makes a certificate; without an issuer it is self-signed.
func issue(t *testing.T, name string, from, until time.Time, key any, issuer *x509.Certificate, issuerKey any) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	if issuer == nil {
		issuer, issuerKey = template, key
	}
	var public any
	switch k := key.(type) {
	case *rsa.PrivateKey:
		public = &k.PublicKey
	case *ecdsa.PrivateKey:
		public = &k.PublicKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, public, issuerKey)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCertificate(t *testing.T) {
	t.Setenv("GODEBUG", "rsa1024min=0") // to make a key that is weak
	key := func(curve elliptic.Curve) *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	strong := key(elliptic.P256())
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	shows := func(chain ...*x509.Certificate) func(*provider.Facts) {
		return func(f *provider.Facts) {
			f.Answers = nil
			for _, port := range []int{6889, 8675} {
				a := transport.Answer{Question: transport.Question{Port: port, TLSMin: tls.VersionTLS12, TLSMax: tls.VersionTLS13}, TLS: true}
				for _, c := range chain {
					a.Certificates = append(a.Certificates, c.Raw)
				}
				f.Answers = append(f.Answers, a)
			}
		}
	}
	at := func(days int) time.Time { return now.AddDate(0, 0, days) }
	own := func(from, until int) *x509.Certificate {
		return issue(t, "localhost", at(from), at(until), strong, nil, nil)
	}
	ca := issue(t, "ca", at(-900), at(900), strong, nil, nil)
	oldCA := issue(t, "ca", at(-900), at(-1), strong, nil, nil)
	stranger := issue(t, "ca", at(-900), at(900), key(elliptic.P256()), nil, nil)
	leaf := func(from, until int) *x509.Certificate {
		return issue(t, "agent", at(from), at(until), key(elliptic.P256()), ca, strong)
	}
	aged := want(provider.Certificate, "", provider.Terms{Kind: provider.SelfSigned, RenewBefore: 30 * day, MaxAge: 365 * day})
	judgeAll(t, []judgement{
		{"in date", shows(own(-10, 355)), selfSigned, provider.Compliant, "self-signed", ""},
		{"expires soon", shows(own(-340, 25)), selfSigned, provider.NonCompliant, "expires within 30d", "certificate: expires within 30d -> self-signed, new replace restart"},
		{"expired", shows(own(-400, -1)), selfSigned, provider.NonCompliant, "expired", "certificate: expired -> self-signed, new replace restart"},
		{"old", shows(own(-400, 400)), aged, provider.NonCompliant, "older than 365d", "certificate: older than 365d -> self-signed, new replace restart"},
		{"old, which nobody asked", shows(own(-400, 400)), selfSigned, provider.Compliant, "", ""},
		{"a life too short for its term", shows(own(-5, 20)), selfSigned, provider.NonCompliant, "its whole life is not longer than renew_before (30d) on port 6889", ""},
		{"from the future", shows(own(2, 400)), selfSigned, provider.Unknown, "a clock is wrong", ""},
		{"a custom one", shows(leaf(-10, 355), ca), selfSigned, provider.Unknown, "a custom certificate is in use (CN=ca)", ""},
		{"a weak key", shows(issue(t, "localhost", at(-1), at(364), weak, nil, nil)), selfSigned, provider.NonCompliant, "a weak key: RSA 1024", ""},
		{"external", shows(leaf(-10, 355), ca), external, provider.Compliant, "issued by CN=ca", ""},
		{"external, alone", shows(leaf(-10, 355)), external, provider.Compliant, "", ""},
		{"external, expires soon", shows(leaf(-300, 5), ca), external, provider.NonCompliant, "expires within 30d", ""},
		{"external, but the agent's own", shows(own(-10, 355)), external, provider.NonCompliant, "self-signed", ""},
		{"external, not of that issuer", shows(leaf(-10, 355), stranger), external, provider.NonCompliant, "do not follow one another", ""},
		{"external, of an expired issuer", shows(leaf(-10, 355), oldCA), external, provider.NonCompliant, "an expired issuer: CN=ca", ""},
		{"not shown", func(*provider.Facts) {}, selfSigned, provider.Unknown, "does not show certificates", ""},
		{"not asked", func(f *provider.Facts) { f.Answers = nil }, selfSigned, provider.Unknown, "port 6889: not asked", ""},
		{"no certificate", func(f *provider.Facts) { f.Answers[0].Certificates = [][]byte{{1, 2}} }, selfSigned, provider.Unknown, "cannot be read", ""},
		{"service down", func(f *provider.Facts) { f.Service.Active = false }, selfSigned, provider.Unknown, "down", ""},
	})
}

func TestModesAndSeverities(t *testing.T) {
	f := hardened()
	f.Settings.Bytes = []byte(`{}`)
	off, light := hosts, levels
	off.Mode, off.Override = provider.Off, provider.Override{Reason: "case 4711", Expires: now}
	light.Severity = provider.Low
	got := provider.Judge(provider.Goal{Wants: []provider.Want{off, light}}, provider.Look{Facts: f})
	if got[0].Outcome != provider.NotApplicable || !strings.Contains(got[0].Reason, "case 4711") || got[0].Override.IsZero() || len(got[0].Changes) > 0 {
		t.Errorf("switched off: %+v", got[0])
	}
	if got[1].Severity != provider.Low {
		t.Errorf("severity %s", got[1].Severity)
	}
	for _, c := range [][3]provider.Mode{
		{provider.Enforce, provider.Audit, provider.Audit}, {provider.Off, provider.Audit, provider.Off}, {provider.Enforce, provider.Enforce, provider.Enforce},
	} {
		if c[0].Weaker(c[1]) != c[2] || c[1].Weaker(c[0]) != c[2] {
			t.Errorf("the weaker of %s and %s is not %s", c[0], c[1], c[2])
		}
	}
}

func TestConstraints(t *testing.T) {
	for _, c := range []struct {
		constraint, version string
		want                bool
	}{
		{">= 2.0.82", "2.0.82", true},
		{">= 2.0.82", "2.0.9", false},
		{"> 1", "1.0.0.1", true},
		{"2.0", "2.0.0.0", true},
		{"!= 2.0.81, < 3", "2.0.82", true},
		{"!= 2.0.81, < 3", "2.0.81+b", false},
		{"<= 1.9", "2", false},
	} {
		parsed, err := provider.ParseConstraint(c.constraint)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := parsed.Allows(c.version); err != nil || got != c.want {
			t.Errorf("%s allows %s: %v (%v), want %v", c.constraint, c.version, got, err, c.want)
		}
	}
	for _, text := range []string{"", "newest", ">= 1.", ">= 1,", "~> 2", "1.2.3.4.5", ">= v1"} {
		if _, err := provider.ParseConstraint(text); err == nil {
			t.Errorf("accepted %q", text)
		}
	}
}
