package wantmanager

import (
	"fmt"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/message"
)

// audit recounts what the state keeps twice, and returns what is wrong. It is for
// the time after [state.take].
func (s *state) audit() error {
	busy := 0
	for l, lk := range s.links {
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
	for id, p := range s.peers {
		if err := s.auditPeer(id, p); err != nil {
			return fmt.Errorf("peer %s: %w", id, err)
		}
	}
	return nil
}

func (s *state) auditPeer(id peer.ID, p *peerWants) error {
	var waiting, unanswered, standingWants, bytes, hand int
	users := make(map[linkID]int)
	for c, w := range p.wants {
		if w.cid != c || len(w.links) == 0 {
			return fmt.Errorf("%s is wanted by %d links", c, len(w.links))
		}
		for _, l := range w.links {
			users[l]++
		}
		switch w.phase {
		case queued:
			waiting++
		case inHand, sent:
			unanswered++
			if w.kind == message.WantBlock {
				bytes += int(w.size)
			}
			if w.phase == inHand {
				hand++
			}
		case standing:
			standingWants++
		default:
			return fmt.Errorf("%s is in phase %d", c, w.phase)
		}
	}
	switch {
	case id != p.id || p.idle():
		return fmt.Errorf("is kept for nothing")
	case p.held != (len(p.wants) > 0):
		return fmt.Errorf("%d wants, its connection is held: %t", len(p.wants), p.held)
	case waiting != p.waiting || unanswered != p.unanswered || standingWants != p.answeredDH || bytes != p.bytes:
		return fmt.Errorf("%d wait, %d unanswered, %d stand, %d bytes; counted %d, %d, %d, %d",
			waiting, unanswered, standingWants, bytes, p.waiting, p.unanswered, p.answeredDH, p.bytes)
	case unanswered > maxUnanswered || standingWants > maxStanding:
		return fmt.Errorf("%d unanswered, %d stand: more than the peer may be asked", unanswered, standingWants)
	case hand > 0 && !p.busy:
		return fmt.Errorf("%d wants are in hand, and no message is", hand)
	case !p.deadline().IsZero() && s.wakeAt.IsZero(), !p.deadline().IsZero() && s.wakeAt.After(p.deadline()):
		return fmt.Errorf("its deadline is at %s and the alarm at %s", p.deadline(), s.wakeAt)
	}
	return s.auditUsers(p, users)
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
