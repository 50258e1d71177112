package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/kepmctl/kepmctl/provider"
	"github.com/kepmctl/kepmctl/transport"
)

// Bounds of one secret.
const (
	maxSecret   = 64 << 10 // bytes
	secretLimit = 30 * time.Second
	secretsMost = 8 // programs at once
)

// secrets resolves every reference once, before any host is dialled. They stay in
// memory.
func (a *app) secrets(ctx context.Context, goals []provider.Goal) (transport.Secrets, error) {
	var refs []transport.SecretRef
	values := map[transport.SecretRef]string{}
	for _, g := range goals {
		for _, ref := range g.Host.Connection.Secrets() {
			if _, known := values[ref]; !known {
				values[ref] = ""
				refs = append(refs, ref)
			}
		}
	}
	missing := make([]error, len(refs))
	var mu sync.Mutex
	places := make(chan struct{}, secretsMost)
	var group sync.WaitGroup
	for i, ref := range refs {
		places <- struct{}{}
		group.Go(func() {
			defer func() { <-places }()
			value, err := a.secret(ctx, ref)
			missing[i] = err
			mu.Lock()
			values[ref] = value
			mu.Unlock()
		})
	}
	group.Wait()
	return func(ref transport.SecretRef) (string, error) {
		value, ok := values[ref]
		if !ok {
			return "", fmt.Errorf("%s was not resolved", ref)
		}
		return value, nil
	}, errors.Join(missing...)
}

// secret reads one. A single newline at its end is cut.
func (a *app) secret(ctx context.Context, ref transport.SecretRef) (string, error) {
	var value string
	var err error
	switch ref.Source {
	case "env":
		var ok bool
		if value, ok = a.env(ref.Name); !ok {
			err = errors.New("the variable is not set")
		}
	case "file":
		var b []byte
		b, err = readFile(a.expand(ref.Name), maxSecret)
		value = string(b)
	case "exec":
		value, err = a.secretProgram(ctx, ref.Command())
	default:
		err = errors.New("there is no such source")
	}
	value = strings.TrimSuffix(strings.TrimSuffix(value, "\n"), "\r")
	if err == nil && strings.TrimSpace(value) == "" {
		err = errors.New("it is empty")
	}
	if err != nil {
		return "", fmt.Errorf("resolve %s: %w", ref, err)
	}
	return value, nil
}

// secretProgram runs a program in the configuration's directory and takes what it
// prints. What it complains of is shown, what it prints never.
func (a *app) secretProgram(ctx context.Context, argv []string) (string, error) {
	out, errs, err := a.program(ctx, argv, secretLimit, maxSecret)
	if err != nil {
		return "", fmt.Errorf("%w%s", err, complaint(errs, out))
	}
	return out, nil
}

// program runs a program of the configuration, in its directory, for so long and for
// so many bytes of output at most.
func (a *app) program(ctx context.Context, argv []string, limit time.Duration, most int) (out, errs string, err error) {
	if a.noExec {
		return "", "", errors.New("--no-exec forbids to run programs")
	}
	file, err := a.mayRun(argv[0])
	if err != nil {
		return "", "", err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.WaitDelay = a.chdir, time.Second
	if file != "" {
		cmd.Path, cmd.Err = file, nil
	}
	said, complained := capped{most: most}, capped{most: maxSecret, goOn: true}
	cmd.Stdout, cmd.Stderr = &said, &complained
	err = cmd.Run()
	out, errs = said.kept.String(), complained.kept.String()
	switch {
	case ctx.Err() == context.DeadlineExceeded:
		err = fmt.Errorf("the program did not end within %s", limit)
	case said.over:
		err = fmt.Errorf("the program printed more than %d bytes", most)
	}
	return out, errs, err
}

// complaint is the end of what a program wrote to standard error, without what it
// printed: a program that is traced says its secret there.
func complaint(said, printed string) string {
	const most, shortest = 300, 4
	for line := range strings.Lines(printed) {
		if line = strings.TrimSpace(line); len(line) >= shortest {
			said = strings.ReplaceAll(said, line, "(secret)")
		}
	}
	if said = strings.TrimSpace(said); said == "" {
		return ""
	}
	return ": " + said[max(0, len(said)-most):]
}

// capped keeps the first bytes of what is written to it. The buffer is a
// field of its own: an embedded one would take everything by ReadFrom.
type capped struct {
	kept bytes.Buffer
	most int
	over bool
	goOn bool // what is too much is dropped; otherwise it ends the program
}

func (c *capped) Write(p []byte) (int, error) {
	room := c.most - c.kept.Len()
	c.over = c.over || len(p) > room
	c.kept.Write(p[:min(room, len(p))])
	if c.over && !c.goOn {
		return 0, errors.New("it printed too much")
	}
	return len(p), nil
}
