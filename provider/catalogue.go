package provider

import (
	"slices"
	"strings"

	"github.com/kepmctl/kepmctl/transport"
)

// This file holds every outside fact about the agent: names, paths, ports and
// keys. The mark behind each is its evidence: [G] the vendor's Security Hardening
// guide, [D] other vendor documentation, [3P] public third-party diagnostics of
// live agents, [I] inference. Nobody here has an agent.

// A Layout is where one system keeps the agent.
type Layout struct {
	Service  string   // the agent's service
	Watchdog string   // the service that restarts it; empty: none is known
	Package  string   // the system package that installs it; empty: none is known
	Roots    []string // install roots to try after the service definition, likeliest first
}

// LayoutOf is the layout of a system; ok is false where none is known.
func LayoutOf(os transport.OS) (l Layout, ok bool) {
	switch os {
	case transport.Linux:
		return Layout{
			Service:  "keeper-privilege-manager", // [3P]
			Watchdog: "keeper-watchdog",          // [D][3P]
			Package:  "keeper-privilege-manager", // [3P]
			Roots: []string{
				"/opt/keeper/sbin",            // [G][3P]
				"/opt/KeeperPrivilegeManager", // [D]
				"/opt/keeper",                 // [D], old
			},
		}, true
	case transport.MacOS:
		return Layout{
			Service: "com.keeper.keeper-privilege-manager", // [3P], a label of launchd
			// The second service, com.keeper.keeperse [3P], is not documented as a
			// watchdog: none is known.
			Roots: []string{
				"/Library/Keeper/sbin",                       // [3P]
				"/Library/Keeper/KeeperPrivilegeManager.app", // [D]
				"/usr/local/KeeperPrivilegeManager",          // [D]
			},
		}, true
	default:
		return Layout{}, false
	}
}

// Ports the agent listens on unless appsettings.json says otherwise [G].
const (
	PortHTTP  = 6888
	PortHTTPS = 6889
	PortMQTT  = 8675
)

// Paths below the install root [D].
const (
	SettingsFile = "appsettings.json"
	PluginsDir   = "Plugins" // holds a JSON file for each plug-in
)

// metadata is the object of a plug-in's file that may hold its settings [D].
const metadata = "metadata"

// Keys of appsettings.json, ":" between levels.
const (
	KeyAllowedHosts               = "AllowedHosts"                        // root [I, ASP.NET convention]
	KeyLogLevel                   = "Settings:system.logging.level"       // [D] one key that contains dots
	KeyAlternativeSignatures      = "Settings:AlternativeSignatures"      // [D]
	KeyAllowedNonAdminExecutables = "Settings:AllowedNonAdminExecutables" // [D]
	KeyHTTPPort                   = "Settings:KestrelHttpPort"            // [D]
	KeyHTTPSPort                  = "Settings:KestrelHttpsPort"           // [D]
	KeyMQTTAddress                = "MqttBrokerSettings:IpAddress"        // [D]
)

// Defaults of the agent where the file is silent.
const (
	defaultAllowedHosts = "*"       // [G]
	defaultLogLevel     = "Warning" // [D]
)

// keys are the keys of appsettings.json that have a control of their own.
var keys = map[string]string{
	AllowedHosts:               KeyAllowedHosts,
	LogLevel:                   KeyLogLevel,
	AlternativeSignatures:      KeyAlternativeSignatures,
	AllowedNonAdminExecutables: KeyAllowedNonAdminExecutables,
}

// keyOf is the key of appsettings.json that a control manages; empty: none.
func keyOf(c Control) string {
	if c.Name == AppSetting {
		return c.Key
	}
	return keys[c.Name]
}

// ControlForKey names the control that owns a key of appsettings.json, one above or
// one below it, so that app_setting cannot contradict it. Keys are case-insensitive.
func ControlForKey(key string) (control string, ok bool) {
	for _, c := range []string{AllowedHosts, LogLevel, AlternativeSignatures, AllowedNonAdminExecutables} {
		if covers(keys[c], key) || covers(key, keys[c]) {
			return c, true
		}
	}
	if covers(KeyMQTTAddress, key) || covers(key, KeyMQTTAddress) {
		return LoopbackOnly, true
	}
	for part := range strings.SplitSeq(key, ":") {
		if strings.EqualFold(part, "CertPassword") {
			return CertPassword, true
		}
	}
	return "", false
}

// An Entry is a control's row in the catalogue.
type Entry struct {
	Name      string
	Keyed     bool // written with brackets: permissions["Jobs"]
	Title     string
	Severity  Severity
	Section   string // of the Security Hardening guide
	Rationale string
	Fix       string // what apply does, or what a person must do
	Restart   bool   // the fix restarts the service
	Sensitive bool   // its value is never shown
}

// Catalogue lists every control, in the order of the guide.
func Catalogue() []Entry { return slices.Clone(catalogue[:]) }

// EntryOf finds a control's row; ok is false for a name that is no control.
func EntryOf(name string) (e Entry, ok bool) {
	i := slices.IndexFunc(catalogue[:], func(e Entry) bool { return e.Name == name })
	if i < 0 {
		return Entry{}, false
	}
	return catalogue[i], true
}

