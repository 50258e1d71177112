package standin

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// status is what GET /api/system/status tells.
type status struct {
	Status  string `json:"status"`
	Version string `json:"version"`
	Plugins int    `json:"plugins"`
	Jobs    int    `json:"jobs"`
}

// httpHandler serves the plain port: everything is sent on to HTTPS, once its
// Host header has passed. /health bypasses both, on this port too.
func httpHandler(allowedHosts string, httpsPort int, now func() time.Time) http.Handler {
	redirect := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if host == "" {
			host = "localhost"
		}
		u := *r.URL
		u.Scheme, u.Host = "https", withoutPort(host)+":"+strconv.Itoa(httpsPort)
		w.Header().Set("Location", u.String())
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	return withHealth(now, hostFilter(allowedHosts, redirect))
}

// httpsHandler serves the public endpoints; everything else is restricted.
func httpsHandler(allowedHosts string, st status, now func() time.Time) http.Handler {
	public := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method != http.MethodGet:
			http.Error(w, "Forbidden", http.StatusForbidden)
		case r.URL.Path == "/":
			_, _ = w.Write([]byte("Keeper Endpoint Privilege Manager\n"))
		case r.URL.Path == "/api/system/status":
			writeJSON(w, st)
		default:
			http.Error(w, "Forbidden", http.StatusForbidden)
		}
	})
	return withHealth(now, hostFilter(allowedHosts, public))
}

func withHealth(now func() time.Time, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/health" {
			next.ServeHTTP(w, r)
			return
		}
		writeJSON(w, struct {
			Status    string    `json:"status"`
			Timestamp time.Time `json:"timestamp"`
			Version   string    `json:"version"`
		}{"healthy", now().UTC(), Version})
	})
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}
