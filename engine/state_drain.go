package engine

import (
	"slices"
	"time"

	"github.com/ipfs/go-cid"

	"github.com/souk-p2p/souk/message"
)

// promiseFor is how long a drain waits for a peer that was told HAVE to ask for the
// block: a round trip of any usable link, and the while that a session takes to
// choose among those who have it.
const promiseFor = 2 * time.Second

// drain declines from now on what was not promised. Promised is each block that was
// wanted before, as far as it is here, and each that a HAVE was said for.
func (s *state) drain(now time.Time) {
	if s.draining {
		return
	}
	s.draining = true
	for _, p := range s.sorted() {
		p.unlearn(now)
		s.declineWaiting(p)
		for _, w := range p.sorted() {
			if !w.promised() {
				s.decline(w)
			}
		}
		s.touch(p)
	}
}

// promised reports whether a want is finished although the engine drains.
func (w *want) promised() bool {
	switch w.phase {
	case phaseAsked, phaseLooking:
		return w.kind == message.WantBlock
	case phaseAnswer:
		return !w.have
	case phaseAbsent, phaseFailing:
		return false
	default:
		return true
	}
}

// decline ends a want, with a DONT_HAVE to who waits for an answer.
func (s *state) decline(w *want) {
	p, e := w.from, w.entry()
	s.remove(w)
	s.declineNew(p, &e)
}

// declineNew turns away what is not in the table.
func (s *state) declineNew(p *partner, e *message.Entry) {
	s.stat.Declined++
	s.sayMissing(p, e)
}

// declineWaiting declines what found no room, and lets the streams go on that it
// came from.
func (s *state) declineWaiting(p *partner) {
	for _, parked := range p.parcels {
		for i := range parked.entries {
			if e := &parked.entries[i]; p.waiting[e.CID] == e {
				s.leave(p, e.CID)
				s.declineNew(p, e)
			}
		}
		s.settleTicket(parked.ticket)
	}
	p.parcels = nil
}

// takePromised takes of a wantlist what was promised and declines the rest.
func (s *state) takePromised(p *partner, entries []message.Entry) {
	promised := p.promises()
	for i := range entries {
		e := &entries[i]
		if !s.wanted(p, e) {
			continue
		}
		w := p.wants[e.CID]
		switch {
		case w != nil && (w.phase != phaseAnswering || w.have):
			s.wantAgain(w, e)
		case w != nil: // It is being told DONT_HAVE, and the block is not looked for again.
			s.remove(w)
			s.declineNew(p, e)
		case e.Type == message.WantBlock && promised[e.CID] && s.room(p, e.CID):
			p.redeem(e.CID)
			s.ask(s.enter(p, *e))
		default:
			s.declineNew(p, e)
		}
	}
}

// promises are the blocks that p was told are here.
func (p *partner) promises() map[cid.Cid]bool {
	promised := make(map[cid.Cid]bool, len(p.said))
	for _, told := range p.said {
		if told.Have {
			promised[told.CID] = true
		}
	}
	return promised
}

// redeem notes that p has asked for what was promised.
func (p *partner) redeem(c cid.Cid) {
	p.said = slices.DeleteFunc(p.said, func(told saying) bool { return told.CID == c })
}

// drained reports whether all that was promised is finished. If that is a matter of
// time alone, it returns when.
func (s *state) drained(now time.Time) (done bool, at time.Time) {
	if !s.draining || s.live > 0 || s.jobsOut > 0 {
		return false, time.Time{}
	}
	for _, p := range s.partners {
		if p.busy() > 0 || p.saying || len(p.aside) > 0 {
			return false, time.Time{}
		}
		for _, told := range p.said {
			if expires := told.at.Add(promiseFor); told.Have && expires.After(now) && expires.After(at) {
				at = expires
			}
		}
	}
	return at.IsZero(), at
}
