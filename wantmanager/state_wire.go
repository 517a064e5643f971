package wantmanager

import (
	"slices"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

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
	s.addCancels(p, m)
	// A server that is at its limit has to see the cancels before the wants that
	// take the room they free.
	if len(m.Wantlist) == 0 || p.unanswered+p.answeredDH < maxUnanswered+maxStanding/2 {
		s.addWants(now, p, m)
	}
	if len(m.Wantlist) == 0 {
		return
	}
	p.busy = true
	s.out.messages = append(s.out.messages, outgoing{p.id, m})
	s.out.measured = append(s.out.measured, measured{peer: p.id, wants: uint64(len(p.inHand))})
}

func (s *state) addCancels(p *peerWants, m *message.Message) {
	n := min(len(p.cancels), maxEntries)
	for _, c := range p.cancels[:n] {
		m.Wantlist = append(m.Wantlist, message.Entry{CID: c, Cancel: true})
	}
	p.hands = p.cancels[:n:n]
	p.cancels = slices.Clone(p.cancels[n:])
}

func (s *state) addWants(now time.Time, p *peerWants, m *message.Message) {
	for len(m.Wantlist) < maxEntries {
		w := p.queue.first(func(w *want) bool { return w.phase == queued })
		if w == nil || !p.room(w) {
			return
		}
		p.queue.pop()
		s.write(now, p, w, m)
	}
}

func (s *state) write(now time.Time, p *peerWants, w *want, m *message.Message) {
	if p.version != 0 && p.version < message.V120 {
		w.kind = message.WantBlock // Old peers have no presences.
	}
	w.size, w.rewrite = int32(p.window.block), false
	p.account(w, inHand)
	p.inHand = append(p.inHand, w)
	p.flying.append(w)
	p.flying.compact(flying, p.unanswered)
	m.Wantlist = append(m.Wantlist, message.Entry{
		CID: w.cid, Type: w.kind, Priority: w.priority, SendDontHave: true,
	})
}

// written takes the sender's report about the message that it had.
func (s *state) written(now time.Time, id peer.ID, at time.Time, err error) {
	p := s.peers[id]
	if p == nil {
		return
	}
	p.busy = false
	hand, cancels := p.inHand, p.hands
	p.inHand, p.hands = nil, nil
	s.touch(p)
	if err != nil {
		s.unwritten(now, p, hand, cancels)
		return
	}
	p.retries = 0
	for _, w := range hand {
		if w.phase == inHand {
			p.account(w, sent)
			w.sentAt = at
			w.mark = p.window.mark(at)
		}
	}
}

// unwritten puts a message's wants and cancels back. The peer may still be
// there: only its disconnection ends the tries.
func (s *state) unwritten(now time.Time, p *peerWants, hand []*want, cancels []cid.Cid) {
	again := slices.DeleteFunc(hand, func(w *want) bool { return w.phase != inHand })
	for _, w := range again {
		p.account(w, queued)
		w.rewrite = true // Part of the message may have arrived.
	}
	p.queue.wants = append(slices.Clone(again), p.queue.wants...)
	for _, c := range cancels {
		if p.wants[c] == nil {
			p.cancels = append(p.cancels, c)
		}
	}
	p.retryAt = now.Add(min(firstRetry<<min(p.retries, 10), longRetry))
	p.retries++
}

// heard takes what a reader decoded. Answers to wants free their place in the
// window.
func (s *state) heard(now time.Time, from peer.ID, at time.Time, bs []sized, haves, dontHaves []cid.Cid) {
	p := s.peers[from]
	if p == nil {
		s.unasked(from, len(bs))
		return
	}
	if len(bs)+len(haves)+len(dontHaves) > 0 {
		p.heardAt, p.late, p.patience = at, false, 0
	}
	unasked := 0
	for _, b := range bs {
		if !s.gotBlock(now, p, at, b) {
			unasked++
		}
	}
	for _, c := range haves {
		s.gotHave(now, p, at, c)
	}
	for _, c := range dontHaves {
		s.gotDontHave(now, p, at, c)
	}
	s.unasked(from, unasked)
	s.out.measured = append(s.out.measured, measured{
		peer: from, rtt: p.window.rtt.lowest(), rate: p.window.rate.highest(),
	})
	s.touch(p)
}

