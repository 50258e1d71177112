package loopback

import (
	"bytes"
	"context"
	"crypto/tls"
	_ "embed"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/kepmctl/kepmctl/transport"
)

//go:embed scripts/ask.sh
var askScript string

const (
	forbidden = "forwarding is refused, and "
	// The exit statuses of scripts/ask.sh's programs: curl's own, and 128 and the
	// number of the signal for a program that was stopped.
	exitRefused   = 7
	exitEmpty     = 52
	exitReceive   = 56
	exitTimeout   = 28
	exitKilled    = 143
	exitShortPipe = 141
	exitShortCurl = 23
)

// onHost asks by one script on the host.
func onHost(ctx context.Context, c transport.Conn, answers []*transport.Answer) {
	out, err := c.Run(ctx, transport.Script{Name: "ask.sh", Text: askScript, Args: arguments(answers)})
	if err != nil {
		for _, a := range answers {
			a.Unknown = err.Error()
		}
		return
	}
	said, err := parse(out.Stdout)
	if err != nil {
		for _, a := range answers {
			a.Unknown = "ask.sh on the host: " + err.Error()
		}
		return
	}
	for i, a := range answers {
		read(a, said[i])
	}
}

// arguments are the questions as scripts/ask.sh takes them.
func arguments(answers []*transport.Answer) []string {
	var args []string
	for _, a := range answers {
		q, names := a.Question, hosts(a.Question)
		low, high := "-", "-"
		if q.TLSMax != 0 {
			low, high = versions[q.TLSMin], versions[q.TLSMax]
		}
		args = append(args, strconv.Itoa(q.Port), low, high, q.Path, strconv.Itoa(len(names)))
		args = append(args, names...)
	}
	return args
}

// A saying is one line of scripts/ask.sh.
type saying struct {
	what, program string
	exit          int
	bytes         []byte
}

// parse reads what scripts/ask.sh printed: sayings by the question's number.
func parse(out []byte) (map[int][]saying, error) {
	text, whole := strings.CutSuffix(string(out), "end\n")
	if !whole {
		return nil, errors.New("it broke off")
	}
	said := map[int][]saying{}
	for line := range strings.Lines(text) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), " ")
		if len(fields) != 6 || fields[0] != "ask" {
			return nil, errors.New("it said what it never says")
		}
		number, err1 := strconv.Atoi(fields[1])
		exit, err2 := strconv.Atoi(fields[4])
		data, err3 := hex.DecodeString(fields[5])
		if err := errors.Join(err1, err2, err3); err != nil {
			return nil, errors.New("it said what it never says")
		}
		said[number] = append(said[number], saying{fields[2], fields[3], exit, data})
	}
	return said, nil
}

// read fills in an answer.
func read(a *transport.Answer, said []saying) {
	names := hosts(a.Question)
	if len(said) == 0 {
		a.Unknown = "ask.sh on the host did not come to it"
	}
	for _, s := range said {
		if s.program == "none" {
			a.Unknown = forbidden + "the host has no " + wanted(s.what, a.Question.TLSMax != 0)
			return
		}
		if !strings.Contains(a.Means, s.program) {
			a.Means = strings.TrimPrefix(a.Means+", "+s.program, ", ")
		}
		switch {
		case s.exit == exitRefused && s.program != "openssl":
			a.Refused = true
		case s.what == "tls" && s.program == "openssl":
			readOpenSSL(a, s)
		case s.what == "tls":
			readCurl(a, s)
		case s.what == "http" && len(a.Replies) < len(names):
			readHTTP(a, s, names[len(a.Replies)])
		}
		if a.Unknown != "" || a.Refused || s.what == "tls" && !a.TLS {
			return
		}
	}
}

// wanted is what would have been needed.
func wanted(what string, secured bool) string {
	switch {
	case what == "tls":
		return "openssl and no curl"
	case secured:
		return "curl"
	}
	return "curl and no bash"
}

