package resolver

import (
	"math"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/message"
)

const (
	// halfLife is how long a penalty takes to count half: an operator who mends a peer
	// sees it asked again within a coffee, and one that goes on does not get away with
	// more than about a fault a minute.
	halfLife = 10 * time.Minute

	// mostPenalty is the sum from which on a peer is not asked until it has decayed to
	// half of that: ten answers to nothing, or three messages that break the protocol.
	mostPenalty = 10

	// forgivable is a sum of which nothing has to be remembered.
	forgivable = 0.1

	penaltyUnasked   = 1 // An answer that came twice, or after a restart, is one of these.
	penaltyMalformed = 4 // No honest peer sends one.
	penaltyShared    = 5 // It, or another that sent parts of the same value, has lied.

	// mostBarred is how many peers that are no members are remembered as blocked: the
	// ledger has as many accounts.
	mostBarred = 10_000
)

// penalty is what a peer's penalties count by now.
func (s *state) penalty(p *remote) float64 {
	if p.penalty == 0 {
		return 0
	}
	return p.penalty * math.Exp2(-float64(s.now-p.penaltyAt)/float64(halfLife))
}

// penalize notes a fault of a peer, which is asked later then, and from a sum on not at
// all for a while. It stays a target.
func (s *state) penalize(p *remote, weight float64, fault message.Fault) {
	s.out.measures = append(s.out.measures, measure{peer: p.id, fault: fault})
	p.penalty, p.penaltyAt, p.fault = s.penalty(p)+weight, s.now, fault
	if p.penalty >= mostPenalty && !p.blocked && (p.why != forPardon || p.until <= s.now) {
		s.pause(p, halfLife, forPardon)
		s.out.blocks = append(s.out.blocks, block{peer: p.id, until: s.time(p.until), fault: fault})
	}
	s.place(p)
}

// faulted takes in that a peer has sent what is no answer.
func (s *state) faulted(now time.Time, from peer.ID, fault message.Fault) {
	s.at(now)
	s.counts.Malformed++
	if p := s.remotes[from]; p != nil {
		s.penalize(p, penaltyMalformed, fault)
		return
	}
	s.out.cuts = append(s.out.cuts, from)
}

// block excludes a peer that has sent invalid data. It leaves all targets. What it was
// asked for is asked of others at once, and what it has begun to send begins again.
func (s *state) block(p *remote) {
	if p.blocked {
		return
	}
	s.remotes[p.id] = p // It may have been forgotten with what it was asked last.
	p.blocked, p.until, p.why, p.fault = true, 0, forPardon, message.FaultValue
	if s.limits.BlockFor > 0 {
		p.until = s.now.after(s.limits.BlockFor)
	}
	s.bar(p)
	until := time.Time{}
	if p.until > 0 {
		until = s.time(p.until)
	}
	s.out.blocks = append(s.out.blocks, block{peer: p.id, until: until, hard: true, fault: message.FaultValue})
	s.out.measures = append(s.out.measures, measure{peer: p.id, fault: message.FaultValue})
	s.counts.Blocked++
	s.place(p)
	for len(p.targets) > 0 {
		s.miss(p.targets[len(p.targets)-1])
	}
	for len(p.pins) > 0 {
		s.startOver(p.pins[len(p.pins)-1].fetch)
	}
	for _, r := range slices.Clone(p.asked) {
		if r.fetch != nil {
			s.askElsewhere(s.disownOne(r))
		}
	}
}

// bar remembers who is blocked, within bounds.
func (s *state) bar(p *remote) {
	s.barred = append(s.barred, p)
	if len(s.barred) <= mostBarred {
		return
	}
	if i := slices.IndexFunc(s.barred, func(p *remote) bool { return !p.member }); i >= 0 {
		s.rested(s.barred[i])
	}
}

// pardon ends a block. The targets that the peer was do not come back.
func (s *state) pardon(p *remote) {
	p.blocked = false
	s.barred = slices.DeleteFunc(s.barred, func(o *remote) bool { return o == p })
}

// unblock ends the block of a peer, and forgets its penalties.
func (s *state) unblock(now time.Time, id peer.ID) {
	s.at(now)
	if p := s.remotes[id]; p != nil {
		p.penalty = 0
		s.rested(p)
	}
}
