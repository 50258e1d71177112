package provider_test

import (
	"crypto/tls"
	"encoding/json"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kepmctl/kepmctl/provider"
	"github.com/kepmctl/kepmctl/transport"
)

const root = "/opt/keeper/sbin"

// hardened is a host on which nothing is wrong.
func hardened() provider.Facts {
	closed := provider.Access{Owner: "root", Privileged: true, Administrators: provider.Read | provider.Execute, Users: provider.Read | provider.Execute}
	return provider.Facts{
		System:   provider.System{OS: transport.Linux, Manager: "systemd"},
		Service:  provider.Service{Known: true, Loaded: true, Active: true, Boot: "enabled", Account: provider.Privileged, RunningAs: provider.Privileged, PID: 42},
		Watchdog: provider.Service{Known: true, Loaded: true, Active: true, Boot: "enabled", Account: provider.Privileged},
		Roots:    []string{root},
		AdminID:  "0",
		Version:  "2.0.82",
		Settings: provider.File{
			Path:  root + "/appsettings.json",
			Bytes: []byte(`{"AllowedHosts":"localhost;127.0.0.1","Settings":{"system.logging.level":"Warning","AlternativeSignatures":[]}}`),
		},
		Rows:      []provider.Row{{Path: ".", Access: closed}, {Path: "Jobs", Access: closed}},
		Ancestors: []provider.Row{{Path: "/opt", Access: closed}},
		Tree:      provider.Tree{Known: true},
		Listening: true,
		Listeners: []provider.Listener{
			{Address: netip.MustParseAddr("127.0.0.1"), Port: 6888},
			{Address: netip.MustParseAddr("::ffff:127.0.0.1"), Port: 6889},
			{Address: netip.MustParseAddr("127.0.0.1"), Port: 8675},
			{Address: netip.MustParseAddr("0.0.0.0"), Port: 22},
		},
		Answers: append(tlsAnswers(6889, false), tlsAnswers(8675, false)...),
	}
}

func tlsAnswers(port int, acceptsOld bool) []transport.Answer {
	return []transport.Answer{
		{Question: transport.Question{Port: port, TLSMin: tls.VersionTLS12, TLSMax: tls.VersionTLS13}, TLS: true, TLSVersion: tls.VersionTLS13},
		{Question: transport.Question{Port: port, TLSMin: tls.VersionTLS10, TLSMax: tls.VersionTLS11}, TLS: acceptsOld, TLSVersion: tls.VersionTLS11},
	}
}

func want(name, key string, value any) provider.Want {
	return provider.Want{Control: provider.Control{Name: name, Key: key}, Value: provider.MakeValue(value), Mode: provider.Enforce}
}

func settings(text string) func(*provider.Facts) {
	return func(f *provider.Facts) { f.Settings.Bytes = []byte(text) }
}

var (
	hosts  = want(provider.AllowedHosts, "", []string{"localhost", "127.0.0.1"})
	levels = want(provider.LogLevel, "", []string{"Warning", "Information"})
	thumbs = want(provider.AlternativeSignatures, "", []string{})
	tree   = want(provider.InstallTree, "", true)
	jobs   = want(provider.Permissions, "Jobs", provider.Bound{Administrators: provider.GrantReadExecute, Users: provider.GrantNone})
	top    = want(provider.Permissions, ".", provider.Bound{Administrators: provider.GrantReadExecute, Users: provider.GrantReadExecute})
	runs   = want(provider.ServiceRunning, "", true)
	boot   = want(provider.ServiceAtBoot, "", true)
	watch  = want(provider.Watchdog, "", "running")
	loop   = want(provider.LoopbackOnly, "", true)
	tls12  = want(provider.TLSMinimum, "", "1.2")
	passwd = want(provider.CertPassword, "", "")
	agent  = want(provider.AgentInstalled, "", true)
	acct   = want(provider.ServiceAccount, "", "privileged")
)

