package transport_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kepmctl/kepmctl/transport"
)

// chain is how the hops are dialled, first to last.
func chain(c *transport.Connection) string {
	if c == nil {
		return ""
	}
	return strings.TrimPrefix(chain(c.Via)+fmt.Sprintf(" %s|%s|%d", c.User, c.Address, c.Port), " ")
}

func TestJumps(t *testing.T) {
	base := transport.Connection{
		Kind: "ssh", Name: "ops", User: "ops", Port: 2200, PrivateKeyFile: "key", Password: transport.SecretRef{Source: "env", Name: "P"},
		KnownHostsFile: "known", Become: transport.BecomeSudo, BecomePassword: transport.SecretRef{Source: "env", Name: "B"},
		ConnectTimeout: time.Second, Via: &transport.Connection{Address: "elsewhere"},
	}
	for list, want := range map[string]string{
		"jump":                             "ops|jump|0",
		"me@jump:2222":                     "me|jump|2222",
		"me@corp@jump":                     "me@corp|jump|0",
		"a,b@c:1 , [::1]:22,fe80::1,[::2]": "ops|a|0 b|c|1 ops|::1|22 ops|fe80::1|0 ops|::2|0",
		"ssh://me@jump:22/":                "me|jump|22",
	} {
		via, err := transport.Jumps(base, list)
		if err != nil || chain(via) != want {
			t.Errorf("%q: %q, %v; want %q", list, chain(via), err, want)
			continue
		}
		if via.Name != "ops" || via.PrivateKeyFile != "key" || via.KnownHostsFile != "known" || !via.Password.IsZero() ||
			via.ConnectTimeout != time.Second || via.Become != "" || !via.BecomePassword.IsZero() {
			t.Errorf("%q: %+v", list, via)
		}
	}
	for _, list := range []string{
		"", " ", ",", "a,", "@a", "a:", "a:0", "a:65536", "a:x", "::1:", "[::1", "none", "NONE", "-oProxyCommand=x", "a b", "a\x1b", "a\xff", "a/b",
		strings.Repeat("a,", transport.MaxHops) + "a", "a:-1", "a:+1", "[a b]:1",
	} {
		if via, err := transport.Jumps(base, list); err == nil {
			t.Errorf("%q became %q", list, chain(via))
		}
	}
}

func FuzzJumps(f *testing.F) {
	for _, s := range []string{"a", "u@h:22,[::1]:2", "ssh://a@b/", "none", "a,,b", "@", "[", "]:1", ":"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, list string) {
		via, err := transport.Jumps(transport.Connection{Kind: "ssh", Name: "x", User: "u"}, list)
		if err != nil {
			if via != nil {
				t.Error("an error and a way")
			}
			return
		}
		hops := 0
		for c := via; c != nil; c = c.Via {
			if hops++; hops > transport.MaxHops || c.Address == "" || c.User == "" || c.Port < 0 || c.Port > 65535 || strings.ContainsAny(c.Address, " \t\n\x00@") {
				t.Errorf("%q became %+v", list, c)
			}
		}
	})
}
