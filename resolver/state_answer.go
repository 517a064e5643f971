package resolver

import (
	"math"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/resolver/wire"
)

// answered takes in what a peer says to a request. It counts only when both are those
// of a request that is waited for. Who is nobody here was asked for nothing, and has left
// the set: nothing would be held against it, so its stream is cut.
func (s *state) answered(now time.Time, from peer.ID, id requestID, a answer) {
	s.at(now)
	p, r := s.remotes[from], s.requests[id]
	switch {
	case p == nil:
		s.counts.Strays++
		s.out.cuts = append(s.out.cuts, from)
		return
	case r == nil || r.peer != p:
		s.stray(p, r)
		return
	}
	p.failures = 0
	if a.refusal != 0 {
		s.refused(r, a.refusal)
		return
	}
	s.counts.Answers++
	f := s.finish(r)
	if f == nil {
		s.performed(r)
		s.forget(p)
		return
	}
	switch {
	case r.part > 0:
		s.takePart(f, r, a)
	case a.size > 0 || len(a.hashes) > 0:
		s.takeFirst(f, r, a)
	default:
		s.takeWhole(f, r, a)
	}
}

// stray passes over an answer to nothing that waits. That is a fault, unless the peer
// owes answers that came too late.
func (s *state) stray(p *remote, r *request) {
	s.counts.Strays++
	switch {
	case r == nil && p.owed > 0:
		p.owed--
	default:
		s.penalize(p, penaltyUnasked, message.FaultUnasked)
	}
}

// refused takes in that a peer gives no data.
func (s *state) refused(r *request, why wire.Code) {
	s.counts.refused(why)
	switch {
	case why == wire.CodeChanged && r.part > 0:
		s.changed(r)
		return
	case why == wire.CodeBusy:
		s.pause(r.peer, s.limits.Retry, forRecovery)
	}
	s.fail(r)
}

// changed lets a value begin again from a peer that has another. While somebody else is
// asked for a part of it, more than the first of which came, that is waited for: one that
// has nothing to give could end what others have almost given.
func (s *state) changed(r *request) {
	f := s.finish(r)
	if f == nil {
		return
	}
	if !s.unasked(f) && len(f.value.parts) > 1 {
		return
	}
	s.halt(f)
	s.drop(f)
	if r.peer.eligible() {
		f.value = &value{}
		s.pin(f, r.peer)
	}
	s.again(f)
}

// accept lets a fetch take the data that a peer has sent. Another that was asked for
// them is not waited for any more.
func (s *state) accept(f *fetch, r *request) {
	s.performed(r)
	s.halt(f)
}

// violated blames a peer for an answer that contradicts itself or a limit.
func (s *state) violated(f *fetch, p *remote, fault message.Fault) {
	s.counts.Malformed++
	s.penalize(p, penaltyMalformed, fault)
	s.measured(p, s.limits.Timeout)
	s.failedAt(f, p)
}

// lied blames a peer for data that do not fit their hash.
func (s *state) lied(f *fetch, p *remote) {
	s.counts.Invalid++
	if f.pinned() && f.value.pin.peer == p { // The list of parts is the liar's.
		s.halt(f)
		s.drop(f)
	}
	s.block(p)
	s.failedAt(f, p)
}

// unsent takes in that a request was not sent.
func (s *state) unsent(now time.Time, id requestID) {
	s.at(now)
	if r := s.requests[id]; r != nil {
		s.counts.Unsent++
		s.unreachable(r.peer)
		s.fail(r)
	}
}

// parted takes in that a peer answers nothing of what it was asked: its stream has
// ended, it cannot be reached, or does not speak the protocol.
func (s *state) parted(now time.Time, id peer.ID) {
	s.at(now)
	p := s.remotes[id]
	if p == nil {
		return
	}
	p.owed = 0
	if len(p.asked) == 0 {
		return
	}
	s.unreachable(p)
	for _, r := range slices.Clone(p.asked) {
		s.counts.Parted++
		s.fail(r)
	}
}

// judged takes in what the Consumer says of a value.
func (s *state) judged(now time.Time, key Key, good bool) {
	s.at(now)
	f := s.fetches[key]
	if f == nil || f.stage != stageJudged {
		return
	}
	s.tried(f.value, good)
	if good {
		s.expect(f.value.size)
		s.end(f, nil)
		return
	}
	s.counts.Invalid++
	f.unsaid = 0
	suppliers := s.disallow(f)
	if !f.excused {
		s.blame(suppliers)
	}
	s.goOn(f, s.limits.Retry)
}

// unjudged takes in that the Consumer says nothing of a value, which is nobody's fault
// but its own. The value is fetched again, after a longer pause with each time in a row:
// what it panics at it is likely to panic at again.
func (s *state) unjudged(now time.Time, key Key) {
	s.at(now)
	f := s.fetches[key]
	if f == nil || f.stage != stageJudged {
		return
	}
	s.tried(f.value, false)
	s.counts.Unjudged++
	s.disallow(f)
	pause := s.pauseAfter(int(f.unsaid))
	f.unsaid = min(f.unsaid, math.MaxUint8-1) + 1
	s.goOn(f, pause)
}

// disallow drops a value that the Consumer has not accepted, and returns who sent it.
func (s *state) disallow(f *fetch) []peer.ID {
	suppliers := f.value.suppliers
	s.drop(f)
	f.stage = stageNone
	return suppliers
}

// goOn lets a fetch wait for its next attempt whose value was not accepted, or ends it.
func (s *state) goOn(f *fetch, pause time.Duration) {
	switch {
	case f.cancelled:
		s.end(f, ErrCancelled)
	case f.expired:
		s.end(f, f.failed(ErrDeadline))
	default:
		s.rest(f, pause)
	}
}

// tried notes at the peers that have sent a value what the Consumer says of it.
func (s *state) tried(v *value, good bool) {
	for _, p := range v.tries {
		p.tried--
		if good && p.member {
			p.proven, p.largest = true, max(p.largest, v.size)
		}
		s.place(p)
		s.forget(p)
	}
	v.tries = nil
}

// blame takes in whose value was refused. Only a sole supplier is known to have lied.
func (s *state) blame(suppliers []peer.ID) {
	for _, id := range suppliers {
		if p := s.remote(id); len(suppliers) == 1 {
			s.block(p)
		} else {
			s.penalize(p, penaltyShared, message.FaultValue)
		}
	}
}
