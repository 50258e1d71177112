package posix

import (
	"fmt"
	"strings"

	"github.com/kepmctl/kepmctl/provider"
	"github.com/kepmctl/kepmctl/transport"
)

type keeper struct{}

// Kept is kept.sh.
func (keeper) Kept(run string) transport.Script {
	return transport.Script{Name: "kept.sh", Text: text("kept.sh"), Args: []string{usualState, run}, Elevate: true}
}

// ReadKept turns the answer of kept.sh into what it says. An error means that the
// answer is not one.
func (keeper) ReadKept(out transport.Output) (provider.Kept, error) {
	s, err := sections(out.Stdout)
	if err != nil {
		return provider.Kept{}, fmt.Errorf("read what the host keeps: %w", err)
	}
	if _, whole := s["end"]; !whole {
		return provider.Kept{}, fmt.Errorf("read what the host keeps: %w (exit %d)", errTruncated, out.Exit)
	}
	first := func(name string) string {
		if len(s[name]) == 0 {
			return ""
		}
		return strings.TrimSuffix(string(s[name][0]), "\n")
	}
	k := provider.Kept{Ending: provider.Ending(first("ending")), Root: first("root"), Permissions: first("permissions") == "yes"}
	for _, name := range s["attempt"] {
		k.Attempts = append(k.Attempts, string(name))
	}
	files, was, now := s["file"], s["was"], s["new"]
	if len(was) != len(files) || len(now) != len(files) {
		return provider.Kept{}, fmt.Errorf("read what the host keeps: %w", errTruncated)
	}
	for i, f := range files {
		path := strings.TrimSuffix(k.Root, "/") + "/" + string(f)
		k.Files = append(k.Files, provider.FileEdit{Path: path, Was: was[i], Bytes: now[i]})
	}
	return k, nil
}
