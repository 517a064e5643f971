package wantmanager

import (
	"cmp"
	"slices"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/due"
	"github.com/souk-p2p/souk/internal/table"
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
	askers   askers
	flight   *flight // of its message, once that was written
	priority int32
	kind     message.WantType
	phase    phase
	rewrite  bool  // the peer may know of it, though it waits to be written
	tellings uint8 // how often it was written
	repeated bool  // it was written though the peer may have known of it
}

// flight is what the wants of one message have in common.
type flight struct {
	from time.Time // when it was handed to the sender: an answer may come before the report that it was written
	at   time.Time // when it was written
	due  time.Time // since when its wants are waited for: from their first writing, over streams that were lost
	mark mark
	nth  uint64 // message with wants to this peer
}

// lead remembers the latest messages whose wants were answered, one for each of
// the last answers, earliest first.
type lead [orderSlack]uint64

func (l *lead) answered(nth uint64) {
	if nth <= l[0] {
		return
	}
	at, _ := slices.BinarySearch(l[:], nth)
	copy(l[:at-1], l[1:at])
	l[at-1] = nth
}

// passed reports whether so many wants of later messages were answered that a
// peer which keeps the order, more or less, has answered this one too.
func (l *lead) passed(nth uint64) bool { return nth < l[0] }

// user is a link with wants at a peer.
type user struct {
	link  linkID
	wants int
	told  bool // how the peer stands
}

// peerWants is everything about one peer.
type peerWants struct {
	id        peer.ID
	connected bool
	version   message.Version
	epoch     uint64
	gen       uint64

	wants     map[cid.Cid]*want
	queue     wantQueue
	flying    wantQueue // in the order in which they were written
	standing  wantQueue // in the order in which they were answered
	users     []user    // by link
	told      View      // how the peer stands, as its users were told
	newcomers bool      // some of them were not

	inHand  []*want   // of the message that the sender has
	hands   []cid.Cid // cancels of that message
	busy    bool
	handed  time.Time // when it was handed to the sender
	waited  time.Time // since when wants are waited for that a lost stream carried
	doubted bool      // that message may be lost even if it is reported as written
	nextAt  time.Time // when there should be room for the next wants
	retryAt time.Time // after a failed write
	retries int

	cancels   cancels // to be written
	withdrawn recent  // CIDs that a CANCEL was due for
	answered  recent  // CIDs that a block or HAVE came for
	promised  recent  // CIDs that a HAVE came for
	broken    int     // how often in a row it was late with those

	window     window
	allowance  allowance
	blocks     int    // want-blocks in hand or sent
	waiting    int    // wants queued
	unanswered int    // wants in hand or sent
	answeredDH int    // wants standing
	held       bool   // its connection is protected
	owes       bool   // it counts among the peers of all traffic
	dirty      bool   // in the state's list of peers to look at
	most       int    // wants that may be unanswered: fewer after answers were lost
	flights    uint64 // messages with wants that were written
	lead       lead   // of the answers
	heardAt    time.Time
	late       bool
	patience   time.Duration // doubled while the peer stays late
}

func newPeerWants(p peer.ID) *peerWants {
	return &peerWants{
		id: p, wants: make(map[cid.Cid]*want), window: newWindow(), most: maxKnown,
	}
}

// idle reports whether nothing about the peer is worth keeping.
func (p *peerWants) idle() bool {
	return len(p.wants) == 0 && !p.connected && !p.busy
}

// user returns the account of a link, which is opened if there is none.
func (p *peerWants) user(l linkID) *user {
	at, known := slices.BinarySearchFunc(p.users, l, func(u user, l linkID) int { return cmp.Compare(u.link, l) })
	if !known {
		p.users = slices.Insert(p.users, at, user{link: l})
		p.newcomers = true
	}
	return &p.users[at]
}

// wantedBy lists what a link wants of the peer.
func (p *peerWants) wantedBy(l linkID) []cid.Cid {
	wants := make(map[cid.Cid]struct{})
	for c, w := range p.wants {
		if w.askers.has(l) {
			wants[c] = struct{}{}
		}
	}
	return table.Sorted(wants)
}

// account moves a want between phases and keeps the counts.
func (p *peerWants) account(w *want, to phase) {
	p.count(w, -1)
	w.phase = to
	p.count(w, 1)
}

func (p *peerWants) count(w *want, by int) {
	switch w.phase {
	case queued:
		p.waiting += by
	case inHand, sent:
		p.unanswered += by
		if w.kind == message.WantBlock {
			p.blocks += by
		}
	case standing:
		p.answeredDH += by
	}
}

// enqueue lets a want wait to be written.
func (p *peerWants) enqueue(w *want) {
	p.account(w, queued)
	p.queue.compact(isQueued, p.waiting)
	p.queue.push(w)
}

