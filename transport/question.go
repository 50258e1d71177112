package transport

// A Question is put to a service on a host's own loopback interface. TLSMax 0
// means plain TCP. With a Path, a GET is sent once for each of Hosts (the Host
// header; none: "localhost"), each on a connection of its own.
type Question struct {
	Port           int
	TLSMin, TLSMax uint16 // crypto/tls version numbers
	Path           string
	Hosts          []string
}

// An Answer is what came back. Everything in it was said by the host: hostile
// input until judged.
type Answer struct {
	Question     Question
	Unknown      string   // why the question could not be put; empty when it was
	Refused      bool     // nothing listens on the port
	TLS          bool     // the handshake succeeded
	TLSVersion   uint16   // agreed version, 0 without TLS
	TLSError     string   // why the handshake failed
	Certificates [][]byte // DER, leaf first
	Replies      []Reply  // one per host asked, in order; shorter if asking broke off
	Means        string   // ByTunnel, or the program that asked on the host
}

// ByTunnel is how a question is put where the connection reaches ports.
const ByTunnel = "tunnel"

// A Reply is the start of an HTTP response.
type Reply struct {
	Host   string // the Host header that was sent
	Status int    // 0: no valid response
	Body   []byte // capped at 64 KiB
}
