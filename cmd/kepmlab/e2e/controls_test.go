//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A row is one control of the table, as it is on a host, as kepmctl says it, and
// as it makes it.
type row struct {
	name     string
	spoil    string   // makes the host otherwise, as root on it
	baseline string   // what is wanted; nothing else is
	plan     []string // what the plan says
	change   bool     // whether the plan has a change: then it is applied, and the next plan has none
	check    string   // a script on the host whose output is
	want     string
	restore  string // beyond what every reset does
}

const (
	settingsFile = "/opt/keeper/sbin/appsettings.json"
	unset        = "rm -rf /etc/systemd/system/keeper-*.service.d /etc/keeper-lab.env; systemctl daemon-reload"
)

// env starts the agent with variables for the stand-in.
func env(lines string) string {
	return "printf '" + lines + `\n' >/etc/keeper-lab.env; systemctl restart keeper-privilege-manager`
}

// onPorts waits until the agent listens again.
const onPorts = `
	i=0; while ! grep -q ':21E3 .* 0A ' /proc/net/tcp /proc/net/tcp6 && [ $i -lt 100 ]; do sleep 0.1; i=$((i+1)); done; sleep 0.2`

var controlRows = []row{
	{
		name: "allowed_hosts", baseline: `settings { allowed_hosts = ["localhost", "127.0.0.1"] }`,
		plan: []string{`~ AllowedHosts   "*" -> "localhost;127.0.0.1"`, "! restart"}, change: true,
		check: `curl -sk -o /dev/null -w '%{http_code}' -H 'Host: evil.example' https://127.0.0.1:6889/`, want: "400",
	},
	{
		name: "log_level", baseline: `settings { log_level = ["Warning", "Information"] }`,
		plan: []string{`~ Settings:system.logging.level   "Debug" -> "Warning"`}, change: true,
		check: "grep -c '\"system.logging.level\": \"Warning\", // left over' " + settingsFile, want: "1",
	},
	{
		name: "log_level, another is right", spoil: "sed -i 's/\"Debug\"/\"information\"/' " + settingsFile + "; systemctl restart keeper-privilege-manager" + onPorts,
		baseline: `settings { log_level = ["Warning", "Information"] }`, plan: []string{"No changes. 1 of 1 host"},
	},
	{
		name: "alternative_signatures", baseline: `settings { alternative_signatures = ["00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff:00:11:22:33"] }`,
		plan: []string{`["A94A8FE5CCB19BA61C4C0873D391E987982FBBD3"]`}, change: true,
		check: "grep -c 00112233445566778899AABBCCDDEEFF00112233 " + settingsFile, want: "1",
	},
	{
		name:     "allowed_non_admin_executables",
		spoil:    `sed -i 's/"AllowedNonAdminExecutables": \[\]/"AllowedNonAdminExecutables": ["evil"]/' ` + settingsFile + "; systemctl restart keeper-privilege-manager" + onPorts,
		baseline: `settings { allowed_non_admin_executables = [] }`, plan: []string{`["evil"] -> []`}, change: true,
		check: `grep -c '"AllowedNonAdminExecutables": \[\],' ` + settingsFile, want: "1",
	},
	{
		name:     "app_setting",
		baseline: "app_setting \"Watchdog:CheckIntervalSec\" {\n value = 5\n match = \"at_least\"\n}\napp_setting \"SiteInventory:ratio\" { match = \"absent\" }\napp_setting \"SiteInventory:schema\" { value = \"1\" }",
		plan:     []string{"~ Watchdog:CheckIntervalSec   2 -> 5", "- SiteInventory:ratio   1e-3 -> (not set)", "1 to remove"}, change: true,
		check: "grep -c ratio " + settingsFile + "; grep -c '\"CheckIntervalSec\": 5,' " + settingsFile, want: "0\n1",
	},
	{
		name:     "plugin_setting",
		baseline: "plugin_setting \"keeperlogger\" \"logRetentionDays\" {\n value = 30\n match = \"at_least\"\n}\nplugin_setting \"KeeperPolicy\" \"mode\" { value = \"enforce\" }\nplugin_setting \"KeeperAPI\" \"rate.limit\" {\n match = \"at_most\"\n value = 100\n}",
		plan:     []string{"~ Plugins/KeeperLogger.json metadata:logRetentionDays   15 -> 30", "+ Plugins/KeeperPolicy.json metadata:mode   (not set) -> \"enforce\"", "! restart"}, change: true,
		check: "cd /opt/keeper/sbin/Plugins; grep -c '\"logRetentionDays\": 30, // the default' KeeperLogger.json; cat KeeperPolicy.json | tr -d ' \\n'", want: "1\n" + `{"id":"KeeperPolicy","executionType":"Service","metadata":{"mode":"enforce"}}`,
	},
	{
		name:     "plugin_setting without its plug-in",
		baseline: `plugin_setting "KeeperLoger" "logRetentionDays" { value = 30 }`, plan: []string{"there is no file Plugins/KeeperLoger.json"},
	},
	{
		name:     "cert_password",
		spoil:    `printf '{"Kestrel":{"Certificate":{"Password":"hunter2"}}}' >/opt/keeper/sbin/Plugins/extra.json`,
		baseline: `settings { cert_password = "" }`,
		plan:     []string{"x cert_password   critical", "(set) in Plugins/extra.json: Kestrel:Certificate:Password", "rotate the password"},
	},
	{
		name:     "config_overrides by the unit",
		spoil:    "mkdir -p /etc/systemd/system/keeper-privilege-manager.service.d; printf '[Service]\\nEnvironment=AllowedHosts=*\\n' >/etc/systemd/system/keeper-privilege-manager.service.d/x.conf; systemctl daemon-reload; systemctl restart keeper-privilege-manager" + onPorts,
		baseline: "settings {\n allowed_hosts = [\"localhost\"]\n log_level = \"Debug\"\n}",
		plan:     []string{"x config_overrides   high", "AllowedHosts by the unit's environment", "? allowed_hosts", "overridden by the unit's environment"},
		restore:  unset,
	},
	{
		name:     "config_overrides by a file and a variable file",
		spoil:    env("Settings__system.logging.level=Trace") + `; printf '{"allowedhosts":"*"}' >/opt/keeper/sbin/appsettings.Production.json` + onPorts,
		baseline: "settings {\n allowed_hosts = [\"localhost\"]\n log_level = \"Debug\"\n}",
		plan:     []string{"AllowedHosts by appsettings.Production.json", "Settings:system.logging.level by /etc/keeper-lab.env"},
		restore:  unset,
	},
	{
		name:     "agent_installed",
		spoil:    "systemctl stop keeper-watchdog keeper-privilege-manager; mkdir -p /root/units; mv /lib/systemd/system/keeper-*.service /root/units/; mv /opt/keeper/sbin /root/; systemctl daemon-reload",
		baseline: `agent { required = true }`, plan: []string{"x agent_installed   critical", "not installed"},
		restore: "mv /root/units/* /lib/systemd/system/; mv /root/sbin /opt/keeper/; systemctl daemon-reload",
	},
	{
		name:     "agent_installed, not required",
		spoil:    "systemctl stop keeper-watchdog keeper-privilege-manager; mkdir -p /root/units; mv /lib/systemd/system/keeper-*.service /root/units/; mv /opt/keeper/sbin /root/; systemctl daemon-reload",
		baseline: "agent { required = false }\nsettings { log_level = \"Error\" }", plan: []string{"No changes. 1 of 1 host"},
		restore: "mv /root/units/* /lib/systemd/system/; mv /root/sbin /opt/keeper/; systemctl daemon-reload",
	},
	{
		name: "two install roots", spoil: "mkdir -p /opt/KeeperPrivilegeManager; echo '{}' >/opt/KeeperPrivilegeManager/appsettings.json",
		baseline: `settings { log_level = "Error" }`,
		plan:     []string{"more than one install root: /opt/keeper/sbin and /opt/KeeperPrivilegeManager", "install_root in the host block"},
		check:    "grep -c '\"Debug\"' " + settingsFile, want: "1", restore: "rm -rf /opt/KeeperPrivilegeManager",
	},
	{
		name: "agent_version", baseline: `agent { version = ">= 3, < 4" }`, plan: []string{"x agent_version   high", "has: 2.0.82", "update the agent"},
	},
	{
		name: "agent_version as wanted", baseline: `agent { version = ">= 2.0.82" }`, plan: []string{"No changes. 1 of 1 host"},
	},
	{
		name:     "service_account",
		spoil:    "mkdir -p /etc/systemd/system/keeper-privilege-manager.service.d; printf '[Service]\\nUser=ops\\n' >/etc/systemd/system/keeper-privilege-manager.service.d/x.conf; systemctl daemon-reload",
		baseline: "service { account = \"privileged\" }\npermissions { profile = \"users_read_execute\" }",
		plan:     []string{"x service_account   critical", "has: ops", "waits until the service is known to run as root"},
		check:    "stat -c %a /opt/keeper/sbin/Jobs", want: "777", restore: unset,
	},
	{
		name: "service_running", spoil: "systemctl stop keeper-watchdog keeper-privilege-manager", baseline: "service {\n running = true\n watchdog = \"running\"\n}",
		plan: []string{"~ running   no -> yes", "! start the agent's service"}, change: true, check: "systemctl is-active keeper-privilege-manager", want: "active",
	},
	{
		name: "service_running, settings not in effect", spoil: "sleep 3; touch " + settingsFile, baseline: `service { running = true }`,
		plan: []string{"~ settings in effect   no -> yes", "! restart"}, change: true,
	},
	{
		name: "watchdog", spoil: "systemctl stop keeper-watchdog", baseline: `service { watchdog = "running" }`,
		plan: []string{"~ running   no -> yes"}, change: true, check: "systemctl is-active keeper-watchdog", want: "active",
	},
	{
		name: "service_at_boot", spoil: "systemctl -q disable keeper-privilege-manager", baseline: `service { at_boot = true }`,
		plan: []string{"~ at boot   disabled -> enabled"}, change: true, check: "systemctl is-enabled keeper-privilege-manager", want: "enabled",
		restore: "systemctl -q enable keeper-privilege-manager",
	},
	{
		name: "service_at_boot, masked", spoil: "systemctl -q disable keeper-privilege-manager; systemctl -q mask keeper-privilege-manager", baseline: `service { at_boot = true }`,
		plan: []string{"x service_at_boot   high", "has: masked"}, check: "systemctl is-enabled keeper-privilege-manager", want: "masked",
		restore: "systemctl -q unmask keeper-privilege-manager; systemctl -q enable keeper-privilege-manager",
	},
	{
		name:     "service_at_boot, static",
		spoil:    "systemctl -q disable keeper-privilege-manager; sed '/Install/,$d' /lib/systemd/system/keeper-privilege-manager.service >/etc/systemd/system/keeper-privilege-manager.service; systemctl daemon-reload",
		baseline: `service { at_boot = true }`, plan: []string{"x service_at_boot   high", "has: static"},
		restore: "rm /etc/systemd/system/keeper-privilege-manager.service; systemctl daemon-reload; systemctl -q enable keeper-privilege-manager",
	},
	{
		name: "loopback_only by its setting", spoil: `sed -i 's/"IpAddress": "127.0.0.1"/"IpAddress": "0.0.0.0"/' ` + settingsFile + "; systemctl restart keeper-privilege-manager" + onPorts,
		baseline: `network { loopback_only = true }`, plan: []string{`~ MqttBrokerSettings:IpAddress   "0.0.0.0" -> "127.0.0.1"`}, change: true,
		check: "grep -c '00000000:21E3 .* 0A ' /proc/net/tcp", want: "0",
	},
	{
		name: "loopback_only by something else", spoil: env("KEEPER_LAB_BIND=0.0.0.0") + onPorts, baseline: `network { loopback_only = true }`,
		plan: []string{"x loopback_only   critical", "[::]:6889"}, restore: unset,
	},
	{
		name: "tls_minimum", spoil: env("KEEPER_LAB_TLS_MIN=1.0") + onPorts, baseline: `network { tls_minimum = "1.2" }`,
		plan: []string{"x tls_minimum   high", "port 6889 accepts TLS 1.1", "port 8675 accepts TLS 1.1"}, restore: unset,
	},
	{
		name: "permissions", baseline: "permissions {\n path \"Jobs\" {\n users = \"none\"\n administrators = \"read_execute\"\n }\n path \".\" {\n users = \"read_execute\"\n administrators = \"read_execute\"\n }\n}",
		spoil: "chown ops:ops /opt/keeper/sbin/Jobs; chmod 2777 /opt/keeper/sbin/Jobs",
		plan:  []string{`# permissions["Jobs"]`, "owner user id"}, change: true, check: "stat -c '%a %U' /opt/keeper/sbin/Jobs", want: "2700 root",
	},
	{
		name: "permissions with an ACL", baseline: "permissions {\n path \"Jobs\" {\n users = \"none\"\n administrators = \"read_execute\"\n }\n}",
		spoil: "chmod 755 /opt/keeper/sbin/Jobs; setfacl -m u:ops:rwx /opt/keeper/sbin/Jobs", plan: []string{"Jobs has an extended ACL", "setfacl -b"},
	},
	{
		name: "install_tree", baseline: `permissions { profile = "users_read_execute" }`,
		spoil: "touch /opt/keeper/sbin/x; chown ops /opt/keeper/sbin/x; chmod 666 /opt/keeper/sbin/x",
		plan:  []string{"# install_tree   critical", "not owned by root"}, change: true, check: "stat -c '%a %U' /opt/keeper/sbin/x", want: "644 root",
	},
	{
		name: "install_tree, open above", spoil: "chmod 777 /opt/keeper", baseline: `permissions { profile = "no_write" }`,
		plan: []string{"x install_tree   critical", "/opt/keeper, above the install root"}, restore: "chmod 755 /opt/keeper", change: true,
	},
	{
		name: "certificate, about to expire", spoil: env("KEEPER_LAB_CERT_DAYS=5") + "; rm /etc/keeper-lab.env" + onPorts,
		baseline: "certificate {\n kind = \"self_signed\"\n renew_before = \"30d\"\n}",
		plan:     []string{"-/+ certificate   expires within 30d -> self-signed, new", "! restart"}, change: true, restore: unset,
	},
	{
		name: "certificate, custom",
		spoil: `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 400 -subj /CN=ca -keyout /root/ca.key -out /root/ca.pem 2>/dev/null
			openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=agent -keyout /root/a.key -out /root/a.csr 2>/dev/null
			openssl x509 -req -in /root/a.csr -CA /root/ca.pem -CAkey /root/ca.key -days 10 -out /root/a.pem 2>/dev/null
			cat /root/a.pem /root/ca.pem /root/a.key >/root/agent.pem; ` + env("KEEPER_LAB_CERT_FILE=/root/agent.pem") + onPorts,
		baseline: "certificate {\n kind = \"self_signed\"\n}", plan: []string{"a custom certificate is in use (CN=ca)", `declare kind = "managed" or "external"`}, restore: unset,
	},
	{
		name: "certificate, external",
		spoil: `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 400 -subj /CN=ca -keyout /root/ca.key -out /root/ca.pem 2>/dev/null
			openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=agent -keyout /root/a.key -out /root/a.csr 2>/dev/null
			openssl x509 -req -in /root/a.csr -CA /root/ca.pem -CAkey /root/ca.key -days 100 -out /root/a.pem 2>/dev/null
			cat /root/a.pem /root/ca.pem /root/a.key >/root/agent.pem; ` + env("KEEPER_LAB_CERT_FILE=/root/agent.pem") + onPorts,
		baseline: "certificate {\n kind = \"external\"\n renew_before = \"30d\"\n}", plan: []string{"No changes. 1 of 1 host"}, restore: unset,
	},
	{
		name: "certificate, external but the agent's own", baseline: "certificate {\n kind = \"external\"\n renew_before = \"30d\"\n}",
		plan: []string{"x certificate   medium", "the agent's own self-signed certificate on port 6889", "give the agent another certificate"},
	},
	{
		name:     "override",
		baseline: "settings {\n log_level = \"Warning\"\n allowed_hosts = [\"localhost\"]\n}\noverride {\n controls = [control.log_level]\n mode = \"audit\"\n severity = \"low\"\n reason = \"Vendor case 4711\"\n expires = \"2099-01-01\"\n}\noverride {\n controls = [control.allowed_hosts]\n mode = \"off\"\n reason = \"Old tool\"\n expires = \"2099-01-01\"\n}",
		plan:     []string{"In audit: reported, not changed", "x log_level   low   1 host", "override until 2099-01-02T00:00:00Z: Vendor case 4711", "2 overrides"},
	},
}

