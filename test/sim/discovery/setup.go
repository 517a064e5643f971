//go:build simulation

package discovery

import (
	"time"

	"github.com/souk-p2p/souk/providers/record"
)

// Setup is what a run is made of.
type Setup struct {
	Seed     uint64
	Peers    int
	Trackers int
	K        int // candidates that a fetch asks for
	Fetches  int

	// Connected is how many peers, chosen from all, a node is connected to when it
	// begins to fetch.
	Connected int
	// Flood lets sessions ask every connected peer. Nodes are connected to all
	// peers then, or to one in Sampled of them, and what they are asked counts for
	// as many.
	Flood   bool
	Sampled int

	// Signed is whether records have real signatures, or keyed hashes in their
	// place that the verifier of the run knows.
	Signed bool

	// Announcers is whether who holds something has the product's announcer, or
	// is a plain record that follows its rules.
	Announcers bool

	// Traced is the number of the fetch that is told of, from 1 on; 0 for none.
	Traced int

	// Liars, Deaths and Restarts are parts of the trackers: those that name dead
	// providers only, those that end during the run, and those that end and start
	// again with nothing.
	Liars, Deaths, Restarts float64
}

// bad reports whether some trackers are.
func (s *Setup) bad() bool { return s.Liars+s.Deaths+s.Restarts > 0 }

// What does not depend on the size of the network.
const (
	churn = 0.05            // of the peers that are up leave in a minute, without a word
	away  = 5 * time.Minute // after which a peer that has left is back, on average

	leastHolders, mostHolders = 8, 64 // of a namespace
	deadPart                  = 0.1   // of the holders leave before the first fetch for ever
	peersPerNamespace         = 50    // so that most peers hold nothing
	hotPart                   = 0.01  // of the peers hold the hot namespace
	hotFetches                = 0.2   // of the fetches are of it
	zipf                      = 1.1   // exponent of how popular the others are

	settling = 3 * time.Minute  // before the first fetch: announcements, then churn
	span     = 10 * time.Minute // in which the fetches begin
	patience = time.Minute      // after which a fetch has failed
	ttl      = record.DefaultTTL

	leastDelay, mostDelay = 5 * time.Millisecond, 100 * time.Millisecond // one way
	dialTimeout           = 10 * time.Second                             // the peerrouter's

	blocksEach = 4096 // of a namespace
	blockSize  = 4 << 10
	rowBytes   = 600 // of a table, about, with the record
	engines    = 64  // nodes of a fetch that are made of actors; the others are records
)

// namespaces is how many there are beside the hot one.
func (s *Setup) namespaces() int { return max(1, s.Peers/peersPerNamespace) }
