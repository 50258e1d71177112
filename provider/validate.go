package provider

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"strings"
)

// Validate says what is wrong with a want that was not written by this program's
// own reader: a plan file is hostile input.
func (w Want) Validate() error {
	entry, ok := EntryOf(w.Control.Name)
	if !ok {
		return fmt.Errorf("no control is called %q", w.Control.Name)
	}
	if entry.Keyed != (w.Control.Key != "") {
		return fmt.Errorf("control %s: brackets are missing or not allowed", w.Control)
	}
	if w.Mode != Enforce && w.Mode != Audit {
		return fmt.Errorf("control %s: mode %q is neither enforce nor audit", w.Control, w.Mode)
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
		return !owned && settable(w.Control.Key, w.Value)
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
	if p == "" || path.Clean(p) != p || path.IsAbs(p) || p == ".." || strings.HasPrefix(p, "../") {
		return false
	}
	return !strings.ContainsFunc(p, func(r rune) bool { return r < 0x20 || r == 0x7f || r == '\\' })
}