var catalogue = [...]Entry{
	{
		Name: LoopbackOnly, Title: "The agent listens on loopback only", Severity: Critical, Section: "Network",
		Rationale: "HTTP 6888, HTTPS 6889 and the MQTT broker 8675 take commands for a service that runs as root. On a network interface anyone who reaches the host can talk to it.",
		Fix:       "MqttBrokerSettings:IpAddress is set to 127.0.0.1; another listener needs a person.", Restart: true,
	},
	{
		Name: TLSMinimum, Title: "HTTPS and MQTT refuse old TLS", Severity: High, Section: "Network / TLS",
		Rationale: "TLS 1.0 and 1.1 are broken; the guide allows 1.2 and 1.3 only.",
		Fix:       "Check only: the system's TLS policy decides.",
	},
	{
		Name: Certificate, Title: "The certificate of HTTPS and MQTT is in date", Severity: Medium, Section: "Certificates",
		Rationale: "A certificate that expires ends the agent's local API; the guide wants rotation about yearly, or as expiry nears.",
		Fix:       "The agent's own self-signed one: the service is restarted and makes a new one. An external one is checked only: age, expiry, chain and key size.", Restart: true,
	},
	{
		Name: AllowedHosts, Title: "The agent answers to named hosts only", Severity: High, Section: "Network / Allowed Hosts",
		Rationale: "With AllowedHosts \"*\" a web page can reach the agent's local API by rebinding a name it controls to 127.0.0.1.",
		Fix:       "AllowedHosts is written.", Restart: true,
	},
	{
		Name: ServiceAccount, Title: "The service runs as root or SYSTEM", Severity: Critical, Section: "Service account",
		Rationale: "A hard requirement of the agent; and whoever owns the account owns the install tree.",
		Fix:       "Check only: reinstall the agent, or remove User= from the unit and its drop-ins. Permissions are not changed until it holds.",
	},
	{
		Name: AgentInstalled, Title: "The agent is installed", Severity: Critical, Section: "Installation",
		Rationale: "A host without the agent enforces no policy.",
		Fix:       "Check only: install the agent.",
	},
	{
		Name: AgentVersion, Title: "The agent is of an allowed version", Severity: High, Section: "beyond the guide",
		Rationale: "Old versions lack fixes; an unexpected one may read other settings than those that are managed.",
		Fix:       "Check only: update the agent. It may update itself at its next start, if its policy says so.",
	},
	{
		Name: ServiceRunning, Title: "The service runs, with its present settings", Severity: Critical, Section: "Monitoring",
		Rationale: "A stopped service enforces nothing; the guide treats an unscheduled stop as tampering. A file edited without a restart is not in effect.",
		Fix:       "The service is started, or restarted when its settings are newer than the process.", Restart: true,
	},
	{
		Name: ServiceAtBoot, Title: "The service starts at boot", Severity: High, Section: "Monitoring",
		Rationale: "A service that does not start at boot leaves the host open after the next restart.",
		Fix:       "The unit is enabled; a masked or static one needs a person.",
	},
	{
		Name: Watchdog, Title: "The watchdog runs", Severity: Medium, Section: "Monitoring",
		Rationale: "The watchdog brings the service back when something stops it.",
		Fix:       "The watchdog is started.",
	},
	{
		Name: InstallTree, Title: "Nothing in the install tree is writable by standard users", Severity: Critical, Section: "Install path",
		Rationale: "What the service loads runs as root: whoever can write below its root owns the host.",
		Fix:       "Write rights of group and others are removed, ownership goes to root. Directories above the root need a person.",
	},
	{
		Name: Permissions, Keyed: true, Title: "A directory of the agent is within its bounds", Severity: High, Section: "Permissions",
		Rationale: "Jobs run as the service and nothing signs them: a writable Jobs directory is code execution as root. Storage and policies are for administrators.",
		Fix:       "Rights beyond the bound are removed, ownership goes to root; nothing is ever loosened.",
	},
	{
		Name: AlternativeSignatures, Title: "No unjustified signing certificate is trusted", Severity: High, Section: "AlternativeSignatures",
		Rationale: "Each extra thumbprint lets other plug-ins load into a service that runs as root.",
		Fix:       "Settings:AlternativeSignatures is written.", Restart: true,
	},
	{
		Name: AllowedNonAdminExecutables, Title: "No program bypasses process authentication", Severity: High, Section: "beyond the guide",
		Rationale: "Each name lets a program of a standard user through process authentication. The guide does not mention the setting.",
		Fix:       "Settings:AllowedNonAdminExecutables is written.", Restart: true,
	},
	{
		Name: CertPassword, Title: "No certificate password in a file", Severity: Critical, Section: "CertPassword", Sensitive: true,
		Rationale: "A password in a configuration file is a leaked password.",
		Fix:       "Check only: move the key to the store, rotate the password. Emptying it blindly may stop the service from loading its certificate.",
	},
	{
		Name: LogLevel, Title: "The log level is fit for production", Severity: Medium, Section: "Log level",
		Rationale: "Debug logs hold details an attacker can use, and drown the lines that matter.",
		Fix:       "Settings:system.logging.level is written (Logging:LogLevel is another thing and stays).", Restart: true,
	},
	{
		Name: AppSetting, Keyed: true, Title: "A key of appsettings.json has its value", Severity: Medium, Section: "appsettings.json",
		Rationale: "A setting your baseline names.",
		Fix:       "The key is written.", Restart: true,
	},
	{
		Name: PluginSetting, Keyed: true, Title: "A key of a plug-in's file has its value", Severity: Medium, Section: "Plug-ins",
		Rationale: "A setting your baseline names. The agent's own storage may win over the file [D], and whether it does cannot be asked without raising audit events.",
		Fix:       "The key is written in Plugins/NAME.json, where it stands, else under metadata.", Restart: true,
	},
	{
		Name: ConfigOverrides, Title: "Nothing overrides a managed setting", Severity: High, Section: "beyond the guide",
		Rationale: "Environment variables, the command line and appsettings.*.json win over appsettings.json, as .NET usually lets them [I]: the file would look right and not be in effect.",
		Fix:       "Check only: take the override away. Until then the overridden control is unknown.",
	},
}
