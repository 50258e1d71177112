package provider

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/kepmctl/kepmctl/provider/appsettings"
)

// Validate says what is wrong with a want that was not written by this program's
// own reader: a plan file is hostile input.
func (w Want) Validate() error {
	entry, ok := EntryOf(w.Control.Name)
	if !ok {
		return fmt.Errorf("no control is called %q", w.Control.Name)
	}
	if entry.Keyed != (w.Control.Key != "") || (w.Control.Name == PluginSetting) != (w.Control.Plugin != "") {
		return fmt.Errorf("control %s: brackets are missing or not allowed", w.Control)
	}
	if w.Mode != Enforce && w.Mode != Audit && w.Mode != Off {
		return fmt.Errorf("control %s: mode %q is none of enforce, audit and off", w.Control, w.Mode)
	}
	if w.Severity != "" && w.Severity.Rank() == 0 {
		return fmt.Errorf("control %s: there is no severity %q", w.Control, w.Severity)
	}
	if w.Match != "" && w.Control.Name != AppSetting && w.Control.Name != PluginSetting {
		return fmt.Errorf("control %s: it has no match", w.Control)
	}
	if !w.valueFits() {
		return fmt.Errorf("control %s: value %s does not fit", w.Control, w.Value)
	}
	return nil
}

func (w Want) valueFits() bool {
	var canonical bytes.Buffer
	if len(w.Value) > 64<<10 || json.Compact(&canonical, []byte(w.Value)) != nil || canonical.String() != string(w.Value) {
		return false
	}
	switch w.Control.Name {
	case AllowedHosts, LogLevel:
		list := w.Value.Strings()
		return len(list) > 0 && w.Value[0] == '['
	case AlternativeSignatures, AllowedNonAdminExecutables:
		return w.Value.Strings() != nil && w.Value[0] == '['
	case AppSetting:
		_, owned := ControlForKey(w.Control.Key)
		return !owned && w.matchFits()
	case PluginSetting:
		return PluginName(w.Control.Plugin) && PluginKey(w.Control.Key) && w.matchFits()
	case AgentVersion:
		var text string
		_ = json.Unmarshal([]byte(w.Value), &text) // what is no text is no constraint
		_, err := ParseConstraint(text)
		return err == nil
	case Certificate:
		_, ok := w.Value.Terms()
		return ok
	case Permissions:
		_, ok := w.Value.Bound()
		return ok && LocalPath(w.Control.Key)
	case TLSMinimum:
		return w.Value == `"1.2"` || w.Value == `"1.3"`
	case CertPassword:
		return w.Value == `""`
	case ServiceAccount:
		return w.Value == `"privileged"`
	case Watchdog:
		return w.Value == `"running"`
	default:
		return w.Value == "true"
	}
}

// Comparable says whether a value is a number that present ones can be compared with.
func Comparable(v Value) bool {
	_, ok := appsettings.Number(string(v))
	return ok && v[0] != '"'
}

// matchFits says whether the value is one that the match can use.
func (w Want) matchFits() bool {
	fits := func(v Value) bool { return settable(w.Control.Key, v) }
	switch w.Match {
	case "", MatchEqual:
		return fits(w.Value)
	case MatchAtLeast, MatchAtMost:
		return Comparable(w.Value) && fits(w.Value)
	case MatchOneOf:
		list := w.Value.elements()
		return len(list) > 0 && !slices.ContainsFunc(list, func(v Value) bool { return !fits(v) })
	case MatchAbsent:
		return w.Value == "null"
	default:
		return false
	}
}

var pluginName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// PluginName says whether a name can be that of a plug-in: part of a file's name.
func PluginName(name string) bool { return pluginName.MatchString(name) }

// PluginKey says whether a key of a plug-in's file may be set: it does not name the
// object that may hold it, and no certificate's password.
func PluginKey(key string) bool {
	first, _, _ := strings.Cut(key, ":")
	control, owned := ControlForKey(key)
	return !strings.EqualFold(first, metadata) && !(owned && control == CertPassword)
}

// settable says whether a value may be written to a key: a scalar or strings, and
// never a secret.
func settable(key string, v Value) bool {
	if SensitiveKey(key) && v != `""` {
		return false
	}
	switch v[0] {
	case '{', 'n':
		return false
	case '[':
		return v.Strings() != nil
	default:
		return Redact(string(v)) == string(v)
	}
}

// LocalPath says whether a path is relative to the install root and stays below
// it: "." or parts without "..", backslash or control characters.
func LocalPath(p string) bool {
	if p == "" || strings.TrimSpace(p) != p || path.Clean(p) != p || path.IsAbs(p) || p == ".." || strings.HasPrefix(p, "../") {
		return false
	}
	return !strings.ContainsFunc(p, func(r rune) bool { return r < 0x20 || r == 0x7f || r == '\\' })
}
