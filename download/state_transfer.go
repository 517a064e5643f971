package download

import (
	"cmp"
	"iter"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/planted"
)

// transfer is an attempt to get a resource.
type transfer struct {
	id       TransferID
	resource *resource
	seats    []*seat   // at least one
	joinAt   time.Time // from when another node may join
	pace     pace
}

// seat is a node in a transfer.
type seat struct {
	transfer *transfer
	node     *node
	since    time.Time
	ready    bool // it has begun to answer
}

// begin starts a transfer.
func (s *state) begin(now time.Time, r *resource, n *node) {
	s.leaveLine(r)
	s.began++
	t := &transfer{id: s.began, resource: r, pace: pace{since: now}}
	r.phase, r.transfer = active, t
	r.err, r.local = nil, false
	s.running = append(s.running, t)
	s.sit(now, t, n)
	s.out.start = append(s.out.start, Start{t.id, r.cid, n.id})
}

// join has another node take part in a transfer.
func (s *state) join(now time.Time, t *transfer, n *node) {
	s.sit(now, t, n)
	s.out.join = append(s.out.join, Seat{t.id, n.id})
}

func (s *state) sit(now time.Time, t *transfer, n *node) {
	taken := &seat{transfer: t, node: n, since: now}
	t.seats = append(t.seats, taken)
	t.joinAt = now.Add(s.limits.Stagger)
	n.seats = append(n.seats, taken)
	s.seats++
	s.timers.set(t.resource, now.Add(s.limits.Stall))
	s.event(Event{Kind: Started, CID: t.resource.cid, Node: n.id, Bytes: t.resource.bytes, Size: t.resource.size})
}

// helps are the transfers of large resources that a node may join in, oldest first.
func (s *state) helps(now time.Time, n *node) iter.Seq[*transfer] {
	return func(yield func(*transfer) bool) {
		for _, t := range s.running {
			if !s.mayJoin(t, n) {
				continue
			}
			if t.joinAt.After(now) {
				s.look(t.joinAt)
			} else if !yield(t) {
				return
			}
		}
	}
}

// mayJoin reports whether a node may take part in a transfer, now or soon.
func (s *state) mayJoin(t *transfer, n *node) bool {
	r := t.resource
	return r.several && len(t.seats) < s.limits.Sources && t.of(n.id) == nil && !r.marked(n.id) && r.knows(n)
}

// knows reports whether a node may have a resource.
func (r *resource) knows(n *node) bool {
	if _, named := n.has[r]; named {
		return true
	}
	return slices.ContainsFunc(n.views, func(v view) bool { return slices.Contains(r.groups, v.group) })
}

// of is the seat of a node in a transfer, or nil.
func (t *transfer) of(id peer.ID) *seat {
	if at := slices.IndexFunc(t.seats, func(seat *seat) bool { return seat.node.id == id }); at >= 0 {
		return t.seats[at]
	}
	return nil
}

// transfer returns the one with an ID, or nil when it has ended.
func (s *state) transfer(id TransferID) *transfer {
	at, found := slices.BinarySearchFunc(s.running, id, func(t *transfer, id TransferID) int { return cmp.Compare(t.id, id) })
	if !found {
		return nil
	}
	return s.running[at]
}

// ready notes that a node has begun to answer, and how long that took.
func (s *state) ready(now time.Time, id TransferID, from peer.ID, took time.Duration) {
	t := s.transfer(id)
	if t == nil {
		return
	}
	seat := t.of(from)
	if seat == nil || seat.ready {
		return
	}
	seat.ready = true
	s.answered(seat.node, took)
	s.settle(now)
}

// progress notes how much of a resource is here, with what was here before the
// transfer, and how much it is in all, which is 0 when it is not known yet.
func (s *state) progress(now time.Time, id TransferID, bytes, size uint64) {
	t := s.transfer(id)
	if t == nil {
		return
	}
	r := t.resource
	more := bytes > r.most
	r.most = max(r.most, bytes)
	r.bytes, r.size = bytes, max(r.size, size)
	s.timers.set(r, now.Add(s.limits.Stall)) // It may be walking what was here before.
	if more {
		s.moved(r)
	}
	s.event(r.progress())
	if t.pace.isSlow(now, bytes, s.limits) && s.hasSpare(now, t) {
		s.stall(now, t)
		s.settle(now)
	}
}

// moved notes that something came of a resource: what had failed before does not
// count any more.
func (s *state) moved(r *resource) {
	r.retries = 0
	for _, i := range r.intents {
		i.used = 0
	}
	for _, seat := range r.transfer.seats {
		seat.node.failed = 0
	}
}

