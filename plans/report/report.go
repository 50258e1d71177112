// Package report shows plans and outcomes: as text for people, as JSON for programs.
//
// It decides nothing. Every string that a host or a file said is made printable
// before it is shown.
package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/kepmctl/kepmctl/provider"
)

// View is how much of a plan is shown.
type View string

// Views.
const (
	Changes View = "changes" // grouped by change: the default
	Hosts   View = "hosts"   // host by host
	Brief   View = "summary" // the last lines only
	Full    View = "full"    // grouped, every host named, reasons and places given
)

// A Text writes for people. The first error ends all output and is kept.
type Text struct {
	Out   io.Writer
	Color bool // colour never carries meaning alone
	View  View

	err error
}

// line writes one line; its arguments are made printable.
func (t *Text) line(format string, args ...any) {
	if t.err != nil {
		return
	}
	for i, a := range args {
		if s, ok := a.(string); ok {
			args[i] = provider.Printable(s)
		}
	}
	text := quiet.Replace(fmt.Sprintf(format, args...))
	if t.Color {
		text = paint(text)
	}
	_, t.err = io.WriteString(t.Out, text+"\n")
}

// quiet takes from texts what CI systems would take for a command of the program's.
var quiet = strings.NewReplacer("##vso[", "# #vso[", "##[", "# #[")

// paint colours a line by the mark it begins with.
func paint(line string) string {
	marks := map[string]string{"+": "32", "~": "33", "-": "31", "-/+": "33", "!": "35", "?": "36", "x": "31", "#": "1"}
	mark, _, _ := strings.Cut(strings.TrimSpace(line), " ")
	code, ok := marks[mark]
	if !ok {
		return line
	}
	return "\x1b[" + code + "m" + line + "\x1b[0m"
}

// hostCount is "1 host" or "12 hosts".
func hostCount(n int) string { return count(n, "host", "hosts") }

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
