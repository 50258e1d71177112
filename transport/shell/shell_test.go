package shell_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/kepmctl/kepmctl/transport"
	"github.com/kepmctl/kepmctl/transport/shell"
)

func TestBootstrapSuitsEveryLoginShell(t *testing.T) {
	line := shell.Sudo("KEPM-x:", "TOKEN")
	if strings.ContainsAny(line, "\n!") || strings.Contains(line, `\\`) || strings.Contains(line, `\'`) {
		t.Errorf("some login shell reads this otherwise: %s", line)
	}
	if got := strings.Count(line, "'"); got != 4 {
		t.Errorf("%d quotes, want 4: %s", got, line)
	}
	for _, login := range []string{"sh", "dash", "bash", "ksh93", "mksh", "zsh", "fish", "tcsh", "csh"} {
		t.Run(login, func(t *testing.T) {
			path, err := exec.LookPath(login)
			if err != nil {
				t.Skipf("%s is not installed here", login)
			}
			cmd := exec.Command(path, "-c", shell.Bootstrap("TOKEN"))
			cmd.Stdin = strings.NewReader("m\nset -- 'a b'\necho \"$1\"\nm\n0\n\n\n")
			out, err := cmd.Output()
			if want := fmt.Sprintf("\nTOKEN %d\na b\n\nm 0\n", os.Getuid()); err != nil || string(out) != want {
				t.Errorf("it said %q (%v), want %q", out, err, want)
			}
		})
	}
}

// cutOff sends a script to every shell at once, ends its input when wait has
// passed, and reports once the shells have ended.
func cutOff(t *testing.T, sent func(dir string) string, wait time.Duration, report func(t *testing.T, dir, said string)) {
	type running struct {
		program, dir string
		session      *shell.Session
	}
	var all []running
	for _, program := range shells {
		if _, err := exec.LookPath(program); err != nil {
			t.Logf("LEFT OUT: %s is not installed here", program)
			continue
		}
		r := running{program, t.TempDir(), start(t, program)}
		if _, err := io.WriteString(r.session.Stdin, sent(r.dir)); err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	time.Sleep(wait)
	for _, r := range all {
		_ = r.session.Stdin.(io.Closer).Close()
	}
	for _, r := range all {
		said, err := io.ReadAll(r.session.Stdout)
		if err != nil {
			t.Error(err)
		}
		t.Run(r.program, func(t *testing.T) { report(t, r.dir, string(said)) })
	}
}

// A connection that dies while a script is sent must not run the half of it, nor
// the whole of it with the half of its input.
func TestHalfAScriptIsNotRun(t *testing.T) {
	for _, tail := range []string{"", "m\n", "m\n10\n", "m\n10\n12345", "m\n10\n1234567890"} {
		sent := func(dir string) string { return "m\nset --\ncat >/dev/null; echo >" + dir + "/ran\n" + tail }
		cutOff(t, sent, 0, func(t *testing.T, dir, said string) {
			if said != "" {
				t.Errorf("it said %q", said)
			}
			if _, err := os.Stat(filepath.Join(dir, "ran")); err == nil {
				t.Errorf("it ran when %q was all that came", tail)
			}
		})
	}
}

// When the caller goes away, the script ends, and with it what it runs; a job
// that it left in the background stays. The wait is for that job to become one
// that ignores SIGINT; the script takes so long that it is not over before the
// caller is gone, however slowly the shells start.
func TestGoneCallerEndsTheScript(t *testing.T) {
	sent := func(dir string) string {
		return "m\nset -- " + dir + "\n( sleep 1; echo >$1/job ) >/dev/null 2>&1 &\necho begun; sleep 20; echo >$1/late\nm\n0\n\n"
	}
	cutOff(t, sent, 500*time.Millisecond, func(t *testing.T, dir, said string) {
		if said != "begun\n" {
			t.Errorf("it said %q", said)
		}
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			if _, err := os.Stat(filepath.Join(dir, "job")); err == nil {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("the job in the background was ended too")
			}
		}
		time.Sleep(100 * time.Millisecond)
		if _, err := os.Stat(filepath.Join(dir, "late")); err == nil {
			t.Error("the script went on")
		}
	})
}

