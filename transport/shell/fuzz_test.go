package shell

import (
	"bufio"
	"bytes"
	"testing"
)

// Whatever comes over the wire, reading ends, and nothing passes for the end of a
// script but its own marker.
func FuzzStreams(f *testing.F) {
	f.Add([]byte("hello\nMARK 0\n\nMARK 0\n"))
	f.Add([]byte("\nMARK 99999999999\n"))
	f.Fuzz(func(t *testing.T, said []byte) {
		const limit = 1 << 10
		out, _, err := readStdout(bufio.NewReader(bytes.NewReader(said)), "MARK", limit)
		if err == nil && (len(out) > limit || !bytes.HasPrefix(said, append(out, "\nMARK "...))) {
			t.Errorf("%q was read from %q", out, said)
		}
		if kept, err := readStderr(bufio.NewReader(bytes.NewReader(said)), "MARK"); err == nil && len(kept) > StderrLimit {
			t.Errorf("%d bytes of errors were kept", len(kept))
		}
		if uid, err := readUID(bufio.NewReader(bytes.NewReader(said)), "MARK", nil); err == nil && uid < 0 {
			t.Errorf("uid %d", uid)
		}
		_ = listen(bufio.NewReader(bytes.NewReader(said)), "MARK", nil) // must end
	})
}
