package ledger

import (
	"iter"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/message"
)

// Receipt is a copy of one account.
type Receipt struct {
	Peer peer.ID `json:"peer"`
	Counters

	// Exchanged is the number of blocks that passed in either direction.
	Exchanged uint64 `json:"exchanged"`

	// Value is the debt ratio: bytes sent / (bytes received + 1). Above 1 the
	// peer owes us.
	Value float64 `json:"value"`

	// Faults counts what the peer did wrong by the name of the fault. It is nil
	// when there was nothing.
	Faults map[string]uint64 `json:"faults,omitempty"`

	// LatencyLowest and Latency are the lowest and the smoothed time from a want
	// to the first byte of its answer since the peer last connected; 0 when not
	// measured.
	LatencyLowest time.Duration `json:"latency_lowest_ns"`
	Latency       time.Duration `json:"latency_ns"`

	// Throughput is the smoothed rate of verified data from the peer in bytes
	// per second; 0 when not measured.
	Throughput float64 `json:"throughput"`

	// Score is how well the peer performs, from 0 to 1 (see [Scores.Of]), at the
	// time of the query.
	Score float64 `json:"score"`

	LastExchange time.Time `json:"last_exchange,omitzero"` // when a block last passed
	Connected    bool      `json:"connected"`
}

// Bytes is the block data that passed in both directions.
func (r Receipt) Bytes() uint64 { return r.BytesSent + r.BytesReceived }

// Faults counts what all peers did wrong, by reason.
type Faults [message.NumFaults]uint64

// All returns every reason, also those that did not occur, and how often, in the
// order of [message.Fault].
func (c *Faults) All() iter.Seq2[message.Fault, uint64] {
	return func(yield func(message.Fault, uint64) bool) {
		for f := message.Fault(1); int(f) < len(c); f++ {
			if !yield(f, c[f]) {
				return
			}
		}
	}
}
