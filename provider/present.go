package provider

import (
	"strings"

	"github.com/kepmctl/kepmctl/provider/appsettings"
)

// Present is what appsettings.json holds for a control of its own, or what the agent
// takes where it holds nothing. Not ok: the file cannot be read, or holds something
// that is none of the control's values.
func Present(l Look, control string) (list []string, ok bool) {
	j := newJudge(Goal{}, l)
	if j.settings == nil {
		return nil, false
	}
	have := j.settings.Get(keys[control])
	switch {
	case control == AllowedHosts && have.Kind == appsettings.Absent:
		return []string{defaultAllowedHosts}, true
	case control == LogLevel && have.Kind == appsettings.Absent:
		return []string{defaultLogLevel}, true
	case control == AllowedHosts && have.Kind == appsettings.Scalar:
		for name := range strings.SplitSeq(plain(have), ";") {
			if name = strings.TrimSpace(name); name != "" {
				list = append(list, name)
			}
		}
		return list, len(list) > 0
	case control == LogLevel && have.Kind == appsettings.Scalar:
		return []string{plain(have)}, true
	case have.Kind == appsettings.Scalar && have.JSON != "null", have.Kind == appsettings.Other:
		return nil, false
	default:
		return Value(have.JSON).Strings(), control != AllowedHosts && control != LogLevel
	}
}
