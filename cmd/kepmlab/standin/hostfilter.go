package standin

import (
	"net"
	"net/http"
	"strings"
)

// hostFilter answers 400 to a Host header that AllowedHosts does not name, as
// ASP.NET Core's host filtering does: entries are separated by ";", "*" allows
// all, "*.example" every name below example; the port and case do not count, and
// a request without a Host header (HTTP/1.0) passes.
func hostFilter(allowedHosts string, next http.Handler) http.Handler {
	entries := entriesOf(allowedHosts)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !hostAllowed(entries, r.Host) {
			http.Error(w, "Bad Request - Invalid Hostname", http.StatusBadRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// HostAllowed says whether AllowedHosts lets a Host header through.
func HostAllowed(allowedHosts, host string) bool { return hostAllowed(entriesOf(allowedHosts), host) }

func entriesOf(allowedHosts string) []string {
	var entries []string
	for e := range strings.SplitSeq(strings.ToLower(allowedHosts), ";") {
		if e != "" {
			entries = append(entries, e)
		}
	}
	return entries
}

// hostAllowed says whether entries, in lower case, name host. No entry at all
// allows everything.
func hostAllowed(entries []string, host string) bool {
	if len(entries) == 0 || host == "" {
		return true
	}
	host = strings.ToLower(withoutPort(host))
	for _, e := range entries {
		suffix, wildcard := strings.CutPrefix(e, "*")
		switch {
		case e == "*", e == host:
			return true
		case wildcard && strings.HasPrefix(suffix, ".") && len(host) > len(suffix) && strings.HasSuffix(host, suffix):
			return true
		}
	}
	return false
}

// withoutPort cuts ":port", and keeps the brackets of an IPv6 address.
func withoutPort(host string) string {
	name, _, err := net.SplitHostPort(host)
	switch {
	case err != nil:
		return host
	case strings.HasPrefix(host, "["):
		return "[" + name + "]"
	}
	return name
}
