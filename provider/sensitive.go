package provider

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Sensitive is what stands in the place of a value that is never shown.
const Sensitive = "(sensitive)"

// SensitiveKey says whether a key of a settings file names a secret: password,
// secret, token or connectionstring in any of its parts, or key at its end. Such a
// value is compared only as empty or not.
func SensitiveKey(key string) bool {
	key = strings.ToLower(key)
	for _, word := range []string{"password", "secret", "token", "connectionstring"} {
		if strings.Contains(key, word) {
			return true
		}
	}
	return strings.HasSuffix(key, "key")
}

// A deployment token carries a private key: REGION:TOKEN:... [D].
var deploymentToken = regexp.MustCompile(`\b(EU|US|AU|JP|CA|GOV):[A-Za-z0-9_-]{16,}:[^\s"']*`)

// Redact takes deployment tokens out of text that a host or a file said.
func Redact(s string) string {
	return deploymentToken.ReplaceAllString(s, "$1:"+Sensitive)
}

// Printable makes text that a host or a file said fit for a terminal and a
// report: control characters, and what is not UTF-8, are shown as escapes.
func Printable(s string) string {
	if !strings.ContainsFunc(s, hidden) && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case hidden(r):
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// hidden says whether a character would steer a terminal or mislead a reader:
// control characters and those that turn the direction of text.
func hidden(r rune) bool {
	return unicode.Is(unicode.C, r) || r == '\u2028' || r == '\u2029'
}
