package download

import (
	"iter"
	"time"

	"github.com/souk-p2p/souk/internal/due"
	"github.com/souk-p2p/souk/internal/planted"
)

// queue lets a resource wait for nodes.
func (s *state) queue(now time.Time, r *resource) {
	r.phase = queued
	s.line(r)
	s.timers.set(r, due.First(now.Add(lookEvery), r.expires()))
}

// line puts a resource in line, behind all that wait.
func (s *state) line(r *resource) {
	if r.place == 0 {
		s.waiting++
	}
	s.queued++
	r.place = s.queued
	for _, g := range r.groups {
		g.line.push(r)
	}
	for _, n := range r.from {
		n.own.push(r)
	}
}

// leaveLine takes a resource out of line.
func (s *state) leaveLine(r *resource) {
	if r.place != 0 {
		s.waiting--
		r.place = 0
	}
}

// reconsider parks a resource in line of which no node may be asked, or gives it up.
func (s *state) reconsider(now time.Time, r *resource) {
	if r.phase == queued && !s.servable(now, r) {
		s.park(now, r)
	}
}

// servable reports whether there is a node that may be asked for a resource, now or
// when it has room.
func (s *state) servable(now time.Time, r *resource) bool {
	for n := range r.candidates() {
		if planted.Is(planted.BusyIsUseless) && len(n.seats) == s.limits.PerNode {
			continue
		}
		if n.able(now) && !r.marked(n.id) {
			return true
		}
	}
	return false
}

// candidates are the nodes that may have a resource, some of them twice.
func (r *resource) candidates() iter.Seq[*node] {
	return func(yield func(*node) bool) {
		for _, n := range r.from {
			if !yield(n) {
				return
			}
		}
		for _, g := range r.groups {
			for _, n := range g.nodes {
				if !yield(n) {
					return
				}
			}
		}
	}
}
