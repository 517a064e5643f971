package sim

import "time"

// arrivals is when a node got blocks.
type arrivals struct {
	last    time.Time
	longest time.Duration // between two of them
}

// Begin starts the clock.
func (w *World) Begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.arrivals)
	w.begun = time.Now()
}

// Took is the virtual time since [World.Begin].
func (w *World) Took() time.Duration { return time.Since(w.begun) }

// arrived notes that a fetch at n got a block.
func (w *World) arrived(n *Node) {
	w.mu.Lock()
	defer w.mu.Unlock()
	a, now := w.arrivals[n], time.Now()
	if !a.last.IsZero() {
		a.longest = max(a.longest, now.Sub(a.last))
	}
	a.last = now
	w.arrivals[n] = a
}

// stall is the longest time since [World.Begin] in which a node that was fetching
// got nothing between two blocks.
func (w *World) stall() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	var longest time.Duration
	for _, a := range w.arrivals {
		longest = max(longest, a.longest)
	}
	return longest
}
