package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/crypto/ssh"

	"github.com/kepmctl/kepmctl/plans"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"kepmctl": main})
}

// Every behaviour of the command line is a short script in testdata/script.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir)
			if err := writeKey(filepath.Join(e.WorkDir, "locked"), "hunter2"); err != nil {
				return err
			}
			return writeKey(filepath.Join(e.WorkDir, "key"), "")
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"code": code, "schema": schema, "otherbuild": otherBuild},
	})
}

// writeKey makes a private key that opens nothing.
func writeKey(path, passphrase string) error {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte(passphrase))
	}
	if err != nil {
		return err
	}
	return os.WriteFile(path, pem.EncodeToMemory(block), 0o600)
}

// otherBuild FROM TO makes the plan that a build with other scripts would have made.
func otherBuild(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: otherbuild FROM TO")
	}
	p, err := plans.Decode(strings.NewReader(ts.ReadFile(args[0])))
	ts.Check(err)
	p.Scripts = "posix:0000000000000000"
	b, err := p.Encode()
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), b, 0o600))
}

// code N ARGS... runs kepmctl and expects it to exit with N.
func code(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 1 {
		ts.Fatalf("usage: code N ARGS...")
	}
	got := 0
	if err := ts.Exec("kepmctl", args[1:]...); err != nil {
		exited, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("run kepmctl: %v", err)
		}
		got = exited.ExitCode()
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("kepmctl %v exits with %d, want %s", args[1:], got, args[0])
	}
}
