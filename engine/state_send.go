package engine

import (
	"cmp"
	"math"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/planted"
	"github.com/souk-p2p/souk/message"
)

const (
	maxTries   = 8   // to send a want's answer; with the pauses in between, about 20 s
	blockBytes = 256 // that sending a block costs beside its data: even empty ones are not free
)

// shipment is a message for the network to send.
type shipment struct {
	Peer      peer.ID
	Presences bool // the message goes on the lane for presences, or on that for blocks
	Message   *message.Message

	from  *partner
	wants []*want
	bytes int // of blocks, reserved
}

// load puts p in line to be sent what was read for it, or takes it out.
func (s *state) load(now time.Time, p *partner) {
	var next uint64
	if job := p.nextLoaded(); job != nil && p.handed < lane && !p.paused.After(now) {
		next = job.nth
	}
	if next == p.next {
		return
	}
	if p.next != 0 {
		s.laden.Remove(p.berth)
	}
	if p.next = next; next != 0 {
		s.laden.Push(p)
	}
}

// readFirst orders the partners for whom something was read.
func readFirst(a, b *partner) bool {
	return cmp.Or(cmp.Compare(a.next, b.next), cmp.Compare(a.id, b.id)) < 0
}

// send hands over what was read while slots are free, in the order in which it was
// chosen to be read.
func (s *state) send(now time.Time) {
	for s.laden.Len() > 0 && !s.slots.full() {
		p := s.laden.Top()
		ship := s.gather(p)
		s.occupy(now, p)
		p.handed++
		s.out.Messages = append(s.out.Messages, ship)
		s.load(now, p)
		s.rank(now, p)
		s.sleep(now, p)
	}
}

// gather makes a message of what was read for p first and of as much after it as fits.
func (s *state) gather(p *partner) *shipment {
	ship := &shipment{Peer: p.id, from: p, Message: new(message.Message)}
	for {
		job := p.nextLoaded()
		if job == nil || len(ship.wants) > 0 &&
			(ship.bytes+job.Bytes > s.limits.MessageBytes || len(ship.wants)+len(job.Items) > messageBlocks) {
			break
		}
		s.unload(job)
		s.reserve(p, job.Bytes)
		ship.bytes += job.Bytes
		for i := range job.Items {
			w := job.Items[i].want
			s.place(w, phaseSending)
			ship.wants = append(ship.wants, w)
			ship.Message.Blocks = append(ship.Message.Blocks, job.Items[i].Block)
		}
	}
	ship.Message.PendingBytes = p.pendingBytes()
	return ship
}

// pendingBytes is what p has still to expect.
func (p *partner) pendingBytes() int32 { return int32(min(p.taskBytes+p.unsent, math.MaxInt32)) }

// sent takes back a shipment that a stream accepted, or failed to.
func (s *state) sent(now time.Time, ship *shipment, err error) {
	p := ship.from
	s.touch(p)
	if ship.Presences {
		p.saying = false
	} else {
		p.handed--
		s.reserve(p, -ship.bytes)
		if err == nil {
			s.vacate(now, p, ship.bytes)
		} else {
			s.vacate(now, p, 0)
		}
	}
	if err != nil {
		if planted.Is(planted.FinishedTwice) && !ship.Presences {
			p.handed--
		}
		s.stat.SendErrors++
		p.pause(now)
		for _, w := range ship.wants {
			if ship.answers(w) {
				s.sendAgain(w)
			}
		}
		return
	}
	p.failures = 0
	s.credit(ship)
	for _, w := range ship.wants {
		if ship.answers(w) {
			p.learn(now, w)
			s.finish(w)
		}
	}
}

// answers reports whether w still waits for what the shipment brings. A want that
// is told DONT_HAVE may be on its way as a block by now, in another shipment.
func (ship *shipment) answers(w *want) bool {
	if ship.Presences {
		return w.phase == phaseAnswering
	}
	return w.phase == phaseSending
}

// finish ends a want whose answer was sent. Who was told that the block is not here
// still waits for it.
func (s *state) finish(w *want) {
	if w.phase == phaseSending || w.have {
		s.remove(w)
		return
	}
	w.owes, w.tries = false, 0
	s.subscribe(w, true)
}

// sendAgain puts back a want whose answer was not sent. After maxTries its
// owner has to ask again.
func (s *state) sendAgain(w *want) {
	w.tries++
	switch {
	case w.tries >= maxTries:
		s.stat.Unsent++
		s.remove(w)
	case w.phase == phaseSending:
		s.place(w, phaseQueued)
	default:
		s.place(w, phaseAnswer)
	}
}

// credit counts what a shipment brought to its peer.
func (s *state) credit(ship *shipment) {
	n := uint64(len(ship.Message.Blocks))
	d := &ship.from.delta
	s.stat.BlocksSent += n
	s.stat.DataSent += uint64(ship.bytes)
	d.BlocksSent += n
	d.BytesSent += uint64(ship.bytes)
	for _, p := range ship.Message.Presences {
		if p.Have {
			s.stat.HavesSent++
			d.HavesSent++
		} else {
			s.stat.DontHavesSent++
			d.DontHavesSent++
		}
	}
}
