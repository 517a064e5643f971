package resolver

import (
	"slices"
	"time"

	"github.com/souk-p2p/souk/internal/planted"
)

// request is what a peer was asked, until it has answered or is not waited for any more.
// The fetch may have ended, or found its value elsewhere, before.
type request struct {
	id       requestID
	fetch    *fetch // nil: the answer is of no use
	peer     *remote
	part     uint32
	sent     moment
	due      moment // late then, or failed
	late     bool
	hedge    bool
	among    int    // that the peer had then, with this one
	expected moment // the answer, by how the peer was before
	timer    int
	hope     int // in hopes; -1
}

// next is the fetch that goes first of those that can be sent now, or nil.
func (s *state) next() *fetch {
	var first *fetch
	if s.open.Len() > 0 && s.ready.Len() > 0 {
		first = s.open.Top()
	}
	if s.called.Len() > 0 {
		if f := s.called.Top().foremost(); first == nil || sooner(f, first) {
			first = f
		}
	}
	return first
}

// sendable reports whether a request can be sent now. While there is no room for the
// value of the fetch that goes first nothing is asked, so that those behind it do not
// take what becomes free. A value under way has its room.
func (s *state) sendable() bool {
	f := s.next()
	if f == nil {
		return s.hedgeable()
	}
	return f.underway() || s.askable(f)
}

// clearly is how many times what an idle peer takes at best another has to be expected to
// take, for that one to be asked as well.
const clearly = 2

// hedgeable reports whether, while nothing waits, a peer that could be asked would most
// likely have the value sooner than the one that is expected to take longest: a slow one
// that had to be asked when the others had enough to do.
func (s *state) hedgeable() bool {
	if s.hopes.Len() == 0 || s.ready.Len() == 0 {
		return false
	}
	r, p := s.hopes.Top(), s.ready.Top()
	return p != r.peer && p.lowest > 0 && r.expected > s.now.after(clearly*p.lowest) && (r.part > 0 || s.askable(r.fetch))
}

// send sends the request that is due first.
func (s *state) send() {
	for range batch {
		if !s.sendable() {
			return
		}
		f := s.next()
		if f == nil {
			r := s.hopes.Top()
			s.double(r)
			s.enqueue(r.fetch)
			s.ask(r.fetch, s.ready.Top())
			return
		}
		if p := s.choose(f); p != nil {
			s.ask(f, p)
			return
		}
		s.postpone(f)
	}
}

// choose returns a peer that can be asked now. A fresh key goes to the one with the
// best performance, a retry to any, but not to the one that has just failed when there
// is another.
func (s *state) choose(f *fetch) *remote {
	switch {
	case f.awaitsPin():
		return f.value.pin.peer
	case f.targeted:
		return s.chooseTarget(f)
	case f.stage == stageLate:
		return s.bestBut(f.asks[0].peer)
	case f.class == classFresh:
		return s.ready.Top()
	}
	return s.any(s.ready.Items(), f)
}

func (s *state) chooseTarget(f *fetch) *remote {
	var can []*remote
	for _, l := range f.targets {
		if l.place >= 0 && l.peer.readyAt >= 0 {
			can = append(can, l.peer)
		}
	}
	if f.class == classFresh || f.stage == stageLate {
		return slices.MinFunc(can, func(a, b *remote) int {
			if better(a, b) {
				return -1
			}
			return 1
		})
	}
	return s.any(can, f)
}

// any draws one of several peers for a retry.
func (s *state) any(can []*remote, f *fetch) *remote {
	i := s.rng.IntN(len(can))
	if can[i] == f.last && len(can) > 1 {
		i = (i + 1 + s.rng.IntN(len(can)-1)) % len(can)
	}
	return can[i]
}

// bestBut is the best peer but one, or nil.
func (s *state) bestBut(one *remote) *remote {
	var best *remote
	for _, p := range s.ready.Items()[:min(3, s.ready.Len())] { // The second best is right below the top.
		if p != one && (best == nil || better(p, best)) {
			best = p
		}
	}
	return best
}

// postpone lets a late fetch for which there is no second peer wait for another moment.
func (s *state) postpone(f *fetch) {
	s.dequeue(f)
	f.stage = stageAsked
	r := f.asks[0]
	r.late = false
	r.due = min(s.now.after(s.limits.Retry), r.sent.after(s.limits.Timeout))
	s.timers.Fix(r.timer)
}

