package provider

import (
	"encoding/json"
	"slices"
	"sort"
	"strconv"
	"strings"
	"unicode"

	"github.com/kepmctl/kepmctl/provider/appsettings"
	"github.com/kepmctl/kepmctl/transport"
)

// A document is a settings file of the agent that can be edited.
type document struct {
	file   File
	name   string // relative to the install root
	parsed *appsettings.File
}

func (j *judge) appSettings() document {
	return document{file: j.facts.Settings, name: SettingsFile, parsed: j.settings}
}

// set makes the finding of a key that must hold a value: compliant, or a change
// from what the file has to the wanted JSON text. The empty text takes the key out.
func (j *judge) set(d document, key string, have appsettings.Value, right bool, to string) Finding {
	from := shown(key, have)
	f := Finding{Outcome: Compliant, Have: from, Want: to}
	if have.Kind == appsettings.Absent {
		f.Have = "not set"
	}
	if right {
		return f
	}
	f.Outcome = NonCompliant
	action := Modify
	switch {
	case have.Kind == appsettings.Absent:
		action = Add
	case to == "":
		action, f.Want = Remove, "not set"
	}
	if f.Reason = j.openAbove(d.name); f.Reason != "" {
		return f
	}
	if _, err := edited(d.parsed, key, to); err != nil {
		f.Reason = "cannot be edited with certainty: " + err.Error()
		f.Hint = "edit " + d.name + " by hand"
		return f
	}
	attr := key
	if d.name != SettingsFile {
		attr = d.name + " " + key
	}
	f.Changes = []Change{{Attr: attr, Action: action, From: from, To: to, Effect: j.effect()}}
	return f
}

// edited is a file with a key set to a value, or without it if the value is empty.
func edited(f *appsettings.File, key, to string) ([]byte, error) {
	if to == "" {
		return f.Remove(key)
	}
	return f.Set(key, to)
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
	key := keyOf(w.Control)
	if by := j.overriddenBy(key); by != "" {
		return unknown("overridden by "+by, "see config_overrides: take the override away, then plan again")
	}
	have := j.settings.Get(key)
	switch w.Control.Name {
	case AllowedHosts:
		return j.allowedHosts(w, have)
	case LogLevel:
		return j.logLevel(w, have)
	case AlternativeSignatures:
		return j.stringSet(w, have, Thumbprint)
	case AllowedNonAdminExecutables:
		return j.stringSet(w, have, strings.TrimSpace)
	default:
		right, to := w.matches(have)
		return j.set(j.appSettings(), key, have, right, to)
	}
}

// matches says whether a present value is right, and what must be written if not.
func (w Want) matches(have appsettings.Value) (right bool, to string) {
	to = string(w.Value)
	switch w.Match {
	case MatchAbsent:
		return have.Kind == appsettings.Absent, ""
	case MatchOneOf:
		list := w.Value.elements()
		return slices.ContainsFunc(list, func(v Value) bool { return equal(have, v) }), string(list[0])
	case MatchAtLeast, MatchAtMost:
		n, ok := appsettings.Number(have.JSON)
		bound, valid := appsettings.Number(to)
		return ok && valid && n.Cmp(bound) != map[Match]int{MatchAtLeast: -1, MatchAtMost: 1}[w.Match], to
	default:
		return equal(have, w.Value), to
	}
}

func equal(have appsettings.Value, want Value) bool {
	return have.Kind != appsettings.Absent && appsettings.Equal(have.JSON, string(want))
}

// elements are the values of an array.
func (v Value) elements() []Value {
	var raw []json.RawMessage
	if json.Unmarshal([]byte(v), &raw) != nil {
		return nil
	}
	list := make([]Value, len(raw))
	for i, r := range raw {
		list[i] = Value(r)
	}
	return list
}

func (j *judge) allowedHosts(w Want, have appsettings.Value) Finding {
	wanted := w.Value.Strings()
	text := defaultAllowedHosts
	if have.Kind != appsettings.Absent {
		text = plain(have)
	}
	right := have.Kind == appsettings.Scalar || have.Kind == appsettings.Absent
	right = right && sameSet(strings.Split(text, ";"), wanted, func(s string) string { return strings.ToLower(strings.TrimSpace(s)) })
	f := j.set(j.appSettings(), KeyAllowedHosts, have, right, string(MakeValue(strings.Join(wanted, ";"))))
	switch wrong := j.unfiltered(); {
	case wrong == "":
	case right:
		f.Outcome, f.Have = NonCompliant, "right in the file, but "+wrong
		f.Hint = "see whether something overrides the file (config_overrides), and restart the agent's service"
	default:
		f.Have += "; " + wrong
	}
	return f
}

// unfiltered is what the agent answers that it must not, where it was asked.
func (j *judge) unfiltered() string {
	var p Proof
	if slices.ContainsFunc(j.facts.Answers, func(a transport.Answer) bool { return a.Question.Path == "/" }) {
		p.filter(j)
	}
	return strings.Join(p.Contradictions, "; ")
}

func (j *judge) logLevel(w Want, have appsettings.Value) Finding {
	wanted := w.Value.Strings()
	level := defaultLogLevel
	if have.Kind != appsettings.Absent {
		level = plain(have)
	}
	right := slices.ContainsFunc(wanted, func(s string) bool { return strings.EqualFold(s, level) })
	return j.set(j.appSettings(), KeyLogLevel, have, right, string(MakeValue(wanted[0])))
}

// stringSet judges a list whose order and repetitions mean nothing; null, missing
// and empty are equal.
func (j *judge) stringSet(w Want, have appsettings.Value, normal func(string) string) Finding {
	right := have.Kind != appsettings.Scalar && have.Kind != appsettings.Other &&
		sameSet(Value(have.JSON).Strings(), w.Value.Strings(), normal)
	return j.set(j.appSettings(), keyOf(w.Control), have, right, string(w.Value))
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
