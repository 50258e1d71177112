package plans

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/kepmctl/kepmctl/provider"
)

// many is a plan of so many hosts in ten states, each with changes of its own kind.
func many(n int) *Plan {
	var goals []provider.Goal
	s := &sightings{hosts: make([]seen, n)}
	for i := range n {
		g := goal(fmt.Sprintf("web-%06d", i))
		goals = append(goals, g)
		f := provider.Facts{Settings: provider.File{Path: "/opt/keeper/appsettings.json", Bytes: fmt.Appendf(nil, `{"AllowedHosts":"%d"}`, i%10)}, Roots: []string{"/opt/keeper"}, Version: "2.0.82"}
		l := provider.Look{Facts: f}
		l.Peer.HostKey = fmt.Sprintf("ssh-ed25519 SHA256:%043d", i)
		s.put(i, looked{look: l, findings: provider.Judge(g, l)})
	}
	p := assemble(goals, s, nil)
	p.place(Terms{})
	return p
}

func BenchmarkPlan10000(b *testing.B) {
	p := many(10_000)
	text, err := p.Encode()
	if err != nil {
		b.Fatal(err)
	}
	b.Run("encode", func(b *testing.B) {
		b.ReportMetric(float64(len(text))/10_000, "bytes/host")
		for b.Loop() {
			if _, err := p.Encode(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decode", func(b *testing.B) {
		for b.Loop() {
			if _, err := Decode(bytes.NewReader(text)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("make", func(b *testing.B) {
		for b.Loop() {
			many(10_000)
		}
	})
}
