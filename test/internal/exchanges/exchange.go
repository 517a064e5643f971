// Package exchanges puts block exchanges of several makes behind one face, so
// that a scenario is written once and run with each.
package exchanges

import (
	"context"
	"fmt"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/blockstore"
)

// Make is a make of exchange.
type Make string

// The makes. Bare is not an exchange: it moves the bytes over plain streams
// from peers that are named, and so shows what the network allows.
const (
	MakeSouk Make = "souk"
	MakeBoxo Make = "boxo"
	MakeBare Make = "bare"
)

// Fetcher gets blocks. Fetchers made by one call of [Exchange.Fetcher] belong
// together as a session, where the make has such a thing.
type Fetcher interface {
	GetBlock(ctx context.Context, c cid.Cid) (blocks.Block, error)
	// GetBlocks delivers in any order and closes the channel at the end,
	// complete or not.
	GetBlocks(ctx context.Context, cs []cid.Cid) (<-chan blocks.Block, error)
}

// Exchange is one node's side of an exchange.
type Exchange interface {
	// Fetcher returns a fetcher that ends with ctx. It asks the given peers
	// and no others, where the make can be told; no peers means that it finds
	// them itself.
	Fetcher(ctx context.Context, from ...peer.ID) Fetcher
	// Subscribe asks the given peers and keeps asking: a peer that does not have
	// a block may still get it. The channel closes when ctx ends or everything
	// has come.
	Subscribe(ctx context.Context, cs []cid.Cid, from ...peer.ID) (<-chan blocks.Block, error)
	// Put stores the blocks and serves them to whoever waits.
	Put(ctx context.Context, bs ...blocks.Block) error
	// Has reports whether the block is stored.
	Has(ctx context.Context, c cid.Cid) (bool, error)
	// WantsOf is what p asks of this node at the moment.
	WantsOf(p peer.ID) []cid.Cid
	// Account is what passed between this node and p.
	Account(p peer.ID) Account
	Counters() Counters
	Close() error
}

// Counters is what passed through an exchange since it was made.
type Counters struct {
	BlocksReceived, BytesReceived uint64
	DupBlocks, DupBytes           uint64
	BlocksSent, BytesSent         uint64
	MessagesReceived              uint64
	WantsReceived                 uint64 // entries of wantlists, no cancels
}

// Memory is an empty datastore.
func Memory() datastore.Batching { return dssync.MutexWrap(datastore.NewMapDatastore()) }

// Account is one node's view of what passed between it and a peer.
type Account struct {
	BytesSent, BytesReceived uint64
	Exchanged                uint64  // blocks, in both directions
	Value                    float64 // the debt ratio: sent / (received + 1)
}

// New makes an exchange on h with an empty store in memory, unless the options
// say otherwise. Closing it leaves
// the host open.
func New(m Make, h host.Host, opts ...Option) (Exchange, error) {
	o := gather(opts)
	switch m {
	case MakeSouk:
		return NewSoukOver(h, blockstore.New(o.data, blockstore.WithTrustedReads()), o.forSouk()...)
	case MakeBoxo:
		return newBoxo(h, o), nil
	case MakeBare:
		return NewBare(h), nil
	default:
		return nil, fmt.Errorf("no exchange of make %q", m)
	}
}
