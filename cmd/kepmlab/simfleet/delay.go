package simfleet

import (
	"net"
	"sync"
	"time"
)

// A delayedConn writes late: what is written is on its way for as long as a round
// trip takes, and more may be on its way meanwhile. So each answer is as late as it
// would be from afar, at the price of one goroutine.
type delayedConn struct {
	net.Conn
	late  time.Duration
	queue chan parcel
	once  sync.Once
	done  chan struct{}
}

type parcel struct {
	b   []byte
	due time.Time
}

// delayed is the connection from so far away; 0: the connection itself.
func delayed(c net.Conn, late time.Duration) net.Conn {
	if late == 0 {
		return c
	}
	d := &delayedConn{Conn: c, late: late, queue: make(chan parcel, 64), done: make(chan struct{})}
	go d.deliver()
	return d
}

func (d *delayedConn) Write(b []byte) (int, error) {
	p := parcel{append([]byte(nil), b...), time.Now().Add(d.late)}
	select {
	case d.queue <- p:
		return len(b), nil
	case <-d.done:
		return 0, net.ErrClosed
	}
}

func (d *delayedConn) deliver() {
	for {
		select {
		case p := <-d.queue:
			time.Sleep(time.Until(p.due))
			if _, err := d.Conn.Write(p.b); err != nil {
				_ = d.Close()
				return
			}
		case <-d.done:
			return
		}
	}
}

func (d *delayedConn) Close() error {
	d.once.Do(func() { close(d.done) })
	return d.Conn.Close()
}
