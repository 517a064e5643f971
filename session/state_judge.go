package session

import (
	"slices"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/providers/wire"
)

// mostJudged is how many candidates a session remembers to have judged: those of
// a few queries. One that comes again after more may be judged again.
const mostJudged = 256

// evidence is what a candidate is judged by.
type evidence struct {
	served []cid.Cid // blocks that came from it, at most wire.MaxSamples
	lacks  []cid.Cid // what it has refused, likewise
	owes   bool      // a want was asked of it and ended, or its connection did, before it had refused
}

// judged is what the directory was told about candidates: each outcome once.
type judged struct {
	told  map[peer.ID]uint8 // a bit for each outcome
	order []peer.ID
}

// judge tells the directory how a candidate turned out.
func (s *state) judge(p *sessionPeer, o wire.Outcome, samples []cid.Cid) {
	if s.judges(p) && s.judged.first(p.id, o) {
		s.out.judged = append(s.out.judged, wire.Judgement{Peer: p.id, Outcome: o, Samples: slices.Clone(samples)})
	}
}

// judges reports whether the directory is to hear about a peer.
func (s *state) judges(p *sessionPeer) bool { return p.listed && s.rules.namespace != "" }

// first reports whether the outcome is a new one, and notes it.
func (j *judged) first(p peer.ID, o wire.Outcome) bool {
	if j.told == nil {
		j.told = make(map[peer.ID]uint8)
	}
	bit, before := uint8(1)<<o, j.told[p]
	if before&bit != 0 {
		return false
	}
	if before == 0 {
		j.order = append(j.order, p)
	}
	if len(j.order) > mostJudged {
		delete(j.told, j.order[0])
		j.order = slices.Delete(j.order, 0, 1)
	}
	j.told[p] = before | bit
	return true
}

// sample keeps a CID that says something about a candidate, and reports whether
// there are enough of them.
func sample(samples *[]cid.Cid, c cid.Cid) bool {
	if len(*samples) < wire.MaxSamples && !slices.Contains(*samples, c) {
		*samples = append(*samples, c)
	}
	return len(*samples) == wire.MaxSamples
}

// noteServed is called with each block that a peer has sent.
func (s *state) noteServed(i int, c cid.Cid) {
	if p := s.peers[i]; s.judges(p) && sample(&p.evidence.served, c) {
		s.judge(p, wire.OutcomeServed, p.evidence.served)
	}
}

// noteRefused is called with each DONT_HAVE that counts. A peer that has nothing
// is found out in the middle of a long fetch, too, but not looked at with each
// answer.
func (s *state) noteRefused(i int, c cid.Cid) {
	p := s.peers[i]
	if !s.judges(p) || p.hits > 0 {
		return
	}
	if sample(&p.evidence.lacks, c) && p.misses%wire.MaxSamples == 0 {
		s.judgeEmpty(i)
	}
}

// judgeAll judges the candidates by what is known of them, because there will be
// no more for now.
func (s *state) judgeAll() {
	for i, p := range s.peers {
		if len(p.evidence.served) > 0 {
			s.judge(p, wire.OutcomeServed, p.evidence.served)
		}
		s.judgeEmpty(i)
	}
}

// judgeEmpty judges a candidate that has refused everything that it was asked. One
// that still owes an answer may have what it was asked.
func (s *state) judgeEmpty(i int) {
	p := s.peers[i]
	if p.hits > 0 || len(p.evidence.lacks) == 0 || p.evidence.owes || !s.judges(p) {
		return
	}
	for w := range s.wants.All() {
		if owes(w.knows(i)) {
			return
		}
	}
	s.judge(p, wire.OutcomeEmpty, p.evidence.lacks)
}

// owes reports whether a peer of which this is known about a want was asked and
// has not refused.
func owes(bits uint8) bool {
	return bits&refused == 0 && bits&(wasAsked|awaited|silent|has) != 0
}

// spare notes that the answers of peer i about a want are of no use any more, or will not
// come.
func (s *state) spare(i int, bits uint8) {
	if owes(bits) {
		s.peers[i].evidence.owes = true
	}
}
