package record

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
)

// The times of a record.
const (
	DefaultTTL = time.Hour        // of a row after its provider was heard; a provider is heard twice in it
	MinTTL     = time.Minute      // below it, refreshes would cost more than stale rows do
	MaxTTL     = 2 * time.Hour    // how long a provider that has gone is handed out at most
	MaxSkew    = 10 * time.Minute // between the clocks of two honest machines
	MaxAge     = 24 * time.Hour   // after it was issued a record counts for nothing, however often it was touched
)

// Roles is what a provider can be asked for, as a set of bits. Bits that have no
// name here are kept, and mean nothing.
type Roles uint64

// The roles.
const (
	Blocks   Roles = 1 << iota // it serves blocks over Bitswap
	Resolver                   // it answers requests of the application
	Sync                       // it takes part in synchronising the namespace
)

// Has reports whether all of wanted are among r.
func (r Roles) Has(wanted Roles) bool { return r&wanted == wanted }

// Record is what a provider says of itself about one namespace.
type Record struct {
	Peer      peer.ID
	Namespace Namespace

	// Ranges is the part of the namespace that is held, by the digests of its
	// CIDs. Keys is instead of it in a namespace whose keys are not CIDs.
	Ranges Ranges
	Keys   KeyRanges

	Complete bool   // all of that part is held, and not only some
	Roles    Roles  // what the provider can be asked for
	Capacity uint32 // KiB/s that it is willing to send; zero is not said

	// Addrs are at most MaxAddrs, without the /p2p of the provider. In a record
	// that was received one is empty when its protocol is not known here: a
	// position is that of the address on the wire.
	Addrs []multiaddr.Multiaddr

	Sequence uint64        // of two records of a peer for a namespace the higher one counts
	Issued   time.Time     // in whole milliseconds
	TTL      time.Duration // zero withdraws; else from MinTTL to MaxTTL in whole seconds
}

// Withdrawn reports whether the record takes back what was announced before.
func (r *Record) Withdrawn() bool { return r.TTL == 0 }

// Until returns when a row ends whose provider was last heard at heard.
func (r *Record) Until(heard time.Time) time.Time {
	until, last := heard.Add(r.TTL), r.Issued.Add(MaxAge)
	if until.After(last) {
		return last
	}
	return until
}

// NextSequence returns the sequence of a provider's next record: the time in Unix
// milliseconds, so that it grows over restarts that remember nothing, and more
// than previous, so that it grows when the clock does not. Previous is the last
// one of the provider, or what a tracker says it has stored. One that is more
// than [MaxAge] ahead of now is passed over: no honest tracker has stored it, and
// a provider that went along with it could never announce again.
func NextSequence(previous uint64, now time.Time) uint64 {
	if previous >= latestSequence(now) {
		previous = 0
	}
	return max(previous+1, sequenceAt(now))
}

// sequenceAt returns the time t as a sequence.
func sequenceAt(t time.Time) uint64 { return uint64(max(t.UnixMilli(), 0)) }

// latestSequence returns the highest sequence of a record that is issued at t.
func latestSequence(t time.Time) uint64 {
	return sequenceAt(t) + uint64(MaxAge.Milliseconds())
}

// clampTTL returns the TTL of a record that asks for so many seconds.
func clampTTL(seconds uint64) time.Duration {
	if seconds == 0 {
		return 0
	}
	seconds = min(max(seconds, uint64(MinTTL/time.Second)), uint64(MaxTTL/time.Second))
	return time.Duration(seconds) * time.Second
}

// ttlSeconds returns what a record with ttl says on the wire.
func ttlSeconds(ttl time.Duration) uint64 {
	if ttl == 0 {
		return 0
	}
	return uint64(min(max(ttl, MinTTL), MaxTTL) / time.Second)
}
