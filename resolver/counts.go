package resolver

import (
	"errors"

	"github.com/souk-p2p/souk/resolver/wire"
)

// Counts are what a resolver has done since it began.
type Counts struct {
	Fetches    uint64 // begun
	Duplicates uint64 // orders for what was fetched already
	Completed  uint64
	Cancels    uint64
	Overdue    uint64 // ended by their deadline
	Exhausted  uint64 // ended by their number of attempts

	Asked  uint64 // requests of all kinds
	Hedges uint64 // of them, second ones
	Parts  uint64 // of them, for further parts from the same peer

	Answers   uint64 // with data
	None      uint64 // refusals, by what they say
	Refused   uint64
	Busy      uint64
	Changed   uint64
	Timeouts  uint64
	Unsent    uint64 // requests that could not be sent
	Parted    uint64 // requests at a peer that has gone
	Dropped   uint64 // data for which there was no room
	Strays    uint64 // answers to nothing that waits
	Malformed uint64
	Invalid   uint64 // refused by the Consumer, or not fitting their hash
	Unjudged  uint64 // values at which the Consumer panicked
	Blocked   uint64 // peers
}

func (c *Counts) refused(why wire.Code) {
	switch why {
	case wire.CodeRefused:
		c.Refused++
	case wire.CodeBusy:
		c.Busy++
	case wire.CodeChanged:
		c.Changed++
	default:
		c.None++ // As what newer peers say and we do not know.
	}
}

func (c *Counts) ended(why error) {
	switch {
	case why == nil:
		c.Completed++
	case errors.Is(why, ErrDeadline):
		c.Overdue++
	case errors.Is(why, ErrAttempts):
		c.Exhausted++
	}
}
