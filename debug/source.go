package debug

import (
	"context"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk"
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

// PeerSource tells of the peers that are connected. A *[souk.Exchange] is one, and
// the three that follow.
type PeerSource interface {
	Peers(ctx context.Context) ([]souk.PeerStat, error)
}

// WantSource tells who waits for which block.
type WantSource interface {
	WantsSent(ctx context.Context, q souk.WantQuery) (souk.WantPage, error)
	WantsReceived(ctx context.Context, q souk.WantQuery) (souk.WantPage, error)
}

// SessionSource tells what the node fetches.
type SessionSource interface {
	Sessions(ctx context.Context, after uint64, most int) ([]souk.SessionStat, error)
	Session(ctx context.Context, id uint64) (souk.SessionDetail, bool)
}

// ActorSource tells how busy the parts of the node are.
type ActorSource interface {
	Actors() []souk.ActorStat
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

// ClassSource tells what passed by class of peers. A *[souk.Exchange] is one.
type ClassSource interface {
	Classes() []souk.ClassStat
}

// RefusalSource tells what peers were refused, by reason, since the start. A
// *[souk.Exchange] is one.
type RefusalSource interface {
	Refused() map[string]uint64
}
