package shell

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/kepmctl/kepmctl/transport"
)

// Bounds of what a host may say.
const (
	// StdoutLimit is how much a script may write to standard output if a
	// Session names no other limit: 64 MiB. More is an error.
	StdoutLimit = 64 << 20
	// StderrLimit is how much is kept of a script's standard error: the last
	// 16 KiB.
	StderrLimit = 16 << 10

	noiseLimit = 64 << 10 // of what precedes the bootstrap's first words
)

// A Session is a shell that runs the bootstrap, and speaks with it:
//
//	shell   "\nTOKEN UID\n" on stdout, "\nTOKEN kepm\n" on stderr
//	caller  MARKER, arguments and text, MARKER, count, count bytes of data, ""
//	shell   the script's own stdout and stderr
//	shell   "\nMARKER EXIT\n" on stdout, "\nMARKER\n" on stderr
//	caller  ""
//
// Each part of the caller's ends with a newline (but the data); the last four
// steps repeat. When the caller's stream ends before the last step, the script
// is interrupted. A marker is random, different for each script, and never on a command line, so
// that neither a script's output nor another user can forge an end.
//
// After an error the streams are at an unknown place: Close is called, and the
// session is of no further use.
type Session struct {
	Stdin  io.Writer
	Stdout io.Reader
	Stderr io.Reader
	Close  func() // unblocks all three streams; may be called more than once
	Limit  int    // bytes of a script's stdout; 0: StdoutLimit

	out, errs *bufio.Reader
}

// Token is a new random word for Bootstrap, of letters and digits.
func Token() string { return rand.Text() }

// Start waits until the bootstrap says that it is ready, and returns the user
// id it runs with. Until then hear, if there is one, is called with all of
// standard output and of standard error so far whenever something was added to
// one of them (a program may be asking for a password there), never twice at
// once; an error of hear ends the session and is returned. An end of the streams
// is io.ErrUnexpectedEOF.
func (s *Session) Start(token string, hear func(stdout, stderr []byte) error) (uid int, err error) {
	s.out, s.errs = bufio.NewReader(s.Stdout), bufio.NewReader(s.Stderr)
	var mu sync.Mutex
	var said [2][]byte
	pass := func(stream int) func([]byte) error {
		return func(all []byte) error {
			if hear == nil {
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			said[stream] = all
			return hear(said[0], said[1])
		}
	}
	err = s.together(
		func() (err error) { uid, err = readUID(s.out, token, pass(0)); return err },
		func() error { return listen(s.errs, "\n"+token+" "+name+"\n", pass(1)) },
	)
	return uid, err
}

// Run sends one script and reads its output to the end. Its errors are ErrScript,
// transport.ErrProtocol for an answer that is not the bootstrap's or exceeds the
// limit, and io.ErrUnexpectedEOF for one that stops early: then the script may
// have run in part.
func (s *Session) Run(script transport.Script) (transport.Output, error) {
	marker := rand.Text()
	sent, err := frame(script, marker)
	if err != nil {
		return transport.Output{}, err
	}
	limit := s.Limit
	if limit == 0 {
		limit = StdoutLimit
	}
	var o transport.Output
	begun := time.Now()
	err = s.together(
		func() error { return write(s.Stdin, sent) },
		func() (err error) { o.Stdout, o.Exit, err = readStdout(s.out, marker, limit); return err },
		func() (err error) { o.Stderr, err = readStderr(s.errs, marker); return err },
	)
	if err != nil {
		return transport.Output{}, err
	}
	o.Took = time.Since(begun)
	// The output is whole. A shell that is gone by now fails the next script.
	_ = write(s.Stdin, []byte("\n"))
	return o, nil
}

// together runs the tasks side by side and returns the error that says most. At
// an error it closes the session, so that no task waits for ever; but not at the
// end of a stream, which comes to all three: what standard error still has to
// say is often the reason.
func (s *Session) together(tasks ...func() error) error {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var worst error
	for _, task := range tasks {
		wg.Go(func() {
			err := task()
			if err == nil {
				return
			}
			over := errors.Is(err, io.ErrUnexpectedEOF)
			mu.Lock()
			if worst == nil || !over && errors.Is(worst, io.ErrUnexpectedEOF) {
				worst = err
			}
			mu.Unlock()
			if !over {
				s.Close()
			}
		})
	}
	wg.Wait()
	return worst
}

func write(w io.Writer, b []byte) error {
	if _, err := w.Write(b); err != nil {
		// A stream that is closed below a writer is the same fact as one that
		// ends below a reader, whichever of the two notices first.
		return fmt.Errorf("send: %w: %w", io.ErrUnexpectedEOF, err)
	}
	return nil
}

// readUID skips what the login prints until the line "TOKEN UID".
func readUID(r *bufio.Reader, token string, hear func([]byte) error) (int, error) {
	if err := listen(r, "\n"+token+" ", hear); err != nil {
		return 0, err
	}
	line, err := r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return 0, fmt.Errorf("%w: the user id is not a number", transport.ErrProtocol)
	}
	if err != nil {
		return 0, ended(err)
	}
	uid, err := strconv.ParseUint(strings.TrimSuffix(string(line), "\n"), 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%w: the user id is not a number", transport.ErrProtocol)
	}
	return int(uid), nil
}

