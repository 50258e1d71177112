// Package loopback asks services on a host's own loopback interface, through a
// connection to the host, and returns what they said.
package loopback

import (
	"context"
	"crypto/tls"
	"errors"
	"strings"
	"syscall"
	"time"

	"github.com/kepmctl/kepmctl/transport"
)

// Bounds of one question.
const (
	patience    = 5 * time.Second
	bodyLimit   = 64 << 10
	headerLimit = 64 << 10
)

// versions are the TLS versions that a question may name, as scripts/ask.sh
// knows them.
var versions = map[uint16]string{
	tls.VersionTLS10: "1.0", tls.VersionTLS11: "1.1", tls.VersionTLS12: "1.2", tls.VersionTLS13: "1.3",
}

// Ask puts the questions one after the other, each within 5 seconds, and returns
// an answer to each, in order. It asks through the connection where that reaches
// ports (transport.Tunneler). What the host's server forbids is asked on the host
// itself, by one script, with the programs that happen to be there; that is less
// exact, so Answer.Means tells them apart.
func Ask(ctx context.Context, c transport.Conn, questions []transport.Question) []transport.Answer {
	answers := make([]transport.Answer, len(questions))
	tunneler, tunnels := c.(transport.Tunneler)
	var left []*transport.Answer
	for i, q := range questions {
		a := &answers[i]
		a.Question = q
		if a.Unknown = fault(q); a.Unknown != "" {
			continue
		}
		if tunnels {
			a.Means = transport.ByTunnel
			if err := throughTunnel(ctx, tunneler, a); !errors.Is(err, transport.ErrNoTunnel) {
				continue
			}
			a.Means = ""
		}
		left = append(left, a)
	}
	if len(left) > 0 {
		onHost(ctx, c, left)
	}
	return answers
}

// fault says what makes a question one that cannot be put; empty: nothing.
func fault(q transport.Question) string {
	_, okMin := versions[q.TLSMin]
	_, okMax := versions[q.TLSMax]
	plain := q.TLSMin == 0 && q.TLSMax == 0
	switch {
	case q.Port < 1 || q.Port > 65535:
		return "there is no such port"
	case !plain && (!okMin || !okMax || q.TLSMin > q.TLSMax):
		return "there is no such range of TLS versions"
	case q.Path != "" && (q.Path[0] != '/' || !oneWord(q.Path)):
		return "the path cannot be sent"
	}
	for _, h := range q.Hosts {
		if h == "" || !oneWord(h) {
			return "a host name cannot be sent"
		}
	}
	return ""
}

// oneWord says whether a text can stand in a request without ending its line.
func oneWord(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f })
}

// hosts are the Host headers to send: none without a path.
func hosts(q transport.Question) []string {
	if q.Path == "" {
		return nil
	}
	if len(q.Hosts) == 0 {
		return []string{"localhost"}
	}
	return q.Hosts
}

// refused says whether nothing listens.
func refused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
