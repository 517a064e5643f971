package announcer

import (
	"cmp"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/tracker"
)

const (
	// While a namespace is at no tracker, its further announcements are spread
	// over this for each namespace, so that a node that starts with many is not
	// cut off for its rate.
	spreadEach = 50 * time.Millisecond
	// Once it is at one, another tracker may take the place of one that rests only
	// after a pause in which that may be back.
	replaceAfter  = 2 * time.Second
	replaceSpread = 8 * time.Second

	// signAgain is the age at which a record is replaced: the half of what counts.
	signAgain = record.MaxAge / 2
	// draftAge is how long one signature serves for several trackers. They take
	// records that were issued within record.MaxSkew of their clock.
	draftAge = time.Minute

	withdrawals = 6 // tries to withdraw at one tracker, with pauses that grow fourfold from a second
)

// task is what a tracker is to be told of a namespace.
type task uint8

const (
	idle        task = iota // nothing: another has its place, or it refuses for now
	keeping                 // that it is held
	withdrawing             // that it is not held any more
)

// row is a namespace at a tracker that is to have it, or may still.
type row struct {
	claim   *claim
	tracker *trackerState
	task    task
	at      time.Time // when the next message is due

	sent  uint64    // the highest sequence that it may have
	until time.Time // when what it may have ends
	has   receipt   // what it has by its own word

	err          error     // of the last message; nil when that was taken
	failed       time.Time // when the last message was not taken
	refusals     int       // in a row
	refusedUntil time.Time // because of them
	tries        int       // to withdraw that failed
	gone         bool      // from the claim
}

// receipt is what a tracker has taken. A sequence of zero is nothing.
type receipt struct {
	sequence, version uint64
	issued, heard     time.Time
}

// draft is what is signed.
type draft struct {
	sequence, version uint64
	issued            time.Time
	namespace         record.Namespace
	holding           Holding
	withdrawal        bool
	addrs             []string
	signed            *signature // the shell's, filled in when it is needed
}

// current reports whether the tracker has what the claim says now, as far as is
// known: then a touch keeps it.
func (r *row) current(now time.Time) bool {
	return r.has.sequence != 0 && r.has.version == r.claim.version &&
		now.Before(r.has.heard.Add(r.claim.holding.TTL)) && age(now, r.has.issued) < signAgain
}

// age is how long ago something was signed by the clock on the wall, by which
// others judge it. One that is ahead is as wrong as one that is behind.
func age(now, issued time.Time) time.Duration { return now.Round(0).Sub(issued.Round(0)).Abs() }

func (r *row) withdraw(now time.Time) {
	r.task, r.at, r.tries, r.refusals, r.failed = withdrawing, now, 0, 0, time.Time{}
}

// over reports whether there is nothing left to tell and nothing to remember.
func (r *row) over(now time.Time) bool {
	switch r.task {
	case idle:
		return !now.Before(r.until) && !now.Before(r.refusedUntil)
	case withdrawing:
		return !now.Before(r.until) || r.tries >= withdrawals
	default:
		return false
	}
}

// dropped marks a row that is taken out of its claim, and is true.
func (r *row) dropped() bool {
	r.gone = true
	return true
}

// assign decides at which trackers a claim belongs now.
func (s *state) assign(now time.Time, c *claim) {
	wanted := s.wanted(now, c)
	for rank, t := range wanted {
		s.keep(now, c, t, rank)
	}
	c.rows = slices.DeleteFunc(c.rows, func(r *row) bool {
		if r.task == keeping && !slices.Contains(wanted, r.tracker) {
			r.task = idle
		}
		return r.over(now) && r.dropped()
	})
}

// wanted are the trackers that a claim belongs at, those with the best ranks
// first.
func (s *state) wanted(now time.Time, c *claim) []*trackerState {
	if !c.live {
		return nil
	}
	var best [tracker.Replicas][]*trackerState
	for _, rank := range c.ranks {
		for i, t := range s.top(now, c, rank) {
			best[i] = append(best[i], t)
		}
	}
	var all []*trackerState
	for _, t := range slices.Concat(best[:]...) {
		if !slices.Contains(all, t) {
			all = append(all, t)
		}
	}
	return all
}

// top are the first of a rank that are up and do not refuse. It looks at no more
// than clients ask: twice as many.
func (s *state) top(now time.Time, c *claim, rank []peer.ID) []*trackerState {
	var top []*trackerState
	up := 0
	for _, id := range rank {
		t := s.trackers[id]
		if !t.up(now) {
			continue
		}
		if c.welcome(now, t) {
			top = append(top, t)
		}
		if up++; up == 2*tracker.Replicas || len(top) == tracker.Replicas {
			break
		}
	}
	return top
}

// welcome reports whether a tracker that is up may be told of the claim.
func (c *claim) welcome(now time.Time, t *trackerState) bool {
	r := c.row(t)
	if r == nil || r.has.sequence == 0 {
		if t.quiet(now) {
			return false
		}
	}
	return r == nil || !now.Before(r.refusedUntil)
}

// keep lets a tracker have a row of the claim.
func (s *state) keep(now time.Time, c *claim, t *trackerState, rank int) {
	i, found := c.search(t)
	if !found {
		c.rows = slices.Insert(c.rows, i, &row{claim: c, tracker: t})
	}
	r := c.rows[i]
	if r.task == keeping {
		return
	}
	if r.task == withdrawing {
		r.has, r.refusals = receipt{}, 0 // What it has next depends on a withdrawal that may be on its way.
	}
	r.task = keeping
	if !r.current(now) {
		r.at = now.Add(s.delay(c, rank))
	}
}

// search returns where a tracker's row is, or would be.
func (c *claim) search(t *trackerState) (int, bool) {
	return slices.BinarySearchFunc(c.rows, t.id, func(r *row, id peer.ID) int { return cmp.Compare(r.tracker.id, id) })
}

// delay is how long the first announcement of a row waits. That of a namespace
// goes out at once.
func (s *state) delay(c *claim, rank int) time.Duration {
	switch {
	case c.taken():
		return replaceAfter + s.jitter(replaceSpread)
	case rank == 0:
		return 0
	default:
		return s.jitter(s.spread())
	}
}

func (s *state) spread() time.Duration { return spreadEach * time.Duration(len(s.names)) }

// draft returns what is to be signed for a row: what was signed last, when that
// was a moment ago and is the same.
func (s *state) draft(now time.Time, r *row) draft {
	c, withdrawal := r.claim, r.task == withdrawing
	last := &c.signed
	if last.sequence <= r.sent || last.version != c.version || last.withdrawal != withdrawal || age(now, last.issued) > draftAge {
		s.sequence = record.NextSequence(s.sequence, now)
		*last = draft{
			sequence: s.sequence, version: c.version, issued: now, namespace: c.namespace, holding: c.holding,
			withdrawal: withdrawal, addrs: s.addrs, signed: &signature{},
		}
	}
	return *last
}
