package ssh

import "sync"

// A cache keeps the outcome of work that many dials share, failures too. Those
// who come while it is under way wait for it.
type cache[K comparable, V any] struct {
	mu   sync.Mutex
	done map[K]func() (V, error)
}

func (c *cache[K, V]) get(key K, work func() (V, error)) (V, error) {
	c.mu.Lock()
	if c.done == nil {
		c.done = map[K]func() (V, error){}
	}
	f, ok := c.done[key]
	if !ok {
		f = sync.OnceValues(work)
		c.done[key] = f
	}
	c.mu.Unlock()
	return f()
}
