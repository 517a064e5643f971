package engine

import (
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/message"
)

// parcel is what was left of a wantlist when the tasks of its sender ran out.
// Until it is in the table, the stream that it came from is read no further.
type parcel struct {
	entries []message.Entry // those that are not in partner.waiting any more are ignored
	ticket  uint64
	came    uint32 // as want.came
}

// wants takes a wantlist, or a change of one, that came from a peer on a
// connection of the given generation, zero when that is not known. It owns
// entries. The ticket comes back in the effects when all of them are in the
// table, refused or withdrawn; zero asks for no such notice.
//
// Cancels count whatever their place, and never wait: within a message each CID
// has one entry, and between streams of a peer there is no order.
func (s *state) wants(now time.Time, from peer.ID, generation uint64, entries []message.Entry, full bool, ticket uint64) {
	p := s.partner(now, from)
	s.touch(p)
	s.clock = s.seconds(now)
	if !s.present(p, generation) {
		s.settleTicket(ticket)
		return
	}
	p.lists++
	if !p.connected {
		p.expires = now.Add(strangerTime)
	}
	if full {
		s.replace(p, entries)
	}
	for i := range entries {
		if entries[i].Cancel {
			s.cancel(p, entries[i].CID)
		}
	}
	s.take(p, entries, ticket)
}

// present reports whether a wantlist counts: not if its connection was followed by
// another, because its sender has started anew.
func (s *state) present(p *partner, generation uint64) bool {
	switch {
	case generation == 0 || generation == p.generation:
		return true
	case generation < p.generation:
		return false
	case p.generation != 0:
		s.forget(p)
	}
	p.generation = generation
	return true
}

func (s *state) settleTicket(ticket uint64) {
	if ticket != 0 {
		s.out.Admitted = append(s.out.Admitted, ticket)
	}
}

// take takes the wants among entries. The ticket comes back when they are all in
// the table, refused or withdrawn.
func (s *state) take(p *partner, entries []message.Entry, ticket uint64) {
	var parked *parcel
	if s.draining {
		s.takePromised(p, entries)
	} else {
		parked = s.takeAll(p, entries)
	}
	if parked == nil {
		s.settleTicket(ticket)
		return
	}
	parked.ticket, parked.came = ticket, s.clock
	p.parcels = append(p.parcels, parked)
}

// takeAll puts entries into the table and returns those that found no room.
func (s *state) takeAll(p *partner, entries []message.Entry) *parcel {
	var parked *parcel
	for i := range entries {
		e := &entries[i]
		if !s.wanted(p, e) {
			continue
		}
		switch {
		case s.merge(p, e):
		case p.working < s.limits.Tasks:
			s.add(p, *e)
		case len(p.waiting) < s.limits.Waiting && s.room(p, e.CID):
			if parked == nil {
				parked = &parcel{entries: entries[i:]}
			}
			s.park(p, e)
		default:
			s.refuse(p, e)
		}
	}
	return parked
}

// wanted reports whether an entry is a want that can be served, and counts it if so.
func (s *state) wanted(p *partner, e *message.Entry) bool {
	if e.Cancel || !s.servable(p, e) {
		return false
	}
	s.stat.WantsReceived++
	p.delta.WantsReceived++
	return true
}

// servable reports whether an entry can mean anything to us. What cannot is
// skipped in silence: its neighbours may be well.
func (s *state) servable(p *partner, e *message.Entry) bool {
	switch {
	case message.CheckCID(e.CID) != nil, e.Type > message.WantHave:
	case e.Type == message.WantHave && !p.presences(): // It could not read the answer.
	default:
		return true
	}
	s.stat.RefusedCID++
	return false
}

// merge combines an entry with what its sender wanted under the CID before, if
// there is anything.
func (s *state) merge(p *partner, e *message.Entry) bool {
	if w := p.wants[e.CID]; w != nil {
		s.wantAgain(w, e)
		return true
	}
	waiting := p.waiting[e.CID]
	if waiting == nil {
		return false
	}
	if e.Type == message.WantBlock && waiting.Type == message.WantHave {
		waiting.Type = message.WantBlock
	}
	if e.Type == waiting.Type {
		waiting.Priority = e.Priority
	}
	waiting.SendDontHave = waiting.SendDontHave || e.SendDontHave
	return true
}

