package sim

import (
	"context"
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	manet "github.com/multiformats/go-multiaddr/net"

	"github.com/souk-p2p/souk/test/internal/exchanges"
)

// Call is a GetBlocks that is under way.
type Call struct {
	cancel context.CancelFunc

	mu    sync.Mutex
	got   []cid.Cid
	ended time.Time
}

// Call asks for CIDs at n, in a session of its own, and does not wait.
func (w *World) Call(n *Node, cs []cid.Cid, from ...*Node) *Call {
	var c *Call
	w.do(func() (err error) {
		c, err = w.call(n.Exchange.Fetcher(w.ctx, ids(from)...), cs)
		return err
	})
	return c
}

// Call asks for CIDs in the session, and does not wait.
func (s *Session) Call(cs []cid.Cid) *Call {
	var c *Call
	s.world.do(func() (err error) {
		c, err = s.world.call(s.fetcher, cs)
		return err
	})
	return c
}

func (w *World) call(f exchanges.Fetcher, cs []cid.Cid) (*Call, error) {
	ctx, cancel := context.WithCancel(w.ctx)
	ch, err := f.GetBlocks(ctx, cs)
	if err != nil {
		cancel()
		return nil, err
	}
	c := &Call{cancel: cancel}
	go func() {
		for b := range ch {
			c.mu.Lock()
			c.got = append(c.got, b.Cid())
			c.mu.Unlock()
		}
		c.mu.Lock()
		c.ended = time.Now()
		c.mu.Unlock()
	}()
	return c, nil
}

// Cancel gives the call up.
func (c *Call) Cancel() { c.cancel() }

// Got returns the CIDs of the blocks that have come, in their order.
func (c *Call) Got() []cid.Cid {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]cid.Cid(nil), c.got...)
}

// Ended returns when the channel of the call was closed; zero while it is open.
func (c *Call) Ended() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

// Disconnect closes the connections between n and the others.
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

// Cut takes a node off the network without a word: nothing that it sends or is
// sent arrives any more.
func (w *World) Cut(n *Node) {
	for _, a := range n.Network().ListenAddresses() {
		if udp, err := manet.ToNetAddr(a); err == nil {
			w.mu.Lock()
			w.delays[ipv4(udp)] = 1000 * time.Hour
			w.mu.Unlock()
		}
	}
}
