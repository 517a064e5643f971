package wantmanager

import (
	"maps"
	"slices"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/due"
	"github.com/souk-p2p/souk/message"
)

// sized is a block that was heard: its CID and how many bytes it has.
type sized struct {
	cid  cid.Cid
	size int
}

// pump gives the peer's sender the next message if it has none.
func (s *state) pump(now time.Time, p *peerWants) {
	if !p.connected || p.busy || now.Before(p.retryAt) {
		return
	}
	m := &message.Message{}
	p.addCancels(m)
	if len(p.hands) > 0 || p.worthwhile(now) {
		s.addWants(now, p, m)
	}
	if len(m.Wantlist) == 0 {
		return
	}
	p.busy, p.handed = true, now
	s.out.messages = append(s.out.messages, outgoing{p.id, m})
	s.out.measured = append(s.out.measured, measured{peer: p.id, wants: uint64(len(p.inHand))})
}

func (p *peerWants) addCancels(m *message.Message) {
	p.hands = p.cancels.take(maxEntries)
	for _, c := range p.hands {
		m.Wantlist = append(m.Wantlist, message.Entry{CID: c, Cancel: true})
	}
}

func (s *state) addWants(now time.Time, p *peerWants, m *message.Message) {
	for len(m.Wantlist) < maxEntries {
		w := p.queue.first(isQueued)
		if w == nil || !p.room(now, w) {
			return
		}
		if p.kindFor(w) == message.WantBlock {
			if !s.may(now, p) {
				return
			}
			s.charge(p)
		}
		p.queue.pop()
		p.write(now, &s.all, w, m)
	}
}

func (p *peerWants) write(now time.Time, all *traffic, w *want, m *message.Message) {
	w.repeated = w.repeated || w.rewrite || p.tookBack(now, w.cid)
	w.kind, w.rewrite = p.kindFor(w), false
	w.tellings = min(w.tellings+1, maxTellings)
	p.account(w, inHand)
	p.inHand = append(p.inHand, w)
	if w.kind == message.WantBlock {
		p.window.pace(now, all)
	}
	p.flying.append(w)
	p.flying.compact(isFlying, p.unanswered)
	m.Wantlist = append(m.Wantlist, message.Entry{
		CID: w.cid, Type: w.kind, Priority: w.priority, SendDontHave: true,
	})
}

// tookBack reports whether the CID was wanted of the peer before and withdrawn not
// long ago: its answer to the want of then may still come.
func (p *peerWants) tookBack(now time.Time, c cid.Cid) bool {
	at, known := p.withdrawn.at(c)
	return known && !at.Before(now.Add(-asked))
}

// written takes the sender's report about the message that it had.
func (s *state) written(now time.Time, id peer.ID, at time.Time, err error) {
	p := s.peers[id]
	if p == nil {
		return
	}
	lost := err != nil || p.doubted
	hand, gone := p.inHand, p.hands
	p.busy, p.doubted, p.inHand, p.hands = false, false, nil, nil
	s.touch(p)
	if lost {
		p.unwritten(hand, gone)
	} else {
		p.flew(hand, at)
	}
	if err == nil {
		p.retries = 0
		return
	}
	p.retryAt = now.Add(min(firstRetry<<min(p.retries, 10), longRetry))
	p.retries++
}

// flew notes that a message's wants were written.
func (p *peerWants) flew(hand []*want, at time.Time) {
	p.flights++
	f := &flight{from: p.handed, at: at, due: at, mark: p.window.mark(at), nth: p.flights}
	if !p.waited.IsZero() && slices.ContainsFunc(hand, func(w *want) bool { return w.tellings > 1 }) {
		f.due = p.waited
	}
	p.waited = time.Time{}
	for _, w := range hand {
		if w.phase == inHand {
			p.account(w, sent)
			w.flight = f
		}
	}
}

// unwritten puts a message's wants and cancels back: part of it may have arrived.
// The peer may still be there, and only its disconnection ends the tries.
func (p *peerWants) unwritten(hand []*want, gone []cid.Cid) {
	p.putBack(slices.DeleteFunc(hand, func(w *want) bool { return w.phase != inHand }))
	for _, c := range gone {
		if w := p.wants[c]; w != nil {
			w.rewrite = true // The peer may know of the want that was cancelled.
		} else {
			p.cancels.add(c)
		}
	}
}

// news is what a reader has read.
type news struct {
	at, began time.Time // of the last byte, and of the first one of the message
	read      int64     // bytes in all
	part      int       // of those, in blocks that are not complete
	burst     float64   // rate at which bytes came without a pause, or 0

	blocks           []sized
	haves, dontHaves []cid.Cid
}

