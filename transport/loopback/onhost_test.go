package loopback

import (
	"crypto/tls"
	"strings"
	"testing"

	"github.com/kepmctl/kepmctl/transport"
)

// An openssl that never offered the version says nothing about the service.
func TestOwnOpenSSLCannot(t *testing.T) {
	local := []string{
		"error:0A0000BF:SSL routines:tls_setup_handshake:no protocols available\nno peer certificate available\n" +
			"SSL handshake has read 0 bytes and written 0 bytes\nNew, (NONE), Cipher is (NONE)\n",
		"s_client: Unknown option: -min_protocol\n",
		"error:0A00014D:SSL routines:tls_process_key_exchange:legacy sigalg disallowed\n" +
			"SSL handshake has read 1200 bytes and written 200 bytes\nNew, (NONE), Cipher is (NONE)\n",
		"",
	}
	for _, text := range local {
		a := &transport.Answer{}
		readOpenSSL(a, saying{"tls", "openssl", 1, []byte(text)})
		if a.TLS || a.TLSError != "" || !strings.Contains(a.Unknown, "not testable") {
			t.Errorf("%q: %+v", text, a)
		}
	}
	a := &transport.Answer{}
	readCurl(a, saying{"tls", "curl", 35, []byte("* TLSv1.0 (OUT), TLS alert, protocol version (582):\n")})
	if a.TLSError != "" || a.Unknown == "" {
		t.Errorf("curl: %+v", a)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("end\n"))
	f.Add([]byte("ask 0 http curl 0 485454502f312e3120323030204f4b0d0a0d0a\nask 1 tls none 0 \nend\n"))
	f.Add([]byte("ask 0 tls openssl 1 4e6577\nask -1 x y 7 zz\nend\n"))
	f.Fuzz(func(t *testing.T, out []byte) {
		said, err := parse(out)
		if err != nil {
			return
		}
		for _, q := range []transport.Question{{Port: 1, Path: "/", Hosts: []string{"a"}}, {Port: 1, TLSMin: tls.VersionTLS10, TLSMax: tls.VersionTLS11}} {
			a := transport.Answer{Question: q}
			read(&a, said[0])
			if len(a.Replies) > 1 {
				t.Errorf("%d replies to one question", len(a.Replies))
			}
		}
	})
}
