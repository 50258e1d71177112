package provider

import (
	"strings"
)

// A Control names one line of desired state: it is at once the check, the fix,
// the target of a waiver and the row of a report. Keys are what stands in its
// brackets: permissions["Jobs"] has the key "Jobs". It is comparable by String.
type Control struct {
	Name   string
	Plugin string // the first of a plugin_setting's two keys
	Key    string // empty for a control that has no brackets
}

// String is the control as written in the configuration: allowed_hosts,
// permissions["Jobs"], plugin_setting["KeeperLogger"]["logRetentionDays"].
func (c Control) String() string {
	text := c.Name
	for _, key := range []string{c.Plugin, c.Key} {
		if key != "" {
			if strings.ContainsAny(key, `\"`) {
				key = strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(key)
			}
			text += `["` + key + `"]`
		}
	}
	return text
}

// Names of the controls.
const (
	AllowedHosts               = "allowed_hosts"
	LogLevel                   = "log_level"
	AlternativeSignatures      = "alternative_signatures"
	AllowedNonAdminExecutables = "allowed_non_admin_executables"
	AppSetting                 = "app_setting"
	PluginSetting              = "plugin_setting"
	ConfigOverrides            = "config_overrides"
	CertPassword               = "cert_password"
	AgentInstalled             = "agent_installed"
	AgentVersion               = "agent_version"
	ServiceAccount             = "service_account"
	ServiceRunning             = "service_running"
	ServiceAtBoot              = "service_at_boot"
	Watchdog                   = "watchdog"
	LoopbackOnly               = "loopback_only"
	TLSMinimum                 = "tls_minimum"
	Certificate                = "certificate"
	Permissions                = "permissions"
	InstallTree                = "install_tree"
)

// Severity of a finding, as the guide's demands weigh.
type Severity string

// Severities, lightest first.
const (
	Low      Severity = "low"
	Medium   Severity = "medium"
	High     Severity = "high"
	Critical Severity = "critical"
)

// Rank orders severities: 0 for unknown, 4 for critical.
func (s Severity) Rank() int {
	for i, v := range []Severity{Low, Medium, High, Critical} {
		if s == v {
			return i + 1
		}
	}
	return 0
}
