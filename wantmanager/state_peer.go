package wantmanager

import (
	"slices"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/message"
)

// phase is where a want stands.
type phase uint8

const (
	queued   phase = iota + 1 // not written yet
	inHand                    // in the message that the sender has
	sent                      // written, unanswered
	standing                  // answered DONT_HAVE: the peer may still send it when it gets it
	dropped                   // no longer wanted; waits to be skipped in a queue
)

// want is one (peer, CID).
type want struct {
	cid      cid.Cid
	links    []linkID // ascending; those who asked
	kind     message.WantType
	phase    phase
	rewrite  bool // was written, and may have been lost with the stream
	priority int32
	size     int32 // bytes that it counts in the window, once in hand
	sentAt   time.Time
	mark     mark
}

// peerWants is everything about one peer.
type peerWants struct {
	id        peer.ID
	connected bool
	version   message.Version
	epoch     uint64
	gen       uint64

	wants    map[cid.Cid]*want
	queue    wantQueue
	flying   wantQueue // in the order in which they were written
	standing wantQueue // in the order in which they were answered
	users    map[linkID]int
	told     map[linkID]View

	inHand  []*want   // of the message that the sender has
	hands   []cid.Cid // cancels of that message
	busy    bool
	retryAt time.Time // after a failed write
	retries int

	cancels []cid.Cid // to be written
	recent  recent    // CIDs withdrawn or answered not long ago

	window     window
	bytes      int  // of block wants in hand or sent
	unanswered int  // wants in hand or sent
	answeredDH int  // wants standing
	held       bool // its connection is protected
	heardAt    time.Time
	late       bool
	patience   time.Duration // doubled while the peer stays late
}

func newPeerWants(p peer.ID) *peerWants {
	return &peerWants{
		id: p, wants: make(map[cid.Cid]*want), users: make(map[linkID]int), told: make(map[linkID]View),
		window: newWindow(),
	}
}

// idle reports whether nothing about the peer is worth keeping.
func (p *peerWants) idle() bool {
	return len(p.wants) == 0 && !p.connected && !p.busy
}

// account moves a want between phases and keeps the counts.
func (p *peerWants) account(w *want, to phase) {
	switch w.phase {
	case inHand, sent:
		p.unanswered--
		if w.kind == message.WantBlock {
			p.bytes -= int(w.size)
		}
	case standing:
		p.answeredDH--
	}
	w.phase = to
	switch to {
	case inHand, sent:
		p.unanswered++
		if w.kind == message.WantBlock {
			p.bytes += int(w.size)
		}
	case standing:
		p.answeredDH++
	}
}

// limited reports whether the window holds wants back.
func (p *peerWants) limited() bool {
	return p.queue.live(queued) > 0 || p.bytes+p.window.block > p.window.bytes
}

// room reports whether the next want may be written.
func (p *peerWants) room(w *want) bool {
	if p.unanswered >= maxUnanswered {
		return false
	}
	if w.kind == message.WantHave {
		return true
	}
	return p.bytes == 0 || p.bytes+p.window.block <= p.window.bytes
}

// deadline is when the peer is late if nothing comes until then, or the zero
// time when nothing is expected.
func (p *peerWants) deadline() time.Time {
	head := p.flying.first(flying)
	if head != nil && head.phase == inHand {
		return time.Time{} // The write has a deadline of its own.
	}
	if head == nil || !p.connected {
		return time.Time{}
	}
	from := head.sentAt
	if p.heardAt.After(from) {
		from = p.heardAt
	}
	return from.Add(p.currentPatience())
}

// due is when the actor has to look at the peer, or the zero time.
func (p *peerWants) due() time.Time {
	if !p.connected {
		return time.Time{}
	}
	return earlier(p.retryAt, p.deadline())
}

// earlier returns the earlier of two times; the zero time is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

func flying(w *want) bool { return w.phase == inHand || w.phase == sent }

// currentPatience grows with the round trip and with the time one block takes.
func (p *peerWants) currentPatience() time.Duration {
	if p.patience != 0 {
		return p.patience
	}
	rtt := p.window.rtt.lowest()
	if rtt == 0 {
		return unknownPatience
	}
	wait := 4 * rtt
	if rate := p.window.rate.highest(); rate > 0 {
		wait += time.Duration(2 * float64(p.window.block) / rate * float64(time.Second))
	}
	return min(max(wait, leastPatience), mostPatience)
}

// wantQueue is a queue of wants in order of priority, then of arrival. Wants
// leave it lazily: one whose phase has moved on is skipped.
type wantQueue struct {
	wants []*want
}

func (q *wantQueue) push(w *want) {
	at := len(q.wants)
	for at > 0 && q.wants[at-1].priority < w.priority {
		at--
	}
	q.wants = slices.Insert(q.wants, at, w)
}

func (q *wantQueue) append(w *want) { q.wants = append(q.wants, w) }

// first returns the oldest want for which keep holds, and forgets those before
// it for which it does not.
func (q *wantQueue) first(keep func(*want) bool) *want {
	for len(q.wants) > 0 {
		if keep(q.wants[0]) {
			return q.wants[0]
		}
		q.wants[0] = nil
		q.wants = q.wants[1:]
	}
	q.wants = nil
	return nil
}

func (q *wantQueue) pop() { q.wants[0] = nil; q.wants = q.wants[1:] }

// live counts at most two wants in the given phase: callers ask whether there
// is any.
func (q *wantQueue) live(p phase) int {
	if q.first(func(w *want) bool { return w.phase == p }) == nil {
		return 0
	}
	return 1
}

// compact forgets skipped wants when they are more than half.
func (q *wantQueue) compact(keep func(*want) bool, live int) {
	if len(q.wants) > 64 && len(q.wants) > 2*live {
		q.wants = slices.DeleteFunc(q.wants, func(w *want) bool { return !keep(w) })
	}
}

// recent remembers CIDs for a while: in a ring, so that it is bounded.
type recent struct {
	at   map[cid.Cid]recentCID
	ring []cid.Cid
}

type recentCID struct {
	at        time.Time
	withdrawn bool // a CANCEL was due for it
}

func (r *recent) add(now time.Time, c cid.Cid, withdrawn bool) {
	if r.at == nil {
		r.at = make(map[cid.Cid]recentCID)
	}
	if _, known := r.at[c]; !known {
		if len(r.ring) >= maxRecent {
			delete(r.at, r.ring[0])
			r.ring = r.ring[1:]
		}
		r.ring = append(r.ring, c)
	}
	r.at[c] = recentCID{now, withdrawn}
}

func (r *recent) has(now time.Time, c cid.Cid, within time.Duration) bool {
	e, ok := r.at[c]
	return ok && now.Sub(e.at) <= within
}

// withdrawn lists the CIDs cancelled within the given time, oldest first.
func (r *recent) withdrawn(now time.Time, within time.Duration) []cid.Cid {
	var cs []cid.Cid
	for _, c := range r.ring {
		if e := r.at[c]; e.withdrawn && now.Sub(e.at) <= within {
			cs = append(cs, c)
		}
	}
	return cs
}
