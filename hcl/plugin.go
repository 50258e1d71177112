package hcl

import (
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/kepmctl/kepmctl/provider"
)

// A matched is what an app_setting or a plugin_setting wants.
type matched struct {
	value any
	match provider.Match
}

// readMatched reads value and match of a block for a key. The setting's value is
// nil when the block undoes what was inherited.
func (r *reading) readMatched(b *hclsyntax.Block, key string) (s setting, ok bool) {
	a := r.attrs(b)
	s = setting{at: b.DefRange()}
	matches := []string{
		string(provider.MatchEqual), string(provider.MatchAtLeast), string(provider.MatchAtMost), string(provider.MatchOneOf), string(provider.MatchAbsent),
	}
	text, given := a.choice("match", matches)
	match := provider.Match(text)
	switch {
	case a.has("match") && !given && a.set("match"):
		return s, false // reported
	case match == provider.MatchAbsent && a.set("value"):
		a.wrong("value", "A key that must be absent has no value: leave it out.")
		return s, false
	case match == provider.MatchAbsent:
		s.at = a.body.Attributes["match"].NameRange
		s.value = matched{match: match}
		return s, true
	case !a.has("value"):
		r.d.errorf(b.DefRange().Ptr(), "Missing attribute", "A block %q needs the attribute \"value\", or match = \"absent\".", b.Type)
		return s, false
	}
	s.at = a.body.Attributes["value"].NameRange
	v, set := a.value("value")
	if !set {
		return s, !a.set("value")
	}
	if value := matchedValue(a, key, match, v); value != nil {
		s.value = matched{value: value, match: match}
	}
	return s, true
}

// matchedValue is a value that the match can use, or nil.
func matchedValue(a attrs, key string, match provider.Match, v cty.Value) any {
	switch match {
	case provider.MatchAtLeast, provider.MatchAtMost:
		if v.Type() != cty.Number {
			a.wrong("value", "match = %q compares numbers: write one, without quotes.", match)
			return nil
		}
		value := settingValue(a, key, v)
		if value != nil && !provider.Comparable(provider.MakeValue(value)) {
			a.wrong("value", "match = %q compares numbers of at most 400 digits.", match)
			return nil
		}
		return value
	case provider.MatchOneOf:
		if t := v.Type(); (!t.IsTupleType() && !t.IsListType() && !t.IsSetType()) || v.LengthInt() == 0 {
			a.wrong("value", "match = %q needs a list of values: the first is written, any of them is right.", match)
			return nil
		}
		var list []any
		for _, item := range v.AsValueSlice() {
			value := settingValue(a, key, item)
			if value == nil {
				return nil
			}
			list = append(list, value)
		}
		return list
	}
	return settingValue(a, key, v)
}

func (r *reading) readAppSetting(own map[slot]setting, block *hclsyntax.Block) {
	key := block.Labels[0]
	if !r.settableKey(block) {
		return
	}
	if s, ok := r.readMatched(block, key); ok {
		s.label = key
		own[slot{"app_setting", strings.ToLower(key), "value"}] = s
	}
}

func (r *reading) readPluginSetting(own map[slot]setting, block *hclsyntax.Block) {
	plugin, key := block.Labels[0], block.Labels[1]
	switch {
	case !provider.PluginName(plugin):
		r.d.errorf(block.LabelRanges[0].Ptr(), "Not the name of a plug-in", "Write the name of its file in Plugins without \".json\", as in \"KeeperLogger\".")
	case !plainKey(key) || !provider.PluginKey(key):
		r.d.errorf(block.LabelRanges[1].Ptr(), "Not a key",
			"Write the names of the levels with \":\" between them, as in \"logRetentionDays\", without \"metadata:\": where it stands is found out. A CertPassword is looked after by cert_password.")
	default:
		if s, ok := r.readMatched(block, key); ok {
			s.plugin, s.label = plugin, key
			own[slot{"plugin_setting", strings.ToLower(plugin + "\x00" + key), "value"}] = s
		}
	}
}
