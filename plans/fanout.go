package plans

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
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

// A waiting is how work waits for a host that may never answer: if that takes long,
// another item is worked on meanwhile.
type waiting func(func())

// notLong waits with nothing else to do.
func notLong(wait func()) { wait() }

const (
	long      = 500 * time.Millisecond // after which a slot is lent
	leastLent = 16                     // of slots that may be lent at once, where parallel is smaller
)

// eachPatiently is each for work that waits: hosts that do not answer must not hold
// up those that do. At most parallel items are at work, those that wait for longer
// than half a second not counted.
func eachPatiently(ctx context.Context, n, parallel int, work func(context.Context, int, waiting)) {
	slots := make(chan struct{}, max(parallel, 1))
	most := int64(max(parallel, leastLent)) // a machine that is itself too slow must not dial ever more
	var group sync.WaitGroup
	var next, lent atomic.Int64
	var worker func()
	worker = func() {
		for {
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return
			}
			i := int(next.Add(1)) - 1
			if i >= n || ctx.Err() != nil {
				<-slots
				return
			}
			work(ctx, i, func(wait func()) { lend(slots, &lent, most, wait, func() { group.Go(worker) }) })
			<-slots
		}
	}
	for range min(max(parallel, 1), n) {
		group.Go(worker)
	}
	group.Wait()
}

// lend gives the slot to another worker if the wait is long, and takes one again
// after it.
func lend(slots chan struct{}, lent *atomic.Int64, most int64, wait, another func()) {
	over := make(chan bool, 1)
	timer := time.AfterFunc(long, func() {
		if lent.Add(1) > most {
			lent.Add(-1)
			over <- false
			return
		}
		another()
		<-slots
		over <- true
	})
	wait()
	if !timer.Stop() && <-over {
		lent.Add(-1)
		slots <- struct{}{}
	}
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
