package appsettings

import (
	"github.com/tailscale/hujson"
)

// Redacted is a document of the same keys and values, without comments, in which
// hide has replaced the texts of values: it is given a key's whole name, levels
// joined by ":", and the value's text. Numbers, booleans and null that it changes
// become texts. It takes what Passwords takes; the error is an *Error.
func Redacted(b []byte, hide func(key, text string) string) ([]byte, error) {
	f, err := parse(b)
	if err != nil {
		return nil, err
	}
	f.root.Minimize()
	redact(&f.root, "", hide)
	return f.root.Pack(), nil
}

func redact(v *hujson.Value, key string, hide func(key, text string) string) {
	switch value := v.Value.(type) {
	case *hujson.Object:
		for i := range value.Members {
			m := &value.Members[i]
			name := m.Name.Value.(hujson.Literal).String()
			if key != "" {
				name = key + ":" + name
			}
			redact(&m.Value, name, hide)
		}
	case *hujson.Array:
		for i := range value.Elements {
			redact(&value.Elements[i], key, hide)
		}
	case hujson.Literal:
		if value.Kind() == 'n' {
			return
		}
		if text := value.String(); hide(key, text) != text {
			v.Value = hujson.String(hide(key, text))
		}
	}
}
