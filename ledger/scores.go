package ledger

import "github.com/libp2p/go-libp2p/core/peer"

// Unknown is the score of a peer about which nothing is known: the middle, so
// that a newcomer is tried before a peer that did wrong.
const Unknown = 0.5

// Scores is how the peers stood at one moment. It never changes: read it from
// any goroutine, keep it as long as wanted. A nil Scores knows nobody.
type Scores struct {
	of map[peer.ID]standing
}

type standing struct{ score, debt float64 }

// Of returns how well a peer performs, from 0 to 1, and [Unknown] for one that
// is not known. Verified data per time and low latency raise a score above
// that; faults lower it. That a peer does not have a block does neither.
func (s *Scores) Of(p peer.ID) float64 {
	if s == nil {
		return Unknown
	}
	if known, ok := s.of[p]; ok {
		return known.score
	}
	return Unknown
}

// Debt returns bytes sent / (bytes received + 1) for a peer, 0 for one that is
// not known. The higher it is, the more the peer owes us.
func (s *Scores) Debt(p peer.ID) float64 {
	if s == nil {
		return 0
	}
	return s.of[p].debt
}
