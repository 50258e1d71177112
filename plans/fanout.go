package plans

import (
	"context"
	"slices"
	"sync"
)

// each runs work for 0..n-1, at most parallel at a time, and returns when all have
// ended. Once ctx is done no further item is started. All fan-out over hosts is here.
func each(ctx context.Context, n, parallel int, work func(context.Context, int)) {
	eachWithin(ctx, n, parallel, func(int) []limited { return nil }, work)
}

// limited is something of which only so many items may be at work at once.
type limited struct {
	name  string
	count int
}

// eachWithin is each, for items that share what is limited.
func eachWithin(ctx context.Context, n, parallel int, limits func(int) []limited, work func(context.Context, int)) {
	q := queue{limits: limits, used: map[string]int{}, waiting: make([]int, n)}
	q.freed = sync.NewCond(&q.mu)
	for i := range n {
		q.waiting[i] = i
	}
	defer context.AfterFunc(ctx, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.freed.Broadcast()
	})()
	var group sync.WaitGroup
	for range min(max(parallel, 1), n) {
		group.Go(func() {
			for {
				i, ok := q.take(ctx)
				if !ok {
					return
				}
				work(ctx, i)
				q.free(i)
			}
		})
	}
	group.Wait()
}

// A queue hands out items, the first that its limits allow.
type queue struct {
	limits func(int) []limited

	mu      sync.Mutex
	freed   *sync.Cond
	used    map[string]int
	waiting []int
}

func (q *queue) take(ctx context.Context) (int, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for ctx.Err() == nil && len(q.waiting) > 0 {
		for at, i := range q.waiting {
			if !q.fits(i) {
				continue
			}
			if at == 0 {
				q.waiting = q.waiting[1:]
			} else {
				q.waiting = slices.Delete(q.waiting, at, at+1)
			}
			for _, l := range q.limits(i) {
				q.used[l.name]++
			}
			return i, true
		}
		q.freed.Wait()
	}
	return 0, false
}

func (q *queue) fits(i int) bool {
	return !slices.ContainsFunc(q.limits(i), func(l limited) bool { return q.used[l.name] >= l.count })
}

func (q *queue) free(i int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, l := range q.limits(i) {
		q.used[l.name]--
	}
	q.freed.Broadcast()
}

// counter numbers the events that finish a host and hands them on, one at a time.
func (f Fleet) counter(total int) func(Event) {
	var mu sync.Mutex
	done := 0
	return func(e Event) {
		mu.Lock()
		defer mu.Unlock()
		if e.Type == HostLooked || e.Type == HostDone {
			done++
		}
		e.Done, e.Total = done, total
		if f.Watch != nil {
			f.Watch(e)
		}
	}
}
