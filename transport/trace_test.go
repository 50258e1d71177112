package transport_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/kepmctl/kepmctl/transport"
	"github.com/kepmctl/kepmctl/transport/transporttest"
)

// traced dials a stand-in through a trace and returns what is logged.
func traced(t *testing.T, dial transporttest.Dialled, use func(transport.Conn)) string {
	t.Helper()
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	clock := time.Unix(0, 0)
	now := func() time.Time { clock = clock.Add(time.Second); return clock }
	d := transport.Trace(transporttest.NewDialer(t, dial), log, now)
	c, err := d.Dial(context.Background(), transport.Host{Name: dial.Host, Address: "10.0.0.1"})
	if err == nil {
		use(c)
		err = c.Close()
	}
	if err != dial.Err {
		t.Errorf("the error became %v", err)
	}
	return out.String()
}

func TestTraceNeverLogsContents(t *testing.T) {
	script := transport.Script{Name: "look.sh", Text: "TEXT", Args: []string{"ARG"}, Stdin: []byte("INPUT"), Elevate: true}
	failure := &transport.Error{Kind: transport.ErrTimeout, Doing: "run begin.sh"}
	conn := transporttest.NewConn(t, transport.Identity{HostKey: "KEY"},
		transporttest.Exchange{Script: script, Output: transport.Output{Stdout: []byte("OUTPUT"), Stderr: []byte("NO"), Exit: 3, Took: 2 * time.Second}},
		transporttest.Exchange{Script: transport.Script{Name: "begin.sh"}, Err: failure},
	)
	got := traced(t, transporttest.Dialled{Host: "web", Conn: conn}, func(c transport.Conn) {
		if _, ok := c.(transport.Tunneler); ok {
			t.Error("what is no tunnel became one")
		}
		out, err := c.Run(context.Background(), script)
		if err != nil || string(out.Stdout) != "OUTPUT" {
			t.Errorf("%+v, %v", out, err)
		}
		if _, err := c.Run(context.Background(), transport.Script{Name: "begin.sh"}); err != failure {
			t.Errorf("the error became %v", err)
		}
	})
	for _, secret := range []string{"TEXT", "ARG", "INPUT", "OUTPUT", "NO"} {
		if strings.Contains(got, secret) {
			t.Errorf("%s is logged:\n%s", secret, got)
		}
	}
	for _, want := range []string{
		"msg=dial host=web address=10.0.0.1", "msg=dialled host=web took=1s key=KEY",
		"msg=ran host=web script=look.sh took=2s exit=3 stdout_bytes=6 stderr_bytes=2",
		`msg="not run to its end" host=web script=begin.sh took=1s kind="timed out"`, `msg="hang up"`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
}

func TestTraceOfADialThatFails(t *testing.T) {
	got := traced(t, transporttest.Dialled{Host: "web", Err: &transport.Error{Kind: transport.ErrAuth, Doing: "log in"}}, nil)
	if !strings.Contains(got, `level=WARN msg="not dialled" host=web took=1s kind="authentication failed"`) {
		t.Error(got)
	}
}

// tunnel is a connection that reaches one loopback port.
type tunnel struct {
	transport.Conn
	err error
}

func (c tunnel) DialLoopback(context.Context, int) (net.Conn, error) { return nil, c.err }

func TestTraceKeepsTunnels(t *testing.T) {
	inner := tunnel{transporttest.NewConn(t, transport.Identity{}), &transport.Error{Kind: transport.ErrNoTunnel, Doing: "reach port 6888"}}
	got := traced(t, transporttest.Dialled{Host: "web", Conn: inner}, func(c transport.Conn) {
		if _, err := c.(transport.Tunneler).DialLoopback(context.Background(), 6888); err != inner.err {
			t.Errorf("the error became %v", err)
		}
	})
	if !strings.Contains(got, `msg="loopback not reached" host=web port=6888 kind="forwarding refused"`) {
		t.Error(got)
	}
}