func (n *news) answers() int { return len(n.blocks) + len(n.haves) + len(n.dontHaves) }

// heard takes what a reader decoded. Answers to wants free their place in the
// window.
func (s *state) heard(now time.Time, from peer.ID, n news) {
	p := s.peers[from]
	if p == nil {
		return // It has left, and with it what it was asked.
	}
	p.arrived(n, &s.all)
	s.came(p, n)
	s.touch(p)
	if n.answers() == 0 {
		return
	}
	p.heardAt, p.late, p.patience = n.at, false, 0
	var faults blame
	for _, b := range n.blocks {
		if !s.gotBlock(now, p, n, b) {
			faults.add(p.unaskedBlock())
		}
	}
	for _, c := range n.haves {
		if !s.gotHave(now, p, n, c) {
			faults.add(message.FaultUnasked)
		}
	}
	for _, c := range n.dontHaves {
		if !s.gotDontHave(now, p, n, c) {
			faults.add(message.FaultUnasked)
		}
	}
	s.overtaken(now, p)
	s.out.measured = append(s.out.measured, measured{
		peer: from, rtt: p.window.laps.lowest(), rate: p.window.rate.highest(), faults: faults,
	})
}

// arrived tells the window what came.
func (p *peerWants) arrived(n news, all *traffic) {
	var first time.Duration
	if head := p.flying.first(isFlying); head != nil && head.phase == sent {
		first = n.began.Sub(head.flight.from)
	}
	p.window.arrived(n, first, p.limited(), all)
}

// gotBlock reports whether the block was asked of the peer not long ago.
func (s *state) gotBlock(now time.Time, p *peerWants, n news, b sized) bool {
	w := p.wants[b.cid]
	if w == nil {
		return p.wasAsked(now, b.cid)
	}
	p.broken = 0
	s.measure(p, w, n, b.size, p.limited())
	s.satisfied(now, p, w)
	return true
}

// wasAsked reports whether the CID was wanted of the peer not long ago.
func (p *peerWants) wasAsked(now time.Time, c cid.Cid) bool {
	since := now.Add(-asked)
	return p.withdrawn.has(c, since) || p.answered.has(c, since)
}

// unaskedBlock is what is wrong with a block that was not asked for. A block does
// not carry its CID, so that one with other bytes than were asked for is a block
// that nobody asked for, too; while an answer is due, it is taken for that.
func (p *peerWants) unaskedBlock() message.Fault {
	if p.blocks > 0 {
		return message.FaultInvalid
	}
	return message.FaultUnasked
}

// gotHave ends a want-have: the server forgets it with its answer. A want-block
// stays until the block comes. It reports whether the peer was asked not long ago.
func (s *state) gotHave(now time.Time, p *peerWants, n news, c cid.Cid) bool {
	w := p.wants[c]
	if w == nil {
		return p.wasAsked(now, c)
	}
	p.promised.add(now, c)
	if w.kind != message.WantBlock && w.phase != queued {
		s.measure(p, w, n, 0, false)
		s.satisfied(now, p, w)
	}
	return true
}

// satisfied removes a want that the peer has answered for good. One that was
// written twice, or again after its cancel, may have been answered before the peer
// read it again, and would stay there as a subscription.
func (s *state) satisfied(now time.Time, p *peerWants, w *want) {
	p.answered.add(now, w.cid)
	if w.repeated {
		p.cancels.add(w.cid)
	}
	s.remove(p, w)
}

// gotDontHave keeps the want as a subscription, within bounds. It reports whether
// the peer was asked not long ago.
func (s *state) gotDontHave(now time.Time, p *peerWants, n news, c cid.Cid) bool {
	w := p.wants[c]
	switch {
	case w == nil:
		return p.wasAsked(now, c)
	case w.phase == sent, w.phase == inHand:
		s.measure(p, w, n, 0, false)
		p.stand(w)
		s.trimStanding(now, p)
	}
	return true
}

// trimStanding withdraws the oldest subscriptions over the bound.
func (s *state) trimStanding(now time.Time, p *peerWants) {
	p.standing.compact(isStanding, p.answeredDH)
	for p.answeredDH > maxStanding {
		s.retire(now, p, p.standing.first(isStanding))
	}
}

// stand keeps a want as a subscription.
func (p *peerWants) stand(w *want) {
	p.account(w, standing)
	w.flight = nil
	p.standing.append(w)
}

