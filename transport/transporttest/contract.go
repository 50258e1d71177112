// Package transporttest holds what every transport must pass, and stand-ins for
// those who use one.
package transporttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kepmctl/kepmctl/transport"
)

// patience is far above what any step of the suite takes on a slow machine.
const patience = 30 * time.Second

// Conn is the contract of a connection to a host with a POSIX shell. Each call
// of dial gives a connection of its own; the suite closes it. The host is this
// machine, or shares its temporary directory.
func Conn(t *testing.T, dial func(t *testing.T) transport.Conn) {
	tests := []struct {
		name string
		test func(t *testing.T, c transport.Conn)
	}{
		{"an exit status is output", exits},
		{"a broken script is output", broken},
		{"exit ends only the script", exitIsLocal},
		{"what a script sets ends with it", stateIsLocal},
		{"arguments arrive", arguments},
		{"standard input arrives", input},
		{"unread standard input is no script", unreadInput},
		{"output is exact", exactOutput},
		{"much goes both ways at once", bothWays},
		{"standard error is capped", cappedStderr},
		{"the text never has a NUL", nulRefused},
		{"a hundred in sequence", sequence},
		{"the surroundings are fixed", surroundings},
		{"cancelling ends the script promptly", cancelling},
		{"a script is not begun after the end", ended},
		{"closing twice is harmless", closingTwice},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := dial(t)
			t.Cleanup(func() { _ = c.Close() })
			tt.test(t, c)
		})
	}
}

// run runs a script that must not end in an error.
func run(t *testing.T, c transport.Conn, s transport.Script) transport.Output {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if s.Name == "" {
		s.Name = "contract.sh"
	}
	out, err := c.Run(ctx, s)
	if err != nil {
		t.Fatalf("run %q: %v", short(s.Text), err)
	}
	return out
}

// says runs a script and compares its standard output.
func says(t *testing.T, c transport.Conn, s transport.Script, want string) {
	t.Helper()
	out := run(t, c, s)
	if got := string(out.Stdout); got != want {
		t.Fatalf("%q said %q, want %q (stderr %q)", short(s.Text), short(got), short(want), out.Stderr)
	}
}

func short(s string) string { return s[:min(len(s), 300)] }

func exits(t *testing.T, c transport.Conn) {
	for _, want := range []int{0, 1, 3, 127, 255} {
		out := run(t, c, transport.Script{Text: "echo out; echo err >&2; exit " + fmt.Sprint(want)})
		if out.Exit != want || string(out.Stdout) != "out\n" || string(out.Stderr) != "err\n" {
			t.Errorf("exit %d: %d, stdout %q, stderr %q", want, out.Exit, out.Stdout, out.Stderr)
		}
		if out.Took <= 0 {
			t.Errorf("it took %v", out.Took)
		}
	}
	if out := run(t, c, transport.Script{Text: "false"}); out.Exit != 1 {
		t.Errorf("the last command's status is lost: %d", out.Exit)
	}
}

func broken(t *testing.T, c transport.Conn) {
	if out := run(t, c, transport.Script{Text: "if then fi ((("}); out.Exit == 0 {
		t.Error("a script that does not parse ended well")
	}
	if out := run(t, c, transport.Script{Text: "set -u; echo \"$undefined\"; echo after"}); out.Exit == 0 || len(out.Stdout) > 0 {
		t.Errorf("an undefined variable under set -u: exit %d, said %q", out.Exit, out.Stdout)
	}
	says(t, c, transport.Script{Text: "echo still here"}, "still here\n")
}

func exitIsLocal(t *testing.T, c transport.Conn) {
	if out := run(t, c, transport.Script{Text: "exit 3", Stdin: []byte("unread")}); out.Exit != 3 {
		t.Errorf("exit %d, want 3", out.Exit)
	}
	if out := run(t, c, transport.Script{Text: "trap 'echo bye' EXIT; exit 4"}); out.Exit != 4 || string(out.Stdout) != "bye\n" {
		t.Errorf("a trap at the end: exit %d, said %q", out.Exit, out.Stdout)
	}
	says(t, c, transport.Script{Text: "echo next"}, "next\n")
}

func stateIsLocal(t *testing.T, c transport.Conn) {
	run(t, c, transport.Script{Args: []string{"one"}, Text: "cd /; kept=1; umask 000; f() { :; }; exec >/dev/null 2>&1 </dev/null; set -eu"})
	says(t, c, transport.Script{Text: `echo "${kept:-unset} $(umask -S) $#"; false; echo on`}, "unset u=rwx,g=,o= 0\non\n")
}

func arguments(t *testing.T, c transport.Conn) {
	args := []string{
		"", " ", "two words", "it's", `"double"`, `back\slash\n`, "new\nline\n", "tab\tcr\r", "$HOME `id` $(id) ${x}",
		"*", "~", "-n", "--", "!history!", "#no comment", "a;b|c&d>e", "žluťoučký 日本語 🔑", "\x01\x7f\x81\x82\x88\xfe\xff", "%s%n",
		"EOF\nEOF", strings.Repeat("long ", 5000),
	}
	var want strings.Builder
	for _, a := range args {
		fmt.Fprintf(&want, "<%s>\n", a)
	}
	says(t, c, transport.Script{Args: args, Text: `for a do printf '<%s>\n' "$a"; done`}, want.String())
	says(t, c, transport.Script{Text: `echo $#`}, "0\n")
}

