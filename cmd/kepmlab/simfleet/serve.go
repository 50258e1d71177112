package simfleet

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// loginTime is how long a login may take.
const loginTime = 30 * time.Second

// login serves one connection.
func (f *Fleet) login(c net.Conn, h *host, config *ssh.ServerConfig) {
	defer c.Close()
	if h.fault == Hang {
		_, _ = io.Copy(io.Discard, c)
		return
	}
	if c.SetDeadline(time.Now().Add(loginTime)) != nil {
		return
	}
	far := delayed(c, h.latency)
	defer far.Close()
	_, channels, requests, err := ssh.NewServerConn(far, config)
	if err != nil || c.SetDeadline(time.Time{}) != nil {
		return
	}
	go ssh.DiscardRequests(requests) // which answers keepalives
	for n := range channels {
		switch n.ChannelType() {
		case "session":
			go f.session(n, h, c)
		case "direct-tcpip":
			go f.forward(n, h)
		default:
			_ = n.Reject(ssh.UnknownChannelType, "sessions and direct-tcpip only")
		}
	}
}

func (f *Fleet) session(n ssh.NewChannel, h *host, wire net.Conn) {
	ch, requests, err := n.Accept()
	if err != nil {
		return
	}
	for r := range requests {
		var command struct{ Line string }
		ok := r.Type == "exec" && ssh.Unmarshal(r.Payload, &command) == nil
		if r.WantReply {
			_ = r.Reply(ok, nil)
		}
		if ok {
			go func() {
				defer ch.Close()
				_ = f.scripts(ch, h, command.Line, wire) // the caller is gone
			}()
		}
	}
}

// scripts speaks with kepmctl as its bootstrap does: see transport/shell.
func (f *Fleet) scripts(ch ssh.Channel, h *host, line string, wire net.Conn) error {
	words := strings.Fields(line)
	if len(words) < 2 || words[len(words)-2] != "kepm" {
		fmt.Fprintln(ch.Stderr(), "a simulated host runs nothing but kepmctl's scripts")
		return errors.New("another command")
	}
	token := words[len(words)-1]
	fmt.Fprintf(ch, "\n%s 0\n", token)
	fmt.Fprintf(ch.Stderr(), "\n%s kepm\n", token)
	in := bufio.NewReader(ch)
	for {
		s, err := readScript(in)
		if err != nil {
			return err
		}
		out := f.run(h, s)
		if h.fault != "" && h.fault != NoRestart {
			return misbehave(ch, wire, h.fault, out)
		}
		if _, err := fmt.Fprintf(ch, "%s\n%s 0\n", out, s.marker); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(ch.Stderr(), "\n%s\n", s.marker); err != nil {
			return err
		}
		if _, err := in.ReadString('\n'); err != nil {
			return err
		}
	}
}

// A script is what kepmctl sent.
type script struct {
	marker string
	name   string // "observe.sh"; empty: none that is known
	args   []string
	stdin  []byte
}

const (
	maxText  = 1 << 20
	maxStdin = 16 << 20
)

// readScript reads the frame of one script.
func readScript(in *bufio.Reader) (script, error) {
	first, err := in.ReadString('\n')
	if err != nil {
		return script{}, err
	}
	s := script{marker: strings.TrimSuffix(first, "\n")}
	var text strings.Builder
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return s, err
		}
		if line == first {
			break
		}
		if text.WriteString(line); text.Len() > maxText {
			return s, errors.New("too long a script")
		}
	}
	size, err := in.ReadString('\n')
	if err != nil {
		return s, err
	}
	n, err := strconv.ParseUint(strings.TrimSuffix(size, "\n"), 10, 32)
	if err != nil || n > maxStdin {
		return s, errors.New("too long an input")
	}
	s.stdin = make([]byte, n)
	if _, err := io.ReadFull(in, s.stdin); err != nil {
		return s, err
	}
	if _, err := in.ReadString('\n'); err != nil {
		return s, err
	}
	rest := ""
	s.args, rest = arguments(text.String())
	s.name = nameOf(rest)
	return s, nil
}

// arguments reads the words of "set -- 'a' 'b'" and what follows that line.
func arguments(text string) (args []string, rest string) {
	text = strings.TrimPrefix(text, "set --")
	for strings.HasPrefix(text, " '") {
		var b strings.Builder
		text = text[2:]
		for {
			quoted, after, _ := strings.Cut(text, "'")
			b.WriteString(quoted)
			if !strings.HasPrefix(after, `\''`) {
				text = after
				break
			}
			b.WriteByte('\'')
			text = after[3:]
		}
		args = append(args, b.String())
	}
	return args, strings.TrimPrefix(text, "\n")
}

var title = regexp.MustCompile(`^#!/bin/sh\n# ([a-z]+\.sh) `)

// nameOf is a script's own name, which its second line begins with.
func nameOf(text string) string {
	if m := title.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}

// run is what a script says on the host.
func (f *Fleet) run(h *host, s script) []byte {
	switch s.name {
	case "observe.sh":
		h.mu.Lock()
		h.advance(time.Now())
		l := h.now
		h.mu.Unlock()
		return f.answers.observe(l, s.args)
	case "begin.sh":
		return []byte(h.begin(s.args, s.stdin, time.Now()))
	case "status.sh":
		return []byte(h.status(s.args, time.Now))
	case "verdict.sh":
		h.verdict(s.args, time.Now())
	case "kept.sh":
		return []byte(h.kept(s.args, time.Now()))
	case "meter.sh":
		return []byte("newest 1000\ncursor s=1;i=1\nlines 0\n")
	}
	return nil // login.sh says nothing
}

// misbehave answers as the fault has it.
func misbehave(ch ssh.Channel, wire net.Conn, fault Fault, out []byte) error {
	switch fault {
	case Reset:
		_, _ = ch.Write(out[:len(out)/2])
		time.Sleep(50 * time.Millisecond) // for it to be on its way
		if tcp, ok := wire.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		return wire.Close()
	case Garbage:
		junk := make([]byte, 4096)
		_, _ = rand.Read(junk) // it never fails: crypto/rand
		_, err := ch.Write(junk)
		return err
	case Flood:
		chunk := make([]byte, 64<<10)
		for i := range chunk {
			chunk[i] = "0123456789abcdef \n"[i%18]
		}
		for {
			if _, err := ch.Write(chunk); err != nil {
				return err
			}
		}
	case Drip:
		for i := range out {
			if _, err := ch.Write(out[i : i+1]); err != nil {
				return err
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
	return errors.New("an end")
}
