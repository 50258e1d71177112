package ssh

import (
	"context"
	"sync"
	"time"
)

// patience is how long something may take. It stands still while others are
// waited for whose slowness is not this host's: a bastion that is still being
// dialled, a password whose first answer is not known.
type patience struct {
	mu    sync.Mutex
	timer *time.Timer
	left  time.Duration
	since time.Time
}

// withPatience is a context that ends after d, with context.DeadlineExceeded as
// its cause. The function it returns frees what it holds.
func withPatience(parent context.Context, d time.Duration) (context.Context, *patience, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	p := &patience{left: d, since: time.Now()}
	p.timer = time.AfterFunc(d, func() { cancel(context.DeadlineExceeded) })
	return ctx, p, func() {
		p.timer.Stop()
		cancel(context.Canceled)
	}
}

// hold stops the clock while it waits.
func (p *patience) hold(wait func() error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.timer.Stop() { // it is over: the context says so
		return wait()
	}
	left := p.left - time.Since(p.since)
	err := wait()
	p.left, p.since = left, time.Now()
	p.timer.Reset(left)
	return err
}

// cancelled says whether whoever asked for the work no longer wants it, and
// timedOut whether a limit passed.
func cancelled(ctx context.Context) bool {
	return ctx.Err() != nil && context.Cause(ctx) == context.Canceled
}

func timedOut(ctx context.Context) bool {
	return ctx.Err() != nil && !cancelled(ctx)
}
