package session

import (
	"slices"

	"github.com/ipfs/go-cid"
)

// callID stands for a call inside the state. Calls are numbered in the order in
// which they were made.
type callID uint64

type callResult struct {
	call   callID
	result Result
}

// callState is one call that waits for results.
type callState struct {
	id       callID
	wants    []*wanted // those that it waits for, and some that it no longer does
	left     int       // those that it waits for
	queue    queue     // of open wants that this call is first to wait for
	local    queue     // of those that are here and to be loaded
	inTurn   bool      // to ask
	inLocal  bool      // to load
	untried  bool      // something in its queue was not offered to the peers yet
	inFlight int       // wants charged to it
	ready    int       // results that it has not consumed
	bytes    int       // of those
	finished bool      // no more wants follow
	single   bool      // its one result is consumed when it is given
	ended    bool      // its slot is closed
	serial   uint64
	course   *course // nil where nobody is told of it
}

// waits reports whether the call waits for w.
func (c *callState) waits(w *wanted) bool {
	return w.stage != 0 && (w.call == c.id || slices.Contains(w.others(), c.id))
}

// add notes a want of the call. Those that were answered are forgotten when they
// are more than half.
func (c *callState) add(w *wanted) {
	if len(c.wants) > 64 && len(c.wants) > 2*c.left {
		c.wants = slices.DeleteFunc(c.wants, func(w *wanted) bool { return !c.waits(w) })
	}
	w.join(c.id)
	c.wants = append(c.wants, w)
	c.left++
}

func (s *state) call(id callID) *callState {
	c := s.calls[id]
	if c == nil {
		c = &callState{id: id, queue: queue{stage: open}, local: queue{stage: local}}
		s.calls[id] = c
		s.mostCalls = max(s.mostCalls, len(s.calls))
	}
	return c
}

// order places a want in its call's queue: a stream's wants in its order, a
// slice's in a permutation that differs from peer to peer, so that downloaders
// of the same thing do not ask one source for the same blocks in the same order. In
// a slice of many, all of n, they begin in about the same place, or nobody would have
// what another is about to ask for.
func (s *state) order(c *callState, k cid.Cid, n int, ordered bool) uint64 {
	c.serial++
	if ordered {
		return c.serial
	}
	own, common := hash(s.rules.self, k.KeyString()), hash("", k.KeyString())
	share := min(orderSpread/float64(n), 1)
	return 1<<63 | uint64(share*float64(own>>2)+(1-share)*float64(common>>2))
}

// finish says that no more wants follow. The result of a single call counts as
// consumed when it is given.
func (s *state) finish(id callID, single bool) {
	c := s.call(id)
	c.finished, c.single = true, single
	s.endIfDone(c)
}

// endIfDone closes the slot of a call behind its last result, and forgets the
// call when that is consumed.
func (s *state) endIfDone(c *callState) {
	if !c.finished || c.left > 0 {
		return
	}
	if !c.ended {
		c.ended = true
		s.endCourse(c)
		s.out.closed = append(s.out.closed, c.id)
	}
	if c.single || c.ready == 0 {
		s.forgetCall(c)
	}
}

// keptCalls is how many there may have been at once for their map, which does not
// shrink, to be kept when all have ended.
const keptCalls = 256

func (s *state) forgetCall(c *callState) {
	s.held -= c.bytes
	delete(s.calls, c.id)
	if len(s.calls) == 0 && s.mostCalls > keptCalls {
		s.calls, s.mostCalls = make(map[callID]*callState), 0
	}
	s.out.gone = append(s.out.gone, c.id)
}

// cancel ends a call and says what became of each of its open wants.
func (s *state) cancel(id callID, cause error) []*FetchError {
	c := s.calls[id]
	if c == nil {
		return nil
	}
	var failed []*FetchError
	for _, w := range c.wants {
		if !c.waits(w) {
			continue
		}
		failed = append(failed, s.failure(w, cause))
		s.leave(w, id)
	}
	c.wants, c.left = nil, 0
	c.finished, c.single = true, true
	s.endIfDone(c)
	return failed
}

// leave lets a call wait for w no longer.
func (s *state) leave(w *wanted, id callID) {
	first, charged := w.call == id, w.charge != 0
	if first {
		s.discharge(w)
	}
	w.part(id)
	switch {
	case w.call == 0:
		s.withdraw(w)
	case first && charged:
		s.charge(w)
	case first:
		s.requeue(w)
	}
}

// consumed says that a caller has taken results.
func (s *state) consumed(id callID, count, bytes int) {
	c := s.calls[id]
	if c == nil {
		return
	}
	count, bytes = min(count, c.ready), min(bytes, c.bytes)
	c.ready -= count
	c.bytes -= bytes
	s.held -= bytes
	s.endIfDone(c)
}
