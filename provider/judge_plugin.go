package provider

import (
	"cmp"
	"slices"
	"strings"

	"github.com/kepmctl/kepmctl/provider/appsettings"
)

// pluginSetting judges what a plug-in's file holds. The agent's own storage may
// win over the file, and whether it does cannot be asked [D][3P].
func (j *judge) pluginSetting(w Want) Finding {
	d, key, why := j.pluginTarget(w)
	if why.Outcome != "" {
		return why
	}
	have := d.parsed.Get(key)
	right, to := w.matches(have)
	return j.set(d, key, have, right, to)
}

// pluginTarget finds the file and the key of a plug-in's setting: at the root or
// under metadata, wherever it is; where it is nowhere, under metadata if there is
// one. A finding with an outcome says why there is no such place.
func (j *judge) pluginTarget(w Want) (d document, key string, why Finding) {
	name := PluginsDir + "/" + w.Control.Plugin + ".json"
	const byHand = "put the file right by hand; it is not touched"
	switch files := j.facts.Plugins; {
	case j.facts.Rows == nil || j.facts.PluginsWhy != "":
		return d, "", unknown(cmp.Or(j.facts.PluginsWhy, "the host did not say"), "")
	case slices.ContainsFunc(j.facts.RowsAt(PluginsDir), func(r Row) bool { return r.Link }):
		return d, "", unknown(PluginsDir+" is a symbolic link", "put the real directory in its place: what a link points to is not judged")
	default:
		for _, f := range files {
			relative := strings.TrimPrefix(f.Path, j.facts.Root()+"/")
			if !strings.EqualFold(relative, name) {
				continue
			}
			if d.name != "" {
				return d, "", unknown(d.name+" and "+relative+" differ only in case", "find out which one the agent uses, and remove the other")
			}
			d.file, d.name = f, relative
		}
	}
	switch {
	case d.name == "" && w.Match == MatchAbsent:
		return d, "", Finding{Outcome: Compliant, Have: "not set"}
	case d.name == "":
		return d, "", unknown("there is no file "+name, "see that the plug-in is installed and that its name is right")
	case d.file.Problem != "":
		return d, "", unknown(d.name+" could not be read: "+d.file.Problem, byHand)
	}
	parsed, err := appsettings.Parse(d.file.Bytes)
	if err != nil {
		return d, "", unknown(d.name+": "+Redact(err.Error()), byHand)
	}
	d.parsed = parsed
	return d, j.pluginKey(d, w, &why), why
}

func (j *judge) pluginKey(d document, w Want, why *Finding) string {
	below := metadata + ":" + w.Control.Key
	atRoot, inside := d.parsed.Get(w.Control.Key).Kind != appsettings.Absent, d.parsed.Get(below).Kind != appsettings.Absent
	switch {
	case atRoot && inside:
		*why = unknown(w.Control.Key+" stands at the root of "+d.name+" and under "+metadata, "find out which one the plug-in reads, and remove the other")
	case !atRoot && (inside || d.parsed.Get(metadata).Kind != appsettings.Absent):
		return below
	}
	return w.Control.Key
}