// done notes that all of a resource is here.
func (s *state) done(now time.Time, id TransferID) {
	t := s.transfer(id)
	if t == nil {
		return
	}
	r := t.resource
	s.moved(r)
	s.event(Event{Kind: Done, CID: r.cid, Node: t.seats[0].node.id, Bytes: r.bytes, Size: r.size})
	s.end(now, t)
	o := Outcome{CID: r.cid}
	for _, i := range slices.Clone(r.intents) {
		o.Intents = append(o.Intents, i.id)
		s.drop(i)
	}
	s.out.finished = append(s.out.finished, o)
	s.forgetResource(r)
	s.settle(now)
}

// failed notes that a node has failed in a transfer, or all of its nodes when none is
// named, and why. After Local the transfer has ended; otherwise it goes on as long as a
// node is left.
func (s *state) failed(now time.Time, id TransferID, from peer.ID, why Reason, err error) {
	if t := s.transfer(id); t != nil {
		s.failSeats(now, t, from, why, err)
		s.settle(now)
	}
}

func (s *state) failSeats(now time.Time, t *transfer, from peer.ID, why Reason, err error) {
	r := t.resource
	r.err, r.local = err, why == Local
	if why == Local {
		s.event(Event{Kind: Retry, CID: r.cid, Reason: why, Err: err})
		s.end(now, t)
		s.park(now, r)
		return
	}
	for _, seat := range slices.Clone(t.seats) {
		if from == "" || seat.node.id == from {
			s.blame(now, seat, why, err)
			s.rise(now, seat, from != "")
		}
	}
	s.carryOn(now, t)
}

// blame notes why a node has failed.
func (s *state) blame(now time.Time, seat *seat, why Reason, err error) {
	r, n := seat.transfer.resource, seat.node
	m := mark{node: n.id, why: why, round: r.round}
	if planted.Is(planted.LaterIsNever) {
		m.why = HasNot
	}
	if m.why == HasNot {
		m.until = now.Add(s.limits.Skip)
	} else {
		s.doubt(now, n, why)
	}
	r.mark(m)
	s.event(Event{Kind: Retry, CID: r.cid, Node: n.id, Reason: why, Err: err})
}

// doubt notes that a node has failed at its work. Once is no habit, and others may be
// had from it; from the second time in a row on it rests.
func (s *state) doubt(now time.Time, n *node, why Reason) {
	n.why = why
	if n.failed++; n.failed > 1 {
		n.rest = now.Add(s.limits.pause(n.failed - 1))
	}
}

// rise takes a node out of a transfer, and has that told unless the transfer has
// ended already.
func (s *state) rise(now time.Time, gone *seat, tell bool) {
	t, n := gone.transfer, gone.node
	t.seats = slices.DeleteFunc(t.seats, func(o *seat) bool { return o == gone })
	n.seats = slices.DeleteFunc(n.seats, func(o *seat) bool { return o == gone })
	n.since = now
	s.seats--
	switch {
	case !tell:
	case len(t.seats) > 0:
		s.out.leave = append(s.out.leave, Seat{t.id, n.id})
	default:
		s.out.cancel = append(s.out.cancel, t.id)
	}
}

// carryOn lets a resource wait again when nobody is left in its transfer.
func (s *state) carryOn(now time.Time, t *transfer) {
	if len(t.seats) > 0 {
		return
	}
	s.end(now, t)
	s.queue(now, t.resource)
	s.reconsider(now, t.resource)
}

// end takes a transfer out of everything.
func (s *state) end(now time.Time, t *transfer) {
	for _, seat := range slices.Clone(t.seats) {
		s.rise(now, seat, false)
	}
	s.running = slices.DeleteFunc(s.running, func(o *transfer) bool { return o == t })
	t.resource.transfer = nil
}

// leaveAll takes a node out of all its transfers.
func (s *state) leaveAll(now time.Time, n *node, why Reason) {
	for _, seat := range slices.Clone(n.seats) {
		t := seat.transfer
		s.event(Event{Kind: Retry, CID: t.resource.cid, Node: n.id, Reason: why})
		s.rise(now, seat, true)
		s.carryOn(now, t)
	}
}

// stall gives up a transfer that brings nothing.
func (s *state) stall(now time.Time, t *transfer) {
	s.out.cancel = append(s.out.cancel, t.id)
	s.failSeats(now, t, "", Stalled, nil)
}