func TestControls(t *testing.T) {
	for _, r := range controlRows {
		t.Run(strings.ReplaceAll(r.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			h := borrow(t)
			t.Cleanup(func() { h.sh(t, r.restore+"\ntrue") })
			h.sh(t, r.spoil+"\ntrue")
			dir := config(t, "baseline \"lab\" {\n"+r.baseline+"\n}", h)
			patient(t, dir)
			before := h.state(t)
			code := 0
			if r.change {
				code = 2
			}
			planned := kepmctl(t, dir, "plan", "--detailed-exitcode")
			planned.want(t, code, r.plan...)
			if strings.Contains(planned.String(), "hunter2") {
				t.Error("a secret is shown")
			}
			if applied := kepmctl(t, dir, "apply", "--auto-approve"); r.change {
				applied.want(t, 0, "Apply complete! Hosts: 1 changed.")
				h.settled(t)
				kepmctl(t, dir, "plan", "--detailed-exitcode").want(t, 0)
			} else if after := h.state(t); after != before {
				t.Errorf("the host changed: %s\n%s", difference(before, after), applied)
			}
			if r.check != "" {
				if got, _ := h.try(r.check); strings.TrimSpace(got) != r.want {
					t.Errorf("%s gives %q, want %q", r.check, got, r.want)
				}
			}
		})
	}
}

// patient lets the hosts of a configuration wait longer for the verdict: many
// tests share the machine.
func patient(t *testing.T, dir string) {
	t.Helper()
	file := filepath.Join(dir, "lab.kepm.hcl")
	text := strings.Replace(readFile(t, file), `confirm_timeout = "10s"`, `confirm_timeout = "1m"`, 1)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// The agent was upgraded after the plan was made: the host is stale, and untouched.
func TestUpgradedSincePlan(t *testing.T) {
	h := borrow(t)
	t.Cleanup(func() { h.sh(t, "mv /root/status /var/lib/dpkg/status") })
	dir := config(t, "", h)
	file := t.TempDir() + "/p"
	kepmctl(t, dir, "plan", "--out", file).want(t, 0)
	h.sh(t, "cp /var/lib/dpkg/status /root/status; sed -i '/^Package: keeper-privilege-manager$/,/^$/s/^Version: .*/Version: 2.1.0/' /var/lib/dpkg/status")
	before := h.state(t)
	kepmctl(t, dir, "apply", file).want(t, 5, `its agent version was "2.0.82" and is "2.1.0"`)
	if after := h.state(t); after != before {
		t.Errorf("the host changed: %s", difference(before, after))
	}
}
