package transport_test

import (
	"context"
	"strings"
	"testing"

	"github.com/kepmctl/kepmctl/transport"
	"github.com/kepmctl/kepmctl/transport/transporttest"
)

// What is not named is not sent: the stand-in would complain of it.
func TestOnly(t *testing.T) {
	look := transport.Script{Name: "observe.sh", Text: "look"}
	conn := transporttest.NewConn(t, transport.Identity{HostKey: "KEY"}, transporttest.Exchange{Script: look, Output: transport.Output{Stdout: []byte("facts")}})
	d := transport.Only(transporttest.NewDialer(t, transporttest.Dialled{Host: "web", Conn: conn}), "observe.sh")
	c, err := d.Dial(context.Background(), transport.Host{Name: "web", Address: "10.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"begin.sh", "verdict.sh", "login.sh", ""} {
		if _, err := c.Run(context.Background(), transport.Script{Name: name, Text: "rm -rf /"}); err == nil || !strings.Contains(err.Error(), "only looks at hosts") {
			t.Errorf("%q: %v", name, err)
		}
	}
	if out, err := c.Run(context.Background(), look); err != nil || string(out.Stdout) != "facts" {
		t.Errorf("%+v, %v", out, err)
	}
	if _, ok := c.(transport.Tunneler); ok {
		t.Error("what is no tunnel became one")
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}
