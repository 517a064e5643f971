package ledger

import (
	"cmp"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/message"
)

// Counters are the sums of an account. All of them only grow.
type Counters struct {
	BytesSent         uint64 `json:"bytes_sent"`          // block data that a stream to the peer accepted
	BytesReceived     uint64 `json:"bytes_received"`      // verified block data, duplicates included
	BlocksSent        uint64 `json:"blocks_sent"`         // accepted by a stream to the peer
	BlocksReceived    uint64 `json:"blocks_received"`     // verified, duplicates included
	WantsSent         uint64 `json:"wants_sent"`          // want-have and want-block entries, no cancels
	WantsReceived     uint64 `json:"wants_received"`      // want-have and want-block entries, no cancels
	HavesSent         uint64 `json:"haves_sent"`          // HAVE presences
	HavesReceived     uint64 `json:"haves_received"`      // HAVE presences
	DontHavesSent     uint64 `json:"dont_haves_sent"`     // DONT_HAVE presences
	DontHavesReceived uint64 `json:"dont_haves_received"` // DONT_HAVE presences; never a fault
	Duplicates        uint64 `json:"duplicates"`          // blocks received that we had by then
	DuplicateBytes    uint64 `json:"duplicate_bytes"`     // data of those blocks
}

// Add adds d to c.
func (c *Counters) Add(d *Counters) {
	c.BytesSent += d.BytesSent
	c.BytesReceived += d.BytesReceived
	c.BlocksSent += d.BlocksSent
	c.BlocksReceived += d.BlocksReceived
	c.WantsSent += d.WantsSent
	c.WantsReceived += d.WantsReceived
	c.HavesSent += d.HavesSent
	c.HavesReceived += d.HavesReceived
	c.DontHavesSent += d.DontHavesSent
	c.DontHavesReceived += d.DontHavesReceived
	c.Duplicates += d.Duplicates
	c.DuplicateBytes += d.DuplicateBytes
}

// exchanged reports whether anything passed that makes an account last.
func (c *Counters) exchanged() bool {
	return c.BytesSent|c.BytesReceived|c.BlocksSent|c.BlocksReceived != 0
}

// Link is what a [Delta] says about the connection to its peer.
type Link uint8

// The zero Link says nothing.
const (
	LinkUp   Link = iota + 1 // there is at least one usable connection
	LinkDown                 // there is none
)

// Delta is one change to the account of a peer. The zero value of a field
// changes nothing.
type Delta struct {
	Peer peer.ID
	Counters
	Fault message.Fault
	Times uint64        // how often Fault occurred; 0 for once
	RTT   time.Duration // one measurement, from a want to the first byte of its answer
	Rate  float64       // one measurement of verified data over the time it took, bytes per second
	Link  Link
	// Resolver is how a resolver measures the peer now; NotResolved when it measures
	// it no more.
	Resolver time.Duration
}

// NotResolved is the measure of a peer that a resolver has forgotten.
const NotResolved time.Duration = -1

// Connected returns the delta that says whether p is connected.
func Connected(p peer.ID, up bool) Delta {
	if up {
		return Delta{Peer: p, Link: LinkUp}
	}
	return Delta{Peer: p, Link: LinkDown}
}

// tally is any number of deltas of one peer, merged.
type tally struct {
	Counters
	faults map[message.Fault]uint64
	rtt    samples
	rate   samples
	link   Link

	resolver time.Duration // the last; 0 for none
}

// samples sums up measurements. The zero value holds none.
type samples struct {
	n           uint64
	sum, lowest float64
}

func (s *samples) add(d samples) {
	if d.n == 0 {
		return
	}
	if s.n == 0 || d.lowest < s.lowest {
		s.lowest = d.lowest
	}
	s.n += d.n
	s.sum += d.sum
}

// one returns a single measurement, or none when it is not positive.
func one(v float64) samples {
	if !(v > 0) {
		return samples{}
	}
	return samples{n: 1, sum: v, lowest: v}
}

func (t *tally) addDelta(d *Delta) {
	t.Counters.Add(&d.Counters)
	if d.Fault != 0 {
		t.addFault(d.Fault, max(d.Times, 1))
	}
	t.rtt.add(one(d.RTT.Seconds()))
	t.rate.add(one(d.Rate))
	t.setLink(d.Link)
	t.resolver = cmp.Or(d.Resolver, t.resolver)
}

func (t *tally) addTally(d *tally) {
	t.Counters.Add(&d.Counters)
	for fault, n := range d.faults {
		t.addFault(fault, n)
	}
	t.rtt.add(d.rtt)
	t.rate.add(d.rate)
	t.setLink(d.link)
	t.resolver = cmp.Or(d.resolver, t.resolver)
}

func (t *tally) addFault(f message.Fault, n uint64) {
	if t.faults == nil {
		t.faults = make(map[message.Fault]uint64)
	}
	t.faults[f] += n
}

func (t *tally) setLink(l Link) {
	if l != 0 {
		t.link = l
	}
}

// batch is what waits in a port: one tally per peer, however much was recorded.
type batch map[peer.ID]*tally

func (b batch) of(p peer.ID) *tally {
	t := b[p]
	if t == nil {
		t = new(tally)
		b[p] = t
	}
	return t
}

// merge adds newer to older and returns older. Newer is not used afterwards.
func merge(older, newer batch) batch {
	for p, t := range newer {
		if have := older[p]; have != nil {
			have.addTally(t)
		} else {
			older[p] = t
		}
	}
	return older
}
