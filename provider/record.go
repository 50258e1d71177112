package provider

import (
	"cmp"
	"slices"
	"strings"

	"github.com/kepmctl/kepmctl/provider/appsettings"
)

// Recorded is a look fit to be kept: it is judged as the look itself is, and holds
// no secret. Of settings files the values of sensitive keys are replaced, of other
// documents all values; comments and what services said in words are left out.
func (l Look) Recorded() Look {
	f := &l.Facts
	f.Settings = recorded(f.Settings, sensitive)
	f.Plugins = recordedAll(f.Plugins, sensitive)
	f.Layers = recordedAll(f.Layers, sensitive)
	f.Documents = recordedAll(f.Documents, func(key, text string) string { return strings.Repeat("x", min(1, len(text))) })
	f.Answers = slices.Clone(f.Answers)
	for i := range f.Answers {
		replies := slices.Clone(f.Answers[i].Replies)
		for j := range replies {
			replies[j].Body = nil
		}
		f.Answers[i].Replies = replies
	}
	return l
}

// sensitive replaces a value that is never shown, and deployment tokens anywhere.
func sensitive(key, text string) string {
	if text != "" && slices.ContainsFunc(strings.Split(key, ":"), SensitiveKey) {
		return Sensitive
	}
	return Redact(text)
}

func recorded(f File, hide func(key, text string) string) File {
	if f.Bytes == nil {
		return f
	}
	redacted, err := appsettings.Redacted(f.Bytes, hide)
	if err != nil { // its bytes cannot be told apart from a secret
		return File{Path: f.Path, Problem: cmp.Or(f.Problem, err.Error())}
	}
	f.Bytes = redacted
	return f
}

func recordedAll(files []File, hide func(key, text string) string) []File {
	out := slices.Clone(files)
	for i := range out {
		out[i] = recorded(out[i], hide)
	}
	return out
}
