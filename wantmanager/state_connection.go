package wantmanager

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/planted"
	"github.com/souk-p2p/souk/internal/table"
	"github.com/souk-p2p/souk/message"
)

// peerState takes the latest state of a peer as Network sees it. A new epoch or
// generation means that what was written may be lost.
func (s *state) peerState(now time.Time, id peer.ID, connected bool, v message.Version, epoch, generation uint64) {
	if !connected && s.peers[id] == nil {
		return
	}
	p := s.peer(id)
	another := p.gen != generation || p.connected != connected
	lost := another || p.epoch != epoch
	if another {
		p.late, p.patience, p.waited = false, 0, time.Time{}
		p.allowance.known = false // It may have another address.
	} else if head := p.flying.first(isFlying); lost && head != nil && head.phase == sent {
		p.waited = head.flight.due // A peer that loses every stream is as late as one that is silent.
	}
	p.connected, p.version, p.epoch, p.gen = connected, v, epoch, generation
	if lost {
		s.rewrite(now, p)
	}
	s.touch(p)
}

// rewrite puts everything that the peer was told back into the queue, and the
// cancels that it may have missed. What the sender has in hand may have gone the
// same way, whatever the sender says of it.
func (s *state) rewrite(now time.Time, p *peerWants) {
	for _, c := range p.withdrawn.since(now.Add(-resendCancels)) {
		if p.wants[c] == nil {
			p.cancels.add(c)
		}
	}
	var again []*want
	for _, c := range table.Sorted(p.wants) {
		if w := p.wants[c]; w.phase == standing || w.phase == sent && !planted.Is(planted.LostResend) {
			again = append(again, w)
		}
	}
	p.putBack(again)
	p.doubted = p.busy
	p.retryAt, p.retries = time.Time{}, 0
}

func (s *state) peer(id peer.ID) *peerWants {
	p := s.peers[id]
	if p == nil {
		p = newPeerWants(id)
		s.peers[id] = p
	}
	return p
}

// tellViews tells the links with wants at a peer how it stands, when that has
// changed enough to matter.
func (s *state) tellViews(p *peerWants) {
	if len(p.users) == 0 {
		return
	}
	v := View{
		Share: p.window.bytes / len(p.users), Rate: p.allowance.capped(p.window.rate.highest()), RTT: p.window.roundTrip(), Queue: p.window.queue, Late: p.late,
	}
	changed := !near(p.told, v)
	if changed {
		p.told = v
	} else if !p.newcomers {
		return
	}
	p.newcomers = false
	for i := range p.users {
		u := &p.users[i]
		if changed || !u.told {
			u.told = true
			s.out.notices = append(s.out.notices, linkNotice{u.link, Notice{Peers: map[peer.ID]View{p.id: v}}})
		}
	}
}

// near reports whether two views are the same for a link's decisions.
func near(a, b View) bool {
	close := func(x, y float64) bool { return x <= y*1.1 && y <= x*1.1 }
	return a.Late == b.Late && close(float64(a.Share), float64(b.Share)) &&
		close(a.Rate, b.Rate) && close(float64(a.RTT), float64(b.RTT)) &&
		close(float64(a.RTT+a.Queue), float64(b.RTT+b.Queue))
}
