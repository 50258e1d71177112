package ssh

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/kepmctl/kepmctl/transport"
)

const approvalHint = "have the agent's policy elevate this login without approval, reason or second factor, or log in as root"

var (
	sudoOnly  = []transport.Become{transport.BecomeSudo}
	agentOnly = []transport.Become{transport.BecomeKeeperSudo, transport.BecomeKeeperAgent}
)

// refusals is what programs say (in lower case) when they do not elevate, and
// what that means; the first that fits counts. The texts are those of sudo 1.9
// (plugins/sudoers, src/), of shells, and of the agent: its interception of sudo
// [3P], and its public documentation [D]; words for a plain denial are inferred
// [I].
var refusals = []struct {
	text  string
	by    []transport.Become
	asks  bool // somebody would have to answer
	cause string
	hint  string
}{
	{"keepersudo", sudoOnly, false, "the agent intercepts sudo", `set become = "keepersudo", or log in as root`},
	{"must have a tty", sudoOnly, false, "sudo wants a terminal", "exempt the login in sudoers: Defaults:LOGIN !requiretty"},
	{"terminal is required", sudoOnly, false, "sudo wants a terminal", "set become_password"},
	{"not in the sudoers file", sudoOnly, false, "sudo does not know the login", "allow the login in sudoers"},
	{"not allowed to execute", sudoOnly, false, "sudo does not allow the login to run sh", "allow the login to run sh as root in sudoers"},
	{"may not run sudo", sudoOnly, false, "sudo does not allow the login", "allow the login in sudoers"},
	{"incorrect password", sudoOnly, false, errRefused.Error(), "check become_password; it is not tried again, so that the account is not locked"},

	{"approval request has been submitted", agentOnly, true, "the agent submitted a request for approval", approvalHint},
	{"requires approval", agentOnly, true, "the agent wants an administrator's approval", approvalHint},
	{"enter the reason", agentOnly, true, "the agent asks for a reason", approvalHint},
	{"enter a reason", agentOnly, true, "the agent asks for a reason", approvalHint},
	{"justification", agentOnly, true, "the agent asks for a justification", approvalHint},
	{"keeperagent --refresh", agentOnly, true, "the agent waits for an approval", approvalHint},
	{"multi-factor", agentOnly, true, "the agent asks for a second factor", approvalHint},
	{"verification code", agentOnly, true, "the agent asks for a second factor", approvalHint},
	{"denied", agentOnly, false, "the agent denies it", "let the agent's policy elevate this login, or log in as root"},
	{"not allowed", agentOnly, false, "the agent does not allow it", "let the agent's policy elevate this login, or log in as root"},
	{"not permitted", agentOnly, false, "the agent does not allow it", "let the agent's policy elevate this login, or log in as root"},
	{"connection refused", agentOnly, false, "the agent does not answer", "start the service keeper-privilege-manager, or log in as root"},
	{"not running", agentOnly, false, "the agent does not run", "start the service keeper-privilege-manager, or log in as root"},
}

// waits is a line without an end that wants an answer: "MFA code: ".
var waits = regexp.MustCompile(`(?i)\b(reason|justif\w*|approv\w*|mfa|otp|2fa|verif\w*|pass(code|word|phrase)|pin|token|code|confirm|continue|y/n)\b[^\n]*[:?\]>][ \t]*$`)

// question is what a program of the agent's asks, in words of ours; empty: it
// asks nothing.
func question(streams ...[]byte) string {
	for _, said := range streams {
		lower := bytes.ToLower(said)
		for _, r := range refusals {
			if r.asks && bytes.Contains(lower, []byte(r.text)) {
				return r.cause
			}
		}
		line := said[bytes.LastIndexByte(said, '\n')+1:]
		if len(line) <= quoteLimit && waits.Match(line) {
			return `the agent asks "` + printable(strings.TrimSpace(string(line))) + `"`
		}
	}
	return ""
}

// refusal is what to do, and why the program ended without starting a shell.
func (b *beginning) refusal(status int) (hint string, cause error) {
	switch {
	case status == 127 && b.become == transport.BecomeSudo: // as env and every shell say it
		return `install sudo, or log in as root with become = "none"`, errors.New("there is no sudo" + b.words())
	case status == 127:
		return fmt.Sprintf(`%s comes with the agent, and may be outside the login's PATH; else set become = "sudo", or log in as root with become = "none"`, b.become),
			fmt.Errorf("there is no %s%s", b.become, b.words())
	}
	said := b.said
	if b.byAgent() {
		said = slices.Concat(b.aloud, []byte("\n"), b.said)
	}
	said = bytes.ToLower(said)
	for _, r := range refusals {
		if slices.Contains(r.by, b.become) && bytes.Contains(said, []byte(r.text)) {
			return r.hint, errors.New(r.cause + b.words())
		}
	}
	return fmt.Sprintf("run %s by hand as this login", b.become), fmt.Errorf("%s ended without a shell%s", b.become, b.words())
}
