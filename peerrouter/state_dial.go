package peerrouter

import (
	"cmp"
	"container/heap"
	"errors"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

var errNoBitswap = errors.New("connected, but does not speak Bitswap")

// dialState is how far the attempts to reach a peer have come.
type dialState struct {
	addrs   peer.AddrInfo // the latest that somebody knew
	running bool
	at      time.Time // of the next dial, while it waits in the queue
	place   int       // in the queue, counted from 1; 0 for none

	failures int   // in a row
	err      error // of the last, as far as it is known
	silent   bool  // the last dial succeeded, and the peer did not become available
	losses   int   // connections in a row that did not last
}

func newDialState(p peer.ID) dialState { return dialState{addrs: peer.AddrInfo{ID: p}} }

func (d *dialState) queued() bool { return d.place != 0 }

// dialAt puts a peer into the queue of those to dial.
func (s *state) dialAt(e *peerEntry, at time.Time) {
	s.waiting.remove(e)
	e.dial.at = at
	heap.Push(&s.waiting, e)
}

// dialled takes the result of a dial. Success is not yet availability: whether
// the peer speaks Bitswap is learnt from Network.
func (s *state) dialled(now time.Time, p peer.ID, err error) {
	s.dialling--
	e := s.peers[p] // Kept while the dial was running.
	e.dial.running = false
	if !e.connected && !e.denied {
		s.dialFailed(now, e, err)
	}
	s.settle(e)
	s.startDials(now)
}

// dialFailed is called after a dial that did not make the peer available, or not
// yet.
func (s *state) dialFailed(now time.Time, e *peerEntry, err error) {
	e.dial.failures++
	e.dial.err, e.dial.silent = err, err == nil
	if err != nil {
		s.tellInterested(e, News{Status: Unreachable, Err: err})
	}
	s.dialAt(e, now.Add(s.pause(e.dial.failures)))
}

func (s *state) dialSucceeded(e *peerEntry) {
	s.waiting.remove(e)
	e.dial.failures, e.dial.err, e.dial.silent = 0, nil, false
}

// connectionLost dials a peer that somebody needs at once, unless it was lost so
// soon that this would go on and on: then there are growing pauses.
func (s *state) connectionLost(now time.Time, e *peerEntry) {
	d := &e.dial
	if now.Sub(e.since) > s.pause(d.losses) {
		d.losses = 0
	}
	at := now.Add(s.pause(d.losses))
	d.losses++
	if !d.running && !e.denied {
		s.dialAt(e, at)
	}
}

// pause is how long to wait before a dial after n failures in a row.
func (s *state) pause(n int) time.Duration {
	if n == 0 {
		return 0
	}
	return min(s.firstWait<<min(n-1, 16), s.longWait)
}

// tick starts the dials whose time has come.
func (s *state) tick(now time.Time) { s.startDials(now) }

func (s *state) startDials(now time.Time) {
	for s.dialling < s.maxDials && len(s.waiting) > 0 && !s.waiting[0].dial.at.After(now) {
		e := heap.Pop(&s.waiting).(*peerEntry)
		if e.dial.silent {
			e.dial.silent, e.dial.err = false, errNoBitswap
			s.tellInterested(e, News{Status: Unreachable, Err: errNoBitswap})
		}
		e.dial.running = true
		s.dialling++
		s.out.dials = append(s.out.dials, e.dial.addrs)
	}
}

// wake is when tick has something to do, or the zero time. While no dial is
// free, the end of one comes first.
func (s *state) wake() time.Time {
	if len(s.waiting) == 0 || s.dialling >= s.maxDials {
		return time.Time{}
	}
	return s.waiting[0].dial.at
}

// dialQueue holds the peers that wait to be dialled, for a time to come or for a
// free dial: those that somebody is interested in and that are neither connected
// nor being dialled. It is a heap; the earliest comes first.
type dialQueue []*peerEntry

func (q *dialQueue) remove(e *peerEntry) {
	if e.dial.queued() {
		heap.Remove(q, e.dial.place-1)
	}
}

// Len is part of heap.Interface.
func (q dialQueue) Len() int { return len(q) }

// Less is part of heap.Interface.
func (q dialQueue) Less(i, j int) bool {
	a, b := q[i], q[j]
	if c := a.dial.at.Compare(b.dial.at); c != 0 {
		return c < 0
	}
	return cmp.Less(a.id, b.id)
}

// Swap is part of heap.Interface.
func (q dialQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].dial.place, q[j].dial.place = i+1, j+1
}

// Push is part of heap.Interface.
func (q *dialQueue) Push(x any) {
	e := x.(*peerEntry)
	*q = append(*q, e)
	e.dial.place = len(*q)
}

// Pop is part of heap.Interface.
func (q *dialQueue) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	e.dial.place = 0
	return e
}
