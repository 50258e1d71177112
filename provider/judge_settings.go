package provider

import (
	"encoding/json"
	"slices"
	"sort"
	"strconv"
	"strings"
	"unicode"

	"github.com/kepmctl/kepmctl/provider/appsettings"
)

// set makes the finding of a key that must hold a value: compliant, or a change
// from what the file has to the wanted JSON text.
func (j *judge) set(key string, have appsettings.Value, right bool, to string) Finding {
	from := shown(key, have)
	f := Finding{Outcome: Compliant, Have: from, Want: to}
	if right {
		return f
	}
	f.Outcome = NonCompliant
	action := Modify
	if have.Kind == appsettings.Absent {
		action = Add
		f.Have = "not set"
	}
	if f.Reason = j.open("."); f.Reason != "" {
		return f
	}
	if _, err := j.settings.Set(key, to); err != nil {
		f.Reason = "cannot be edited with certainty: " + err.Error()
		f.Hint = "edit " + SettingsFile + " by hand"
		return f
	}
	f.Changes = []Change{{Attr: key, Action: action, From: from, To: to, Effect: j.effect()}}
	return f
}

// shown is a present value as plans and reports may show it.
func shown(key string, v appsettings.Value) string {
	if v.Kind == appsettings.Other {
		return "(" + v.Note + ")"
	}
	if SensitiveKey(key) && v.JSON != "" && v.JSON != `""` && v.JSON != "null" {
		return Sensitive
	}
	return Redact(v.JSON)
}

// plain is a scalar as .NET reads it, without quotes; empty for anything else.
func plain(v appsettings.Value) string {
	if v.Kind != appsettings.Scalar {
		return ""
	}
	var s string
	if json.Unmarshal([]byte(v.JSON), &s) == nil {
		return s
	}
	return v.JSON
}

// setting judges what appsettings.json holds.
func (j *judge) setting(w Want) Finding {
	if j.settings == nil {
		return unknown(j.broken, "put the file right by hand; it is not touched")
	}
	switch w.Control.Name {
	case AllowedHosts:
		return j.allowedHosts(w)
	case LogLevel:
		return j.logLevel(w)
	case AlternativeSignatures:
		return j.stringSet(w, KeyAlternativeSignatures, Thumbprint)
	case AllowedNonAdminExecutables:
		return j.stringSet(w, KeyAllowedNonAdminExecutables, strings.TrimSpace)
	default:
		have := j.settings.Get(w.Control.Key)
		right := have.Kind != appsettings.Absent && appsettings.Equal(have.JSON, string(w.Value))
		return j.set(w.Control.Key, have, right, string(w.Value))
	}
}

func (j *judge) allowedHosts(w Want) Finding {
	wanted := w.Value.Strings()
	have := j.settings.Get(KeyAllowedHosts)
	text := defaultAllowedHosts
	if have.Kind != appsettings.Absent {
		text = plain(have)
	}
	right := have.Kind == appsettings.Scalar || have.Kind == appsettings.Absent
	right = right && sameSet(strings.Split(text, ";"), wanted, func(s string) string { return strings.ToLower(strings.TrimSpace(s)) })
	return j.set(KeyAllowedHosts, have, right, string(MakeValue(strings.Join(wanted, ";"))))
}

func (j *judge) logLevel(w Want) Finding {
	wanted := w.Value.Strings()
	have := j.settings.Get(KeyLogLevel)
	level := defaultLogLevel
	if have.Kind != appsettings.Absent {
		level = plain(have)
	}
	right := slices.ContainsFunc(wanted, func(s string) bool { return strings.EqualFold(s, level) })
	return j.set(KeyLogLevel, have, right, string(MakeValue(wanted[0])))
}

// stringSet judges a list whose order and repetitions mean nothing; null, missing
// and empty are equal.
func (j *judge) stringSet(w Want, key string, normal func(string) string) Finding {
	have := j.settings.Get(key)
	right := have.Kind != appsettings.Scalar && have.Kind != appsettings.Other &&
		sameSet(Value(have.JSON).Strings(), w.Value.Strings(), normal)
	return j.set(key, have, right, string(w.Value))
}

func (j *judge) certPassword() Finding {
	const hint = "move the key to the store, rotate the password, then empty the setting"
	if j.facts.Passwords != "" {
		return unknown(j.facts.Passwords, "")
	}
	if !j.facts.Tree.Known {
		return unknown("the tree was not seen whole", "")
	}
	var found, unclear []string
	for _, doc := range append([]File{j.facts.Settings}, j.facts.Documents...) {
		if doc.Missing {
			continue
		}
		name := strings.TrimPrefix(strings.TrimPrefix(doc.Path, j.facts.Root()), "/")
		if doc.Problem != "" {
			unclear = append(unclear, name+": "+doc.Problem)
			continue
		}
		keys, err := appsettings.Passwords(doc.Bytes)
		if err != nil {
			unclear = append(unclear, name+": "+Redact(err.Error()))
		}
		for _, k := range keys {
			found = append(found, name+": "+k)
		}
	}
	sort.Strings(found)
	switch {
	case len(found) > 0:
		return Finding{Outcome: NonCompliant, Have: "(set) in " + strings.Join(found, ", "), Want: "empty", Hint: hint}
	case len(unclear) > 0:
		sort.Strings(unclear)
		return unknown("not every JSON file of the install root could be searched: "+strings.Join(unclear, "; "), "")
	default:
		return Finding{Outcome: Compliant, Have: "empty"}
	}
}

// port is a port that appsettings.json may name.
func (j *judge) port(key string, standard int) int {
	if j.settings == nil {
		return standard
	}
	n, err := strconv.Atoi(plain(j.settings.Get(key)))
	if err != nil || n < 1 || n > 65535 {
		return standard
	}
	return n
}

func (j *judge) ports() []int {
	ports := []int{j.port(KeyHTTPPort, PortHTTP), j.port(KeyHTTPSPort, PortHTTPS), PortMQTT}
	slices.Sort(ports)
	return slices.Compact(ports)
}

// Strings reads a value that is an array of strings, or one string.
func (v Value) Strings() []string {
	var list []string
	if json.Unmarshal([]byte(v), &list) == nil {
		return list
	}
	var one string
	if json.Unmarshal([]byte(v), &one) == nil {
		return []string{one}
	}
	return nil
}

func sameSet(a, b []string, normal func(string) string) bool {
	return slices.Equal(normalSet(a, normal), normalSet(b, normal))
}

func normalSet(list []string, normal func(string) string) []string {
	out := []string{}
	for _, s := range list {
		if n := normal(s); n != "" {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Thumbprint takes out of a certificate's thumbprint what people and dialogs put
// into it: blanks, colons, and the left-to-right mark that Windows copies along.
func Thumbprint(s string) string {
	return strings.ToUpper(strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == ':' || r == '\u200e' {
			return -1
		}
		return r
	}, s))
}
