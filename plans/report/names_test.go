package report

import (
	"fmt"
	"testing"
)

func TestList(t *testing.T) {
	for _, c := range []struct {
		names []string
		want  string
	}{
		{[]string{"web-003", "web-001", "web-002"}, "web-[001-003]"},
		{[]string{"web-1", "web-2", "web-10"}, "web-10  web-[1-2]"},
		{[]string{"app-003.fra2", "app-007.fra2", "app-008.fra2", "db"}, "app-[003,007-008].fra2  db"},
		{[]string{"10.0.0.1", "10.0.0.2"}, "10.0.0.1  10.0.0.2"},
		{[]string{"a1b2", "a1b3"}, "a1b2  a1b3"},
		{everySecond(1000), "web-[0001,0003,0005,0007,0009,0011,0013,0015,0017,0019,0021]  (+489 more, --view full)"},
	} {
		if got := list(c.names, false); got != c.want {
			t.Errorf("%v: %q, want %q", c.names, got, c.want)
		}
	}
}

func everySecond(n int) (names []string) {
	for i := 1; i < n; i += 2 {
		names = append(names, fmt.Sprintf("web-%04d", i))
	}
	return names
}
