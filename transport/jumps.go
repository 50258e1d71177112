package transport

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// Jumps is OpenSSH's ProxyJump syntax "user@host:port,..." as connections that
// lead to one another, the first of the list dialled first. Their keys, passwords,
// known hosts and time limits are those of base.
func Jumps(base Connection, list string) (*Connection, error) {
	var via *Connection
	for part := range strings.SplitSeq(list, ",") {
		hop, err := jump(base, strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		hop.Via = via
		via = hop
	}
	return via, nil
}

func jump(base Connection, text string) (*Connection, error) {
	hop := base
	hop.Become, hop.BecomePassword, hop.Via, hop.Port = BecomeNone, SecretRef{}, nil, 0
	address := strings.TrimPrefix(text, "ssh://")
	if user, rest, ok := cutLast(address, "@"); ok {
		hop.User, address = user, rest
	}
	if host, port, err := net.SplitHostPort(address); err == nil {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return nil, fmt.Errorf("%q has no port from 1 to 65535", text)
		}
		address, hop.Port = host, int(n)
	}
	hop.Address = strings.Trim(address, "[]")
	if hop.Address == "" || hop.User == "" && strings.Contains(text, "@") || strings.ContainsAny(hop.Address, " /@[]") {
		return nil, fmt.Errorf("%q is no jump host", text)
	}
	return &hop, nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return "", s, false
}