func TestJudge(t *testing.T) {
	writable := provider.Access{Owner: "root", Privileged: true, Administrators: 7, Users: 7}
	for _, c := range []struct {
		name    string
		facts   func(*provider.Facts)
		want    provider.Want
		outcome provider.Outcome
		says    string // is part of what the finding tells
		change  string // "FROM -> TO EFFECT" of the one change; empty: none
	}{
		{"hosts as wanted in another order", settings(`{"allowedhosts":"127.0.0.1; LOCALHOST"}`), hosts, provider.Compliant, "", ""},
		{"hosts are everyone", settings(`{"AllowedHosts":"*"}`), hosts, provider.NonCompliant, "*", `"*" -> "localhost;127.0.0.1" restart`},
		{"hosts missing means everyone", settings(`{}`), hosts, provider.NonCompliant, "not set", ` -> "localhost;127.0.0.1" restart`},
		{"a stopped service is not restarted", func(f *provider.Facts) { f.Service.Active = false; f.Settings.Bytes = []byte(`{}`) }, hosts, provider.NonCompliant, "", ` -> "localhost;127.0.0.1" `},
		{"a broken file is not known", settings(`{"AllowedHosts":`), hosts, provider.Unknown, "appsettings.json", ""},
		{"a duplicate key is not known", settings(`{"AllowedHosts":"*","allowedHosts":"x"}`), hosts, provider.Unknown, "appsettings.json", ""},
		{"a file that could not be read", func(f *provider.Facts) { f.Settings = provider.File{Problem: "it is a symbolic link"} }, hosts, provider.Unknown, "symbolic link", ""},
		{"a root that others can write in", func(f *provider.Facts) {
			f.Settings.Bytes = []byte(`{}`)
			f.Rows[0].Access = writable
		}, hosts, provider.NonCompliant, "can be written by others", ""},
		{"level in another case", settings(`{"Settings":{"system.logging.level":"information"}}`), levels, provider.Compliant, "", ""},
		{"level missing is Warning", settings(`{}`), levels, provider.Compliant, "", ""},
		{"level Debug", settings(`{"Settings":{"system.logging.level":"Debug"}}`), levels, provider.NonCompliant, "Debug", `"Debug" -> "Warning" restart`},
		{"thumbprints null", settings(`{"Settings":{"AlternativeSignatures":null}}`), thumbs, provider.Compliant, "", ""},
		{"a stray thumbprint", settings(`{"Settings":{"AlternativeSignatures":["AB CD"]}}`), thumbs, provider.NonCompliant, "AB CD", `["AB CD"] -> [] restart`},
		{"a setting as .NET flattens", settings(`{"Watchdog":{"CheckIntervalSec":"30"}}`), want(provider.AppSetting, "Watchdog:CheckIntervalSec", 30), provider.Compliant, "", ""},
		{"a sensitive setting is not shown", settings(`{"A":{"ApiToken":"hunter2"}}`), want(provider.AppSetting, "A:ApiToken", ""), provider.NonCompliant, provider.Sensitive, `(sensitive) -> "" restart`},
		{"a password in the settings", settings(`{"Kestrel":{"CertPassword":"hunter2"}}`), passwd, provider.NonCompliant, "(set) in appsettings.json: Kestrel:CertPassword", ""},
		{"a password in another file", func(f *provider.Facts) {
			f.Documents = []provider.File{{Path: root + "/Plugins/x.json", Bytes: []byte(`[{"Certificate":{"Password":"hunter2"}}]`)}}
		}, passwd, provider.NonCompliant, "Plugins/x.json", ""},
		{"a document that is no JSON", func(f *provider.Facts) {
			f.Documents = []provider.File{{Path: root + "/Plugins/x.json", Bytes: []byte(`password`)}}
		}, passwd, provider.Unknown, "Plugins/x.json", ""},
		{"no agent", func(f *provider.Facts) { f.Roots, f.Service.Loaded = nil, false }, agent, provider.NonCompliant, "not installed", ""},
		{"no agent, so nothing else applies", func(f *provider.Facts) { f.Roots, f.Service.Loaded = nil, false }, hosts, provider.NotApplicable, "", ""},
		{"two agents", func(f *provider.Facts) { f.Roots = []string{"/opt/a", "/opt/b"} }, agent, provider.Unknown, "/opt/a and /opt/b", ""},
		{"a transaction is open", func(f *provider.Facts) { f.Transaction = &provider.OpenTransaction{Run: "r1", Owner: "eve"} }, agent, provider.Unknown, "r1 by eve", ""},
		{"service under another account", func(f *provider.Facts) { f.Service.Account = "keeper" }, acct, provider.NonCompliant, "keeper", ""},
		{"nobody knows the account", func(f *provider.Facts) { f.Service.Account, f.Service.RunningAs = "", "" }, acct, provider.Unknown, "neither", ""},
		{"only the process tells the account", func(f *provider.Facts) { f.Service.Account, f.Service.RunningAs = "", provider.Privileged }, acct, provider.Compliant, "", ""},
		{"only the process tells a wrong account", func(f *provider.Facts) { f.Service.Account, f.Service.RunningAs = "", "user id 5" }, acct, provider.NonCompliant, "user id 5", ""},
		{"service stopped", func(f *provider.Facts) { f.Service.Active = false }, runs, provider.NonCompliant, "stopped", "no -> yes start"},
		{"service masked", func(f *provider.Facts) { f.Service.Active, f.Service.Masked = false, true }, runs, provider.NonCompliant, "masked", ""},
		{"service older than its settings", func(f *provider.Facts) { f.Pending = true }, runs, provider.NonCompliant, "older", "no -> yes restart"},
		{"service manager silent", func(f *provider.Facts) { f.Service = provider.Service{} }, runs, provider.Unknown, "", ""},
		{"not at boot", func(f *provider.Facts) { f.Service.Boot = "disabled" }, boot, provider.NonCompliant, "disabled", "disabled -> enabled "},
		{"static at boot", func(f *provider.Facts) { f.Service.Boot = "static" }, boot, provider.NonCompliant, "static", ""},
		{"watchdog stopped", func(f *provider.Facts) { f.Watchdog.Active = false }, watch, provider.NonCompliant, "stopped", "no -> yes "},
		{"no watchdog", func(f *provider.Facts) { f.Watchdog.Loaded = false }, watch, provider.NonCompliant, "no watchdog", ""},
		{"a system without a known watchdog", func(f *provider.Facts) { f.System.OS = transport.MacOS }, watch, provider.Unknown, "no watchdog of the agent is known", ""},
		{"listening on all addresses", func(f *provider.Facts) { f.Listeners[1].Address = netip.MustParseAddr("0.0.0.0") }, loop, provider.NonCompliant, "0.0.0.0:6889", ""},
		{"broker on all addresses, by its setting", func(f *provider.Facts) {
			f.Listeners[2].Address = netip.MustParseAddr("::")
			f.Settings.Bytes = []byte(`{"MqttBrokerSettings":{"IpAddress":"0.0.0.0"}}`)
		}, loop, provider.NonCompliant, "[::]:8675", `"0.0.0.0" -> "127.0.0.1" restart`},
		{"nothing listens", func(f *provider.Facts) { f.Listeners = nil }, loop, provider.Unknown, "nothing listens", ""},
		{"one port is elsewhere", func(f *provider.Facts) { f.Listeners[1].Port = 5000 }, loop, provider.Unknown, "nothing listens on [6889]", ""},
		{"the service without a root", func(f *provider.Facts) { f.Roots = nil }, agent, provider.Unknown, "install root cannot be told", ""},
		{"settings from the future", func(f *provider.Facts) { f.PendingWhy = "dated in the future" }, runs, provider.Unknown, "future", ""},
		{"passwords in a tree not seen whole", func(f *provider.Facts) { f.Tree.Known = false }, passwd, provider.Unknown, "not seen whole", ""},
		{"links out of the tree", func(f *provider.Facts) { f.Tree.Links = 1; f.Tree.Examples = []string{"Plugins/x"} }, tree, provider.Unknown, "Plugins/x", ""},
		{"nothing known above the root", func(f *provider.Facts) { f.Ancestors = nil }, tree, provider.Unknown, "above the install root", ""},
		{"listeners not listed", func(f *provider.Facts) { f.Listening = false }, loop, provider.Unknown, "", ""},
		{"old TLS is accepted", func(f *provider.Facts) { f.Answers = append(tlsAnswers(6889, true), tlsAnswers(8675, false)...) }, tls12, provider.NonCompliant, "port 6889 accepts TLS 1.1", ""},
		{"one port could not be asked", func(f *provider.Facts) { f.Answers[3].Unknown = "no way in" }, tls12, provider.Unknown, "port 8675: no way in", ""},
		{"nothing was asked", func(f *provider.Facts) { f.Answers = nil }, tls12, provider.Unknown, "not asked", ""},
		{"jobs open to users", func(f *provider.Facts) { f.Rows[1].Access = writable }, jobs, provider.NonCompliant, "users rwx", "owner root, administrators rwx, users rwx -> owner root, administrators r-x, users --- "},
		{"rights are never added", func(f *provider.Facts) {
			f.Rows[1].Access = provider.Access{Owner: "root", Privileged: true}
		}, jobs, provider.Compliant, "", ""},
		{"jobs with an extended ACL", func(f *provider.Facts) {
			f.Rows[1].Access = provider.Access{Extended: true}
		}, jobs, provider.Unknown, "extended ACL", ""},
		{"jobs is a link", func(f *provider.Facts) { f.Rows[1].Link = true }, jobs, provider.Unknown, "symbolic link", ""},
		{"no jobs", func(f *provider.Facts) { f.Rows = f.Rows[:1] }, jobs, provider.NotApplicable, "", ""},
		{"rows did not come", func(f *provider.Facts) { f.Rows = nil }, jobs, provider.Unknown, "", ""},
		{"jobs in two spellings", func(f *provider.Facts) { f.Rows = append(f.Rows, provider.Row{Path: "jobs"}) }, jobs, provider.Unknown, "differ only in case", ""},
		{"permissions wait for the account", func(f *provider.Facts) {
			f.Service.Account = "keeper"
			f.Rows[1].Access = writable
		}, jobs, provider.NonCompliant, "waits until the service", ""},
		{"a writable tree", func(f *provider.Facts) { f.Tree = provider.Tree{Known: true, Others: 2, Examples: []string{"b", "a"}} }, tree, provider.NonCompliant, "2 writable by everyone: a, b", "writable by everyone -> owned by root, no write for group or others "},
		{"a tree below an open row that is not enforced", func(f *provider.Facts) {
			f.Tree = provider.Tree{Known: true, Others: 1}
			f.Rows[1].Access = writable
		}, tree, provider.NonCompliant, "Jobs can be written by others", ""},
		{"a tree with ACLs", func(f *provider.Facts) { f.Tree = provider.Tree{Known: true, Group: 1, Extended: 1} }, tree, provider.Unknown, "extended ACL", ""},
		{"a tree not seen whole", func(f *provider.Facts) { f.Tree = provider.Tree{} }, tree, provider.Unknown, "", ""},
		{"open above the root", func(f *provider.Facts) { f.Ancestors[0].Access = writable }, tree, provider.NonCompliant, "/opt, above the install root", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := hardened()
			c.facts(&f)
			got := provider.Judge(provider.Goal{Wants: []provider.Want{c.want}, Options: provider.Options{AgentRequired: true}}, provider.Look{Facts: f})[0]
			if got.Outcome != c.outcome {
				t.Fatalf("outcome %s, want %s: %+v", got.Outcome, c.outcome, got)
			}
			if text := got.Have + " | " + got.Reason; !strings.Contains(text, c.says) {
				t.Errorf("it says %q, want %q in it", text, c.says)
			}
			var change string
			for _, ch := range got.Changes {
				change += ch.From + " -> " + ch.To + " " + string(ch.Effect)
			}
			if change != c.change {
				t.Errorf("change %q, want %q", change, c.change)
			}
			if got.Outcome == provider.Unknown && got.Reason == "" {
				t.Error("unknown without a reason")
			}
			if strings.Contains(got.Have+got.Reason+change, "hunter2") {
				t.Error("a secret is shown")
			}
			look := provider.Look{Facts: f}.Recorded() // what is kept of it is judged alike
			kept := provider.Judge(provider.Goal{Wants: []provider.Want{c.want}, Options: provider.Options{AgentRequired: true}}, look)[0]
			if kept.Outcome != got.Outcome || kept.Have != got.Have || !cmp.Equal(kept.Changes, got.Changes) {
				t.Errorf("recorded it is %+v, not %+v", kept, got)
			}
			if b, err := json.Marshal(look.Facts); err != nil || strings.Contains(string(b), "hunter2") {
				t.Errorf("a secret is kept: %s, %v", b, err)
			}
		})
	}
}