func (s *state) unasked(from peer.ID, n int) {
	if n > 0 {
		s.out.measured = append(s.out.measured, measured{peer: from, unasked: n})
	}
}

// gotBlock reports whether the block was asked of the peer not long ago.
func (s *state) gotBlock(now time.Time, p *peerWants, at time.Time, b sized) bool {
	w := p.wants[b.cid]
	if w == nil {
		return p.recent.has(now, b.cid, asked)
	}
	limited := p.limited()
	s.measure(p, w, at, b.size, limited)
	p.recent.add(now, b.cid, false)
	s.remove(p, w)
	return true
}

// gotHave ends a want-have: the server forgets it with its answer. A want-block
// stays until the block comes.
func (s *state) gotHave(now time.Time, p *peerWants, at time.Time, c cid.Cid) {
	w := p.wants[c]
	if w == nil || w.kind == message.WantBlock || w.phase == queued {
		return
	}
	s.measure(p, w, at, 0, false)
	p.recent.add(now, c, false)
	s.remove(p, w)
}

// gotDontHave keeps the want as a subscription, within bounds.
func (s *state) gotDontHave(now time.Time, p *peerWants, at time.Time, c cid.Cid) {
	w := p.wants[c]
	if w == nil || (w.phase != sent && w.phase != inHand) {
		return
	}
	s.measure(p, w, at, 0, false)
	p.account(w, standing)
	p.standing.append(w)
	s.trimStanding(now, p)
}

// trimStanding withdraws the oldest subscriptions over the bound.
func (s *state) trimStanding(now time.Time, p *peerWants) {
	isStanding := func(w *want) bool { return w.phase == standing }
	p.standing.compact(isStanding, p.answeredDH)
	for p.answeredDH > maxStanding {
		s.retire(now, p, p.standing.first(isStanding))
	}
}

func (s *state) measure(p *peerWants, w *want, at time.Time, size int, limited bool) {
	if w.phase == sent {
		p.window.answered(at, w.sentAt, w.mark, size, limited)
		return
	}
	p.window.answered(at, time.Time{}, mark{}, size, false)
}

// tick retries failed writes and finds peers that are late. progress tells when
// the last byte from a peer was read, which may be in the middle of a block.
func (s *state) tick(now time.Time, progress func(peer.ID) time.Time) {
	s.wakeAt = time.Time{}
	for _, id := range sortedKeys(s.peers) {
		p := s.peers[id]
		if !p.retryAt.IsZero() && !now.Before(p.retryAt) {
			p.retryAt = time.Time{}
			s.touch(p)
		}
		if at := p.deadline(); !at.IsZero() && !now.Before(at) {
			s.check(now, p, progress(id))
		}
		s.wakeAt = earlier(s.wakeAt, p.due())
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
	p.window.shrink()
	p.patience = min(2*p.currentPatience(), mostPatience)
	p.heardAt = now // The next deadline counts from here.
	clear(p.told)   // So that every link hears of it again.
	s.giveUp(now, p)
	s.touch(p)
}

// giveUp stops counting wants that have gone unanswered for very long as
// answers to come: servers exist that never say DONT_HAVE. They stand as
// subscriptions, and may be asked again.
func (s *state) giveUp(now time.Time, p *peerWants) {
	for {
		w := p.flying.first(flying)
		if w == nil || w.phase != sent || now.Sub(w.sentAt) < mostPatience {
			break
		}
		p.flying.pop()
		p.account(w, standing)
		p.standing.append(w)
	}
	s.trimStanding(now, p)
}

// wake is when tick has something to do, or the zero time. It may be early.
func (s *state) wake() time.Time { return s.wakeAt }
