package ssh

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kepmctl/kepmctl/transport"
)

var agentMeans = []transport.Become{transport.BecomeKeeperSudo, transport.BecomeKeeperAgent}

// agentProgram is a directory with a stand-in for the agent's own means, which knows no
// options and runs what it is given after doing something else.
func agentProgram(t *testing.T, means transport.Become, before string) string {
	t.Helper()
	bin := t.TempDir()
	write(t, filepath.Join(bin, string(means)), "#!/bin/sh\n[ \"$1\" = sh ] && [ \"$2\" = -c ] || { echo \"usage: $*\" >&2; exit 2; }\n"+
		before+"\nCLAIMED_UID=${UID_GIVEN:-0} exec \"$@\"\n")
	return bin
}

func TestElevationByTheAgent(t *testing.T) {
	const approval = `echo "Your Keeper Administrator requires approval for this action."
printf "Please enter the reason for this request: "; read -r reason; echo "got [$reason]" >"$0.reason"
echo "Approval request has been submitted."; echo "To refresh approval status run: keeperagent --refresh"; exit 0`
	tests := []struct {
		name, before string
		texts        []string // empty: it gives root
	}{
		{"at once", "", nil},
		{"with a notice", "echo 'Elevated by policy: admins. Reason logged.'; echo 'token accepted' >&2", nil},
		{"approval", approval, []string{"requires approval", "wants an administrator's approval", "nobody sees it", "without approval"}},
		{"approval on standard error", "exec 1>&2\n" + approval, []string{"wants an administrator's approval"}},
		{"a reason", `printf "Please enter the reason for this request:" >&2; read -r x; exit 1`, []string{"asks for a reason"}},
		{"a second factor", `printf "MFA code: "; read -r x; exit 1`, []string{`asks "MFA code:"`, "second factor"}},
		{"a password", `printf "[keeper] Password for ops: " >&2; read -r x; exit 1`, []string{"Password for ops"}},
		{"yes or no", `printf "Continue? [y/N] "; read -r x; exit 1`, []string{"Continue? [y/N]"}},
		{"submitted, and ended", `echo "Approval request has been submitted."; exit 3`, []string{"submitted a request", "nobody sees"}},
		{"denied", `echo "Access denied by policy" >&2; exit 1`, []string{"denies", "Access denied by policy", "log in as root"}},
		{"agent gone", `echo "dial 127.0.0.1:6889: Connection refused"; exit 1`, []string{"does not answer", "keeper-privilege-manager"}},
		{"ends", `printf '\033[2Jwhat\n'; exit 9`, []string{"ended without a shell", `\x1b[2Jwhat`, "by hand"}},
		{"not root", "UID_GIVEN=1001", []string{"gave user id 1001", "policy"}},
	}
	for _, means := range agentMeans {
		for _, tt := range tests {
			t.Run(string(means)+" "+tt.name, func(t *testing.T) {
				bin := agentProgram(t, means, tt.before)
				d, h := (&server{bin: bin}).start(t)
				become(d, &h, "right") // of no use here: it must not be sent
				h.Connection.Become = means
				c := dial(t, d, h)
				begun := time.Now()
				out, err := say(t.Context(), c, "read -r x; echo \"root $x\"", true)
				if tt.texts == nil {
					if out != "root \n" || err != nil {
						t.Fatalf("said %q, error %v", out, err)
					}
					return
				}
				elevationFails(t, err, tt.texts...)
				if took := time.Since(begun); took > 10*time.Second {
					t.Errorf("it took %v", took)
				}
				if b, err := os.ReadFile(filepath.Join(bin, string(means)+".reason")); err == nil && strings.Contains(string(b), "right") {
					t.Errorf("the password was sent: %s", b)
				}
				if out, err := say(t.Context(), c, "echo plain", false); out != "plain\n" || err != nil {
					t.Errorf("afterwards it said %q, error %v", out, err)
				}
			})
		}
	}
}

func TestAgentHangs(t *testing.T) {
	d, h := (&server{bin: agentProgram(t, transport.BecomeKeeperAgent, "exec sleep 30")}).start(t)
	h.Connection.Become = transport.BecomeKeeperAgent
	h.Connection.ConnectTimeout = 2 * time.Second
	_, err := say(t.Context(), dial(t, d, h), ":", true)
	elevationFails(t, err, "keeperagent did not end within 2s", "waiting for an approval nobody sees")
	if !errors.Is(err, transport.ErrTimeout) {
		t.Errorf("%v is no ErrTimeout", err)
	}
}

func TestNoAgentProgram(t *testing.T) {
	for _, means := range agentMeans {
		d, h := (&server{}).start(t)
		h.Connection.Become = means
		_, err := say(t.Context(), dial(t, d, h), ":", true)
		elevationFails(t, err, fmt.Sprintf("there is no %s", means), "comes with the agent", `become = "sudo"`)
	}
}

// What become is not known elevates nothing, and is no command line.
func TestUnknownBecome(t *testing.T) {
	d, h := (&server{}).start(t)
	h.Connection.Become = "echo pwned;"
	_, err := say(t.Context(), dial(t, d, h), ":", true)
	elevationFails(t, err, "user id 1000")
}

// A wrong become_password stops after three hosts.
func TestBreakerOfSudo(t *testing.T) {
	count := filepath.Join(t.TempDir(), "count")
	d, h := (&server{bin: sudo(t, "yes", "trap 'echo \"$n\" >>"+count+"' EXIT")}).start(t)
	become(d, &h, "wr0ng")
	var wg sync.WaitGroup
	for range 8 {
		c := dial(t, d, h)
		wg.Go(func() {
			_, err := say(t.Context(), c, ":", true)
			e, ok := errors.AsType[*transport.Error](err)
			if !ok || e.Kind != transport.ErrElevate || strings.Contains(err.Error(), "wr0ng") {
				t.Errorf("the error is %v", err)
			}
			if isSpent(err) && !(e.Hint == spentHint && strings.Contains(err.Error(), `the password secret::env("BECOME") of ops was refused by 127.0.0.1:`)) {
				t.Errorf("the error is %v (%s)", err, e.Hint)
			}
		})
	}
	wg.Wait()
	_, err := say(t.Context(), dial(t, d, h), ":", true)
	if !isSpent(err) {
		t.Errorf("the ninth: %v", err)
	}
	if text := readFile(t, count); strings.Count(text, "1") > refusalsAllowed {
		t.Errorf("the password was tried more than %d times: %q", refusalsAllowed, text)
	}
	// The right one has no limit, from its first success on.
	become(d, &h, "right")
	h.Connection.User = "other"
	for range refusalsAllowed + 2 {
		if _, err := say(t.Context(), dial(t, d, h), ":", true); err != nil {
			t.Error(err)
		}
	}
}
