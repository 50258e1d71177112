package appsettings

import (
	"slices"
	"strings"

	"github.com/tailscale/hujson"
)

// Passwords lists the keys, levels joined by ":", of what must never be in a
// configuration file: a CertPassword that is not empty, wherever it is, and a
// Password that is not empty below a Certificate. It takes any JSON document of
// Parse's dialect, whatever its root, duplicate keys included, and never
// returns a value. The error is an *Error.
func Passwords(b []byte) ([]string, error) {
	f, err := parse(b)
	if err != nil {
		return nil, err
	}
	var paths []string
	for i := range f.nodes {
		n := &f.nodes[i]
		l, ok := n.value.Value.(hujson.Literal)
		if ok && l.Kind() != 'n' && l.String() != "" && isPassword(n.key) {
			paths = append(paths, n.path)
		}
	}
	return paths, nil
}

func isPassword(key string) bool {
	names := strings.Split(key, ":")
	if slices.Contains(names, "CERTPASSWORD") {
		return true
	}
	i := slices.Index(names, "CERTIFICATE")
	return i >= 0 && slices.Contains(names[i+1:], "PASSWORD")
}
