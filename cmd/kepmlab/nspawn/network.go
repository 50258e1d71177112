package nspawn

import (
	"context"
	"errors"
	"fmt"
)

// A wire is a host's network: a namespace, and a pair of interfaces of which one
// is the host's eth0 and the other is plugged into the bridge.
type wire struct {
	namespace string // as `ip netns` names it
	plug      string // the interface on this machine's side, at most 15 bytes
	address   string // IPv4
}

func newWire(slot, index int) wire {
	return wire{
		namespace: fmt.Sprintf("kepmlab-%d-%d", slot, index),
		plug:      fmt.Sprintf("kl%d-%d", slot, index),
		address:   fmt.Sprintf("198.%d.%d.%d", 18+slot/256, slot%256, index),
	}
}

// path is the namespace as a file.
func (w wire) path() string { return "/run/netns/" + w.namespace }

func (w wire) make(ctx context.Context) error {
	outside := fmt.Sprintf("netns add %[1]s\nlink add %[2]s type veth peer name eth0 netns %[1]s\nlink set %[2]s master %[3]s up\n", w.namespace, w.plug, bridge)
	if err := run(ctx, outside, "ip", "-batch", "-"); err != nil {
		return err
	}
	inside := "addr add " + w.address + "/15 dev eth0\nlink set eth0 up\nlink set lo up\n"
	return run(ctx, inside, "ip", "-n", w.namespace, "-batch", "-")
}

// set unplugs the host ("down") or plugs it in ("up").
func (w wire) set(ctx context.Context, state string) error {
	return run(ctx, "", "ip", "link", "set", w.plug, state)
}

func (w wire) remove(ctx context.Context) error {
	var errs []error
	if exists("/sys/class/net/" + w.plug) {
		errs = append(errs, run(ctx, "", "ip", "link", "del", w.plug))
	}
	if exists(w.path()) {
		errs = append(errs, run(ctx, "", "ip", "netns", "del", w.namespace))
	}
	return errors.Join(errs...)
}