func readHTTP(a *transport.Answer, s saying, name string) {
	switch s.exit {
	case 0, exitEmpty, exitReceive, exitShortPipe, exitShortCurl:
		reply, _ := readReply(bytes.NewReader(s.bytes), name)
		a.Replies = append(a.Replies, reply)
	case exitTimeout, exitKilled:
		a.Unknown = fmt.Sprintf("no answer within %s", patience)
	default:
		a.Unknown = fmt.Sprintf("%s on the host ended with status %d", s.program, s.exit)
	}
}

// What OpenSSL 1.1.1 and 3 print (apps/s_client.c): the suite, "(NONE)" without
// one; the version, of which 1.3 stands only in the first line; an alert that
// came from the other side; how much went to and fro.
var (
	sslSuite   = regexp.MustCompile(`(?m)^New, .*Cipher is [A-Z0-9_-]+\s*$`)
	sslVersion = regexp.MustCompile(`(?m)^\s*Protocol\s*: (TLSv1(?:\.[123])?)\s*$|^New, (TLSv1\.3), `)
	sslAlert   = regexp.MustCompile(`SSL alert number (\d{1,3})\b`)
	sslHungUp  = regexp.MustCompile(`has read 0 bytes and written [1-9]`)
	sslRefused = regexp.MustCompile(`(?m)^connect:errno=111|Connection refused`)
)

// readOpenSSL reads openssl s_client. Only what the other side did is an answer:
// a version that the host's own openssl does not speak, by its build or by its
// configuration, was never offered.
func readOpenSSL(a *transport.Answer, s saying) {
	alert := sslAlert.FindSubmatch(s.bytes)
	switch {
	case sslSuite.Match(s.bytes):
		a.TLS = true
		if v := sslVersion.FindSubmatch(s.bytes); v != nil {
			a.TLSVersion = version(string(v[1]) + string(v[2]))
		}
		a.Certificates = certificates(s.bytes)
	case sslRefused.Match(s.bytes):
		a.Refused = true
	case s.exit == exitKilled:
		a.Unknown = fmt.Sprintf("no answer within %s", patience)
	case alert != nil:
		a.TLSError = "alert " + string(alert[1])
	case sslHungUp.Match(s.bytes):
		a.TLSError = "the service hung up"
	default:
		a.Unknown = forbidden + "it is not testable there: the host's own openssl does not speak it"
	}
}

// What curl -v prints with OpenSSL (lib/vtls/openssl.c).
var (
	curlVersion = regexp.MustCompile(`(?m)^\* SSL connection using (TLSv1(?:\.[0123])?) `)
	curlAlert   = regexp.MustCompile(`(?m)^\* .*\(IN\), TLS alert, ([a-z ]+) `)
)

func readCurl(a *transport.Answer, s saying) {
	agreed, alert := curlVersion.FindSubmatch(s.bytes), curlAlert.FindSubmatch(s.bytes)
	switch {
	case agreed != nil:
		a.TLS, a.TLSVersion = true, version(string(agreed[1]))
	case s.exit == exitTimeout, s.exit == exitKilled:
		a.Unknown = fmt.Sprintf("no answer within %s", patience)
	case alert != nil:
		a.TLSError = "alert: " + string(alert[1])
	default:
		a.Unknown = forbidden + "it is not testable there: the host's own curl does not speak it"
	}
}

// version is a name of OpenSSL's as a number of crypto/tls.
func version(name string) uint16 {
	for number, digits := range versions {
		if name == "TLSv"+digits || name == "TLSv1" && number == tls.VersionTLS10 {
			return number
		}
	}
	return 0
}

// certificates are the PEM blocks in a text, as DER.
func certificates(text []byte) [][]byte {
	var der [][]byte
	for len(der) < 16 {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type == "CERTIFICATE" {
			der = append(der, block.Bytes)
		}
	}
	return der
}
