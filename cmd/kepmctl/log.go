package main

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/kepmctl/kepmctl/provider"
	"github.com/kepmctl/kepmctl/transport"
)

// beginLog opens the log that KEPM_LOG asks for.
func (a *app) beginLog() error {
	name, _ := a.env("KEPM_LOG")
	if name == "" {
		return nil
	}
	level, ok := map[string]slog.Level{
		"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
	}[strings.ToLower(name)]
	if !ok {
		return fmt.Errorf("KEPM_LOG=%.40q is none of debug, info, warn, error", name)
	}
	a.log = slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: level, ReplaceAttr: cleanAttr}))
	return nil
}

// cleanAttr takes deployment tokens and control characters out of everything that
// is logged, the message too.
func cleanAttr(_ []string, attr slog.Attr) slog.Attr {
	switch v := attr.Value; v.Kind() {
	case slog.KindString:
		attr.Value = slog.StringValue(cleanText(v.String()))
	case slog.KindAny:
		if _, level := v.Any().(slog.Level); !level {
			attr.Value = slog.StringValue(cleanText(fmt.Sprint(v.Any())))
		}
	}
	return attr
}

func cleanText(s string) string { return provider.Printable(provider.Redact(s)) }

// traced logs what a dialer does, where a log is kept.
func (a *app) traced(d transport.Dialer) transport.Dialer {
	if a.log == nil {
		return d
	}
	return transport.Trace(d, a.log.With("run", a.runID), a.now)
}
