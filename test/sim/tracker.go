package sim

import (
	"context"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	soukx "github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/wire"
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

// A Clerk answers the queries that a tracker of [World.Acting] gets. A nil reply is
// silence.
type Clerk func(q *wire.Query) *wire.Reply

// Acting adds a node that takes whatever trackers are told and answers queries as
// a clerk says.
func (w *World) Acting(l Link, clerk Clerk) *Node {
	n := w.Host(l)
	w.do(func() error {
		n.SetStreamHandler(wire.Protocol, func(s network.Stream) {
			defer s.Reset()
			act(s, clerk)
		})
		return nil
	})
	return n
}

func act(s network.Stream, clerk Clerk) {
	in := wire.NewReader(s, wire.Client)
	for {
		m, err := in.Next()
		if err != nil {
			return
		}
		q, asks := m.(*wire.Query)
		if !asks {
			continue
		}
		answer := clerk(q)
		if answer == nil {
			continue
		}
		answer.ID = q.ID
		frame, err := wire.AppendFrame(nil, answer)
		if err != nil {
			return
		}
		if _, err := s.Write(frame); err != nil {
			return
		}
	}
}

// Row is what a tracker says of a node that has announced a namespace, or would
// have.
func (w *World) Row(namespace record.Namespace, n *Node) (row wire.Row) {
	w.do(func() error {
		now := time.Now()
		signed, err := record.Sign(n.Peerstore().PrivKey(n.ID()), record.Record{
			Namespace: namespace, Complete: true, Roles: record.Blocks, Addrs: n.Addrs(),
			Sequence: record.NextSequence(0, now), Issued: now, TTL: record.DefaultTTL,
		})
		if err != nil {
			return err
		}
		row = wire.Row{Record: signed.Bytes(), Verified: 1<<len(n.Addrs()) - 1}
		return nil
	})
	return row
}
