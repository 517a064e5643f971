package exchanges

import (
	"context"
	"sync/atomic"

	"github.com/ipfs/boxo/bitswap"
	"github.com/ipfs/boxo/bitswap/message"
	"github.com/ipfs/boxo/bitswap/network"
	"github.com/ipfs/boxo/bitswap/network/bsnet"
	"github.com/ipfs/boxo/blockstore"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/core/routing"
)

// Boxo is an exchange made by boxo, in its default configuration and without
// content routing.
type Boxo struct {
	*bitswap.Bitswap
	Store blockstore.Blockstore

	end   context.CancelFunc
	wants *wantCount
}

// wantCount counts the entries of wantlists that an exchange receives.
type wantCount struct{ n atomic.Uint64 }

// MessageReceived is part of boxo's tracer.
func (t *wantCount) MessageReceived(_ peer.ID, m message.BitSwapMessage) {
	for _, e := range m.Wantlist() {
		if !e.Cancel {
			t.n.Add(1)
		}
	}
}

// MessageSent is part of boxo's tracer.
func (*wantCount) MessageSent(peer.ID, message.BitSwapMessage) {}

// NewBoxo starts boxo's exchange on h, with a store in memory. It speaks the
// given protocols, or all that it knows when there are none.
func NewBoxo(h host.Host, protocols ...protocol.ID) *Boxo {
	return NewBoxoOver(h, Memory(), protocols...)
}

// NewBoxoOver starts boxo's exchange on h and a datastore.
func NewBoxoOver(h host.Host, d datastore.Batching, protocols ...protocol.ID) *Boxo {
	var opts []bsnet.NetOpt
	if len(protocols) > 0 {
		opts = append(opts, bsnet.SupportedProtocols(protocols))
	}
	return startBoxo(bsnet.NewFromIpfsHost(h, opts...), d, nil)
}

// newBoxo translates the options. Servers of the old protocol do not refuse, as
// they had no way to.
func newBoxo(h host.Host, o *options) *Boxo {
	var net []bsnet.NetOpt
	opts := []bitswap.Option{bitswap.WithServerEnabled(!o.fetchOnly)}
	if o.old {
		net = append(net, bsnet.SupportedProtocols([]protocol.ID{oldProtocol}))
		opts = append(opts, bitswap.SetSendDontHaves(false))
	}
	return startBoxo(bsnet.NewFromIpfsHost(h, net...), o.data, o.routing, opts...)
}

func startBoxo(n network.BitSwapNetwork, d datastore.Batching, r routing.ContentDiscovery, opts ...bitswap.Option) *Boxo {
	store := blockstore.NewBlockstore(d)
	ctx, end := context.WithCancel(context.Background())
	wants := new(wantCount)
	opts = append(opts, bitswap.WithTracer(wants))
	return &Boxo{Bitswap: bitswap.New(ctx, n, r, store, opts...), Store: store, end: end, wants: wants}
}

// Fetcher returns a session. Boxo cannot be told whom to ask: it broadcasts to
// all connected peers.
func (b *Boxo) Fetcher(ctx context.Context, _ ...peer.ID) Fetcher { return b.NewSession(ctx) }

// Subscribe is a session's GetBlocks: boxo never gives up.
func (b *Boxo) Subscribe(ctx context.Context, cs []cid.Cid, _ ...peer.ID) (<-chan blocks.Block, error) {
	return b.NewSession(ctx).GetBlocks(ctx, cs)
}

// WantsOf is boxo's view of the wantlist of p.
func (b *Boxo) WantsOf(p peer.ID) []cid.Cid {
	if b.Server == nil {
		return nil
	}
	return b.WantlistForPeer(p)
}

// Account reads boxo's ledger.
func (b *Boxo) Account(p peer.ID) Account {
	if b.Server == nil {
		return Account{}
	}
	r := b.LedgerForPeer(p)
	return Account{BytesSent: r.Sent, BytesReceived: r.Recv, Exchanged: r.Exchanged, Value: r.Value}
}

// Put stores the blocks and notifies the exchange, as boxo's blockservice does.
func (b *Boxo) Put(ctx context.Context, bs ...blocks.Block) error {
	if err := b.Store.PutMany(ctx, bs); err != nil {
		return err
	}
	return b.NotifyNewBlocks(ctx, bs...)
}

// Has reports whether the block is stored.
func (b *Boxo) Has(ctx context.Context, c cid.Cid) (bool, error) { return b.Store.Has(ctx, c) }

// Counters reads boxo's statistics.
func (b *Boxo) Counters() Counters {
	s, err := b.Stat()
	if err != nil {
		return Counters{}
	}
	return Counters{
		BlocksReceived:   s.BlocksReceived,
		BytesReceived:    s.DataReceived,
		DupBlocks:        s.DupBlksReceived,
		DupBytes:         s.DupDataReceived,
		BlocksSent:       s.BlocksSent,
		BytesSent:        s.DataSent,
		MessagesReceived: s.MessagesReceived,
		WantsReceived:    b.wants.n.Load(),
	}
}

// Close ends the exchange.
func (b *Boxo) Close() error {
	defer b.end()
	return b.Bitswap.Close()
}