func TestHardenedIsCompliant(t *testing.T) {
	g := provider.Goal{Wants: []provider.Want{hosts, levels, thumbs, tree, top, runs, boot, watch, loop, tls12, passwd, agent, acct}}
	for _, f := range provider.Judge(g, provider.Look{Facts: hardened()}) {
		if f.Outcome != provider.Compliant {
			t.Errorf("%s: %s %s %s", f.Address, f.Outcome, f.Have, f.Reason)
		}
	}
}

func TestAuditChangesNothing(t *testing.T) {
	w := hosts
	w.Mode = provider.Audit
	f := hardened()
	f.Settings.Bytes = []byte(`{}`)
	got := provider.Judge(provider.Goal{Wants: []provider.Want{w}}, provider.Look{Facts: f})[0]
	if got.Outcome != provider.NonCompliant || len(got.Changes) != 0 || got.NeedsPerson() {
		t.Errorf("got %+v", got)
	}
}

func TestHostileTextIsEscaped(t *testing.T) {
	f := hardened()
	f.Settings.Bytes = []byte("{\"AllowedHosts\":\"\u009b31m\u202e\"}")
	f.Tree = provider.Tree{Known: true, Others: 1, Examples: []string{"x\x1b]0;pwned\x07\n"}}
	for _, got := range provider.Judge(provider.Goal{Wants: []provider.Want{hosts, tree}}, provider.Look{Facts: f}) {
		text := got.Have + got.Reason
		for _, c := range got.Changes {
			text += c.From
		}
		if strings.ContainsAny(text, "\x1b\x07\n\u009b\u202e") {
			t.Errorf("%s shows control characters: %q", got.Address, text)
		}
	}
}

