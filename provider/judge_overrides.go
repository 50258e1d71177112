package provider

import (
	"slices"
	"strings"

	"github.com/kepmctl/kepmctl/provider/appsettings"
)

// bindings are keys that say where the agent listens, beside its own settings [I].
var bindings = []string{
	"ASPNETCORE_URLS", "DOTNET_URLS", "urls", "ASPNETCORE_HTTP_PORTS", "ASPNETCORE_HTTPS_PORTS", "DOTNET_HTTP_PORTS",
	"DOTNET_HTTPS_PORTS", "HTTP_PORTS", "HTTPS_PORTS", "Kestrel:Endpoints", KeyHTTPPort, KeyHTTPSPort,
}

// Overridable says whether a control manages a setting that something else may win
// over.
func Overridable(c Control) bool { return keyOf(c) != "" || c.Name == LoopbackOnly }

// covers says whether setting one key changes what another reads: itself, what
// lies below it (an element of its list), or above it.
func covers(override, key string) bool {
	override, key = strings.ToLower(override), strings.ToLower(key)
	return override == key || strings.HasPrefix(override, key+":")
}

// overriddenBy says what wins over appsettings.json for a key; empty: nothing
// that is known.
func (j *judge) overriddenBy(key string) string {
	for _, v := range j.facts.Variables {
		if covers(v.Key, key) {
			return v.Where
		}
	}
	for _, layer := range j.facts.Layers {
		f, err := appsettings.Parse(layer.Bytes)
		if err == nil && f.Get(key).Kind != appsettings.Absent {
			return j.relative(layer)
		}
	}
	return ""
}

func (j *judge) relative(f File) string { return strings.TrimPrefix(f.Path, j.facts.Root()+"/") }

// managedKeys are the keys of appsettings.json that the goal manages, and those
// that decide where the agent listens if that is managed.
func (j *judge) managedKeys() []string {
	var list []string
	for _, w := range j.goal.Wants {
		key := keyOf(w.Control)
		switch {
		case w.Mode == Off && !w.leftOut():
		case w.Control.Name == LoopbackOnly:
			list = append(append(list, KeyMQTTAddress), bindings...)
		case key != "":
			list = append(list, key)
		}
	}
	slices.Sort(list)
	return list
}

func (j *judge) configOverrides() Finding {
	var found []string
	for _, key := range j.managedKeys() {
		if by := j.overriddenBy(key); by != "" {
			found = append(found, key+" by "+by)
		}
	}
	if len(found) > 0 {
		return Finding{
			Outcome: NonCompliant, Have: strings.Join(found, ", "), Want: "none",
			Hint: "take the override away, or manage the setting where it is made",
		}
	}
	var unclear []string
	for _, layer := range j.facts.Layers {
		if _, err := appsettings.Parse(layer.Bytes); layer.Problem != "" || err != nil {
			unclear = append(unclear, j.relative(layer)+" cannot be read")
		}
	}
	if j.facts.Overrides != "" {
		unclear = append(unclear, j.facts.Overrides)
	}
	if len(unclear) > 0 {
		return unknown(strings.Join(unclear, "; "), "")
	}
	return Finding{Outcome: Compliant, Have: "none", Want: "none"}
}
