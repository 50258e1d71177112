package transporttest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/kepmctl/kepmctl/transport"
	"github.com/kepmctl/kepmctl/transport/transporttest"
)

// A recorder is a test that may fail without failing this one.
type recorder struct {
	testing.TB
	cleanups []func()
	errors   []string
}

func (r *recorder) Cleanup(f func())          { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Error(args ...any)         { r.errors = append(r.errors, fmt.Sprint(args...)) }
func (r *recorder) Errorf(f string, a ...any) { r.errors = append(r.errors, fmt.Sprintf(f, a...)) }
func (r *recorder) end() []string {
	for _, f := range r.cleanups {
		f()
	}
	return r.errors
}

func TestStandInConn(t *testing.T) {
	boom := errors.New("boom")
	expected := []transporttest.Exchange{
		{Script: transport.Script{Name: "a.sh", Args: []string{"1"}}, Output: transport.Output{Exit: 3}},
		{Script: transport.Script{Name: "b.sh", Text: "true", Elevate: true}, Err: boom},
	}
	a := transport.Script{Name: "a.sh", Text: "anything", Args: []string{"1"}}
	b := transport.Script{Name: "b.sh", Text: "true", Elevate: true}
	other := b
	other.Elevate = false
	tests := []struct {
		name   string
		runs   []transport.Script
		close  bool
		faults int
	}{
		{"as told", []transport.Script{a, b}, true, 0},
		{"one is missing", []transport.Script{a}, true, 1},
		{"none came, left open", nil, false, 3},
		{"one too many", []transport.Script{a, b, b}, true, 1},
		{"the order", []transport.Script{b}, true, 3},
		{"not elevated", []transport.Script{a, other}, true, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &recorder{}
			c := transporttest.NewConn(r, transport.Identity{User: "ops"}, expected...)
			for _, s := range tt.runs {
				out, err := c.Run(t.Context(), s)
				if tt.faults == 0 && (s.Name == "a.sh" && (out.Exit != 3 || err != nil) || s.Name == "b.sh" && !errors.Is(err, boom)) {
					t.Errorf("%s: %v, %v", s.Name, out, err)
				}
			}
			if tt.close {
				_ = c.Close()
			}
			if got := r.end(); len(got) != tt.faults {
				t.Errorf("%d faults, want %d: %q", len(got), tt.faults, got)
			}
		})
	}
}

func TestStandInDialer(t *testing.T) {
	r := &recorder{}
	d := transporttest.NewDialer(r, transporttest.Dialled{Host: "a", Err: transport.ErrAuth}, transporttest.Dialled{Host: "b"})
	if _, err := d.Dial(t.Context(), transport.Host{Name: "a"}); !errors.Is(err, transport.ErrAuth) {
		t.Errorf("a: %v", err)
	}
	if _, err := d.Dial(t.Context(), transport.Host{Name: "a"}); err == nil {
		t.Error("a second dial was answered")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Dial(ctx, transport.Host{Name: "b"}); !errors.Is(err, context.Canceled) {
		t.Errorf("b: %v", err)
	}
	if got := r.end(); len(got) != 2 { // a's second dial, b's missing one
		t.Errorf("%d faults: %q", len(got), got)
	}
}
