package standin

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// deathDelay is how long after its start an agent with a broken configuration,
// or one told to die, ends.
const deathDelay = 2 * time.Second

// An Agent is one start of the stand-in.
type Agent struct {
	Root    string   // the install root, which holds appsettings.json
	HTTP    int      // ports; 0: what appsettings.json says, else the documented default
	HTTPS   int      //
	MQTT    int      //
	Environ []string // the environment, as os.Environ returns it
	Now     func() time.Time
	After   func(time.Duration) <-chan time.Time
}

// Run is the agent from its start to its end: nil when ctx ends, an error when
// it dies by itself.
func (a Agent) Run(ctx context.Context) error {
	settings, broken := ReadSettings(a.Root, a.Environ)
	l, err := openLog(a.Root, parseLevel(settings.Get("Settings:system.logging.level", "")), a.Now)
	if err != nil {
		return fmt.Errorf("open the log: %w", err)
	}
	defer l.close()
	if broken != nil {
		l.printf(critical, "Host terminated unexpectedly: %s", broken)
		return a.die(ctx, fmt.Errorf("start with this configuration: %w", broken))
	}
	l.printf(information, "Starting %s %s", Package, Version)
	knobs := ReadKnobs(a.Environ)
	failure := knobs.failure(settings)
	if failure == NeverUp {
		<-ctx.Done()
		return nil
	}
	g, ctx := errgroup.WithContext(ctx)
	if failure == DiesAfter2s {
		g.Go(func() error { return a.die(ctx, errors.New("told to die after two seconds")) })
	}
	g.Go(func() error { return a.serve(ctx, settings, knobs, l) })
	err = g.Wait()
	l.printf(information, "Stopped")
	return err
}

// die waits for the moment of death and returns why, or nil if ctx ends first.
func (a Agent) die(ctx context.Context, why error) error {
	select {
	case <-a.After(deathDelay):
		return why
	case <-ctx.Done():
		return nil
	}
}

// serve listens on the three ports until ctx ends.
func (a Agent) serve(ctx context.Context, s Settings, k Knobs, l *logger) error {
	conf, err := tlsConfig(a.Now(), k)
	if err != nil {
		return fmt.Errorf("make a certificate: %w", err)
	}
	listeners, err := a.listen(ctx, s, k)
	if err != nil {
		l.printf(critical, "Failed to bind: %s", err)
		return err
	}
	st := countStatus(a.Root)
	if k.failure(s) == LosesPlugin && st.Plugins > 0 {
		st.Plugins--
	}
	allowed := s.Get("AllowedHosts", "*")
	port := listeners[1].Addr().(*net.TCPAddr).Port
	complaints := log.New(l, "", 0)
	plain := &http.Server{Handler: logged(l, httpHandler(allowed, port, a.Now)), ErrorLog: complaints, ReadHeaderTimeout: time.Minute}
	secure := &http.Server{Handler: logged(l, httpsHandler(allowed, st, a.Now)), ErrorLog: complaints, ReadHeaderTimeout: time.Minute}
	l.printf(information, "%d plugins, %d jobs", st.Plugins, st.Jobs)

	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return plain.Serve(listeners[0]) })
	g.Go(func() error { return secure.Serve(tls.NewListener(listeners[1], conf)) })
	g.Go(func() error { return serveMQTT(tls.NewListener(listeners[2], conf)) })
	g.Go(func() error {
		<-ctx.Done()
		return errors.Join(plain.Close(), secure.Close(), listeners[2].Close())
	})
	if err := g.Wait(); ctx.Err() == nil || !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// listen opens the HTTP, HTTPS and MQTT ports, in this order, or none.
func (a Agent) listen(ctx context.Context, s Settings, k Knobs) ([]net.Listener, error) {
	bind := k.Bind
	if bind == "" {
		bind = "127.0.0.1"
	}
	var listeners []net.Listener
	for _, p := range []struct {
		host string
		port int
	}{
		{"127.0.0.1", first(a.HTTP, s.Int("Settings:KestrelHttpPort", 6888))},
		{bind, first(a.HTTPS, s.Int("Settings:KestrelHttpsPort", 6889))},
		{s.Get("MqttBrokerSettings:IpAddress", "127.0.0.1"), first(a.MQTT, 8675)},
	} {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(p.host, strconv.Itoa(p.port)))
		if err != nil {
			for _, l := range listeners {
				_ = l.Close()
			}
			return nil, err
		}
		listeners = append(listeners, l)
	}
	return listeners, nil
}

func first(asked, configured int) int {
	if asked != 0 {
		return asked
	}
	return configured
}

// countStatus counts what the agent loads at its start: a plugin whose file
// does not parse is not loaded; a job is a file.
func countStatus(root string) status {
	st := status{Status: "running", Version: Version}
	for _, path := range jsonFiles(filepath.Join(root, "Plugins")) {
		b, err := readJSON(path)
		if err != nil {
			continue
		}
		if _, err := ParseSettings(b); err == nil {
			st.Plugins++
		}
	}
	st.Jobs = len(jsonFiles(filepath.Join(root, "Jobs")))
	return st
}

func jsonFiles(dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var paths []string
	for _, e := range entries {
		if e.Type().IsRegular() && strings.EqualFold(filepath.Ext(e.Name()), ".json") {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	return paths
}

func logged(l *logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.printf(debug, "%s %q Host %q", r.Method, r.URL.Path, r.Host)
		next.ServeHTTP(w, r)
	})
}