// ask sends a request.
func (s *state) ask(f *fetch, p *remote) {
	s.last++
	r := &request{id: s.last, fetch: f, peer: p, sent: s.now, hedge: f.stage == stageLate, among: len(p.asked) + 1, hope: -1}
	out := ask{id: r.id, to: p.id, key: f.key}
	if f.underway() {
		r.part = uint32(len(f.value.parts))
		out.part, out.list = r.part, f.value.list
	}
	s.count(f, r)
	s.dequeue(f)
	f.stage = stageAsked
	if f.asks[0] == nil {
		f.asks[0] = r
		s.active++
	} else {
		f.asks[1] = r
	}
	if r.part == 0 {
		s.awaited++
	}
	r.due, r.expected = s.patience(r), s.now.after(p.latency)
	s.requests[r.id] = r
	s.timers.Push(r)
	if s.doubtable(r) && !f.targeted {
		s.hopes.Push(r)
	}
	p.asked = append(p.asked, r)
	p.bucket.Take(1)
	s.place(p)
	s.out.asks = append(s.out.asks, out)
}

// count notes what kind of request it is, and whether it is an attempt: neither a hedge
// nor a further part from the same peer is.
func (s *state) count(f *fetch, r *request) {
	s.counts.Asked++
	switch {
	case r.hedge:
		s.counts.Hedges++
	case f.underway() && f.awaitsPin():
		s.counts.Parts++
	default:
		f.attempts++
	}
}

// patience is when a request is late, where there can be a second one, or has failed.
func (s *state) patience(r *request) moment {
	end := r.sent.after(s.limits.Timeout)
	if !s.doubtable(r) {
		return end
	}
	return min(end, r.sent.after(time.Duration(s.limits.Hedge*float64(r.peer.latency))))
}

// doubtable reports whether a second peer may be asked as well: not one more, and not
// for a value that is to begin again at this one.
func (s *state) doubtable(r *request) bool {
	return s.limits.Hedge > 0 && !r.hedge && (r.part > 0 || !r.fetch.pinned())
}

// late takes in that a request is late, or was not answered in time.
func (s *state) late(r *request) {
	end := r.sent.after(s.limits.Timeout)
	f := r.fetch
	switch {
	case r.due >= end:
		s.counts.Timeouts++
		r.peer.owed++
		s.fail(r)
		return
	case f != nil && f.stage == stageAsked && f.asks[1] == nil:
		s.double(r)
		s.enqueue(f)
	}
	r.due = end
	s.timers.Fix(r.timer)
}

// double has a second peer be asked for what a first one was.
func (s *state) double(r *request) {
	s.unhope(r)
	r.late = true
	r.fetch.class, r.fetch.at = classRetry, s.now
}

// unhope takes a request out of those that somebody else could be asked for as well.
func (s *state) unhope(r *request) {
	if r.hope >= 0 {
		s.hopes.Remove(r.hope)
	}
}

// finish ends a request. The fetch that it was for is returned, or nil.
func (s *state) finish(r *request) *fetch {
	delete(s.requests, r.id)
	s.timers.Remove(r.timer)
	p := r.peer
	p.asked = slices.DeleteFunc(p.asked, func(o *request) bool { return o == r })
	s.place(p)
	if r.fetch == nil {
		s.forget(p)
		return nil
	}
	return s.disownOne(r)
}

// disown makes the answers to a fetch's requests of no use.
func (s *state) disown(f *fetch) {
	for f.asks[0] != nil {
		s.disownOne(f.asks[0])
	}
}

// disownOne makes the answer to a request of no use, and returns the fetch.
func (s *state) disownOne(r *request) *fetch {
	f := r.fetch
	s.unhope(r)
	if r.part == 0 && (!planted.Is(planted.LeakedRoom) || r.due > s.now) {
		s.awaited--
	}
	r.fetch = nil
	if f.asks[0] == r {
		f.asks[0] = f.asks[1]
	}
	if f.asks[1] = nil; f.asks[0] == nil {
		s.active--
	}
	return f
}

// fail ends a request whose peer has failed, which counts as the timeout.
func (s *state) fail(r *request) {
	p := r.peer
	f := s.finish(r)
	s.measured(p, s.limits.Timeout)
	if f != nil {
		s.failedAt(f, p)
	}
	s.forget(p)
}

// failedAt lets a fetch go on that a peer has failed, unless another is asked as well.
func (s *state) failedAt(f *fetch, p *remote) {
	f.last = p
	if !s.unasked(f) {
		return
	}
	s.interrupt(f)
	s.rest(f, s.limits.Retry)
}

// askElsewhere lets a fetch go on at once whose request is not waited for any more.
func (s *state) askElsewhere(f *fetch) {
	if s.unasked(f) {
		s.unpin(f)
		s.again(f)
	}
}

// unasked reports whether a fetch has no request left, and has it wait for nothing.
func (s *state) unasked(f *fetch) bool {
	if f.asks[0] != nil {
		return false
	}
	if f.stage == stageLate {
		s.dequeue(f)
	}
	f.stage = stageNone
	return true
}
