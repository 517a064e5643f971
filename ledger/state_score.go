package ledger

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/message"
)

// The score of a peer is
//
//	(Unknown + (1 - Unknown) * performance) / (1 + penalty / forgiven)
//
// where performance is fastShare of rate/(rate+goodRate) plus the rest of
// goodLatency/(goodLatency+latency), each 0 until measured: a curve that still
// tells a peer of 10 MB/s from one of 100 MB/s and never reaches 1.
const (
	goodRate    = 1 << 20 // bytes per second that give half of the marks: a common home uplink
	goodLatency = 0.1     // seconds that give half of the marks: the next continent
	fastShare   = 0.75    // a block is mostly transfer; latency decides among small ones

	// halfLife is the time in which a penalty halves: long enough that a peer
	// which lies is not tried again within one download, short enough that a
	// fixed peer is back within the hour.
	halfLife = 10 * time.Minute

	// forgiven is the penalty that halves a score: four slips, or one lie.
	forgiven = 4.0

	// worstPenalty caps what a flood can add up to: it is down to 1 in an hour.
	worstPenalty = 64.0

	// noPenalty is below what changes a score by 0.001.
	noPenalty = 1.0 / 256
)

// weight is how much a fault adds to the penalty. An element that does not parse
// may be another version's habit; a frame that does not, or bytes that are not
// what they claim, cost us a stream or a transfer.
func weight(f message.Fault) float64 {
	switch f {
	case message.FaultInvalid, message.FaultValue, message.FaultFlood:
		return 4
	case message.FaultFrameLength, message.FaultProtobuf, message.FaultTooMany, message.FaultPrefix, message.FaultBroken:
		return 2
	case message.FaultFrameCut: // A connection that broke, most of the time.
		return 0.25
	default:
		return 1
	}
}

// blame counts faults and adds them to the penalty.
func (a *account) blame(now time.Time, faults map[message.Fault]uint64) {
	if len(faults) == 0 {
		return
	}
	if a.faults == nil {
		a.faults = make(map[message.Fault]uint64, len(faults))
	}
	added := 0.0
	for f, n := range faults {
		a.faults[f] += n
		added += weight(f) * float64(n) // Multiples of 1/4: the order does not round.
	}
	a.penalty = min(a.penaltyNow(now)+added, worstPenalty)
	a.penaltyAt = now
}

func (a *account) penaltyNow(now time.Time) float64 {
	if a.penalty == 0 {
		return 0
	}
	halves := max(0, now.Sub(a.penaltyAt).Seconds()/halfLife.Seconds())
	left := a.penalty * math.Exp2(-halves)
	if left < noPenalty {
		return 0
	}
	return left
}

func (a *account) score(now time.Time) float64 {
	performance := fastShare * (a.throughput / (a.throughput + goodRate))
	if a.latency > 0 {
		performance += (1 - fastShare) * (goodLatency / (goodLatency + a.latency))
	}
	return (Unknown + (1-Unknown)*performance) / (1 + a.penaltyNow(now)/forgiven)
}

// debt is bytes sent / (bytes received + 1), the ratio of boxo's receipts.
func (a *account) debt() float64 {
	return float64(a.BytesSent) / (float64(a.BytesReceived) + 1)
}

// smooth moves an average towards measurements, each with weight smoothing. The
// first ones are taken as they are.
func smooth(average float64, s samples) float64 {
	if s.n == 0 {
		return average
	}
	mean := s.sum / float64(s.n)
	if average == 0 {
		return mean
	}
	keep := math.Pow(1-smoothing, float64(s.n))
	return keep*average + (1-keep)*mean
}

// wake is when refresh has something to do, zero for never.
func (s *state) wake() time.Time {
	switch {
	case s.changed:
		return s.refreshed.Add(RefreshEvery)
	case s.decaying > 0:
		return s.refreshed.Add(decayEvery)
	}
	return time.Time{}
}

// refresh returns the new scores when they are due, else nil.
func (s *state) refresh(now time.Time) *Scores {
	due := s.wake()
	if due.IsZero() || now.Before(due) {
		return nil
	}
	s.changed, s.refreshed, s.decaying = false, now, 0
	of := make(map[peer.ID]standing, len(s.accounts))
	for p, a := range s.accounts {
		if a.penaltyNow(now) > 0 {
			s.decaying++
		}
		s.retag(p, a, a.tagNow(now))
		if a.history != nil && now.Sub(a.lastExchange) > historyKept {
			a.history = nil
		}
		if known := (standing{score: a.score(now), debt: a.debt()}); known != nobody {
			of[p] = known
		}
	}
	slices.SortFunc(s.tags, func(x, y Tag) int { return cmp.Compare(x.Peer, y.Peer) })
	return &Scores{of: of}
}

// mostTag is what the connection to the best peer is worth to libp2p's connection
// manager: about what other protocols give theirs.
const mostTag = 10

// tagNow is what the connection is worth: nothing while no block has passed.
func (a *account) tagNow(now time.Time) int {
	if !a.connected || !a.exchanged() {
		return 0
	}
	return 1 + int((mostTag-1)*a.score(now))
}

func (s *state) retag(p peer.ID, a *account, tag int) {
	if a.tag != tag {
		a.tag = tag
		s.tags = append(s.tags, Tag{p, tag})
	}
}

// takeTags returns what has changed since the last call.
func (s *state) takeTags() []Tag {
	tags := s.tags
	s.tags = nil
	return tags
}

// nobody is how a peer stands that is not known.
var nobody = standing{score: Unknown}