// measure takes from an answer what it says about the path. An answer to a want
// that was written twice may be to either.
func (s *state) measure(p *peerWants, w *want, n news, size int, limited bool) {
	var sentAt time.Time
	var m mark
	if w.phase == sent {
		p.lead.answered(w.flight.nth)
		p.most = min(p.most+1, maxKnown)
		sentAt, m = w.flight.from, w.flight.mark
		if !w.repeated {
			p.window.waitedFor(n.at, sentAt, n.began.Sub(sentAt))
		}
	}
	p.window.answered(n.at, sentAt, m, size, limited, &s.all)
}

// tick retries failed writes and finds peers that are late. progress tells when
// the last byte from a peer was read, which may be in the middle of a block.
func (s *state) tick(now time.Time, progress func(peer.ID) time.Time) {
	s.wakeAt = time.Time{}
	for _, id := range slices.Sorted(maps.Keys(s.peers)) {
		p := s.peers[id]
		if !p.retryAt.IsZero() && !now.Before(p.retryAt) {
			p.retryAt = time.Time{}
			s.touch(p)
		}
		if at := p.deadline(); !at.IsZero() && !now.Before(at) {
			s.check(now, p, progress(id))
		}
		if !p.nextAt.IsZero() && !now.Before(p.nextAt) {
			p.nextAt = time.Time{}
			s.touch(p)
		}
		s.wakeAt = due.First(s.wakeAt, p.due())
	}
}

// check decides whether a peer whose deadline has passed is slow or late.
func (s *state) check(now time.Time, p *peerWants, progress time.Time) {
	if progress.After(p.heardAt) {
		p.heardAt = progress
	}
	if now.Before(p.deadline()) {
		return
	}
	p.late = true
	s.blameBroken(now, p)
	p.window.shrink(&s.all)
	p.patience = min(2*p.currentPatience(), mostPatience)
	p.heardAt = now // The next deadline counts from here.
	p.told = View{} // So that every link hears of it again.
	p.giveUp(now, func(*want) bool { return true })
	p.putBack(p.untold(func(*want) bool { return true }))
	s.trimStanding(now, p)
	s.touch(p)
}

// blameBroken counts a fault when the peer was late too often in a row with blocks
// that it said it has, and sent none in between. It is one fault, however many
// blocks are due: what stopped may be the connection.
func (s *state) blameBroken(now time.Time, p *peerWants) {
	since := now.Add(-asked)
	due := slices.ContainsFunc(p.flying.wants, func(w *want) bool {
		at, promised := p.promised.at(w.cid)
		return promised && !at.Before(since) && w.kind == message.WantBlock && w.phase == sent
	})
	if !due {
		return
	}
	if p.broken++; p.broken >= patientWithPromises {
		s.out.measured = append(s.out.measured, measured{peer: p.id, faults: blame{message.FaultBroken: 1}})
	}
}

// untold lists the unanswered want-blocks, oldest first, that may be written
// once more.
func (p *peerWants) untold(which func(*want) bool) []*want {
	var wants []*want
	for _, w := range p.flying.wants {
		if w.phase == sent && w.kind == message.WantBlock && w.tellings < maxTellings && which(w) {
			wants = append(wants, w)
		}
	}
	return wants
}

// overtaken writes wants again that later ones were answered long before, and in
// the end gives them up: servers exist that never say DONT_HAVE, and one that is
// never silent is never late.
func (s *state) overtaken(now time.Time, p *peerWants) {
	over := func(w *want) bool { return p.lead.passed(w.flight.nth) }
	if head := p.flying.first(isFlying); head != nil && head.phase == sent && now.Sub(head.flight.at) >= retellAfter {
		p.lost(p.untold(func(w *want) bool { return now.Sub(w.flight.at) >= retellAfter && over(w) }))
	}
	for _, w := range p.giveUp(now, over) {
		for l := range w.askers.all {
			s.out.notices = append(s.out.notices, linkNotice{l, Notice{Unanswered: map[peer.ID][]cid.Cid{p.id: {w.cid}}}})
		}
	}
	s.trimStanding(now, p)
}

// giveUp stops counting the oldest wants as answers to come when they have gone
// unanswered for very long. They stand as subscriptions, and may be asked again.
func (p *peerWants) giveUp(now time.Time, also func(*want) bool) []*want {
	var given []*want
	for {
		w := p.flying.first(isFlying)
		if w == nil || w.phase != sent || now.Sub(w.flight.at) < mostPatience || !also(w) {
			break
		}
		p.flying.pop()
		p.stand(w)
		given = append(given, w)
	}
	return given
}

// wake is when tick has something to do, or the zero time. It may be early.
func (s *state) wake() time.Time { return s.wakeAt }
