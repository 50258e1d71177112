package nspawn

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

// agentPort is where the agent answers on its host's loopback interface.
const agentPort = 6889

// listening says whether a TCP port is open in the network of a process,
// whatever the address, without entering it.
func listening(pid, port int) bool {
	for _, table := range []string{"tcp", "tcp6"} {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, table))
		if err == nil && hasListener(string(b), port) {
			return true
		}
	}
	return false
}

// hasListener reads the kernel's table: "sl local_address rem_address st ...",
// addresses as hex with the port behind ":", state 0A for a listener (proc(5)).
func hasListener(table string, port int) bool {
	suffix := fmt.Sprintf(":%04X", port)
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) > 3 && f[3] == "0A" && strings.HasSuffix(f[1], suffix) {
			return true
		}
	}
	return false
}

// acceptsLogins says whether a host has come so far that a login succeeds: sshd
// listens, and systemd has lifted the ban of early boot, pam_nologin(8).
func acceptsLogins(pid int) bool {
	return listening(pid, 22) && !exists(fmt.Sprintf("/proc/%d/root/run/nologin", pid))
}

// greets says whether an SSH server answers at an address.
func greets(ctx context.Context, address string) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	c, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(address, "22"))
	if err != nil {
		return false
	}
	defer c.Close()
	_ = c.SetReadDeadline(time.Now().Add(2 * time.Second))
	banner := make([]byte, 4)
	n, _ := c.Read(banner)
	return string(banner[:n]) == "SSH-"
}
