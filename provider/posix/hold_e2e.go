//go:build kepmhold

package posix

import "strings"

// held lets the end-to-end tests stop a transaction at any step: after the
// journal has it, the host waits while /run/kepmctl-hold names the step.
func held(name, text string) string {
	if name != "spec.sh" {
		return text
	}
	return strings.Replace(text, "\t# hold\n", `	printf '%s\n' "$1" >/run/kepmctl-step
	while [ -r /run/kepmctl-hold ] && read -r hold </run/kepmctl-hold && [ "$hold" = "$1" ]; do sleep 0.2; done
`, 1)
}
