package engine

import (
	"slices"
	"time"

	"github.com/ipfs/go-cid"

	"github.com/souk-p2p/souk/message"
)

// What a stream accepted is lost when the stream is reset before the peer has
// read it. Presences are said again when the network reports that, if they were
// said in the last repeatFor: they have crossed any usable link by then, and a
// peer that resets idle streams, as Helia does after 5 s, is told nothing twice.
const repeatFor = 5 * time.Second

// saidKept is how many presences are kept for that at least; twice as many are
// somewhat more than a message holds.
const saidKept = 256

// saying is a presence that a stream accepted.
type saying struct {
	at time.Time
	message.Presence
}

// sendPresences makes a message of the HAVEs and DONT_HAVEs that p is owed,
// unless one is still on its way.
func (s *state) sendPresences(now time.Time, p *partner) {
	if !p.presences() {
		s.withholdPresences(p)
	}
	if p.saying || p.paused.After(now) || p.answers.n+len(p.aside) == 0 {
		return
	}
	ship := &shipment{Peer: p.id, Presences: true, from: p, Message: new(message.Message)}
	s.loadPresences(p, ship)
	ship.Message.PendingBytes = p.pendingBytes()
	p.saying = true
	s.out.Messages = append(s.out.Messages, ship)
}

func (s *state) loadPresences(p *partner, ship *shipment) {
	size := 0
	add := func(c cid.Cid, have bool) bool {
		if size += message.PresenceSize(c); size > presenceBytes {
			return false
		}
		ship.Message.Presences = append(ship.Message.Presences, message.Presence{CID: c, Have: have})
		return true
	}
	for p.answers.n > 0 && add(p.answers.first.cid, p.answers.first.have) {
		ship.wants = append(ship.wants, p.answers.first)
		s.place(p.answers.first, phaseAnswering)
	}
	for len(p.aside) > 0 && add(p.aside[0].CID, p.aside[0].Have) {
		p.aside = p.aside[1:]
	}
}

// withholdPresences takes the answers from a peer that turns out to be too old
// to read them.
func (s *state) withholdPresences(p *partner) {
	p.aside = nil
	for p.answers.n > 0 {
		if w := p.answers.first; w.have {
			s.remove(w)
		} else {
			s.subscribe(w, false)
		}
	}
}

// learn notes that p was told whether the block of w is there. A repetition is not
// noted anew, so that what is said again and again comes to an end.
func (p *partner) learn(now time.Time, w *want) {
	if w.phase != phaseAnswering {
		return
	}
	p.said = append(p.said, saying{now, message.Presence{CID: w.cid, Have: w.have}})
	if len(p.said) > 2*saidKept {
		p.said = slices.Delete(p.said, 0, saidKept)
	}
}

// unlearn drops what p was told too long ago.
func (p *partner) unlearn(now time.Time) {
	for len(p.said) > 0 && !p.said[0].at.Add(repeatFor).After(now) {
		p.said = p.said[1:]
	}
	if len(p.said) == 0 {
		p.said = nil
	}
}

// repeat says again what may be lost. What was wanted anew meanwhile has its
// own answer coming, and a DONT_HAVE must still be true.
func (p *partner) repeat(now time.Time) {
	p.unlearn(now)
	for _, s := range p.said {
		w := p.wants[s.CID]
		holds := s.Have && w == nil || !s.Have && w != nil && w.phase == phaseAbsent
		if holds && !slices.Contains(p.aside, s.Presence) {
			p.aside = append(p.aside, s.Presence)
		}
	}
}
