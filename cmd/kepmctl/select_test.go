package main

import (
	"strings"
	"testing"
)

// What chose is shown so that it can be typed again.
func TestTyped(t *testing.T) {
	for value, want := range map[string]string{
		"group.prod": "group.prod", "@hosts-1.txt": "@hosts-1.txt", "5%": "5%", "": "''", "app-*": "'app-*'",
		`control.permissions["Jobs"]`: `'control.permissions["Jobs"]'`, "it's": `'it'\''s'`, "a b": "'a b'", "~/list": "'~/list'",
	} {
		if got := typed(value); got != want {
			t.Errorf("%s is shown as %s, want %s", value, got, want)
		}
	}
}

// Standard input cannot be a list of hosts and the answer to a question.
func TestApplyAsksNobodyWhoListsHosts(t *testing.T) {
	for _, flag := range []string{"--target", "--exclude"} {
		a, out := program()
		a.inTerminal = true
		if code := a.run([]string{"apply", flag, "@-"}); code != exitError || !strings.Contains(out.String(), "give a file with @FILE, or --auto-approve") {
			t.Errorf("exit %d: %s", code, out)
		}
	}
}
