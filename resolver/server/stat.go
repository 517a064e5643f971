package server

import "github.com/souk-p2p/souk/resolver/wire"

// Outcome is what became of a request.
type Outcome uint8

// The outcomes. All from OutcomeRate to OutcomeFailed were answered busy.
const (
	OutcomeValue     Outcome = iota // a value, or the first part of one
	OutcomePart                     // another part of a value
	OutcomeNone                     // there is none
	OutcomeRefused                  // the peer may not have anything
	OutcomeChanged                  // the value is another one now
	OutcomeMalformed                // against the rules
	OutcomeRate                     // the peer asks more in a second than it may
	OutcomeFull                     // too many requests wait
	OutcomeLate                     // it has waited, or was being produced, for too long
	OutcomeFailed                   // Produce returned an error, panicked, or is stuck
	OutcomeGone                     // the stream ended before there was an answer
	outcomes
)

// NumOutcomes is one more than the highest Outcome.
const NumOutcomes = int(outcomes)

var outcomeNames = [outcomes]string{
	OutcomeValue: "value", OutcomePart: "part", OutcomeNone: "none", OutcomeRefused: "refused",
	OutcomeChanged: "changed", OutcomeMalformed: "malformed", OutcomeRate: "rate", OutcomeFull: "full",
	OutcomeLate: "late", OutcomeFailed: "failed", OutcomeGone: "gone",
}

// String is the outcome in a word, for metrics.
func (o Outcome) String() string {
	if o >= outcomes {
		return "unspecified"
	}
	return outcomeNames[o]
}

// Stat is what a server has and has done. The numbers of the first group grow and
// fall, the others only grow.
type Stat struct {
	Peers     int // with a stream
	Streams   int
	Waiting   int // requests that wait for their turn
	Producing int // calls of Produce that have not returned, or were not given up
	Unread    int // bytes of answers that are not written
	Kept      int // bytes of values that are kept for their parts

	Outcomes [NumOutcomes]uint64    // requests, by Outcome
	Faults   [wire.NumFaults]uint64 // messages against the rules, by wire.Fault
	Merged   uint64                 // requests that waited for what was being produced already
	Hits     uint64                 // requests for parts of a value that was kept
	Rejected uint64                 // streams above the limits
	Oversize uint64                 // values that were larger than MaxValue
}

// Serving is how many requests have no answer yet that is being worked on.
func (s Stat) Serving() int { return s.Waiting + s.Producing }
