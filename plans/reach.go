package plans

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/kepmctl/kepmctl/provider"
	"github.com/kepmctl/kepmctl/transport"
)

func (w *work) dial(ctx context.Context) error {
	w.hangUp()
	conn, err := w.dialSame(ctx)
	if err != nil {
		return err
	}
	w.conn = conn
	return nil
}

// connected dials where there is no connection, or none any more.
func (w *work) connected(ctx context.Context) error {
	if w.conn != nil {
		return nil
	}
	return w.dial(ctx)
}

// dialSame dials, and accepts only the machine that answered first: behind one name
// there may be several whose keys are all known.
func (w *work) dialSame(ctx context.Context) (transport.Conn, error) {
	conn, err := w.fleet.Dialer.Dial(ctx, w.goal.Host)
	if err != nil {
		return nil, err
	}
	w.key = cmp.Or(w.key, conn.Peer().HostKey)
	if now := conn.Peer().HostKey; now != w.key {
		_ = conn.Close()
		return nil, &transport.Error{Kind: transport.ErrHostKey, Doing: "dial " + w.goal.Host.Name, Err: fmt.Errorf("another machine answers: its key was %s and is %s", w.key, now)}
	}
	return conn, nil
}

func (w *work) hangUp() {
	if w.conn != nil {
		_ = w.conn.Close() // nothing is owed to a connection we leave
		w.conn = nil
	}
}

// await follows the transaction until it has come to a phase or is settled. A lost
// connection is dialled again until the host must have settled by itself.
func (w *work) await(ctx context.Context, until provider.Phase) (provider.State, error) {
	// One question waits on the host for well less than a script may take.
	wait := min(10*time.Second, w.goal.Host.Connection.CommandTimeout/2)
	asked := false
	for {
		state, err := w.status(ctx, until, max(1, int(wait.Seconds())))
		switch {
		case err != nil:
			return state, err
		case state.Phase == provider.PhaseSettled, state.Phase == until:
			return state, nil
		case state.Phase == provider.PhaseNone:
			return state, fmt.Errorf("the host does not know run %s any more", w.transaction)
		case w.fleet.Now().After(w.until):
			return state, fmt.Errorf("run %s did not settle in time", w.transaction)
		case !state.Running && !asked: // settling was itself interrupted
			asked = true
			if _, err := w.ask(ctx, w.fleet.Family.Changer.Settle(w.transaction, provider.NoVerdict)); err != nil {
				return state, err
			}
		case !pause(ctx, 300*time.Millisecond): // a host that answers at once must not keep us busy
			return state, ctx.Err()
		}
	}
}

func (w *work) status(ctx context.Context, until provider.Phase, seconds int) (provider.State, error) {
	out, err := w.ask(ctx, w.fleet.Family.Changer.Status(w.transaction, until, seconds))
	if err != nil {
		return provider.State{}, err
	}
	state, ok := provider.ReadState(out.Stdout)
	if !ok {
		return state, fmt.Errorf("ask for run %s: the host's answer is none: %s", w.transaction, provider.Printable(tail(out.Stderr)))
	}
	return state, nil
}

// ask runs a script that may be run twice, over a new connection if the old one
// broke, until the host must have settled.
func (w *work) ask(ctx context.Context, s transport.Script) (transport.Output, error) {
	for {
		err := w.connected(ctx)
		if err == nil {
			var out transport.Output
			if out, err = w.conn.Run(ctx, s); err == nil {
				return out, nil
			}
			w.hangUp()
		}
		if w.fleet.Now().After(w.until) || !pause(ctx, time.Second) {
			return transport.Output{}, err
		}
	}
}

// pause waits; false means that the context ended first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (w *work) result(s Status, reason, hint string) Result {
	return Result{Host: w.host.Name, Status: s, Reason: provider.Printable(reason), Hint: hint, Run: w.transaction}
}

func (w *work) problem(s Status, err error) Result {
	p := problemOf(err)
	r := w.result(s, p.Message, p.Hint)
	r.Kind = p.Kind
	return r
}

func (w *work) inDoubt(err error) Result {
	r := w.problem(InDoubt, err)
	r.Until = w.limit
	r.Hint = "without a verdict the host goes back to what it was by itself; plan again after that"
	return r
}

func tail(b []byte) string {
	const most = 300
	return strings.TrimSpace(string(b[max(0, len(b)-most):]))
}

func printable(list []string) []string {
	for i, s := range list {
		list[i] = provider.Printable(s)
	}
	return list
}

// printableLines keeps line ends, and nothing else that steers a terminal.
func printableLines(s string) string {
	return strings.Join(printable(strings.Split(s, "\n")), "\n")
}
