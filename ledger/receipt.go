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

	// Resolver is how a resolver measures the peer: the time that it takes to answer,
	// smoothed, and the patience of the resolver for each time that it did not; 0 when
	// none does. Of several resolvers it is the last measure of any. It counts in no
	// score.
	Resolver time.Duration `json:"resolver_latency_ns,omitempty"`

	// Score is how well the peer performs, from 0 to 1 (see [Scores.Of]), at the
	// time of the query.
	Score float64 `json:"score"`

	LastExchange time.Time `json:"last_exchange,omitzero"` // when a block last passed
	Connected    bool      `json:"connected"`

	// FirstSeen is when the account was opened, LastSeen when the peer was last
	// connected or something last passed, and Since when it came to be Connected, or not to
	// be; zero where that is not known.
	FirstSeen time.Time `json:"first_seen,omitzero"`
	LastSeen  time.Time `json:"last_seen,omitzero"`
	Since     time.Time `json:"since,omitzero"`

	// Rates are those of late.
	Rates Rates `json:"rates"`

	// Agent is what the peer called itself last, any text of at most 128 bytes, and
	// Addresses are those at which it was last connected, at most 4 of at most 256 bytes.
	Agent     string   `json:"agent,omitempty"`
	Addresses []string `json:"addresses,omitempty"`

	// History is what passed of late; only in what [Ledger.Receipt] returns, and nil
	// when nothing passed within a day.
	History *History `json:"history,omitempty"`
}

// Rates are bytes of blocks a second in each direction, over about 10 s and a minute:
// means in which what passed weighs less the longer it is ago, by 1/e in 10 s or in a
// minute. Below one byte a second they are 0.
type Rates struct {
	Received10s float64 `json:"received_10s"`
	Received1m  float64 `json:"received_1m"`
	Sent10s     float64 `json:"sent_10s"`
	Sent1m      float64 `json:"sent_1m"`
}

// History is what passed in each of the last 60 minutes, and in each half hour of the
// last day, oldest first. The last of each is not over yet.
type History struct {
	Minutes   []Traffic `json:"minutes"`
	HalfHours []Traffic `json:"half_hours"`
}

// Traffic is bytes of blocks that passed in a time that began at From.
type Traffic struct {
	From     time.Time `json:"from"`
	Received uint64    `json:"received"`
	Sent     uint64    `json:"sent"`
}

// Totals are those of all peers.
type Totals struct {
	Counters           // since the first start, as far as the ledgers were kept
	Rates     Rates    `json:"rates"`
	Accounts  int      `json:"accounts"`
	Connected int      `json:"connected"`         // of those
	History   *History `json:"history,omitempty"` // nil when nothing passed within a day
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
