package sim

import (
	"fmt"
	"time"

	"github.com/ipfs/boxo/bitswap/message"
	blocks "github.com/ipfs/go-block-format"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"

	"github.com/souk-p2p/souk/test/internal/exchanges"
)

// Put stores blocks at a node.
func (w *World) Put(n *Node, bs ...blocks.Block) {
	w.do(func() error { return n.Exchange.Put(w.ctx, bs...) })
}

// Connect dials each of the others from n.
func (w *World) Connect(n *Node, others ...*Node) {
	w.do(func() error {
		ctx, cancel := w.limit()
		defer cancel()
		for _, o := range others {
			if err := n.Host.Connect(ctx, peer.AddrInfo{ID: o.ID(), Addrs: o.Addrs()}); err != nil {
				return err
			}
		}
		return nil
	})
}

// Dial opens a connection from n and does not wait until the peers know what
// the other speaks.
func (w *World) Dial(n *Node, others ...*Node) {
	w.do(func() error {
		ctx, cancel := w.limit()
		defer cancel()
		for _, o := range others {
			n.Peerstore().AddAddrs(o.ID(), o.Addrs(), peerstore.PermanentAddrTTL)
			if _, err := n.Network().DialPeer(ctx, o.ID()); err != nil {
				return err
			}
		}
		return nil
	})
}

// Disconnect closes every connection between n and each of the others.
func (w *World) Disconnect(n *Node, others ...*Node) {
	w.do(func() error {
		for _, o := range others {
			if err := n.Network().ClosePeer(o.ID()); err != nil {
				return err
			}
		}
		return nil
	})
}

// CutStreams resets every stream of Bitswap that a node has, and leaves its
// connections.
func (w *World) CutStreams(n *Node) {
	w.do(func() error {
		for _, c := range n.Network().Conns() {
			for _, s := range c.GetStreams() {
				if s.Protocol() == bitswap {
					_ = s.Reset()
				}
			}
		}
		return nil
	})
}

// ConnectAll dials every pair.
func (w *World) ConnectAll(nodes ...*Node) {
	for i, n := range nodes {
		w.Connect(n, nodes[i+1:]...)
	}
}

// Settle lets the nodes finish what connecting began: identification, and the
// opening of streams.
func (w *World) Settle() { w.Pass(5 * time.Second) }

// Pass lets virtual time go by.
func (w *World) Pass(d time.Duration) {
	w.do(func() error { time.Sleep(d); return nil })
}

// Tell sends one Bitswap message to a node.
func (w *World) Tell(from, to *Node, m message.BitSwapMessage) {
	w.do(func() error { return from.Say(to.ID(), m) })
}

// Expect fails when the condition does not hold.
func (w *World) Expect(condition func() bool, what string) {
	w.do(func() error {
		if !condition() {
			return fmt.Errorf("expected: %s", what)
		}
		return nil
	})
}

// Sum adds the counters of those nodes that have an exchange.
func Sum(nodes ...*Node) exchanges.Counters {
	var sum exchanges.Counters
	for _, n := range nodes {
		if n.Exchange == nil {
			continue
		}
		c := n.Exchange.Counters()
		sum.BlocksReceived += c.BlocksReceived
		sum.BytesReceived += c.BytesReceived
		sum.DupBlocks += c.DupBlocks
		sum.DupBytes += c.DupBytes
		sum.BlocksSent += c.BlocksSent
		sum.BytesSent += c.BytesSent
		sum.MessagesReceived += c.MessagesReceived
		sum.WantsReceived += c.WantsReceived
	}
	return sum
}
