package ssh

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/kepmctl/kepmctl/transport"
	"github.com/kepmctl/kepmctl/transport/transporttest"
)

// behind starts servers and returns how to reach the last of them through the
// others, in order.
func behind(t *testing.T, servers ...*server) (*Dialer, transport.Host) {
	t.Helper()
	var d *Dialer
	var h transport.Host
	var via *transport.Connection
	known := ""
	for i, s := range servers {
		d, h = s.start(t)
		known += readFile(t, d.path("~/.ssh/known_hosts"))
		h.Connection.Via = via
		if i < len(servers)-1 {
			c := h.Connection
			c.Name, c.Address, c.Port = "jump"+string(rune('1'+i)), h.Address, h.Port
			via = &c
		}
	}
	write(t, d.path("~/.ssh/known_hosts"), known)
	t.Cleanup(func() { _ = d.Close() })
	return d, h
}

func TestBastionContract(t *testing.T) {
	d, h := behind(t, &server{}, &server{}, &server{})
	transporttest.Conn(t, func(t *testing.T) transport.Conn { return dial(t, d, h) })
}

func TestBastionIsShared(t *testing.T) {
	jump, target := &server{}, &server{}
	d, h := behind(t, jump, target)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			c, err := d.Dial(t.Context(), h)
			if err != nil {
				t.Error(err)
				return
			}
			if out, err := say(t.Context(), c, "echo through", false); out != "through\n" || err != nil {
				t.Errorf("it said %q, %v", out, err)
			}
			_ = c.Close()
		})
	}
	wg.Wait()
	dial(t, d, h) // those who closed theirs left the bastion open
	if n := jump.dialled(); n != 1 {
		t.Errorf("the bastion was dialled %d times", n)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if _, err := d.Dial(t.Context(), h); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
}

func TestBrokenBastion(t *testing.T) {
	jump, target := &server{}, &server{}
	d, h := behind(t, jump, target)
	c := dial(t, d, h)
	time.AfterFunc(200*time.Millisecond, jump.cut)
	_, err := say(t.Context(), c, "sleep 20", false)
	if !errors.Is(err, transport.ErrUnreachable) || !strings.Contains(err.Error(), "through connection.ssh.jump1 (127.0.0.1:") {
		t.Errorf("a host in flight: %v", err)
	}
	dial(t, d, h)
	if n := jump.dialled(); n != 2 {
		t.Errorf("the bastion was dialled %d times", n)
	}
}

func TestFailingBastion(t *testing.T) {
	t.Run("login", func(t *testing.T) {
		jump := &server{accept: func(ssh.PublicKey) bool { return false }}
		d, h := behind(t, jump, &server{})
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				_, err := d.Dial(t.Context(), h)
				if !errors.Is(err, transport.ErrAuth) || !strings.Contains(err.Error(), "through connection.ssh.jump1 (127.0.0.1:") ||
					!strings.HasPrefix(err.Error(), "dial 127.0.0.1:") || !strings.Contains(transport.Hint(err), "authorized_keys") {
					t.Errorf("the error is %v", err)
				}
			})
		}
		wg.Wait()
		if n := jump.dialled(); n != 1 {
			t.Errorf("the bastion was dialled %d times", n)
		}
	})
	t.Run("host key", func(t *testing.T) {
		d, h := behind(t, &server{}, &server{})
		h.Connection.Via.KnownHostsFile = "~/none"
		fails(t, d, h, transport.ErrHostKey, "through connection.ssh.jump1", "unknown host")
	})
	t.Run("in the second of two", func(t *testing.T) {
		d, h := behind(t, &server{}, &server{accept: func(ssh.PublicKey) bool { return false }}, &server{})
		fails(t, d, h, transport.ErrAuth, "through connection.ssh.jump2", "accepted none")
	})
	t.Run("in the first of two", func(t *testing.T) {
		d, h := behind(t, &server{accept: func(ssh.PublicKey) bool { return false }}, &server{}, &server{})
		fails(t, d, h, transport.ErrAuth, "through connection.ssh.jump2 (127", "through connection.ssh.jump1 (127", "accepted none")
	})
	t.Run("silent", func(t *testing.T) {
		d, h := behind(t, &server{silent: true}, &server{})
		h.Connection.Via.ConnectTimeout = 100 * time.Millisecond
		begun := time.Now()
		fails(t, d, h, transport.ErrTimeout, "through connection.ssh.jump1", "100ms")
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("it took %v", took)
		}
	})
	t.Run("slow, but within its own limit", func(t *testing.T) {
		jump := &server{config: func(c *ssh.ServerConfig) {
			c.BannerCallback = func(ssh.ConnMetadata) string { time.Sleep(time.Second); return "" }
		}}
		d, h := behind(t, jump, &server{})
		h.Connection.ConnectTimeout = 800 * time.Millisecond
		dial(t, d, h)
	})
	t.Run("cancelled", func(t *testing.T) {
		d, h := behind(t, &server{silent: true}, &server{})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		if _, err := d.Dial(ctx, h); !errors.Is(err, context.Canceled) {
			t.Errorf("the error is %v", err)
		}
	})
}