func input(t *testing.T, c transport.Conn) {
	data := make([]byte, 1<<20)
	for i := range data {
		data[i] = byte(i ^ i>>8 ^ i>>16)
	}
	for _, n := range []int{0, 1, 2, 511, 65537, len(data)} {
		out := run(t, c, transport.Script{Text: "cat", Stdin: data[:n]})
		if !bytes.Equal(out.Stdout, data[:n]) {
			t.Fatalf("%d bytes went, %d other bytes came", n, len(out.Stdout))
		}
	}
}

func unreadInput(t *testing.T, c transport.Conn) {
	for _, text := range []string{":", "read -r x", "exec <&-", "exit 1", "cat <&- 2>/dev/null || :"} {
		run(t, c, transport.Script{Text: text, Stdin: []byte("echo one\necho two\n" + strings.Repeat("echo forged\n", 6000))})
		says(t, c, transport.Script{Text: "echo next"}, "next\n")
	}
}

func exactOutput(t *testing.T, c transport.Conn) {
	for _, want := range []string{"", "\n", "no newline", "one\n", "\n\n\n", "\r\n", "two\n\nlines"} {
		says(t, c, transport.Script{Args: []string{want}, Text: `printf %s "$1"`}, want)
	}
	out := run(t, c, transport.Script{Text: `printf 'a\000b' ; printf %s 'no newline' >&2`})
	if string(out.Stdout) != "a\x00b" || string(out.Stderr) != "no newline" {
		t.Errorf("stdout %q, stderr %q", out.Stdout, out.Stderr)
	}
}

func bothWays(t *testing.T, c transport.Conn) {
	out := run(t, c, transport.Script{
		Text:  "dd if=/dev/zero bs=65536 count=64 2>/dev/null; cat; dd if=/dev/zero bs=65536 count=16 2>/dev/null >&2",
		Stdin: bytes.Repeat([]byte("x"), 256<<10),
	})
	if want := 64<<16 + 256<<10; len(out.Stdout) != want {
		t.Errorf("%d bytes came, want %d", len(out.Stdout), want)
	}
}

func cappedStderr(t *testing.T, c transport.Conn) {
	out := run(t, c, transport.Script{Text: "dd if=/dev/zero bs=65536 count=16 2>/dev/null >&2; echo the end >&2"})
	if len(out.Stderr) > 64<<10 || !bytes.HasSuffix(out.Stderr, []byte("the end\n")) {
		t.Errorf("%d bytes kept, the last are %q", len(out.Stderr), out.Stderr[max(0, len(out.Stderr)-20):])
	}
}

func nulRefused(t *testing.T, c transport.Conn) {
	for _, s := range []transport.Script{{Text: "echo a\x00b"}, {Text: ":", Args: []string{"a\x00"}}} {
		if _, err := c.Run(t.Context(), s); err == nil {
			t.Errorf("%q with %q was run", s.Text, s.Args)
		}
	}
	says(t, c, transport.Script{Text: "echo next"}, "next\n")
}

func sequence(t *testing.T, c transport.Conn) {
	for i := range 100 {
		n := fmt.Sprint(i)
		says(t, c, transport.Script{Args: []string{n}, Stdin: []byte(n), Text: `echo "$1 $(cat)"`}, n+" "+n+"\n")
	}
}

func surroundings(t *testing.T, c transport.Conn) {
	says(t, c, transport.Script{Text: `echo "$LC_ALL $PATH $(umask -S)"`},
		"C /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin u=rwx,g=,o=\n")
}

func cancelling(t *testing.T, c transport.Conn) {
	mark := filepath.Join(t.TempDir(), "late")
	run(t, c, transport.Script{Text: ":"}) // so that the next is really under way
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(200*time.Millisecond, cancel)
	begun := time.Now()
	_, err := c.Run(ctx, transport.Script{Name: "late.sh", Args: []string{mark}, Text: `sleep 1; echo >"$1"; sleep 20`})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v, want the context's", err)
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	time.Sleep(1300 * time.Millisecond)
	if _, err := os.Stat(mark); err == nil {
		t.Error("the script went on")
	}
}

func ended(t *testing.T, c transport.Conn) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Run(ctx, transport.Script{Name: "late.sh", Text: ":"}); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v, want the context's", err)
	}
}

func closingTwice(t *testing.T, c transport.Conn) {
	run(t, c, transport.Script{Text: ":"})
	if err := c.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	_ = c.Close()
	if _, err := c.Run(t.Context(), transport.Script{Name: "late.sh", Text: ":"}); err == nil {
		t.Error("a script ran on a closed connection")
	}
}
