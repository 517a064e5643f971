package debug

import (
	"context"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/ledger"
)

// Source is what every node can tell of itself. Its methods, and those of the
// interfaces below, are called from many goroutines and should answer at once.
type Source interface {
	Self() peer.ID
	Stat() Stat
	Ledgers() []ledger.Receipt // most bytes exchanged first; the caller may sort it
	Ledger(p peer.ID) (ledger.Receipt, bool)
}

// Stat is what a node did in total since it started.
type Stat struct {
	BlocksReceived   uint64 `json:"blocks_received"`
	DataReceived     uint64 `json:"data_received"` // bytes
	DupBlksReceived  uint64 `json:"dup_blks_received"`
	DupDataReceived  uint64 `json:"dup_data_received"` // bytes
	MessagesReceived uint64 `json:"messages_received"`
	BlocksSent       uint64 `json:"blocks_sent"`
	DataSent         uint64 `json:"data_sent"` // bytes
	MessagesSent     uint64 `json:"messages_sent"`
}

// TrackerSource tells what the node does as a tracker.
type TrackerSource interface {
	// Tracker returns it with the most largest namespaces, and false when the node
	// is none.
	Tracker(ctx context.Context, most int) (Tracker, bool)
}

// PeerSource tells what is known of a peer besides its ledger.
type PeerSource interface {
	// Agent is what the peer calls itself, whatever that is; empty when it never
	// said.
	Agent(p peer.ID) string
	// Connections are those that are open.
	Connections(p peer.ID) []Connection
}

// Connection is an open connection to a peer.
type Connection struct {
	Address string    `json:"address"`
	Inbound bool      `json:"inbound"` // whether the peer has dialled
	Opened  time.Time `json:"opened,omitzero"`
	Streams int       `json:"streams"`
}

// RateSource tells how fast data passes between the node and its peers.
type RateSource interface {
	// Rates are those of peers with which anything passed within a minute.
	Rates() map[peer.ID]Rate
	// History is what passed between us and a peer, the oldest first.
	History(p peer.ID) []Sample
}

// Rate is how fast block data passes, in bytes a second.
type Rate struct {
	Received10s float64 `json:"received_10s"` // mean of the last 10 s
	Received1m  float64 `json:"received_1m"`  // mean of the last minute
	Sent10s     float64 `json:"sent_10s"`
	Sent1m      float64 `json:"sent_1m"`
}

func (r *Rate) add(o Rate) {
	r.Received10s += o.Received10s
	r.Received1m += o.Received1m
	r.Sent10s += o.Sent10s
	r.Sent1m += o.Sent1m
}

// Sample is what passed within a span of time.
type Sample struct {
	Start    time.Time     `json:"start"`
	Length   time.Duration `json:"length_ns"`
	Received uint64        `json:"received"` // bytes
	Sent     uint64        `json:"sent"`     // bytes
}

// WantSource tells who waits for which block.
type WantSource interface {
	Wants(ctx context.Context, q WantQuery) WantList
}

// WantQuery says which wants are asked for.
type WantQuery struct {
	Direction string  // WantSent, WantReceived or empty for both
	Peer      peer.ID // empty for all peers
	Most      int     // wants that are returned
}

// The directions of a want.
const (
	WantSent     = "sent"     // we want it of the peer
	WantReceived = "received" // the peer wants it of us
)

// WantList is an answer to a WantQuery, the oldest first.
type WantList struct {
	Sent     int    `json:"sent"`     // how many there are that the query asks for
	Received int    `json:"received"` // how many there are that the query asks for
	Wants    []Want `json:"wants"`
}

// Want is a block that somebody waits for.
type Want struct {
	CID       cid.Cid   `json:"cid"`
	Peer      peer.ID   `json:"peer"`
	Direction string    `json:"direction"`
	Block     bool      `json:"block"`             // the block itself, not only whether the peer has it
	Since     time.Time `json:"since,omitzero"`    // when it was sent or received
	State     string    `json:"state,omitempty"`   // in a word or two what is the matter with it
	Session   string    `json:"session,omitempty"` // that asks
}