// listen passes on what a stream says until the end comes, and reads no further.
func listen(r *bufio.Reader, until string, hear func([]byte) error) error {
	end := []byte(until)
	said := []byte{}
	for {
		if _, err := r.Peek(1); err != nil {
			return ended(err)
		}
		fresh, _ := r.Peek(r.Buffered())
		before := len(said)
		said = append(said, fresh...)
		if i := bytes.Index(said, end); i >= 0 {
			_, err := r.Discard(i + len(end) - before)
			return err
		}
		if _, err := r.Discard(len(fresh)); err != nil {
			return err
		}
		if len(said) > noiseLimit {
			return fmt.Errorf("%w: more than %d bytes before the shell was ready", transport.ErrProtocol, noiseLimit)
		}
		if err := hear(said); err != nil {
			return err
		}
	}
}

// readStdout reads up to the line "MARKER EXIT".
func readStdout(r *bufio.Reader, marker string, limit int) ([]byte, int, error) {
	start := []byte("\n" + marker + " ")
	var out bytes.Buffer
	for {
		line, err := r.ReadSlice('\n')
		out.Write(line)
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return nil, 0, ended(err)
		}
		if err == nil {
			if i := endingLine(out.Bytes(), len(line), start); i >= 0 {
				exit, err := strconv.ParseUint(string(out.Bytes()[i+len(start):out.Len()-1]), 10, 31)
				if err != nil {
					return nil, 0, fmt.Errorf("%w: the exit status is not a number", transport.ErrProtocol)
				}
				out.Truncate(i)
				return out.Bytes(), int(exit), nil
			}
		}
		// The slack is for the newline that opens the last line.
		if out.Len() > limit+1 {
			return nil, 0, fmt.Errorf("%w: more than %d bytes of output", transport.ErrProtocol, limit)
		}
	}
}

// endingLine is where start begins, if the last line of b (of n bytes) begins
// with what follows start's newline, else -1.
func endingLine(b []byte, n int, start []byte) int {
	i := len(b) - n - 1
	if i < 0 || !bytes.HasPrefix(b[i:], start) {
		return -1
	}
	return i
}

// readStderr reads up to the line "MARKER" and keeps the last StderrLimit bytes.
func readStderr(r *bufio.Reader, marker string) ([]byte, error) {
	end := []byte("\n" + marker + "\n")
	var kept []byte
	for {
		line, err := r.ReadSlice('\n')
		kept = append(kept, line...)
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return nil, ended(err)
		}
		if i := len(kept) - len(end); i >= 0 && bytes.Equal(kept[i:], end) {
			kept = kept[:i]
			return kept[max(0, len(kept)-StderrLimit):], nil
		}
		if len(kept) > 2*StderrLimit {
			kept = append(kept[:0], kept[len(kept)-StderrLimit-len(end):]...)
		}
	}
}

// ended is the error of a stream that stopped before its time.
func ended(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%w: %w", io.ErrUnexpectedEOF, err)
}