func TestCompile(t *testing.T) {
	f := hardened()
	f.Settings.Bytes = []byte("{\r\n  \"AllowedHosts\": \"*\",\r\n  \"Settings\": { \"system.logging.level\": \"Debug\" }\r\n}\r\n")
	f.Rows[1].Access.Users = 7
	f.Tree.Others = 1
	f.Watchdog.Active = false
	g := provider.Goal{Wants: []provider.Want{hosts, levels, jobs, top, tree, watch}}
	look := provider.Look{Facts: f}
	var changes []provider.Change
	for _, finding := range provider.Judge(g, look) {
		changes = append(changes, finding.Changes...)
	}
	got, err := provider.Compile(g, look, changes, "run-1", "me")
	if err != nil {
		t.Fatal(err)
	}
	want := provider.Transaction{
		Run: "run-1", Owner: "me", Root: root, AdminID: "0",
		Changes: []string{"allowed_hosts", "log_level", `permissions["Jobs"]`, "install_tree", "watchdog"},
		Files: []provider.FileEdit{{
			Path: root + "/appsettings.json", Was: f.Settings.Bytes,
			Bytes: []byte("{\r\n  \"AllowedHosts\": \"localhost;127.0.0.1\",\r\n  \"Settings\": { \"system.logging.level\": \"Warning\" }\r\n}\r\n"),
		}},
		Rows:    []provider.RowFix{{Path: "Jobs", Administrators: provider.Read | provider.Execute}},
		Tree:    &provider.TreeFix{Except: []string{".", "Jobs"}},
		Service: provider.ServiceFix{Service: "keeper-privilege-manager", Watchdog: "keeper-watchdog", Restart: true, StartWatchdog: true},
		Ports:   []int{6888, 6889, 8675},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestProve(t *testing.T) {
	status := func(code int, body string) transport.Answer {
		return transport.Answer{Question: transport.Question{Port: 6889, Path: "/api/system/status"}, Replies: []transport.Reply{{Status: code, Body: []byte(body)}}}
	}
	filter := func(codes ...int) transport.Answer {
		a := transport.Answer{Question: transport.Question{Port: 6889, Path: "/", Hosts: []string{"localhost", "127.0.0.1", "kepmctl-probe.invalid"}}}
		for _, c := range codes {
			a.Replies = append(a.Replies, transport.Reply{Status: c})
		}
		return a
	}
	change := provider.Change{Control: "allowed_hosts", Attr: "AllowedHosts", From: `"*"`, To: `"localhost;127.0.0.1"`}
	good := []transport.Answer{status(200, `{"plugins":{"count":3},"jobs":[1,2]}`), filter(200, 200, 400)}
	for _, c := range []struct {
		name       string
		after      func(*provider.Facts)
		contradict string
		open       string
	}{
		{"all is well", func(*provider.Facts) {}, "", ""},
		{"the value is not there", func(f *provider.Facts) { f.Settings.Bytes = []byte(`{"AllowedHosts":"*"}`) }, "allowed_hosts did not become", ""},
		{"another control got worse", func(f *provider.Facts) { f.Service.Boot = "disabled" }, "service_at_boot was compliant", ""},
		{"the agent updated itself", func(f *provider.Facts) { f.Version = "2.1" }, "version", ""},
		{"the service is gone", func(f *provider.Facts) { f.Service.Active = false }, "does not run", ""},
		{"a job is lost", func(f *provider.Facts) { f.Answers[0] = status(200, `{"plugins":{"count":3},"jobs":[1]}`) }, "shows 1 jobs, before it showed 2", ""},
		{"the status is refused", func(f *provider.Facts) { f.Answers[0] = status(403, "") }, "", "answered 403"},
		{"a made-up host is answered", func(f *provider.Facts) { f.Answers[1] = filter(200, 200, 200) }, "made-up", ""},
		{"an allowed host is refused", func(f *provider.Facts) { f.Answers[1] = filter(200, 400, 400) }, "127.0.0.1 is answered with 400", ""},
		{"a filter that is not as wanted is not asked to hold", func(f *provider.Facts) {
			f.Settings.Bytes = []byte(`{"AllowedHosts":"*"}`)
			f.Answers[1] = filter(200, 200, 200)
		}, "allowed_hosts did not become", ""},
		{"the filter could not be asked", func(f *provider.Facts) {
			f.Answers[1] = transport.Answer{Question: filter().Question, Unknown: "forwarding is forbidden"}
		}, "", "forwarding is forbidden"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := provider.Goal{Wants: []provider.Want{hosts, boot}}
			before, after := hardened(), hardened()
			before.Settings.Bytes = []byte(`{"AllowedHosts":"*"}`)
			before.Answers = []transport.Answer{good[0]}
			after.Answers = []transport.Answer{good[0], good[1]}
			c.after(&after)
			p := provider.Prove(g, provider.Look{Facts: before}, provider.Look{Facts: after}, []provider.Change{change})
			check(t, "contradictions", append(p.Contradictions, p.Missing...), c.contradict)
			check(t, "open questions", p.Open, c.open)
		})
	}
}

func check(t *testing.T, what string, got []string, want string) {
	t.Helper()
	text := strings.Join(got, "; ")
	if (want == "") != (text == "") || !strings.Contains(text, want) {
		t.Errorf("%s: %q, want %q", what, text, want)
	}
}

func TestValidate(t *testing.T) {
	for _, w := range []provider.Want{
		want("nonsense", "", true),
		want(provider.AllowedHosts, "", "localhost"),
		want(provider.AllowedHosts, "", []string{}),
		want(provider.AppSetting, "AllowedHosts", "x"),
		want(provider.AppSetting, "A:Password", "secret"),
		want(provider.AppSetting, "A", map[string]int{"b": 1}),
		want(provider.AppSetting, "", "x"),
		want(provider.Permissions, "../etc", provider.Bound{Administrators: "none", Users: "none"}),
		want(provider.Permissions, "/etc", provider.Bound{Administrators: "none", Users: "none"}),
		want(provider.Permissions, "Jobs", provider.Bound{Administrators: "full", Users: "none"}),
		want(provider.TLSMinimum, "", "1.0"),
		want(provider.InstallTree, "", false),
		want(provider.AgentVersion, "", "newest"),
		want(provider.Certificate, "", map[string]any{"kind": "managed"}),
		want(provider.PluginSetting, "k", 1),
		plugin("../x", "k", 1, ""),
		plugin("X", "k", "a", provider.MatchAtLeast),
		plugin("X", "k", []string{}, provider.MatchOneOf),
		plugin("X", "k", 1, provider.MatchAbsent),
		plugin("X", "apiKey", "hunter2", ""),
		plugin("X", "apiKey", []string{"hunter2"}, provider.MatchOneOf),
		{Control: provider.Control{Name: provider.InstallTree}, Value: "true", Mode: provider.Enforce, Severity: "worst"},
		{Control: provider.Control{Name: provider.InstallTree}, Value: "true", Mode: provider.Enforce, Match: provider.MatchEqual},
		{Control: provider.Control{Name: provider.InstallTree}, Value: "true", Mode: "force"},
		{Control: provider.Control{Name: provider.InstallTree}, Value: " true", Mode: provider.Enforce},
		{Control: provider.Control{Name: provider.InstallTree}, Value: "", Mode: provider.Enforce},
	} {
		if w.Validate() == nil {
			t.Errorf("accepted: %s = %s (%s)", w.Control, w.Value, w.Mode)
		}
	}
	for _, w := range []provider.Want{hosts, levels, thumbs, tree, jobs, top, runs, boot, watch, loop, tls12, passwd, agent, acct, version, selfSigned, plugin("X", "k", nil, provider.MatchAbsent)} {
		if err := w.Validate(); err != nil {
			t.Error(err)
		}
	}
}
