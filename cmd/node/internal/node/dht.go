package node

import (
	"context"
	"errors"
	"iter"

	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"go.uber.org/zap"

	"github.com/souk-p2p/souk/adapter/dag/pins"
	"github.com/souk-p2p/souk/cmd/node/internal/kademlia"
	"github.com/souk-p2p/souk/providers"
)

// DHT says how a node takes part in a DHT.
type DHT struct {
	// Server answers others, and keeps for them what they announce, in Keep; nil is
	// memory. Who is no server asks and tells only.
	Server bool
	Keep   datastore.Batching
	// Bootstrap are nodes of the DHT to begin with, and Public says that it is the
	// public one.
	Bootstrap []peer.AddrInfo
	Public    bool
}

// joinDHT takes part in the DHT of the configuration, if there is one.
func (cfg *Config) joinDHT(h host.Host, s *Storage, log *zap.Logger) (*kademlia.DHT, error) {
	if cfg.DHT == nil {
		return nil, nil
	}
	d, err := kademlia.Start(h, kademlia.Config{
		Server: cfg.DHT.Server, Keep: cfg.DHT.Keep, Bootstrap: cfg.DHT.Bootstrap, Public: cfg.DHT.Public,
		Roots: func(ctx context.Context) iter.Seq2[cid.Cid, error] { return told(ctx, s, cfg.Memory) }, Logger: log.Named("dht"),
	})
	if err != nil || cfg.Metrics == nil {
		return d, err
	}
	if err := cfg.Metrics.Register(d); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// leave ends the part in a DHT, if there is one.
func leave(d *kademlia.DHT) error {
	if d == nil {
		return nil
	}
	return d.Close()
}

// told yields what a DHT is told: the namespaces that are announced, under the keys
// that are asked for them, and all pins. Documents have namespaces, and most of their
// entries need not be here.
func told(ctx context.Context, s *Storage, memory Memory) iter.Seq2[cid.Cid, error] {
	return func(yield func(cid.Cid, error) bool) {
		namespaces, err := memory.Announced()
		for _, a := range namespaces {
			key, invalid := providers.NamespaceCID(a.Namespace)
			if invalid == nil && !yield(key, nil) {
				return
			}
		}
		if err != nil {
			yield(cid.Undef, err)
			return
		}
		for p, err := range s.pins.All(ctx) {
			if !yield(p.CID, err) || err != nil {
				return
			}
		}
	}
}

// rootsChanged lets the DHT hear of what has come to stay, or to go.
func (n *Online) rootsChanged() {
	if n.dht != nil {
		n.dht.Look()
	}
}

// Unpin implements [Keeper].
func (n *Online) Unpin(ctx context.Context, which PinFilter) ([]pins.Pin, error) {
	defer n.rootsChanged()
	return n.Storage.Unpin(ctx, which)
}
