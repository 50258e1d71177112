package standin

import (
	"bufio"
	"errors"
	"io"
	"net"
	"time"
)

// MQTT control packets, from the first byte's high half (MQTT 3.1.1, section 2.2).
const (
	mqttConnect  = 0x1
	mqttPing     = 0xc
	mqttMaxBytes = 64 << 10 // the most a client may send in one packet
)

// serveMQTT accepts clients until l is closed.
func serveMQTT(l net.Listener) error {
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			_ = mqttSession(c)
		}()
	}
}

// mqttSession greets one client: CONNECT is accepted, pings are answered,
// everything else is read and dropped.
func mqttSession(c net.Conn) error {
	r := bufio.NewReader(c)
	for first := true; ; first = false {
		if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
			return err
		}
		kind, err := readPacket(r)
		if err != nil {
			return err
		}
		var answer []byte
		switch {
		case first && kind != mqttConnect:
			return errors.New("the first packet is not CONNECT")
		case first:
			answer = []byte{0x20, 2, 0, 0} // CONNACK, accepted
		case kind == mqttPing:
			answer = []byte{0xd0, 0}
		}
		if _, err := c.Write(answer); err != nil {
			return err
		}
	}
}

// readPacket skips one packet and returns its kind.
func readPacket(r *bufio.Reader) (byte, error) {
	head, err := r.ReadByte()
	if err != nil {
		return 0, err
	}
	length, shift := 0, 0
	for {
		b, err := r.ReadByte()
		if err != nil {
			return 0, err
		}
		length |= int(b&0x7f) << shift
		shift += 7
		if b&0x80 == 0 {
			break
		}
		if shift > 21 {
			return 0, errors.New("malformed remaining length")
		}
	}
	if length > mqttMaxBytes {
		return 0, errors.New("packet too large")
	}
	_, err = io.CopyN(io.Discard, r, int64(length))
	return head >> 4, err
}
