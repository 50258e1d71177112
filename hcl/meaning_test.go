package hcl

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kepmctl/kepmctl/provider"
)

// loadText loads one file that must have no errors.
func loadText(t *testing.T, src string) (*Config, Diagnostics) {
	t.Helper()
	config, d := load(".", []file{{"main.kepm.hcl", []byte(src)}}, nil, Options{})
	if d.HasErrors() {
		t.Fatal(text(t, d))
	}
	return config, d
}

// wanted are a goal's wants as "control value mode".
func wanted(g provider.Goal) []string {
	var list []string
	for _, w := range g.Wants {
		list = append(list, fmt.Sprintf("%s %s %s", w.Control, w.Value, w.Mode))
	}
	return list
}

// overrides is wanted wherever a setting is managed.
const overrides = "config_overrides true enforce"

const oneHost = `
connection "ssh" "c" {}
host "h" { connection = connection.ssh.c }
`

// A wantCase is a baseline "b" and what it wants.
type wantCase struct {
	src  string
	want []string
}

func checkWants(t *testing.T, cases map[string]wantCase) {
	t.Helper()
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			config, _ := loadText(t, oneHost+c.src+"\n"+`assign "a" {
			  baseline = baseline.b
			  hosts    = ["h"]
			}`)
			if diff := cmp.Diff(c.want, wanted(config.Goals[0])); diff != "" {
				t.Errorf("wants (-want +got):\n%s", diff)
			}
			for _, w := range config.Goals[0].Wants {
				if err := w.Validate(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func permission(path, admins, users string) string {
	return fmt.Sprintf(`permissions[%q] {"administrators":%q,"users":%q} enforce`, path, admins, users)
}

func TestMerging(t *testing.T) {
	checkWants(t, map[string]wantCase{
		"later entries win, attribute by attribute": {
			`baseline "b" { extends = [baseline.x, baseline.y] }
		baseline "x" {
		  settings {
		    log_level     = "Error"
		    allowed_hosts = ["x"]
		  }
		}
		baseline "y" {
		  settings { log_level = "Warning" }
		}`,
			[]string{`allowed_hosts ["x"] enforce`, overrides, `log_level ["Warning"] enforce`},
		},
		"null undoes what is inherited": {
			`baseline "b" {
		  extends = [baseline.x]
		  settings { log_level = null }
		  app_setting "k" { value = null }
		}
		baseline "x" {
		  settings { log_level = "Error" }
		  app_setting "K" { value = "x" }
		  service {
		    running  = true
		    watchdog = "unmanaged"
		  }
		}`,
			[]string{`service_running true enforce`},
		},
		"labels merge whatever their case": {
			`baseline "b" {
		  extends = [baseline.x]
		  app_setting "watchdog:a" { value = "2" }
		  permissions {
		    path "plugins" { users = "none" }
		  }
		}
		baseline "x" {
		  app_setting "Watchdog:A" { value = 1.5 }
		  permissions { profile = "no_write" }
		}`,
			[]string{
				`app_setting["watchdog:a"] "2" enforce`, overrides, `install_tree true enforce`,
				permission(".", "read_execute", "read_execute"), permission("Jobs", "read_execute", "read_execute"),
				permission("KeeperStorage", "read_execute", "read_execute"), permission("Plugins", "read_execute", "none"),
				permission("policies", "read_execute", "read_execute"),
			},
		},
	})
}

func TestRows(t *testing.T) {
	checkWants(t, map[string]wantCase{
		"the strict guide's table": {
			`baseline "b" {
		  permissions { profile = "table" }
		}`,
			[]string{
				`install_tree true enforce`, permission(".", "read_execute", "none"), permission("Jobs", "read_execute", "none"),
				permission("KeeperStorage", "read", "none"), permission("Plugins", "read_execute", "none"), permission("policies", "read", "none"),
			},
		},
		"rows without a profile": {
			`baseline "b" {
		  permissions {
		    path "Plugins/Bin" {
		      users          = "none"
		      administrators = "read"
		    }
		  }
		}`,
			[]string{permission("Plugins/Bin", "read", "none")},
		},
	})
}

func TestCanonicalValues(t *testing.T) {
	checkWants(t, map[string]wantCase{
		"values are canonical": {
			`baseline "b" {
		  settings {
		    allowed_hosts                 = [" b ", "a", "B"]
		    log_level                     = ["Warning", "Error", "Warning"]
		    alternative_signatures        = [upper("ff${join("", [for i in range(38) : "0"])}"), "00${join(":", [for i in range(19) : "00"])}"]
		    allowed_non_admin_executables = ["b.exe", "a", "b.exe"]
		    cert_password                 = ""
		  }
		  app_setting "Big" { value = 12345678901234567890 }
		  app_setting "List" { value = ["b", "a"] }
		  app_setting "Secret" { value = "" }
		}`,
			[]string{
				`allowed_hosts ["b","a"] enforce`, `allowed_non_admin_executables ["a","b.exe"] enforce`,
				`alternative_signatures ["` + strings.Repeat("0", 40) + `","FF` + strings.Repeat("0", 38) + `"] enforce`,
				`app_setting["Big"] 12345678901234567890 enforce`, `app_setting["List"] ["b","a"] enforce`,
				`app_setting["Secret"] "" enforce`, `cert_password "" enforce`, overrides, `log_level ["Warning","Error"] enforce`,
			},
		},
	})
}

// TestBuiltin holds the guide to every control of the catalogue that has no key of
// its own, but for the watchdog and the version, which it leaves unmanaged.
func TestBuiltin(t *testing.T) {
	config, _ := loadText(t, oneHost+`
assign "a" {
  baseline = builtin.hardening_guide
  hosts    = ["h"]
  mode     = "audit"
}`)
	managed := map[string]bool{}
	for _, w := range config.Goals[0].Wants {
		managed[w.Control.Name] = true
		if w.Mode != provider.Audit || w.Source.File != "main.kepm.hcl" || w.Source.Line == 0 {
			t.Errorf("%s: mode %s, source %v", w.Control, w.Mode, w.Source)
		}
	}
	unmanaged := []string{provider.AppSetting, provider.PluginSetting, provider.Watchdog, provider.AgentVersion}
	for _, e := range provider.Catalogue() {
		if want := !slices.Contains(unmanaged, e.Name); managed[e.Name] != want {
			t.Errorf("%s: managed is %v", e.Name, managed[e.Name])
		}
	}
	want := provider.Options{AgentRequired: true, StartTimeout: time.Minute, ConfirmTimeout: time.Minute}
	if config.Goals[0].Options != want || len(config.Rollouts) != 0 || config.MaxUnreachable.Of(1000) != 0 {
		t.Errorf("options %+v, rollouts %+v, unreachable %v", config.Goals[0].Options, config.Rollouts, config.MaxUnreachable)
	}
}

func TestAssignmentsThatAgree(t *testing.T) {
	config, _ := loadText(t, oneHost+`
baseline "x" {
  settings { log_level = "Error" }
  agent { required = false }
}
baseline "y" {
  settings { log_level = ["Error"] }
  service {
    running       = true
    start_timeout = "1m30s"
  }
}
rollout "r" {
  parallelism     = 7
  confirm_timeout = "10s"
}
rollout "unused" { parallelism = 1 }
assign "a" {
  baseline = baseline.x
  hosts    = ["h"]
}
assign "b" {
  baseline = baseline.y
  hosts    = ["h"]
  rollout  = rollout.r
}`)
	want := []string{"agent_installed true enforce", overrides, `log_level ["Error"] enforce`, "service_running true enforce"}
	if diff := cmp.Diff(want, wanted(config.Goals[0])); diff != "" {
		t.Errorf("wants (-want +got):\n%s", diff)
	}
	options := provider.Options{StartTimeout: 90 * time.Second, ConfirmTimeout: 10 * time.Second}
	if config.Goals[0].Options != options || len(config.Rollouts) != 1 || config.Rollouts[0].Parallelism != 7 {
		t.Errorf("options %+v, rollouts %+v", config.Goals[0].Options, config.Rollouts)
	}
}

func TestWhere(t *testing.T) {
	const fleet = `
host "a" { labels = { env = "prod", ring = "1" } }
host "b" { labels = { env = "lab" } }
host "c" { address = "10.0.0.3" }
`
	for where, want := range map[string]struct {
		members  string
		warnings int
	}{
		`host.labels.env == "prod"`:                            {"a", 1},
		`host.labels["env"] == "prod"`:                         {"a", 1},
		`host.labels.env != "prod"`:                            {"b", 1},
		`!(host.labels.env == "prod")`:                         {"b c", 1},
		`host.labels.env != null && host.labels.env == "prod"`: {"a", 0},
		`host.labels.env == null || host.labels.env == "prod"`: {"a c", 0},
		`host.labels.env == "prod" && host.labels.ring == "1"`: {"a", 1},
		`host.labels.env == "lab" || host.labels.ring == "1"`:  {"a b", 2},
		`host.labels.env == host.labels.ring`:                  {"", 3},
		`host.labels.ring >= 1`:                                {"a", 1},
		`host.name == "c" || host.address == "a"`:              {"a c", 0},
		`host.address == "10.0.0.3"`:                           {"c", 0},
		`can(regex("^[ab]$", host.name))`:                      {"a b", 0},
		`contains(["lab"], coalesce(host.labels.env, "lab"))`:  {"b c", 0},
		`length(host.name) == 1 && !startswith_is_not_here`:    {"error", 0},
		`host.name == "a" && secret::env("A") == "x"`:          {"", 1},
		`true`: {"a b c", 0},
	} {
		t.Run(where, func(t *testing.T) {
			src := fleet + `group "g" { where = ` + where + " }\n"
			config, d := load(".", []file{{"main.kepm.hcl", []byte(src)}}, nil, Options{})
			if want.members == "error" {
				if !d.HasErrors() {
					t.Error("no error")
				}
				return
			}
			if d.HasErrors() {
				t.Fatal(text(t, d))
			}
			var members []string
			for _, h := range config.Hosts {
				if len(h.Groups) > 0 {
					members = append(members, h.Name)
				}
			}
			if got := strings.Join(members, " "); got != want.members || d.Warnings() != want.warnings {
				t.Errorf("members %q, want %q; warnings:\n%s", got, want.members, text(t, d))
			}
		})
	}
}

func TestConnectionPrecedence(t *testing.T) {
	config, _ := loadText(t, `
connection "ssh" "one" { user = "u-${host.labels.team}" }
connection "ssh" "two" {}
host "a" {
  connection = connection.ssh.two
  labels     = { team = "x" }
}
host "b" { labels = { team = "y" } }
group "g" {
  hosts      = ["*"]
  connection = connection.ssh.one
}
group "same" {
  hosts      = ["b"]
  connection = connection.ssh.one
}
assign "a" {
  baseline = builtin.hardening_guide
  to       = [group.g]
}`)
	for i, want := range []string{"connection.ssh.two ", "connection.ssh.one u-y"} {
		c := config.Goals[i].Host.Connection
		if got := c.Reference() + " " + c.User; got != want || config.Hosts[i].Connection != c.Reference() {
			t.Errorf("%s: %q, want %q", config.Goals[i].Host.Name, got, want)
		}
	}
}

func TestRollout(t *testing.T) {
	config, _ := loadText(t, `
connection "ssh" "c" {}
host "a" {
  connection = connection.ssh.c
  labels     = { ring = "0", cluster = "x", zone = "Europe/Paris" }
}
host "b" {
  connection = connection.ssh.c
  labels     = { ring = "1", zone = "Asia/Tokyo" }
}
rollout "unused" { parallelism = 9 }
rollout "r" {
  max_failed      = 3
  max_unreachable = "5%"
  keep            = 7
  wave "canary" {
    where   = host.labels.ring == "0"
    size    = 2
    soak    = "5m"
    approve = "manual"
  }
  wave "half" { size = "50%" }
  limit "cluster" {
    by    = host.labels.cluster
    count = 2
  }
  window {
    days = ["tue", "wed"]
    from = "22:00"
    to   = "04:00"
    zone = host.labels.zone
  }
}`+assignTo("a", "a", "r")+assignTo("b", "b", "r"))
	window := Window{Days: []string{"tue", "wed"}, From: "22:00", To: "04:00"}
	in := func(zone string) []Window { w := window; w.Zone = zone; return []Window{w} }
	want := []Rollout{{
		Name: "r", Parallelism: 50, MaxFailed: provider.Share{Value: 3}, MaxUnreachable: provider.Share{Value: 5, Percent: true}, Keep: 7,
		Waves:  []Wave{{"canary", &provider.Share{Value: 2}, 5 * time.Minute, true}, {"half", &provider.Share{Value: 50, Percent: true}, 0, false}},
		Limits: []Limit{{"cluster", 2}},
		Places: map[string]Place{
			"a": {Fits: []bool{true, true}, Limits: []string{"x"}, Windows: in("Europe/Paris")},
			"b": {Fits: []bool{false, true}, Limits: []string{""}, Windows: in("Asia/Tokyo")},
		},
	}}
	if diff := cmp.Diff(want, config.Rollouts); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func assignTo(name, host, rollout string) string {
	return fmt.Sprintf(`
assign %q {
  baseline = builtin.hardening_guide
  hosts    = [%q]
  rollout  = rollout.%s
}`, name, host, rollout)
}
