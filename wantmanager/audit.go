package wantmanager

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"
)

// audit recounts what the state keeps twice, and returns what is wrong. It is for
// the time after [state.take].
func (s *state) audit() error {
	busy, lent := 0, 0
	var all traffic
	for l, lk := range s.links {
		lent += lk.loan.size()
		if len(lk.peers) > 0 {
			busy++
		}
		for _, p := range lk.peers {
			if s.peers[p.id] != p || !slices.ContainsFunc(p.users, func(u user) bool { return u.link == l }) {
				return fmt.Errorf("link %d lists %s, where it has no account", l, p.id)
			}
		}
	}
	if busy != s.busy || len(s.dirty) > 0 {
		return fmt.Errorf("%d links with wants, counted %d; %d peers to look at", busy, s.busy, len(s.dirty))
	}
	if lent != s.lent || lent > s.nodeBytes {
		return fmt.Errorf("%d bytes are lent, counted %d, of %d", lent, s.lent, s.nodeBytes)
	}
	for id, p := range s.peers {
		all.rate += p.window.recent
		if p.blocks > 0 {
			all.peers++
		}
		if err := s.auditPeer(id, p); err != nil {
			return fmt.Errorf("peer %s: %w", id, err)
		}
	}
	if err := s.auditRates(); err != nil {
		return err
	}
	if all.rate != s.all.rate || all.peers != s.all.peers {
		return fmt.Errorf("%d bytes a second from %d peers, counted %d from %d", all.rate, all.peers, s.all.rate, s.all.peers)
	}
	return nil
}

// auditRates looks at what peers are charged for, and at who is in line.
func (s *state) auditRates() error {
	waiting := 0
	for id, p := range s.peers {
		a := &p.allowance
		if a.granted != 0 || a.charged < 0 || a.charged > max(p.asked(), 0) {
			return fmt.Errorf("peer %s is charged for %d bytes, asked for %d, may be asked for %d", id, a.charged, p.asked(), a.granted)
		}
		if a.inLine {
			waiting++
		}
	}
	if waiting != len(s.rates.line) {
		return fmt.Errorf("%d peers are in line, counted %d", len(s.rates.line), waiting)
	}
	return nil
}

func (s *state) auditPeer(id peer.ID, p *peerWants) error {
	count, hand, users := peerWants{}, 0, make(map[linkID]int)
	for c, w := range p.wants {
		if w.cid != c || w.askers.none() || w.phase == 0 || w.phase == dropped {
			return fmt.Errorf("%s in phase %d is wanted by nobody: %t", c, w.phase, w.askers.none())
		}
		count.count(w, 1)
		if w.phase == inHand {
			hand++
		}
		for l := range w.askers.all {
			users[l]++
		}
	}
	at := p.deadline()
	switch {
	case id != p.id || p.idle():
		return fmt.Errorf("is kept for nothing")
	case p.held != (len(p.wants) > 0):
		return fmt.Errorf("%d wants, its connection is held: %t", len(p.wants), p.held)
	case count.waiting != p.waiting || count.unanswered != p.unanswered || count.answeredDH != p.answeredDH || count.blocks != p.blocks:
		return fmt.Errorf("%d wait, %d unanswered, %d stand, %d blocks; counted %d, %d, %d, %d", count.waiting, count.unanswered,
			count.answeredDH, count.blocks, p.waiting, p.unanswered, p.answeredDH, p.blocks)
	case p.unanswered+p.answeredDH > maxKnown || p.answeredDH > maxStanding:
		return fmt.Errorf("%d unanswered, %d stand: more than the peer may be asked", p.unanswered, p.answeredDH)
	case hand > 0 && !p.busy:
		return fmt.Errorf("%d wants are in hand, and no message is", hand)
	case !at.IsZero() && (s.wakeAt.IsZero() || s.wakeAt.After(at)):
		return fmt.Errorf("its deadline is at %s and the alarm at %s", at, s.wakeAt)
	}
	if err := p.auditQueues(); err != nil {
		return err
	}
	return s.auditUsers(p, users)
}

// auditQueues looks whether each want is in the queue that its phase says, and
// the first queue in order.
func (p *peerWants) auditQueues() error {
	for _, q := range []struct {
		*wantQueue
		holds func(*want) bool
		count int
	}{{&p.queue, isQueued, p.waiting}, {&p.flying, isFlying, p.unanswered}, {&p.standing, isStanding, p.answeredDH}} {
		listed := make(map[*want]struct{})
		for _, w := range q.wants {
			if q.holds(w) {
				listed[w] = struct{}{}
			}
		}
		if len(listed) != q.count {
			return fmt.Errorf("%d wants are in a queue that should have %d", len(listed), q.count)
		}
	}
	if !slices.IsSortedFunc(p.queue.wants, func(a, b *want) int { return cmp.Compare(b.priority, a.priority) }) {
		return fmt.Errorf("the queue is out of order")
	}
	return nil
}

// auditUsers compares the accounts of links with what they want.
func (s *state) auditUsers(p *peerWants, wants map[linkID]int) error {
	if len(p.users) != len(wants) {
		return fmt.Errorf("%d links have accounts and %d have wants", len(p.users), len(wants))
	}
	for _, u := range p.users {
		if u.wants != wants[u.link] || s.links[u.link] == nil || !slices.Contains(s.links[u.link].peers, p) {
			return fmt.Errorf("link %d has %d wants, counted %d", u.link, wants[u.link], u.wants)
		}
	}
	return nil
}