// wantAgain handles a second want for the same CID. A want-have becomes a
// want-block, never the reverse, and the priority is that of the kind that
// stays. What was answered with DONT_HAVE is looked up afresh.
func (s *state) wantAgain(w *want, e *message.Entry) {
	upgraded := e.Type == message.WantBlock && w.kind == message.WantHave
	if upgraded {
		w.kind = message.WantBlock
	}
	if e.Type == w.kind {
		w.priority = e.Priority
	}
	switch {
	case w.phase == phaseAbsent, w.phase == phaseAnswering && !w.have:
		s.ask(w)
		w.owes, w.answered = e.SendDontHave, false
	case (w.phase == phaseAnswer || w.phase == phaseAnswering) && w.have:
		if upgraded {
			s.found(w, int(w.size))
		}
	case w.phase == phaseQueued:
		w.from.tasks.Fix(int(w.place))
		fallthrough
	default:
		w.owes = w.owes || e.SendDontHave
	}
}

// add puts a new want into the table and has the store asked for it: in this
// order, so that a block stored in between is not missed.
func (s *state) add(p *partner, e message.Entry) {
	for !s.room(p, e.CID) {
		if !s.forgetOldest(p) {
			s.refuse(p, &e)
			return
		}
	}
	s.ask(s.enter(p, e))
}

// room reports whether p may take the memory for one more want. What one peer
// may have shrinks with what is free, so that some is left for the next.
func (s *state) room(p *partner, c cid.Cid) bool {
	free := s.limits.TableBytes - s.table
	return cost(c) <= free && p.memory+cost(c) <= free/4
}

// forgetOldest drops the oldest subscription of p, rather one that was answered:
// then its owner knows that the block is not here, and can ask again.
func (s *state) forgetOldest(p *partner) bool {
	switch {
	case p.absent[1].n > 0:
		s.stat.ForgottenAnswers++
		s.remove(p.absent[1].first)
	case p.absent[0].n > 0:
		s.stat.ForgottenSilent++
		s.remove(p.absent[0].first)
	default:
		return false
	}
	return true
}

// refuse turns a want away.
func (s *state) refuse(p *partner, e *message.Entry) {
	s.stat.RefusedOverflow++
	p.delta.Fault = message.FaultWantsOverflow
	s.sayMissing(p, e)
}

// sayMissing answers DONT_HAVE, if that was asked for, to what is not in the table.
func (s *state) sayMissing(p *partner, e *message.Entry) {
	if e.SendDontHave && p.presences() && len(p.aside) < asideKept {
		p.aside = append(p.aside, message.Presence{CID: e.CID})
	}
	s.touch(p)
}

// park lets an entry wait for a free task.
func (s *state) park(p *partner, e *message.Entry) {
	if p.waiting == nil {
		p.waiting = make(map[cid.Cid]*message.Entry)
	}
	p.waiting[e.CID] = e
	s.account(p, e.CID, 1)
}

// leave ends the waiting of an entry.
func (s *state) leave(p *partner, c cid.Cid) {
	delete(p.waiting, c)
	s.account(p, c, -1)
	if len(p.waiting) == 0 {
		p.waiting = nil
	}
}

// admit moves entries that wait into the table while there are tasks free.
func (s *state) admit(p *partner) {
	for len(p.parcels) > 0 {
		first := p.parcels[0]
		for len(first.entries) > 0 {
			e := &first.entries[0]
			waits := p.waiting[e.CID] == e
			if waits && p.working >= s.limits.Tasks {
				return
			}
			if waits {
				s.leave(p, e.CID)
				s.add(p, *e)
				p.backdate(e.CID, first.came)
			}
			first.entries = first.entries[1:]
		}
		p.parcels[0] = nil
		p.parcels = p.parcels[1:]
		s.settleTicket(first.ticket)
	}
	p.parcels = nil
}

// cancel withdraws a want, whatever its kind.
func (s *state) cancel(p *partner, c cid.Cid) {
	if w := p.wants[c]; w != nil {
		s.remove(w)
	} else if p.waiting[c] != nil {
		s.leave(p, c)
	}
}

// replace drops what is not in entries, and what is there as a want-have but
// was wanted as a block, to be taken anew.
func (s *state) replace(p *partner, entries []message.Entry) {
	stay := make(map[cid.Cid]message.WantType, len(entries))
	for i := range entries {
		if !entries[i].Cancel {
			stay[entries[i].CID] = entries[i].Type
		}
	}
	for c, w := range p.wants {
		kind, ok := stay[c]
		sending := w.phase == phaseReading || w.phase == phaseSending
		if !ok || kind == message.WantHave && w.kind == message.WantBlock && !sending {
			s.remove(w)
		}
	}
	s.unpark(p)
}

// unpark ends the waiting of all entries.
func (s *state) unpark(p *partner) {
	for c := range p.waiting {
		s.leave(p, c)
	}
}