// says writes to the two streams at once. A text that ends with "<end>" ends its
// stream.
func says(outW, errW *io.PipeWriter, stdout, stderr string) {
	say := func(w *io.PipeWriter, text string) {
		_, _ = io.WriteString(w, strings.TrimSuffix(text, "<end>"))
		if strings.HasSuffix(text, "<end>") {
			_ = w.Close()
		}
	}
	go say(errW, stderr)
	say(outW, stdout)
}

// scripted is a session with a host that says the first two texts at once, and
// the others when a script comes, with the script's marker in place of MARKER.
func scripted(t *testing.T, stdout, stderr, thenStdout, thenStderr string) *shell.Session {
	outR, outW := io.Pipe()
	errR, errW := io.Pipe()
	inR, inW := io.Pipe()
	end := func() {
		_ = inR.Close()
		_ = outW.Close()
		_ = errW.Close()
	}
	t.Cleanup(end)
	go func() {
		says(outW, errW, stdout, stderr)
		in := bufio.NewReader(inR)
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		go func() { _, _ = io.Copy(io.Discard, in) }()
		marker := strings.TrimSuffix(line, "\n")
		says(outW, errW, strings.ReplaceAll(thenStdout, "MARKER", marker), strings.ReplaceAll(thenStderr, "MARKER", marker))
	}()
	return &shell.Session{Stdin: inW, Stdout: outR, Stderr: errR, Close: end}
}

var marker = regexp.MustCompile("[A-Z2-7]{26}")

func TestAnswers(t *testing.T) {
	errs := "\nMARKER\n"
	x := func(n int) string { return strings.Repeat("x", n) }
	tests := []struct {
		name, stdout, stderr string
		limit                int
		want, wantErrs       string
		exit                 int
		err                  error
	}{
		{name: "whole", stdout: "out\n\nMARKER 7\n", stderr: "bad" + errs, want: "out\n", wantErrs: "bad", exit: 7},
		{name: "at the limit", stdout: x(10000) + "\nMARKER 0\n", stderr: errs, limit: 10000, want: x(10000)},
		{name: "above the limit", stdout: x(10002) + "\nMARKER 0\n", stderr: errs, limit: 10000, err: transport.ErrProtocol},
		{name: "endless", stdout: x(1 << 20), stderr: errs, limit: 1000, err: transport.ErrProtocol},
		{name: "exit is no number", stdout: "\nMARKER ok\n", stderr: errs, err: transport.ErrProtocol},
		{name: "exit is negative", stdout: "\nMARKER -1\n", stderr: errs, err: transport.ErrProtocol},
		{name: "marker within a line", stdout: "xMARKER 0\n\nMARKER 1\n", stderr: errs, want: "xMARKER 0\n", exit: 1},
		{name: "marker alone", stdout: "MARKER\n\nMARKER 0\n", stderr: errs, want: "MARKER\n"},
		{name: "marker of another script", stdout: "\nAAAA 0\n<end>", stderr: errs, err: io.ErrUnexpectedEOF},
		{name: "marker at a buffer's edge", stdout: x(4095) + "\nMARKER 0\n", stderr: errs, want: x(4095)},
		{name: "marker after a full buffer", stdout: x(4096) + "MARKER 0\n\nMARKER 2\n", stderr: errs, want: x(4096) + "MARKER 0\n", exit: 2},
		{name: "ends early", stdout: "half<end>", stderr: errs + "<end>", err: io.ErrUnexpectedEOF},
		{name: "stderr ends early", stdout: "\nMARKER 0\n", stderr: "half<end>", err: io.ErrUnexpectedEOF},
		{name: "stderr is capped", stdout: "\nMARKER 0\n", stderr: x(1<<20) + "\nlast" + errs, wantErrs: x(shell.StderrLimit-5) + "\nlast"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := scripted(t, "\nT 1000\n", "\nT kepm\n", tt.stdout, tt.stderr)
			s.Limit = tt.limit
			if uid, err := s.Start("T", nil); uid != 1000 || err != nil {
				t.Fatalf("start: %d, %v", uid, err)
			}
			out, err := s.Run(transport.Script{Name: "ask.sh", Text: ":"})
			if !errors.Is(err, tt.err) {
				t.Fatalf("the error is %v, want %v", err, tt.err)
			}
			out.Stdout = marker.ReplaceAll(out.Stdout, []byte("MARKER"))
			if string(out.Stdout) != tt.want || string(out.Stderr) != tt.wantErrs || out.Exit != tt.exit {
				t.Errorf("stdout %.50q, stderr %.50q, exit %d; want %.50q, %.50q, %d",
					out.Stdout, out.Stderr, out.Exit, tt.want, tt.wantErrs, tt.exit)
			}
		})
	}
}

