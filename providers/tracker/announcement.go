package tracker

import (
	"net/netip"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/providers/record"
)

// Announcement says that a peer has what belongs to a namespace. That the peer
// signed it, and that its parts are what the record says, was verified before.
type Announcement struct {
	Peer      peer.ID
	Namespace string
	// Ranges are what the peer has, by digest. When they are narrow there is a row
	// for each of their shards.
	Ranges record.Ranges
	// Keys are what the peer has in a namespace whose keys are not CIDs.
	Keys     record.KeyRanges
	Complete bool
	Roles    Roles
	// Capacity is what the peer says it can serve, in KiB/s; 0 for not said.
	Capacity uint32
	Seq      uint64
	Issued   time.Time
	// TTL of 0 withdraws. Any other is clamped to a minute at least and two
	// hours at most.
	TTL time.Duration
	// Record is handed out again as it is. The table keeps a copy.
	Record []byte
	// Origin is the address that the announcement came from, as observed.
	Origin netip.Addr
	// Verified are the addresses of the record that were observed, Unverified
	// others that may be handed out.
	Verified, Unverified record.AddrSet
}

// Roles are what a peer does, a bit each: the first eight of a record. The table
// does not know their meaning.
type Roles uint8

// Claim is what is known of an announcement before its signature is verified.
type Claim struct {
	Peer      peer.ID
	Origin    netip.Addr
	Namespace string
	Ranges    record.Ranges
	Withdraws bool
	Seq       uint64
	Size      int // bytes of the message
}

// Query asks who has what belongs to a namespace.
type Query struct {
	Peer      peer.ID // who asks: never in the answer
	Origin    netip.Addr
	Namespace string
	// Point is the first 16 bits of the digest in question, if HasPoint.
	Point    record.Point
	HasPoint bool
	Key      string // instead of a point, if not empty
	Roles    Roles  // all of which a row must have
	K        uint64
	// Seed decides which rows of many are given. Equal seeds have equal answers
	// as long as the table is the same. With 0 the table draws one.
	Seed uint64
	Size int // bytes of the message
}

// Candidate is a row of an answer.
type Candidate struct {
	Peer     peer.ID
	Record   []byte        // never changes, and is not to be changed
	Age      time.Duration // since it was heard of
	Score    float32       // from -4 to 4, by what clients and probes said
	Complete bool
	// Verified and Unverified are its addresses as they were announced.
	Verified, Unverified record.AddrSet
}

// Answer is what a query gets. Token is what feedback must come with; 0 means
// that none is wanted.
type Answer struct {
	Verdict
	Token uint64
	Rows  []Candidate
}

// Verdict is what the table says to a request.
type Verdict struct {
	Refusal Refusal
	// Seq is the stored sequence when Refusal is [RefusedSequence].
	Seq uint64
	// After is when to try again, if Refusal is one that passes.
	After time.Duration
}

// Refusal is why the table refused something.
type Refusal uint8

// The refusals. They are also how statistics count them.
const (
	Accepted          Refusal = iota
	RefusedSize               // a name, record, list or message over its bound, or no name
	RefusedRate               // the peer has done too much lately
	RefusedPrefixRate         // the peers of its prefix have
	RefusedSequence           // as much or more was announced before
	RefusedNamespaces         // the peer is announced in too many
	RefusedFull               // there is no room, and nobody has more rows than the peer's prefix
	RefusedEarly              // issued in the future
	RefusedLate               // issued too long ago
	RefusedUnknown            // there is no such row, token or watch
	RefusedWatches            // the peer has as many as it may
	RefusedCrowd              // too many watch the same, or watch at all
	RefusedNumber             // the number of another request of its stream
	refusals
)

// Report is what a client says of one peer of an answer.
type Report struct {
	Peer   peer.ID
	Result Result
}

// Result is how a peer did.
type Result uint8

// The results.
const (
	Dead   Result = iota // it was not reached
	Empty                // it had nothing of what was asked
	Served               // what it sent was right
)

// Sample is a CID that a client was served in a namespace.
type Sample struct {
	CID   string // its bytes
	Point record.Point
}

// Probe is a question to an announcer: does it have what it says?
type Probe struct {
	Peer      peer.ID
	Namespace string
	CID       string
	Record    []byte
	Verified  record.AddrSet
	ref       ref
}

// Notice is what is new for a watch.
type Notice struct {
	Watch WatchID
	Rows  []Candidate // new or announced again
	More  bool        // more has changed than a notice holds: ask
}