// SessionSource tells what the node fetches.
type SessionSource interface {
	// Sessions are those that are open, the oldest first.
	Sessions(ctx context.Context) []Session
	// Session is one of them in detail.
	Session(ctx context.Context, id string) (SessionDetail, bool)
}

// Session is a fetch of related blocks.
type Session struct {
	ID         string    `json:"id"`
	Started    time.Time `json:"started,omitzero"`
	Namespace  string    `json:"namespace,omitempty"` // as somebody named it
	Wants      int       `json:"wants"`               // blocks that it waits for
	Asked      int       `json:"asked"`               // of those, that a peer is asked for
	Blocks     uint64    `json:"blocks"`              // received
	Bytes      uint64    `json:"bytes"`               // received
	Duplicates uint64    `json:"duplicates"`
	Peers      int       `json:"peers"`
	LastBlock  time.Time `json:"last_block,omitzero"`
}

// SessionDetail is a session with what it waits for, whom it asks, and where its
// time went.
type SessionDetail struct {
	Session
	Waiting []SessionWant `json:"waiting"` // the oldest first
	Tried   []SessionPeer `json:"tried"`   // the most useful first
	Time    []TimeSpent   `json:"time,omitempty"`
}

// SessionWant is a block that a session waits for.
type SessionWant struct {
	CID   cid.Cid   `json:"cid"`
	Since time.Time `json:"since,omitzero"`
	State string    `json:"state"` // in a word or two
	Asked []Asked   `json:"asked,omitempty"`
}

// Asked is what a peer was asked for and what it answered.
type Asked struct {
	Peer   peer.ID `json:"peer"`
	Answer string  `json:"answer"` // "" while there is none
}

// SessionPeer is what a session knows of a peer.
type SessionPeer struct {
	Peer       peer.ID       `json:"peer"`
	State      string        `json:"state"` // in a word or two
	Asked      uint64        `json:"asked"` // for blocks
	Blocks     uint64        `json:"blocks"`
	Bytes      uint64        `json:"bytes"`
	Haves      uint64        `json:"haves"`
	DontHaves  uint64        `json:"dont_haves"`
	Duplicates uint64        `json:"duplicates"`
	Latency    time.Duration `json:"latency_ns"`
}

// TimeSpent is a part of the time of a session.
type TimeSpent struct {
	What string        `json:"what"`
	Time time.Duration `json:"time_ns"`
}

// ActorSource tells how busy the parts of the node are.
type ActorSource interface {
	Actors(ctx context.Context) []Actor
}

// Actor is a part of the node that does one thing after the other.
type Actor struct {
	Name       string        `json:"name"`
	Saturation float64       `json:"saturation"` // share of the time that it was busy lately, 0 to 1
	Depth      int           `json:"depth"`      // messages in its inbox
	High       int           `json:"high"`       // the most there ever were
	Room       int           `json:"room"`       // how many its inbox takes
	Oldest     time.Duration `json:"oldest_ns"`  // how long the first of them has waited
	Restarts   uint64        `json:"restarts"`
	Panics     uint64        `json:"panics"`
}

// StoreSource tells how full the store is.
type StoreSource interface {
	Store(ctx context.Context) (Store, error)
}

// Store is how full the store is.
type Store struct {
	Bytes  uint64 `json:"bytes"`
	Quota  uint64 `json:"quota"` // 0 for none
	Blocks uint64 `json:"blocks"`
}

// TrackersSource tells of the trackers that the node uses.
type TrackersSource interface {
	Trackers(ctx context.Context) []TrackerState
}

// TrackerState is how a tracker is.
type TrackerState struct {
	ID        peer.ID `json:"id"`
	Reachable bool    `json:"reachable"`
	State     string  `json:"state"` // in a word or two
}

// RefusalSource tells what peers were refused, by reason, since the start.
type RefusalSource interface {
	Refused(ctx context.Context) map[string]uint64
}
