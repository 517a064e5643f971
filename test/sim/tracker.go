package sim

import (
	"context"

	"github.com/libp2p/go-libp2p/core/peer"

	soukx "github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/test/internal/exchanges"
)

// Trackers adds nodes that are trackers for others.
func (w *World) Trackers(count int, l Link) []*Node {
	return w.Nodes(count, exchanges.MakeSouk, l, exchanges.WithSouk(soukx.WithTracker()))
}

// Infos are the ids and addresses of the nodes.
func Infos(nodes ...*Node) []peer.AddrInfo {
	list := make([]peer.AddrInfo, len(nodes))
	for i, n := range nodes {
		list[i] = peer.AddrInfo{ID: n.ID(), Addrs: n.Addrs()}
	}
	return list
}

// Tracked makes a Souk node ask the trackers, and search in a namespace.
func Tracked(namespace string, trackers ...*Node) exchanges.Option {
	return exchanges.WithSouk(soukx.WithTrackers(Infos(trackers...)...), soukx.WithNamespace(namespace))
}

// Announce tells the trackers of each node that it holds a namespace.
func (w *World) Announce(namespace string, nodes ...*Node) {
	for _, n := range nodes {
		w.Try(func(ctx context.Context) error { return n.Souk().Announce(ctx, namespace) })
	}
}

// Souk is the exchange of a node that Souk made.
func (n *Node) Souk() *soukx.Exchange { return n.Exchange.(*exchanges.Souk).Exchange }
