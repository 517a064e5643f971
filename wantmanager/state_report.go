package wantmanager

import (
	"maps"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/table"
	"github.com/souk-p2p/souk/message"
)

// PeerReport is how a peer stands, for people to look at.
type PeerReport struct {
	Window  int // bytes that it is asked for at a time
	Rate    float64
	RTT     time.Duration
	Late    bool
	Queued  int // wants that were not written yet
	Flying  int // being written, or written and not answered
	Refused int // answered DONT_HAVE, and left with the peer
}

// Totals is how all peers stand together.
type Totals struct {
	Peers   int // of which something is kept
	Late    int // of those, that are late
	Window  int // bytes that those with wants may be asked for at a time
	Queued  int // wants, as in a PeerReport
	Flying  int
	Refused int
	Blocks  int // of those being written or unanswered, wants for a block
}

// WantReport is a want at a peer.
type WantReport struct {
	CID      cid.Cid
	Type     message.WantType
	Priority int32
	State    string
	Written  time.Time // zero when it was not yet
}

// reports tells how peers stand, of which one that is not known stands as it
// would begin.
func (s *state) reports(ids []peer.ID) []PeerReport {
	all := make([]PeerReport, len(ids))
	for i, id := range ids {
		if p := s.peers[id]; p != nil {
			all[i] = PeerReport{
				Window: p.window.bytes, Rate: p.window.rate.highest(), RTT: p.window.roundTrip(), Late: p.late,
				Queued: p.waiting, Flying: p.unanswered, Refused: p.answeredDH,
			}
		}
	}
	return all
}

// totals tells how all peers stand together.
func (s *state) totals() Totals {
	t := Totals{Peers: len(s.peers)}
	for _, p := range s.peers {
		t.Queued += p.waiting
		t.Flying += p.unanswered
		t.Refused += p.answeredDH
		t.Blocks += p.blocks
		if p.late {
			t.Late++
		}
		if len(p.wants) > 0 {
			t.Window += p.window.bytes
		}
	}
	return t
}

// counts is how many wants are at each peer.
func (s *state) counts() map[peer.ID]int {
	counts := make(map[peer.ID]int)
	for id, p := range s.peers {
		if n := len(p.wants); n > 0 {
			counts[id] = n
		}
	}
	return counts
}

// wantsAt lists wants at a peer, by CID: the first most after a CID.
func (s *state) wantsAt(id peer.ID, after cid.Cid, most int) []WantReport {
	p := s.peers[id]
	if p == nil {
		return nil
	}
	cids := table.Next(maps.Keys(p.wants), after, most)
	wants := make([]WantReport, len(cids))
	for i, c := range cids {
		wants[i] = p.wants[c].report()
	}
	return wants
}

func (w *want) report() WantReport {
	r := WantReport{CID: w.cid, Type: w.kind, Priority: w.priority, State: w.phase.String()}
	if w.flight != nil {
		r.Written = w.flight.at
	}
	return r
}

// String says where a want stands, to people.
func (p phase) String() string {
	switch p {
	case queued:
		return "queued"
	case inHand:
		return "writing"
	case sent:
		return "written"
	case standing:
		return "answered DONT_HAVE"
	}
	return "withdrawn"
}
