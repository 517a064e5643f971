package engine

import (
	"maps"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/table"
	"github.com/souk-p2p/souk/message"
)

// WantReport is a want of a peer, for people to look at.
type WantReport struct {
	CID      cid.Cid
	Type     message.WantType
	Priority int32
	State    string
	Size     int       // of the block, 0 while not known
	Came     time.Time // when it was taken in, to the second
}

// seconds is the time since the state's first event. A want has room for so much.
func (s *state) seconds(now time.Time) uint32 {
	if s.began.IsZero() {
		s.began = now
	}
	return uint32(max(now.Sub(s.began), 0) / time.Second)
}

// time is that of so many seconds since the first event.
func (s *state) time(seconds uint32) time.Time {
	return s.began.Add(time.Duration(seconds) * time.Second)
}

// backdate notes when a want came that had to wait for room.
func (p *partner) backdate(c cid.Cid, came uint32) {
	if w := p.wants[c]; w != nil {
		w.came = came
	}
}

// wantsOf lists wants of a peer, by CID: the first most after a CID.
func (s *state) wantsOf(id peer.ID, after cid.Cid, most int) []WantReport {
	p := s.partners[id]
	if p == nil {
		return nil
	}
	all := func(yield func(cid.Cid) bool) {
		for c := range p.wants {
			if !yield(c) {
				return
			}
		}
		maps.Keys(p.waiting)(yield)
	}
	cids := table.Next(all, after, most)
	wants, parked := make([]WantReport, len(cids)), make(map[*message.Entry]*WantReport)
	for i, c := range cids {
		if w := p.wants[c]; w != nil {
			wants[i] = s.report(w)
			continue
		}
		e := p.waiting[c]
		wants[i] = WantReport{CID: c, Type: e.Type, Priority: e.Priority, State: "waiting"}
		parked[e] = &wants[i]
	}
	s.dateParked(p, parked)
	return wants
}

func (s *state) report(w *want) WantReport {
	return WantReport{
		CID: w.cid, Type: w.kind, Priority: w.priority, State: w.phase.String(), Size: int(w.size),
		Came: s.time(w.came),
	}
}

// dateParked notes when entries came that wait for room.
func (s *state) dateParked(p *partner, reports map[*message.Entry]*WantReport) {
	if len(reports) == 0 {
		return
	}
	for _, parked := range p.parcels {
		for i := range parked.entries {
			if r := reports[&parked.entries[i]]; r != nil {
				r.Came = s.time(parked.came)
			}
		}
	}
}

// String says where a want is, to people.
func (p phase) String() string {
	names := [...]string{
		phaseGone: "gone", phaseAsked: "looking up", phaseLooking: "looking up", phaseQueued: "queued", phaseReading: "reading",
		phaseSending: "sending", phaseAnswer: "answering", phaseAnswering: "answering", phaseAbsent: "absent", phaseFailing: "store failed",
	}
	return names[p]
}
