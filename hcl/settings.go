package hcl

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/kepmctl/kepmctl/provider"
)

// A baselineAttribute is an attribute of a block in a baseline.
type baselineAttribute struct {
	block, name string
	control     string                          // empty: an option, no want
	read        func(attrs, string) (any, bool) // the value, as the control has it
}

func baselineAttributes() []baselineAttribute {
	timeout := func(a attrs, name string) (any, bool) { return a.timeout(name) }
	boolean := func(a attrs, name string) (any, bool) { return a.boolean(name) }
	age := func(a attrs, name string) (any, bool) { return a.duration(name, time.Hour, 10*365*24*time.Hour) }
	return []baselineAttribute{
		{"settings", "allowed_hosts", provider.AllowedHosts, readAllowedHosts},
		{"settings", "log_level", provider.LogLevel, readLogLevel},
		{"settings", "alternative_signatures", provider.AlternativeSignatures, readThumbprints},
		{"settings", "allowed_non_admin_executables", provider.AllowedNonAdminExecutables, readExecutables},
		{"settings", "cert_password", provider.CertPassword, readCertPassword},
		{"agent", "required", "", boolean},
		{"agent", "version", provider.AgentVersion, readVersion},
		{"service", "account", provider.ServiceAccount, oneOf("privileged")},
		{"service", "running", provider.ServiceRunning, readTrue},
		{"service", "at_boot", provider.ServiceAtBoot, readTrue},
		{"service", "watchdog", provider.Watchdog, readWatchdog},
		{"service", "start_timeout", "", timeout},
		{"network", "loopback_only", provider.LoopbackOnly, readTrue},
		{"network", "tls_minimum", provider.TLSMinimum, oneOf("1.2", "1.3")},
		{"certificate", "kind", "", readKind},
		{"certificate", "renew_before", "", age},
		{"certificate", "max_age", "", age},
		{"permissions", "profile", "", oneOf("users_read_execute", "table", "no_write")},
		{"permissions", "administrators_group", "", readGroupName},
	}
}

func oneOf(values ...string) func(attrs, string) (any, bool) {
	return func(a attrs, name string) (any, bool) { return a.choice(name, values) }
}

// readTrue reads what can be demanded but not forbidden.
func readTrue(a attrs, name string) (any, bool) {
	v, ok := a.boolean(name)
	if ok && !v {
		a.wrong(name, "It can only be true. Leave it out to not manage it; null undoes an inherited one.")
	}
	return v, ok && v
}

func readWatchdog(a attrs, name string) (any, bool) {
	v, ok := a.choice(name, []string{"running", "unmanaged"})
	return v, ok && v == "running"
}

func readVersion(a attrs, name string) (any, bool) {
	v, ok := a.text(name)
	if !ok {
		return nil, false
	}
	if _, err := provider.ParseConstraint(v); err != nil {
		a.wrong(name, "%q is no constraint: %s.", v, err)
		return nil, false
	}
	return v, true
}

func readKind(a attrs, name string) (any, bool) {
	return a.choice(name, []string{provider.SelfSigned, provider.External}, "managed")
}

