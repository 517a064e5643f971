package engine

import (
	"time"

	"github.com/souk-p2p/souk/internal/table"
	"github.com/souk-p2p/souk/message"
)

// dispatch gives work to the workers. Reads and look-ups alternate, so that
// neither waits for all of the other.
func (s *state) dispatch(now time.Time) {
	s.rates.wake = time.Time{}
	for {
		read := s.jobsOut < s.jobs && s.startRead(now)
		look := s.jobsOut < s.jobs && s.startLookup(now)
		if !read && !look {
			return
		}
	}
}

// owedMore orders the partners who could be sent blocks: first who got the
// least, as in fair queueing by virtual time.
func owedMore(a, b *partner) bool {
	switch {
	case a.work != b.work:
		return a.work < b.work
	case a.salt != b.salt:
		return a.salt < b.salt
	}
	return a.id < b.id
}

// rank puts p among the partners who could be sent blocks, or takes it out.
func (s *state) rank(now time.Time, p *partner) {
	var to *table.Heap[*partner]
	if s.sendable(now, p) {
		to = &p.class.ready[min(p.busy(), 1)]
	}
	if p.ready == to {
		return
	}
	if p.ready != nil {
		p.ready.Remove(p.place)
	}
	if p.ready = to; to != nil {
		p.work = max(p.work, s.work) // Who wanted nothing has saved up nothing.
		to.Push(p)
	}
}

// sendable reports whether the next block of p could be read as far as p is
// concerned.
func (s *state) sendable(now time.Time, p *partner) bool {
	return p.tasks.Len() > 0 && !p.paused.After(now) && s.restedAt(now, p).IsZero() &&
		(p.busy() < lane || p.unsent < s.ahead(p.rate)) &&
		(p.inFlight == 0 || p.inFlight+int(s.nextTask(p).size) <= s.limits.PeerBytes)
}

// affords reports whether more bytes may be in flight to p. Half of what the
// node has is for those who have nothing in flight yet, so that many peers who
// do not read cannot keep the others from being served.
func (s *state) affords(p *partner, bytes int) bool {
	budget := s.limits.NodeBytes
	if p.busy() > 0 {
		budget /= 2
	}
	return (p.inFlight == 0 || p.inFlight+bytes <= s.limits.PeerBytes) &&
		(s.inFlight == 0 || s.inFlight+bytes <= budget)
}

// nextTask returns the first task of p, which must have one. How often a block
// was sent only grows, so a task whose number is old sinks when it comes up.
func (s *state) nextTask(p *partner) *want {
	for {
		w := p.tasks.Top()
		n := s.copies.of(message.Multihash(w.cid))
		if n == w.copies {
			return w
		}
		w.copies = n
		p.tasks.Fix(0)
	}
}

// nextPartner returns who is to be served next, or nil.
func (s *state) nextPartner(now time.Time) *partner {
	var next *partner
	if !s.hungry() {
		return nil
	}
	for _, c := range s.classes {
		p := s.nextOf(c)
		if p != nil && (next == nil || owedMore(p, next)) && s.passes(now, &c.bucket, p) {
			next = p
		}
	}
	if next == nil || !s.passes(now, &s.rates.total, next) {
		return nil
	}
	return next
}

// nextOf returns who of a class is to be served next, or nil.
func (s *state) nextOf(c *class) *partner {
	var next *partner
	for i := range c.ready {
		if c.ready[i].Len() == 0 {
			continue
		}
		p := s.leastSent(&c.ready[i])
		if s.affords(p, int(s.nextTask(p).size)) && (next == nil || owedMore(p, next)) {
			next = p
		}
	}
	return next
}

const (
	// How much more than the one that is owed most a partner may have got who is served
	// first because it wants what nobody got: a block of the usual sizes or a few.
	// Fairness is off by no more than this.
	rareSlack = 1 << 20
	rareScan  = 64 // partners looked at for that: those at the top of the heap are owed most
)

// leastSent returns who is to be served next of those who are ready: of partners who are
// owed about the same, one who wants what was sent least often. Many who download the same
// from here have it then soon, between them, and get the rest from each other.
func (s *state) leastSent(ready *table.Heap[*partner]) *partner {
	first := ready.Top()
	best, fewest := first, s.nextTask(first).copies
	for _, p := range ready.Items()[:min(ready.Len(), rareScan)] {
		if fewest == 0 {
			break
		}
		if p.work > first.work+rareSlack {
			continue
		}
		if n := s.nextTask(p).copies; n < fewest || n == fewest && owedMore(p, best) {
			best, fewest = p, n
		}
	}
	return best
}

// weight is the share of p when there is not enough for all: 2 for a peer that
// owes us nothing, falling towards 1 with its debt. Nobody is locked out, and
// newcomers have no debt.
func (s *state) weight(p *partner) float64 { return 1 + 1/(1+max(s.debt(p.id), 0)) }