func TestFirstWords(t *testing.T) {
	noise := strings.Repeat("noise ", 20000)
	tests := []struct {
		name, stdout, stderr string
		uid                  int
		err                  error
	}{
		{name: "quiet", stdout: "\nT 0\n", stderr: "\nT kepm\n"},
		{name: "banner", stdout: "welcome T\nT\n no newline\nT 1000\n", stderr: "lecture kepm T\n\nT kepm\n", uid: 1000},
		{name: "command line repeated", stdout: "\nT 5\n", stderr: "sh -c '...' kepm T\n\nT kepm\n", uid: 5},
		{name: "no number", stdout: "\nT root\n", stderr: "\nT kepm\n", err: transport.ErrProtocol},
		{name: "empty", stdout: "\nT \n", stderr: "\nT kepm\n", err: transport.ErrProtocol},
		{name: "endless banner", stdout: noise, err: transport.ErrProtocol},
		{name: "endless errors", stdout: "\nT 0\n", stderr: noise, err: transport.ErrProtocol},
		{name: "ends", stdout: "no shell here<end>", stderr: "<end>", err: io.ErrUnexpectedEOF},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := scripted(t, tt.stdout, tt.stderr, "", "")
			uid, err := s.Start("T", nil)
			if uid != tt.uid || !errors.Is(err, tt.err) {
				t.Errorf("user id %d, error %v; want %d, %v", uid, err, tt.uid, tt.err)
			}
		})
	}
}

func TestHearing(t *testing.T) {
	refused := errors.New("refused")
	for _, on := range [][2]string{{"", "Password:"}, {"Password:", ""}, {"noise\nPassword:", "more"}} {
		s := scripted(t, on[0], on[1], "", "")
		_, err := s.Start("T", func(stdout, stderr []byte) error {
			if bytes.HasSuffix(stdout, []byte("Password:")) || bytes.HasSuffix(stderr, []byte("Password:")) {
				return refused
			}
			return nil
		})
		if !errors.Is(err, refused) {
			t.Errorf("the error is %v, want that of hear", err)
		}
	}
}

func FuzzArguments(f *testing.F) {
	f.Add("", "", []byte(nil))
	f.Add("it's", "a\nb\\", []byte("echo x\n\x00"))
	f.Add("$(id)`id`!", "'\\''", bytes.Repeat([]byte("x\n"), 500))
	f.Add("\x81\x82\x88", "\xff\xfe", []byte{0})
	f.Fuzz(func(t *testing.T, a, b string, data []byte) {
		if strings.ContainsRune(a+b, 0) {
			return
		}
		out, err := start(t, "sh").Run(transport.Script{
			Args: []string{a, b}, Stdin: data, Text: `printf '%s\n%s\n' "$1" "$2"; cat`,
		})
		if err != nil {
			t.Fatal(err)
		}
		if want := a + "\n" + b + "\n" + string(data); string(out.Stdout) != want {
			t.Errorf("came back as %q, want %q", out.Stdout, want)
		}
	})
}