var groupName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,31}$`)

func readGroupName(a attrs, name string) (any, bool) {
	v, ok := a.text(name)
	if ok && !groupName.MatchString(v) {
		a.wrong(name, "%q is not the name of a POSIX group.", v)
		return nil, false
	}
	return v, ok
}

// settingList reads a list that becomes a value of appsettings.json.
func settingList(a attrs, name string) ([]string, bool) {
	const most = 8 << 10 // bytes: far above any real list, and within what a want may hold
	list, ok := a.list(name)
	if ok && len(strings.Join(list, "")) > most {
		a.wrong(name, "The list is longer than %d KiB.", most>>10)
		return nil, false
	}
	return list, ok
}

func readAllowedHosts(a attrs, name string) (any, bool) {
	list, ok := settingList(a, name)
	if !ok {
		return nil, false
	}
	kept := []string{}
	for _, s := range list {
		s = strings.TrimSpace(s)
		if s == "" || strings.Contains(s, ";") || hasControl(s) {
			a.wrong(name, "%q is not a host name: it is empty, or has a semicolon or control characters. Write each name as an entry of its own.", s)
			return nil, false
		}
		if !slices.ContainsFunc(kept, func(k string) bool { return strings.EqualFold(k, s) }) {
			kept = append(kept, s)
		}
	}
	if len(kept) == 0 {
		a.wrong(name, "An empty list lets no one reach the agent. Name at least \"localhost\", or leave it out to not manage it.")
		return nil, false
	}
	return kept, true
}

// readLogLevel reads one level or several.
func readLogLevel(a attrs, name string) (any, bool) {
	levels := []string{"Critical", "Error", "Warning", "Information", "Debug", "Trace"} // [D] of appsettings.json
	v, ok := a.value(name)
	if !ok {
		return nil, false
	}
	list, ok := textList(v)
	if v.Type() == cty.String {
		list, ok = []string{v.AsString()}, true
	}
	if !ok || len(list) == 0 {
		a.wrong(name, "Write a level in quotes, or a list of levels: the first is written, any of them is right.")
		return nil, false
	}
	kept := []string{}
	for _, s := range list {
		if !slices.Contains(levels, s) {
			a.wrong(name, "%q is not %s.%s", s, quoted(levels), didYouMean(s, levels))
			return nil, false
		}
		if !slices.Contains(kept, s) {
			kept = append(kept, s)
		}
	}
	return kept, true
}

var thumbprint = regexp.MustCompile(`^([0-9A-F]{40}|[0-9A-F]{64})$`)

func readThumbprints(a attrs, name string) (any, bool) {
	list, ok := settingList(a, name)
	if !ok {
		return nil, false
	}
	kept := []string{}
	for _, s := range list {
		plain := provider.Thumbprint(s)
		if !thumbprint.MatchString(plain) {
			a.wrong(name, "%q is not a thumbprint: 40 (SHA-1) or 64 (SHA-256) hexadecimal digits.", s)
			return nil, false
		}
		kept = append(kept, plain)
	}
	slices.Sort(kept)
	return slices.Compact(kept), true
}

func readExecutables(a attrs, name string) (any, bool) {
	list, ok := settingList(a, name)
	if !ok {
		return nil, false
	}
	kept := []string{}
	for _, s := range list {
		s = strings.TrimSpace(s)
		if s == "" || strings.ContainsAny(s, `/\`) || hasControl(s) {
			a.wrong(name, "%q is not the name of a program: write it without its directory.", s)
			return nil, false
		}
		kept = append(kept, s)
	}
	slices.Sort(kept)
	return slices.Compact(kept), true
}

// readCertPassword never quotes what stands there, nor what the library says of it.
func readCertPassword(a attrs, name string) (any, bool) {
	expr := a.body.Attributes[name].Expr
	if !a.d.scopeKnown(expr, a.ctx) {
		return nil, false
	}
	v, diags := expr.Value(a.ctx)
	if !diags.HasErrors() && (v.IsNull() || !v.IsKnown()) {
		return nil, false // not managed, or reported where it comes from
	}
	if diags.HasErrors() || v.Type() != cty.String || v.AsString() != "" {
		a.wrong(name, "The only value is \"\": a password in a file is a leaked password. If this is one, change it.")
		return nil, false
	}
	return "", true
}

// settableKey refuses keys that cannot be, and keys that a control of their own
// looks after, with everything below them.
func (r *reading) settableKey(block *hclsyntax.Block) bool {
	key, at := block.Labels[0], block.LabelRanges[0].Ptr()
	if !plainKey(key) {
		r.d.errorf(at, "Not a key", "Write the names of the levels with \":\" between them, as in \"Watchdog:AutoRemediate\".")
		return false
	}
	if control, owned := provider.ControlForKey(key); owned {
		entry, _ := provider.EntryOf(control)
		r.d.errorf(at, "A key with a control of its own", "The control %s looks after it (%s): use its attribute, see kepmctl controls %[1]s.", control, entry.Title)
		return false
	}
	return true
}

// plainKey says whether a key can be: names of levels with ":" between them.
func plainKey(key string) bool {
	const maxKey = 512
	return !slices.Contains(strings.Split(key, ":"), "") && !hasControl(key) && len(key) <= maxKey
}

// settingValue is a value that appsettings.json may be given, or nil.
func settingValue(a attrs, key string, v cty.Value) any {
	const (
		maxExponent = 1024     // beyond it a number is no setting, and its text is long
		maxSetting  = 32 << 10 // bytes
	)
	var value any
	switch t := v.Type(); {
	case v.IsNull():
		a.wrong("value", "A null stands in the list: leave it out.")
		return nil
	case t == cty.String:
		value = v.AsString()
	case t == cty.Bool:
		value = v.True()
	case t == cty.Number:
		number := v.AsBigFloat()
		if e := number.MantExp(nil); number.IsInf() || e > maxExponent || e < -maxExponent {
			a.wrong("value", "The number is out of range.")
			return nil
		}
		value = json.Number(number.Text('f', -1))
	default:
		list, ok := textList(v)
		if !ok {
			a.wrong("value", "Write a text, a number, true, false or a list of texts. Levels are written in the key, with \":\" between them.")
			return nil
		}
		value = list
	}
	text := string(provider.MakeValue(value))
	if len(text) > maxSetting {
		a.wrong("value", "It is longer than %d KiB.", maxSetting>>10)
		return nil
	}
	if provider.Redact(text) != text || (provider.SensitiveKey(key) && text != `""`) {
		a.wrong("value", "It would be a secret in a file. The only value of such a key is \"\". If this is one, change it.")
		return nil
	}
	return value
}
