package souk

import (
	"context"

	"github.com/ipfs/go-datastore"
	"github.com/libp2p/go-libp2p/core/peer"
	"go.uber.org/zap"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/ledger"
)

// WithLedgerStore keeps the ledgers in a datastore over restarts: what has changed is
// written every 10 s and when the exchange closes. Its keys are peer ids and "sum";
// nothing else may be in it. The exchange does not close it. The default is to forget
// them.
//
// Rows that are damaged are left out and logged. A store that cannot be read or
// written is logged and does not keep the exchange from working.
func WithLedgerStore(store datastore.Batching) Option {
	return func(o *options) { o.ledgers = store }
}

// buildLedger makes the ledger, with the accounts that were kept.
func (x *Exchange) buildLedger(ctx context.Context) {
	cfg := ledger.Config{
		Fail: x.fail, Tag: func(t ledger.Tag) { x.network.Useful(t.Peer, t.Weight) },
		Keep: x.opts.ledgers, Meet: x.meet, Panicked: x.panics.contained, Logger: x.log,
	}
	if x.opts.ledgers != nil {
		x.panics.expect("ledger store")
		err := actor.Guard("ledger store", x.panics.contained, func() (err error) {
			cfg.Rows, cfg.Damaged, err = ledger.Load(ctx, x.opts.ledgers)
			return err
		})
		if err != nil {
			x.log.Warn("ledgers were not brought back", zap.Error(err))
		}
	}
	x.ledger = ledger.New(cfg)
}

// Ledger returns what passed between us and a peer, and whether there is an
// account of it.
func (x *Exchange) Ledger(p peer.ID) (ledger.Receipt, bool) {
	r, ok := x.ledger.Receipt(context.Background(), p)
	x.introduce(&r)
	return r, ok
}

// Ledgers returns every account, those with the most bytes exchanged first.
func (x *Exchange) Ledgers() []ledger.Receipt {
	all := x.ledger.Receipts(context.Background())
	for i := range all {
		x.introduce(&all[i])
	}
	return all
}

// introduce adds what a connected peer calls itself and where it is, as long as its
// account does not say.
func (x *Exchange) introduce(r *ledger.Receipt) {
	if r.Connected && r.Agent == "" {
		r.Agent, r.Addresses = x.meet(r.Peer)
	}
}

// meet says what a peer calls itself and where it is connected, as far as the host
// knows. It is called by the keeper of the ledger.
func (x *Exchange) meet(p peer.ID) (agent string, addresses []string) {
	_ = actor.Guard("host", x.panics.contained, func() error {
		agent = x.agent(p)
		conns := x.host.Network().ConnsToPeer(p)
		for _, c := range conns[:min(len(conns), mostConnections)] {
			addresses = append(addresses, bounded(c.RemoteMultiaddr().String(), mostAddress))
		}
		return nil
	})
	return agent, addresses
}

// LedgerTotals returns what passed between us and all peers, since the first start as
// far as the ledgers were kept. It is zero when ctx ends first and after the exchange
// has ended.
func (x *Exchange) LedgerTotals(ctx context.Context) ledger.Totals { return x.ledger.Totals(ctx) }