// replace makes a fresh want in place of one that sits in some queue. What the
// peer knows of the old one it keeps, so that a CANCEL is due for the new one.
func (p *peerWants) replace(old *want, a Ask) *want {
	w := &want{
		cid: old.cid, askers: old.askers, kind: old.kind, priority: max(old.priority, a.Priority),
		rewrite: old.rewrite || old.phase != queued,
	}
	if a.Type == message.WantBlock {
		w.kind = message.WantBlock
	}
	p.account(old, dropped)
	p.wants[w.cid] = w
	return w
}

// putBack lets wants that may be lost wait to be written again, ahead of others
// of their priority.
func (p *peerWants) putBack(wants []*want) {
	for _, w := range wants {
		p.account(w, queued)
		w.rewrite, w.flight = true, nil
	}
	p.queue.wants = append(slices.Clone(wants), p.queue.wants...)
	slices.SortStableFunc(p.queue.wants, func(a, b *want) int { return cmp.Compare(b.priority, a.priority) })
}

// lost puts wants back whose answers must be lost. A server that loses answers is
// asked for half as much at once, and from then on for one more with each answer.
func (p *peerWants) lost(wants []*want) {
	if len(wants) == 0 {
		return
	}
	p.most = max(p.unanswered/2, leastUnanswered)
	p.putBack(wants)
}

// asked is how many bytes the unanswered want-blocks stand for.
func (p *peerWants) asked() int { return p.blocks * p.window.block }

// limited reports whether the window, and not a rate, holds wants back.
func (p *peerWants) limited() bool {
	return !p.allowance.inLine && (p.waiting > 0 || p.asked() > p.window.bytes)
}

// kindFor is what a want is written as. Peers of old versions have no presences
// and are asked for the block.
func (p *peerWants) kindFor(w *want) message.WantType {
	if p.version != 0 && p.version < message.V120 {
		return message.WantBlock
	}
	return w.kind
}

// deadline is when the peer is late if nothing comes until then, or the zero
// time when nothing is expected.
func (p *peerWants) deadline() time.Time {
	head := p.flying.first(isFlying)
	if head == nil || head.phase == inHand || !p.connected {
		return time.Time{} // A write has a deadline of its own.
	}
	from := head.flight.due
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
	return due.First(p.nextAt, p.retryAt, p.deadline())
}

func isQueued(w *want) bool   { return w.phase == queued }
func isFlying(w *want) bool   { return w.phase == inHand || w.phase == sent }
func isStanding(w *want) bool { return w.phase == standing }

// currentPatience grows with the round trip and with the time one block takes.
func (p *peerWants) currentPatience() time.Duration {
	if p.patience != 0 {
		return p.patience
	}
	rtt := p.window.laps.lowest()
	if rtt == 0 || p.window.took == 0 {
		return unknownPatience
	}
	wait := 4 * rtt
	if rate := p.window.rate.highest(); rate > 0 {
		wait += time.Duration(2 * float64(p.window.block) / rate * float64(time.Second))
	}
	return min(max(wait, 2*p.window.took, leastPatience), mostPatience)
}

// wantQueue is a queue of wants in order of priority, then of arrival. Wants
// leave it lazily: one whose phase has moved on is skipped.
type wantQueue struct {
	wants []*want
}

func (q *wantQueue) push(w *want) {
	if n := len(q.wants); n == 0 || q.wants[n-1].priority >= w.priority {
		q.wants = append(q.wants, w)
		return
	}
	at, _ := slices.BinarySearchFunc(q.wants, w.priority, func(o *want, priority int32) int {
		if o.priority >= priority {
			return -1
		}
		return 1
	})
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

// compact forgets skipped wants when they are more than half.
func (q *wantQueue) compact(keep func(*want) bool, live int) {
	if len(q.wants) > 64 && len(q.wants) > 2*live {
		q.wants = slices.DeleteFunc(q.wants, func(w *want) bool { return !keep(w) })
	}
}

// cancels are what the peer is to forget, in order, each once.
type cancels struct {
	order   []cid.Cid
	pending map[cid.Cid]struct{}
}

func (q *cancels) add(c cid.Cid) {
	if _, twice := q.pending[c]; twice {
		return
	}
	if q.pending == nil {
		q.pending = make(map[cid.Cid]struct{})
	}
	q.pending[c] = struct{}{}
	q.order = append(q.order, c)
}

// remove takes a cancel out because the CID is wanted again, and reports whether
// it was there. Its place in the order is skipped later.
func (q *cancels) remove(c cid.Cid) bool {
	_, due := q.pending[c]
	delete(q.pending, c)
	return due
}

// take removes and returns the oldest, at most n.
func (q *cancels) take(n int) []cid.Cid {
	var cs []cid.Cid
	for len(q.order) > 0 && len(cs) < n {
		c := q.order[0]
		q.order = q.order[1:]
		if _, due := q.pending[c]; due {
			delete(q.pending, c)
			cs = append(cs, c)
		}
	}
	if len(q.pending) == 0 {
		*q = cancels{}
	}
	return cs
}
