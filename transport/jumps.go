package transport

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"unicode"
)

// MaxHops is how many machines may lead to a host.
const MaxHops = 8

// Jumps is the way through the machines of a list as OpenSSH's ProxyJump writes
// it, "user@host:port,[v6]:port,..."; the first is dialled first. How each of
// them is reached, with which keys, known_hosts and limits, is as in base, except
// for what the list says; nobody becomes root there. What is returned is base's
// Via to be.
func Jumps(base Connection, list string) (*Connection, error) {
	parts := strings.Split(list, ",")
	if len(parts) > MaxHops {
		return nil, fmt.Errorf("the list names %d machines, and at most %d may lead to a host", len(parts), MaxHops)
	}
	var via *Connection
	for _, part := range parts {
		hop := base
		// The host's password is not for the machines in between to see.
		hop.Become, hop.BecomePassword, hop.Password = "", SecretRef{}, SecretRef{}
		hop.Via, hop.Port = via, 0
		if err := hop.jump(strings.TrimSpace(part)); err != nil {
			return nil, fmt.Errorf("%q is not a machine to jump through: %w; write user@host:port", part, err)
		}
		via = &hop
	}
	return via, nil
}

// jump reads one machine of the list.
func (c *Connection) jump(text string) error {
	if rest, ok := strings.CutPrefix(text, "ssh://"); ok {
		text = strings.TrimSuffix(rest, "/")
	}
	// As OpenSSH does: a user name may hold an @, a host may not.
	if i := strings.LastIndexByte(text, '@'); i >= 0 {
		if c.User, text = text[:i], text[i+1:]; c.User == "" {
			return errors.New("the user is empty")
		}
	}
	host, port, err := hostAndPort(text)
	if err != nil {
		return err
	}
	switch {
	case host == "":
		return errors.New("the host is empty")
	case strings.EqualFold(host, "none"):
		return errors.New(`"none" means that there is no such machine`)
	case strings.ContainsFunc(host+c.User, func(r rune) bool { return r == unicode.ReplacementChar || unicode.IsSpace(r) || !unicode.IsPrint(r) }):
		return errors.New("it holds blanks or characters that cannot be shown")
	case host[0] == '-' || strings.ContainsAny(host, `/\'"@[]%*?`) && net.ParseIP(host) == nil:
		return errors.New("the host is no name or address")
	}
	c.Address, c.Port = host, port
	return nil
}

// hostAndPort splits "host", "host:port", "[v6]", "[v6]:port" and "v6". Without a
// port it is 0.
func hostAndPort(text string) (string, int, error) {
	if net.ParseIP(text) != nil {
		return text, 0, nil
	}
	if inner, ok := strings.CutPrefix(text, "["); ok && strings.HasSuffix(inner, "]") {
		return strings.TrimSuffix(inner, "]"), 0, nil
	}
	if !strings.Contains(text, ":") {
		return text, 0, nil
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return "", 0, errors.New("the port is not clear")
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", 0, errors.New("the port is no number from 1 to 65535")
	}
	return host, int(n), nil
}
