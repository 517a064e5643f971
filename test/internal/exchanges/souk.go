package exchanges

import (
	"context"
	"errors"
	"fmt"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/blockstore"
	"github.com/souk-p2p/souk/session"
)

// Souk is an exchange made by Souk. What it logs as an error, which is a bug or
// lost data, is returned by Close.
type Souk struct {
	*souk.Exchange
	Store blockstore.Blockstore

	logged *observer.ObservedLogs
}

// NewSouk starts Souk's exchange on h, with a store in memory.
func NewSouk(h host.Host, opts ...souk.Option) (*Souk, error) {
	return NewSoukOver(h, blockstore.New(Memory(), blockstore.WithTrustedReads()), opts...)
}

// NewSoukSilent starts Souk's exchange on h over a store that may fail: nothing is
// logged, so Close returns nothing of it.
func NewSoukSilent(h host.Host, store blockstore.Blockstore) (*Souk, error) {
	return NewSoukOver(h, store, souk.WithLogger(zap.NewNop()))
}

// NewSoukOver starts Souk's exchange on h over a store.
func NewSoukOver(h host.Host, store blockstore.Blockstore, opts ...souk.Option) (*Souk, error) {
	core, logged := observer.New(zap.ErrorLevel)
	opts = append([]souk.Option{souk.WithLogger(zap.New(core))}, opts...)
	x, err := souk.New(context.Background(), h, store, opts...)
	if err != nil {
		return nil, err
	}
	return &Souk{Exchange: x, Store: store, logged: logged}, nil
}

// Logged takes out what was logged as an error so far, of which [Souk.Close] says
// nothing then: for tests that provoke it.
func (s *Souk) Logged() []observer.LoggedEntry { return s.logged.TakeAll() }

// Close ends the exchange. It returns what was logged as an error, too.
func (s *Souk) Close() error {
	err := s.Exchange.Close()
	for _, entry := range s.logged.TakeAll() {
		err = errors.Join(err, fmt.Errorf("logged: %s: %v", entry.Message, entry.ContextMap()))
	}
	return err
}

// Fetcher returns a session.
func (s *Souk) Fetcher(ctx context.Context, from ...peer.ID) Fetcher {
	if len(from) == 0 {
		return s.NewSession(ctx)
	}
	return s.NewSession(ctx, session.WithPeers(from...))
}

// Subscribe asks in a session that waits for its peers.
func (s *Souk) Subscribe(ctx context.Context, cs []cid.Cid, from ...peer.ID) (<-chan blocks.Block, error) {
	return s.NewSession(ctx, session.WithPeers(from...), session.WithWaiting()).GetBlocks(ctx, cs)
}

// Has reports whether the block is stored.
func (s *Souk) Has(ctx context.Context, c cid.Cid) (bool, error) { return s.Store.Has(ctx, c) }

// WantsOf is the engine's view of the wantlist of p.
func (s *Souk) WantsOf(p peer.ID) []cid.Cid {
	list, err := s.WantlistOf(context.Background(), p)
	if err != nil {
		return nil
	}
	cs := make([]cid.Cid, len(list))
	for i, e := range list {
		cs[i] = e.CID
	}
	return cs
}

// Account reads the ledger.
func (s *Souk) Account(p peer.ID) Account {
	r, _ := s.Ledger(p)
	return Account{BytesSent: r.BytesSent, BytesReceived: r.BytesReceived, Exchanged: r.Exchanged, Value: r.Value}
}

// Counters reads Souk's statistics.
func (s *Souk) Counters() Counters {
	st := s.Stat()
	return Counters{
		BlocksReceived:   st.BlocksReceived,
		BytesReceived:    st.DataReceived,
		DupBlocks:        st.DupBlksReceived,
		DupBytes:         st.DupDataReceived,
		BlocksSent:       st.BlocksSent,
		BytesSent:        st.DataSent,
		MessagesReceived: st.MessagesReceived,
		WantsReceived:    st.WantsReceived,
	}
}