func TestBastionRefuses(t *testing.T) {
	for reason, want := range map[ssh.RejectionReason]struct {
		kind  error
		texts []string
	}{
		ssh.Prohibited:         {transport.ErrNoTunnel, []string{"does not forward", `no\x1b[2J`, "AllowTcpForwarding", "PermitOpen 127.0.0.1:"}},
		ssh.ConnectionFailed:   {transport.ErrUnreachable, []string{"cannot connect", "as seen from"}},
		ssh.UnknownChannelType: {transport.ErrNoTunnel, []string{"direct-tcpip"}},
		ssh.ResourceShortage:   {transport.ErrUnreachable, []string{"no room", "--parallelism"}},
	} {
		t.Run(reason.String(), func(t *testing.T) {
			d, h := behind(t, &server{tunnel: func(int) (ssh.RejectionReason, bool) { return reason, false }}, &server{})
			fails(t, d, h, want.kind, append(want.texts, "through connection.ssh.jump1 (127.0.0.1:")...)
		})
	}
}

func TestWays(t *testing.T) {
	noLeaks(t)
	d := &Dialer{Home: t.TempDir(), User: "ops"}
	writeKey(t, filepath.Join(d.Home, ".ssh", "id_ed25519"), "")
	hop := func(address string, via *transport.Connection) *transport.Connection {
		return &transport.Connection{Kind: "ssh", Name: "x", Address: address, Via: via}
	}
	circle := hop("a", nil)
	circle.Via = hop("b", hop("c", circle))
	long := hop("0", nil)
	for i := range transport.MaxHops {
		long = hop("n"+string(rune('a'+i)), long)
	}
	for name, tt := range map[string]struct {
		via  *transport.Connection
		text string
	}{
		"circle":   {circle, "in a circle: ops@host:22 through ops@a:22 through ops@b:22 through ops@c:22 through ops@a:22"},
		"itself":   {hop("host", nil), "in a circle"},
		"too long": {long, "more than 8 machines"},
	} {
		t.Run(name, func(t *testing.T) {
			fails(t, d, transport.Host{Address: "host", Connection: transport.Connection{Via: tt.via}}, transport.ErrUnreachable, tt.text)
		})
	}
}

// A peer that is silently gone is noticed while a script runs.
func TestKeepAlive(t *testing.T) {
	for _, through := range []bool{false, true} {
		servers := []*server{{}}
		if through {
			servers = []*server{{}, {}}
		}
		d, h := behind(t, servers...)
		var freeze sync.Once
		frozen := make(chan struct{})
		t.Cleanup(func() { freeze.Do(func() { close(frozen) }) })
		d.NetDial = func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, network, address)
			return &freezing{Conn: c, frozen: frozen}, err
		}
		d.KeepAlive = 50 * time.Millisecond
		c := dial(t, d, h)
		if out, err := say(t.Context(), c, "sleep 1; echo alive", false); out != "alive\n" || err != nil {
			t.Fatalf("a quiet script: %q, %v", out, err)
		}
		time.AfterFunc(100*time.Millisecond, func() { freeze.Do(func() { close(frozen) }) })
		begun := time.Now()
		_, err := say(t.Context(), c, "sleep 20", false)
		if !errors.Is(err, transport.ErrUnreachable) || !strings.Contains(err.Error(), "connection lost") ||
			!through && !strings.Contains(err.Error(), "no sign of life for 150ms") {
			t.Errorf("the error is %v", err)
		}
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("it took %v", took)
		}
	}
}

// A freezing connection loses everything once it is frozen, as a network does
// that is gone.
type freezing struct {
	net.Conn
	frozen chan struct{}
}

func (f *freezing) Write(b []byte) (int, error) {
	select {
	case <-f.frozen:
		return len(b), nil
	default:
		return f.Conn.Write(b)
	}
}

func (f *freezing) Read(b []byte) (int, error) {
	n, err := f.Conn.Read(b)
	select {
	case <-f.frozen:
		if err == nil {
			return f.Read(b)
		}
	default:
	}
	return n, err
}

// A dialer that is closed leaves nothing behind, whatever is under way.
func TestCloseLeavesNothing(t *testing.T) {
	jump, target := &server{}, &server{silent: true}
	d, h := behind(t, jump, target) // noLeaks is asked at the end
	h.Connection.ConnectTimeout = time.Minute
	for range 3 {
		go func() { _, _ = d.Dial(context.WithoutCancel(t.Context()), h) }()
	}
	for target.dialled() < 3 {
		time.Sleep(5 * time.Millisecond)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}
