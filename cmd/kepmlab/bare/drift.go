package bare

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kepmctl/kepmctl/cmd/kepmlab/standin"
)

// A Kind is something that goes wrong with an agent's host over time.
type Kind struct {
	Name, Does string
	script     string // for sh, in the install root
}

const restart = "service " + standin.AgentUnit + " restart\n"

// edit changes a file with sed, which must not be without effect.
func edit(file, expression string) string {
	return "sed '" + expression + "' " + file + " >/tmp/drift && ! cmp -s /tmp/drift " + file + " || " +
		"{ echo 'it is so already, or written in a way that is not known here' >&2; exit 1; }\n" +
		"cat /tmp/drift >" + file + " && rm /tmp/drift\n"
}

// knob has the agent start with a variable in its environment.
func knob(pairs ...string) string {
	return "echo '" + strings.Join(pairs, "\n") + "' >" + envFile + "\n" + restart
}

// Kinds are the drifts a host of a lab can be given.
func Kinds() []Kind {
	return []Kind{
		{"allowed_hosts", "the agent answers to every name: AllowedHosts is \"*\"", edit("appsettings.json", `s/\("AllowedHosts": *\)"[^"]*"/\1"*"/`) + restart},
		{"log_level", "somebody debugs, and leaves it so", edit("appsettings.json", `s/\("system.logging.level": *\)"[^"]*"/\1"Debug"/`) + restart},
		{"signatures", "one more signer's plug-ins are loaded", edit("appsettings.json", `s/\("AlternativeSignatures": *\)\[\]/\1["0123456789ABCDEF0123456789ABCDEF01234567"]/`) + restart},
		{"executables", "a program need not prove who it is", edit("appsettings.json", `s/\("AllowedNonAdminExecutables": *\)\[\]/\1["\/tmp\/tool"]/`) + restart},
		{"cert_password", "a certificate's password lies in a file", edit("appsettings.json", `s/\("CertPassword": *\)""/\1"changeit"/`) + restart},
		{"mqtt_exposed", "the agent's broker listens on every address", edit("appsettings.json", `s/\("IpAddress": *\)"[^"]*"/\1"0.0.0.0"/`) + restart},
		{"https_exposed", "the agent's HTTPS port listens on every address", knob("KEEPER_LAB_BIND=0.0.0.0")},
		{"old_tls", "the agent accepts TLS 1.0", knob("KEEPER_LAB_TLS_MIN=1.0")},
		{"cert_expiring", "the agent's certificate ends in five days, and so does the next", knob("KEEPER_LAB_CERT_DAYS=5")},
		{"override_env", "a variable of the service wins over the file: AllowedHosts is \"*\"", knob("AllowedHosts=*")},
		{"dies_hardened", "the agent no longer survives its hardening: an apply has to undo", knob("KEEPER_LAB_FAIL=dies_after_2s", "KEEPER_LAB_WHEN=hardened")},
		{"plugin_retention", "the logger keeps its files for a day", edit("Plugins/KeeperLogger.json", `s/\("logRetentionDays": *\)[0-9]*/\11/`) + restart},
		{"jobs_writable", "everybody can put scripts where root runs them", "chmod 0777 Jobs\n"},
		{"file_writable", "everybody can change a plug-in's settings", "chmod 0666 Plugins/KeeperPolicy.json\n"},
		{"foreign_owner", "a file belongs to somebody else (needs a lab made by root)", "chown 1000 Plugins/KeeperPolicy.json\n"},
		{"stopped", "the agent is down, and its watchdog too", "service " + standin.WatchdogUnit + " stop\nservice " + standin.AgentUnit + " stop\n"},
		{"watchdog_stopped", "nobody starts the agent again", "service " + standin.WatchdogUnit + " stop\n"},
		{"not_at_boot", "the agent stays down after the next boot", "update-rc.d " + standin.AgentUnit + " disable\n"},
	}
}

// Drift lets a host drift and returns what that means.
func (l *Lab) Drift(ctx context.Context, host, kind string) (string, error) {
	h, err := l.Host(host)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(Kinds(), func(k Kind) bool { return k.Name == kind })
	if i < 0 {
		var names []string
		for _, k := range Kinds() {
			names = append(names, k.Name)
		}
		return "", fmt.Errorf("let %s drift: there is no kind %q; there are %s", host, kind, strings.Join(names, ", "))
	}
	k := Kinds()[i]
	if kind == "foreign_owner" && h.User {
		return "", fmt.Errorf("let %s drift: foreign_owner: the host was made without root and has no user but root; make the lab as root", host)
	}
	var out bytes.Buffer
	if err := l.Run(ctx, host, "exec 2>&1\nset -e\ncd "+standin.Root+"\n"+k.script, nil, &out, nil); err != nil {
		if said := strings.TrimSpace(out.String()); said != "" {
			err = errors.New(said)
		}
		return "", fmt.Errorf("let %s drift: %s: %w", host, kind, err)
	}
	return k.Does, nil
}
