package provider_test

import (
	"testing"
	"time"

	"github.com/kepmctl/kepmctl/provider"
	"github.com/kepmctl/kepmctl/transport"
)

// What hosts say of transactions and of their cost is any bytes.
func FuzzReadState(f *testing.F) {
	f.Add([]byte("phase 72 65 61 64 79\ndown 31\npid 32\ndetail 61\n"))
	f.Add([]byte("newest 12\ncursor s=1\nlines -4\n"))
	f.Fuzz(func(t *testing.T, out []byte) {
		if s, ok := provider.ReadState(out); s.Down < 0 || s.Down > 30*24*time.Hour || (ok && len(out) == 0) {
			t.Errorf("%+v", s)
		}
		if m := provider.ReadMeter(out); m.Newest < 0 || m.Lines < -1 {
			t.Errorf("%+v", m)
		}
	})
}

// A certificate that a service presents is any bytes.
func FuzzCertificate(f *testing.F) {
	f.Add([]byte{0x30, 0x82})
	f.Fuzz(func(t *testing.T, der []byte) {
		facts := hardened()
		for i := range facts.Answers {
			facts.Answers[i].TLS, facts.Answers[i].Certificates = true, [][]byte{der, der}
		}
		for _, w := range []provider.Want{selfSigned, external} {
			got := provider.Judge(provider.Goal{Wants: []provider.Want{w}}, provider.Look{Facts: facts, At: now})[0]
			if got.Outcome == provider.Compliant && len(der) < 100 {
				t.Errorf("%+v", got)
			}
		}
	})
}

// Settings files of plug-ins and beside appsettings.json are any bytes.
func FuzzSettings(f *testing.F) {
	f.Add([]byte(`{"metadata":{"k":1},"AllowedHosts":"*"}`), "k")
	f.Fuzz(func(t *testing.T, text []byte, key string) {
		w := plugin("A", key, 2, "")
		if w.Validate() != nil {
			return
		}
		facts := hardened()
		facts.Plugins = []provider.File{{Path: root + "/Plugins/A.json", Bytes: text}}
		facts.Layers = []provider.File{{Path: root + "/appsettings.X.json", Bytes: text}}
		g := provider.Goal{Wants: []provider.Want{w, hosts, overrides}}
		look := provider.Look{Peer: transport.Identity{}, Facts: facts}
		for _, finding := range provider.Judge(g, look) {
			if len(finding.Changes) == 0 {
				continue
			}
			if _, err := provider.Compile(g, look, finding.Changes, "run", "me"); err != nil {
				t.Errorf("a change that cannot be compiled: %v", err)
			}
		}
	})
}
