package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	ma "github.com/multiformats/go-multiaddr"
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

// kept is a peer to which the connection is kept, until end is called.
type kept struct {
	info peer.AddrInfo
	end  context.CancelFunc
}

// Keep keeps connections to these peers and to no others from now on: it connects to
// them, now and whenever a connection is lost, until the node is closed. It does not
// wait for the first dials. A peer that is not among them any more is let go: its
// connection stays as long as others need it.
func (n *Online) Keep(peers []peer.AddrInfo) {
	peers = merge(nil, peers)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ctx.Err() != nil {
		return
	}
	for id, k := range n.kept {
		if i := indexOf(peers, id); i < 0 || !sameAddresses(peers[i], k.info) {
			k.end()
			delete(n.kept, id)
		}
		if indexOf(peers, id) < 0 {
			n.Host.ConnManager().Unprotect(id, keepTag)
		}
	}
	for _, p := range peers {
		if _, kept := n.kept[p.ID]; !kept {
			n.keep(p)
		}
	}
}

// sameAddresses reports whether a peer is to be found where it was.
func sameAddresses(a, b peer.AddrInfo) bool {
	return slices.EqualFunc(a.Addrs, b.Addrs, func(x, y ma.Multiaddr) bool { return x.Equal(y) })
}

// keep is called with the lock.
func (n *Online) keep(p peer.AddrInfo) {
	ctx, end := context.WithCancel(n.ctx)
	n.kept[p.ID] = kept{p, end}
	n.Host.ConnManager().Protect(p.ID, keepTag)
	n.work.Go(func() {
		pause := keepInterval
		for ctx.Err() == nil {
			pause = n.attend(ctx, p, pause)
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
		}
	})
}

// attend dials the peer unless it is connected and returns when to look again.
func (n *Online) attend(ctx context.Context, p peer.AddrInfo, pause time.Duration) time.Duration {
	if n.isConnected(p.ID) {
		return keepInterval
	}
	if err := n.dial(ctx, p); ctx.Err() != nil {
		return keepInterval // It is let go, and nobody is interested in why the dial has ended.
	} else if err != nil {
		n.log.Warn("peer cannot be reached", zap.Error(err), zap.Duration("next", pause))
		return min(2*pause, keepMaxInterval)
	}
	n.log.Info("connected to peer", zap.Stringer("peer", p.ID))
	return keepInterval
}
