package standin

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"
)

// A Watchdog starts the agent's unit again when it finds it down.
type Watchdog struct {
	Root      string // the install root, which holds appsettings.json
	Unit      string // the agent's unit
	Systemctl func(ctx context.Context, args ...string) error
	After     func(time.Duration) <-chan time.Time
	Log       io.Writer // what it does, a line each
}

// Run watches until ctx ends. Its settings are read once: Watchdog:StartupDelaySec,
// Watchdog:CheckIntervalSec and Watchdog:AutoRemediate, with the documented
// defaults where the file has or allows none.
func (w Watchdog) Run(ctx context.Context) error {
	s, err := ReadSettings(w.Root, nil)
	if err != nil {
		_, _ = fmt.Fprintf(w.Log, "using default settings: %s\n", err)
	}
	interval := time.Duration(max(1, s.Int("Watchdog:CheckIntervalSec", 10))) * time.Second
	remediate := !strings.EqualFold(s.Get("Watchdog:AutoRemediate", "true"), "false")
	next := time.Duration(s.Int("Watchdog:StartupDelaySec", 90)) * time.Second
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.After(next):
		}
		next = interval
		if w.Systemctl(ctx, "is-active", "--quiet", w.Unit) == nil || ctx.Err() != nil {
			continue
		}
		if !remediate {
			_, _ = fmt.Fprintf(w.Log, "%s is not active\n", w.Unit)
			continue
		}
		_, _ = fmt.Fprintf(w.Log, "%s is not active: starting it\n", w.Unit)
		if err := w.Systemctl(ctx, "start", w.Unit); err != nil {
			_, _ = fmt.Fprintf(w.Log, "start %s: %s\n", w.Unit, err)
		}
	}
}
