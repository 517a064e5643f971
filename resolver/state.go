package resolver

import (
	"crypto/sha256"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/message"
)

type (
	// callID names a caller that waits for a value, across all keys. 0 is nobody.
	callID uint64
	// requestID names a request, across all peers. They grow from 1.
	requestID uint64
	// listHash stands for a list of parts: the SHA-256 of their hashes.
	listHash [sha256.Size]byte
)

// order asks for a key. For one that is fetched already it adds to that fetch: a
// caller, targets, more time, more attempts.
type order struct {
	key      Key
	targeted bool      // only targets may be asked; otherwise all
	targets  []peer.ID // belong to the state from then on
	deadline time.Time // zero for none
	attempts int       // how often a peer may be asked; 0 for as often as it takes
	caller   callID    // 0: the fetch lasts until it is cancelled; otherwise as long as somebody waits
}

// answer is what a peer has said to a request.
type answer struct {
	refusal refusal           // 0: there are data
	data    []byte            // the value, or one part of it; the state's from then on
	size    int64             // of the value, where data are the first of its parts; else 0
	hashes  []byte            // of these parts, one after the other
	sum     [sha256.Size]byte // of data, where summed says that somebody has hashed them
	summed  bool
}

// refusal is why there are no data. The numbers are the protocol's.
type refusal uint8

const (
	refusedNone      refusal = 1 // the peer has not got it
	refusedRefused   refusal = 2
	refusedBusy      refusal = 3
	refusedChanged   refusal = 4 // its value has other parts now
	refusedMalformed refusal = 5
)

// effects are what the shell performs.
type effects struct {
	asks     []ask
	jobs     []job
	failures []failure
	replies  []reply
	measures []measure
	blocks   []block
}

type (
	// ask is a request to be sent. What becomes of it is to be said with answered, unsent
	// or parted; when none of them comes it times out.
	ask struct {
		id   requestID
		to   peer.ID
		key  Key
		part uint32   // 0 for the value, or its first part
		list listHash // of the value whose part it is, when part is not 0
	}
	// job is a value for the Consumer, whose verdict is to be said with judged. There is
	// one for a key at a time.
	job struct {
		key   Key
		parts [][]byte // one after the other
	}
	// failure is a fetch that has ended without a value, to be told to the Consumer. Why
	// is ErrCancelled or a *FetchError.
	failure struct {
		key Key
		why error
	}
	// reply is what a caller gets, once: parts, or err.
	reply struct {
		caller callID
		key    Key
		parts  [][]byte
		err    error
	}
	// measure is what was seen of a peer: how it performs now, or a fault of it.
	measure struct {
		peer        peer.ID
		performance time.Duration // 0 when nothing was measured
		fault       message.Fault // 0 when there was none
	}
	// block is a peer that is not asked any more until then; zero for ever. Hard says that
	// it has left all targets.
	block struct {
		peer  peer.ID
		until time.Time
		hard  bool
		fault message.Fault
	}
)
