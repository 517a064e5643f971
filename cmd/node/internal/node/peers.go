package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
)

const (
	// dialTimeout covers a dial over a slow link with both handshakes.
	dialTimeout = 10 * time.Second
	// A kept peer is looked after this often, and after a failed dial with twice
	// the pause each time up to the maximum.
	keepInterval    = 5 * time.Second
	keepMaxInterval = time.Minute
	keepTag         = "souk-keep"
)

// UnreachableError says that a peer that was named could not be dialled.
type UnreachableError struct {
	Peer peer.ID
	Err  error
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("cannot reach %s (is it running, and is the address right?): %v", e.Peer, e.Err)
}

func (e *UnreachableError) Unwrap() error { return e.Err }

// Connect connects to peers, all at the same time, and returns them all when at
// least one could be reached; the exchange tries the others again itself.
func (n *Online) Connect(ctx context.Context, peers []peer.AddrInfo) ([]peer.ID, error) {
	ids := make([]peer.ID, len(peers))
	failed := make([]error, len(peers))
	var dials errgroup.Group
	for i, p := range peers {
		ids[i] = p.ID
		dials.Go(func() error {
			failed[i] = n.dial(ctx, p)
			return failed[i]
		})
	}
	if dials.Wait() == nil {
		return ids, nil
	}
	for _, err := range failed {
		if err == nil {
			return ids, nil
		}
	}
	return nil, errors.Join(failed...)
}

func (n *Online) dial(ctx context.Context, p peer.AddrInfo) error {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	// With the connection libp2p forgets the addresses that the peer has not named
	// itself, and the exchange could not connect again.
	n.Host.Peerstore().AddAddrs(p.ID, p.Addrs, peerstore.AddressTTL)
	if err := n.Host.Connect(n.reach(ctx), p); err != nil {
		n.log.Debug("dial failed", zap.Stringer("peer", p.ID), zap.Error(err))
		return &UnreachableError{Peer: p.ID, Err: err}
	}
	return nil
}

// Keep connects to a peer, now and whenever the connection is lost, until the
// node is closed. It does not wait for the first dial.
func (n *Online) Keep(p peer.AddrInfo) {
	n.Host.ConnManager().Protect(p.ID, keepTag)
	n.work.Go(func() {
		pause := keepInterval
		for n.ctx.Err() == nil {
			pause = n.attend(p, pause)
			select {
			case <-time.After(pause):
			case <-n.ctx.Done():
			}
		}
	})
}

// attend dials the peer unless it is connected and returns when to look again.
func (n *Online) attend(p peer.AddrInfo, pause time.Duration) time.Duration {
	if n.isConnected(p.ID) {
		return keepInterval
	}
	if err := n.dial(n.ctx, p); err != nil {
		n.log.Warn("peer cannot be reached", zap.Error(err), zap.Duration("next", pause))
		return min(2*pause, keepMaxInterval)
	}
	n.log.Info("connected to peer", zap.Stringer("peer", p.ID))
	return keepInterval
}
