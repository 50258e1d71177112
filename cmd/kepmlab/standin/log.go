package standin

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// logFile is where the agent logs, below its root.
const logFile = "Plugins/bin/KeeperLogger/Log/KeeperLogger.log"

// logLevel is one of the agent's levels; the zero value is the most severe.
type logLevel int

const (
	critical logLevel = iota
	_                 // Error
	warning
	information
	debug
)

var levelNames = [...]string{"Critical", "Error", "Warning", "Information", "Debug", "Trace"}

// parseLevel reads Settings:system.logging.level; what it does not know is the
// documented default, Warning.
func parseLevel(s string) logLevel {
	i := slices.IndexFunc(levelNames[:], func(n string) bool { return strings.EqualFold(n, s) })
	if i < 0 {
		return warning
	}
	return logLevel(i)
}

// logger appends lines at or above its level to the agent's log.
type logger struct {
	mu    sync.Mutex
	w     io.WriteCloser
	level logLevel
	now   func() time.Time
}

func openLog(root string, level logLevel, now func() time.Time) (*logger, error) {
	path := filepath.Join(root, filepath.FromSlash(logFile))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	return &logger{w: f, level: level, now: now}, nil
}

func (l *logger) printf(level logLevel, format string, args ...any) {
	if level > l.level {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	stamp := l.now().UTC().Format("2006-01-02 15:04:05.000 -07:00")
	_, _ = fmt.Fprintf(l.w, "%s [%s] %s\n", stamp, levelNames[level], fmt.Sprintf(format, args...))
}

func (l *logger) close() error { return l.w.Close() }

// Write takes net/http's own complaints, one line each.
func (l *logger) Write(p []byte) (int, error) {
	l.printf(debug, "%s", strings.TrimSpace(string(p)))
	return len(p), nil
}
