package node

import (
	"context"
	"errors"
	"slices"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/adapter/dag"
	"github.com/souk-p2p/souk/adapter/dag/pins"
	"github.com/souk-p2p/souk/blockstore"
	"github.com/souk-p2p/souk/cmd/node/internal/repo"
	"github.com/souk-p2p/souk/download/document"
	"github.com/souk-p2p/souk/ledger"
)

// ErrNotRunning is what needs a running node and found none.
var ErrNotRunning = errors.New("no node is running on this repository: start one with `souk run`")

// Offline is a repository that is open for one command. It has a network only
// while something is fetched from named peers or searched for at named trackers.
type Offline struct {
	*Storage
	repo  *repo.Repo
	store blockstore.Blockstore
	cfg   Config
}

// NewOffline returns the node of an open repository, which it closes with
// itself. The configuration is that of the networks it starts; they do not
// listen.
func NewOffline(r *repo.Repo, cfg Config) *Offline {
	cfg.Listen = nil
	cfg.Storage = NewStorage(r, cfg.Log)
	return &Offline{Storage: cfg.Storage, repo: r, store: cfg.Storage.Blocks, cfg: cfg}
}

// PutMany implements [Node].
func (n *Offline) PutMany(ctx context.Context, bs []blocks.Block) error {
	return orFull(n.store.PutMany(ctx, bs))
}

// Pin implements [Keeper].
func (n *Offline) Pin(ctx context.Context, r PinRequest, progress func(PinProgress)) (pins.Pin, error) {
	return n.pin(ctx, r, n.Fetch, progress)
}

// ImportDocument implements [Library].
func (n *Offline) ImportDocument(ctx context.Context, r DocumentRequest, progress func(DocumentProgress)) (document.Info, error) {
	return n.importDocument(ctx, r, n.Fetch, progress)
}

// Fetch implements [Node]. The network of a fetcher with named peers or trackers
// ends with the fetcher.
func (n *Offline) Fetch(ctx context.Context, from Source) (Fetcher, error) {
	if len(from.Peers) == 0 && len(from.Trackers) == 0 {
		return stored{n.store}, nil
	}
	cfg := n.cfg
	cfg.Relaying.Client = relayedPeers(from.Peers) // Whoever names a relay asks for it.
	online, err := Start(ctx, n.repo.Key(), n.store, cfg)
	if err != nil {
		return nil, err
	}
	f, err := online.Fetch(ctx, from)
	if err != nil {
		return nil, errors.Join(err, online.Close())
	}
	return &ownedFetcher{Fetcher: f, node: online}, nil
}

// Ledgers implements [Node]: with those that the node kept that ran last.
func (n *Offline) Ledgers(ctx context.Context) ([]ledger.Receipt, error) {
	all, err := n.receipts(ctx)
	for i := range all {
		all[i].History = nil // A list has none.
	}
	return all, err
}

// Ledger implements [Node].
func (n *Offline) Ledger(ctx context.Context, p peer.ID) (ledger.Receipt, error) {
	all, err := n.receipts(ctx)
	if err != nil {
		return ledger.Receipt{}, err
	}
	i := slices.IndexFunc(all, func(r ledger.Receipt) bool { return r.Peer == p })
	if i < 0 {
		return ledger.Receipt{}, &UnknownPeerError{Peer: p}
	}
	return all[i], nil
}

func (n *Offline) receipts(ctx context.Context) ([]ledger.Receipt, error) {
	rows, _, err := ledger.Load(ctx, n.repo.Ledgers())
	return ledger.Receipts(rows, time.Now()), err
}

// Info implements [Node].
func (n *Offline) Info(context.Context) (Info, error) {
	id, err := peer.IDFromPrivateKey(n.repo.Key())
	return Info{ID: id, Addresses: []string{}}, err
}

// Close closes the repository.
func (n *Offline) Close() error { return errors.Join(n.Storage.Close(), n.repo.Close()) }

// ownedFetcher takes the network that was started for it down with it.
type ownedFetcher struct {
	Fetcher
	node *Online
}

func (f *ownedFetcher) Close() error { return errors.Join(f.Fetcher.Close(), f.node.Close()) }

// stored fetches from the store alone.
type stored struct{ blockstore.Blockstore }

func (s stored) GetBlock(ctx context.Context, c cid.Cid) (blocks.Block, error) {
	if err := ctx.Err(); err != nil {
		return nil, err // A store may not look, and say that the block is not there.
	}
	b, err := s.Get(ctx, c)
	var missing interface{ NotFound() bool }
	if errors.As(err, &missing) && missing.NotFound() {
		return nil, &NoPeersError{CID: c}
	}
	return b, err
}

func (s stored) GetBlocks(ctx context.Context, cs []cid.Cid) (<-chan blocks.Block, error) {
	return dag.Local(s.GetBlock).GetBlocks(ctx, cs)
}

func (stored) Close() error { return nil }
