// Package shell turns a script into what a POSIX shell accepts, and takes apart
// what the shell answers.
package shell

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kepmctl/kepmctl/transport"
)

// serve is the program that is started once on a connection and then serves
// many scripts. It lies between single quotes in a command line that a login
// shell reads (sh, bash, zsh, fish, csh), so it holds no newline, no single
// quote, no exclamation mark and no doubled backslash. What it says and expects
// is described at Session.
//
// A script is evaluated in a subshell, so that its exit ends only itself; cat
// takes what it left of its input. That comes from a feeder. There dd reads one
// byte at a time, because it must take exactly the script's share; the line after
// that proves that all of it came, and the next one that the caller saw the end.
// If either is missing, the caller is gone, and the feeder interrupts the process
// group as Ctrl-C does, before the script can take the half of its input for the
// whole; twice, because bash loses a signal that comes while it starts a program.
// Jobs in the background live on: a shell starts them with SIGINT ignored.
//
// The feeder ends as another program, because mksh never lets go of a pipe by
// itself; and ksh waits for a feeder, as all other shells do, only with pipefail,
// which a script must not see.
const serve = `LC_ALL=C; PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; export LC_ALL PATH; umask 077; ` +
	`o=:; if [ -n "$KSH_VERSION" ]; then set -o pipefail; o="set +o pipefail"; fi; ` +
	`k="kill -s INT 0; sleep 1; kill -s INT 0"; ` +
	`kepm_feed() { trap "" INT; [ "$c" = 0 ] || dd ibs=1 obs=65536 count="$c" 2>/dev/null; ` +
	`read -r x || { eval "$k"; exit; }; exec sh -c "read -r x || { $k; }" >/dev/null; }; ` +
	`kepm_run() { ( $o; eval "$s" ); r=$?; cat >/dev/null; printf "\n%s %s\n" "$m" "$r"; printf "\n%s\n" "$m" >&2; }; ` +
	`n=$(printf "\n."); n=${n%.}; IFS=" $(printf "\t")$n"; ` +
	`printf "\n%s %s\n" "$1" "$(id -u)"; printf "\n%s %s\n" "$1" "$0" >&2; ` +
	`while IFS= read -r m; do s=; ` +
	`while IFS= read -r l; do if [ "$l" = "$m" ]; then break; fi; s=$s$l$n; done; ` +
	`IFS= read -r c || exit 1; ( kepm_feed ) | kepm_run; done`

// name is the bootstrap's $0. With the token before it, it tells the
// bootstrap's own words from a command line that some program repeats.
const name = "kepm"

// ErrScript is the error of a script that no shell can take. Nothing of it was
// sent.
var ErrScript = errors.New("not a script for a shell")

// Bootstrap is the command line that starts serving scripts. The token is what
// Session.Start waits for: letters and digits, different for each session. It
// is no secret, other users of the host can see it. Whoever runs the command
// gives it a process group of its own, as sshd does.
func Bootstrap(token string) string {
	return "sh -c " + quote(serve) + " " + name + " " + token
}

// Sudo is the command line that starts the bootstrap as root. sudo asks for a
// password with the given prompt (letters, digits, dash and colon) on standard
// error and reads it from standard input, or does not ask at all. It speaks
// English: in another language it would ask with a prompt of its own.
func Sudo(prompt, token string) string {
	return "env LC_ALL=C sudo -S -p " + quote(prompt) + " -- " + Bootstrap(token)
}

// Elevated is the command line that starts the bootstrap as root by a program
// that is given a command and nothing else: keepersudo or keeperagent, whose
// options are not known.
func Elevated(program, token string) string { return program + " " + Bootstrap(token) }

// frame is one script as the bootstrap reads it: the marker, the arguments, the
// text, the marker again, the length of the script's standard input, that, and a
// newline.
func frame(s transport.Script, marker string) ([]byte, error) {
	var b strings.Builder
	b.WriteString("set --")
	for _, a := range s.Args {
		b.WriteByte(' ')
		b.WriteString(quote(a))
	}
	b.WriteByte('\n')
	b.WriteString(strings.TrimSuffix(s.Text, "\n"))
	program := b.String()
	// A shell drops NULs silently: another program would run than was given.
	if strings.ContainsRune(program, 0) {
		return nil, fmt.Errorf("%w: it or an argument of it has a NUL byte", ErrScript)
	}
	head := fmt.Sprintf("%s\n%s\n%s\n%d\n", marker, program, marker, len(s.Stdin))
	return slices.Concat([]byte(head), s.Stdin, []byte("\n")), nil
}

// quote makes one word of any text without NUL.
func quote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
