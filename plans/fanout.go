package plans

import (
	"context"
	"sync"
)

// each runs work for 0..n-1, at most parallel at a time, and returns when all have
// ended. Once ctx is done no further item is started. All fan-out over hosts is here.
func each(ctx context.Context, n, parallel int, work func(context.Context, int)) {
	next := make(chan int)
	var group sync.WaitGroup
	for range min(max(parallel, 1), n) {
		group.Go(func() {
			for i := range next {
				work(ctx, i)
			}
		})
	}
	for i := range n {
		if ctx.Err() != nil {
			break
		}
		select {
		case next <- i:
		case <-ctx.Done():
		}
	}
	close(next)
	group.Wait()
}

// counter numbers the events that finish a host and hands them on, one at a time.
func (f Fleet) counter(total int) func(Event) {
	var mu sync.Mutex
	done := 0
	return func(e Event) {
		mu.Lock()
		defer mu.Unlock()
		if e.Type != HostStep {
			done++
		}
		e.Done, e.Total = done, total
		if f.Watch != nil {
			f.Watch(e)
		}
	}
}
