// Package node is the node that a command works with: the one whose repository
// this process has open ([Offline], [Online]), or, in package control, the one
// that runs in another process. A command cannot tell them apart.
package node

import (
	"context"
	"fmt"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/cmd/node/internal/repo"
	"github.com/souk-p2p/souk/ledger"
)

// Node stores blocks, fetches them and knows what it exchanged with whom. Its
// methods may be called by many goroutines.
type Node interface {
	// PutMany stores blocks durably and, where a network is up, serves them to
	// whoever waits for them.
	PutMany(ctx context.Context, bs []blocks.Block) error
	// Fetch prepares to fetch from a source, connects to the peers it names, and
	// fails when none of them can be reached. The fetcher ends with ctx.
	Fetch(ctx context.Context, from Source) (Fetcher, error)
	// Ledgers returns one receipt for every peer that something was exchanged
	// with, the most first.
	Ledgers(ctx context.Context) ([]ledger.Receipt, error)
	// Ledger returns the receipt of one peer. There is none for a peer that
	// nothing was exchanged with: [UnknownPeerError].
	Ledger(ctx context.Context, p peer.ID) (ledger.Receipt, error)
	// Info says who the node is.
	Info(ctx context.Context) (Info, error)
	// Announce tells trackers that the node holds a namespace, and goes on to
	// tell them until it is withdrawn, over restarts. It returns when one tracker
	// has taken it. The given trackers are told besides those that the node knows.
	Announce(ctx context.Context, a repo.Announcement, trackers ...peer.AddrInfo) error
	// Withdraw takes back what was announced: [NotAnnouncedError] if nothing was.
	Withdraw(ctx context.Context, namespace string) error
	// Announced returns what is announced, ordered by namespace.
	Announced(ctx context.Context) ([]Announced, error)
	// Trackers returns what is known of the trackers: those that the node was told
	// of, and those of their lists.
	Trackers(ctx context.Context) ([]Tracker, error)
	// Find returns peers that hold what is searched for, the best first, or
	// [NobodyError].
	Find(ctx context.Context, s Search) ([]peer.AddrInfo, error)
	Inside
	Logging
	Configured
	Keeper
	Library
	Syncer
	Quarantine
	Close() error
}

// Source says where blocks that are not stored here come from.
type Source struct {
	// Peers are to be asked, they and no others. Without any, those peers are
	// asked that the node is connected to.
	Peers []peer.AddrInfo
	// Namespace is what the blocks belong to. With it, and without Peers, those
	// are asked, too, that trackers name.
	Namespace string
	// Trackers are asked besides those that the node knows.
	Trackers []peer.AddrInfo
}

// Fetcher fetches blocks within one session: those that are stored here at
// once, the others from peers. It must be closed.
type Fetcher interface {
	// GetBlock returns one block, or the reason why there is none.
	GetBlock(ctx context.Context, c cid.Cid) (blocks.Block, error)
	// GetBlocks delivers each block once, in any order, and closes the channel
	// after the last one, when ctx ends, or when the rest cannot be had.
	GetBlocks(ctx context.Context, cs []cid.Cid) (<-chan blocks.Block, error)
	Close() error
}

// Info describes a node.
type Info struct {
	ID peer.ID `json:"id"`
	// Addresses are those at which others reach the node, each with its ID.
	Addresses []string `json:"addresses"`
	// Running is whether the node has a network.
	Running bool `json:"running"`
	// Tracker is whether the node is one.
	Tracker bool `json:"tracker,omitempty"`
	// Trackers are the addresses of those that the node was told of, each with
	// its ID.
	Trackers []string `json:"trackers,omitempty"`
}

// NoPeersError says that a block is not stored here and that there is nobody to
// ask for it. Its text leaves it to the caller to name the block.
type NoPeersError struct{ CID cid.Cid }

func (e *NoPeersError) Error() string {
	return "not stored here, and there are no peers to ask: name one with --peer /ip4/ADDRESS/tcp/PORT/p2p/ID, or its namespace and trackers with --namespace and --trackers"
}

// NotFound marks the error as one that means "not found".
func (e *NoPeersError) NotFound() bool { return true }

// NobodyError says that no tracker names a peer that holds a namespace.
type NobodyError struct{ Namespace string }

func (e *NobodyError) Error() string {
	return fmt.Sprintf("no tracker names a peer that holds %q: is the node running that shares it, and are --namespace and --trackers those that it printed?", e.Namespace)
}

// NotFound marks the error as one that means "not found".
func (e *NobodyError) NotFound() bool { return true }

// UnknownPeerError says that there is no ledger for a peer.
type UnknownPeerError struct{ Peer peer.ID }

func (e *UnknownPeerError) Error() string {
	return fmt.Sprintf("nothing was exchanged with %s", e.Peer)
}

// NotFound marks the error as one that means "not found".
func (e *UnknownPeerError) NotFound() bool { return true }
