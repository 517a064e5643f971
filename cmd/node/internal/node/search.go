package node

import (
	"context"
	"errors"
	"sync"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/session"
)

// Find implements [Node].
func (n *Online) Find(ctx context.Context, s Search) ([]peer.AddrInfo, error) {
	if err := n.AddTrackers(s.Trackers...); err != nil {
		return nil, err
	}
	if !n.tracked() {
		return nil, &NoTrackersError{}
	}
	return n.find(ctx, s)
}

// find returns peers, or why there are none.
func (n *Online) find(ctx context.Context, s Search) ([]peer.AddrInfo, error) {
	found, err := n.Exchange.Find(ctx, s.Namespace, s.Most)
	if len(found) > 0 || err != nil {
		return found, err
	}
	if trackers := n.Trackers(); len(trackers) > 0 {
		_, err = n.Connect(ctx, trackers)
	}
	if err == nil {
		err = &NobodyError{Namespace: s.Namespace}
	}
	return nil, err
}

// searchFetcher fetches within a namespace. A session waits for peers that may
// still come; this one fails when there is nobody to wait for.
type searchFetcher struct {
	sessionFetcher
	ended  context.Context // of the session; its cause says that there is nobody
	cancel context.CancelCauseFunc
	work   sync.WaitGroup
}

func (n *Online) search(ctx context.Context, namespace string) *searchFetcher {
	f := &searchFetcher{}
	f.ended, f.cancel = context.WithCancelCause(ctx)
	f.Session = n.Exchange.NewSession(f.ended, session.WithNamespace(namespace))
	f.work.Go(func() {
		_, err := n.find(f.ended, Search{Namespace: namespace, Most: 1})
		if err != nil && n.lonely() {
			f.cancel(&hopelessError{err})
		}
	})
	return f
}

// hopelessError is why a search has ended by itself.
type hopelessError struct{ error }

func (e *hopelessError) Unwrap() error { return e.error }

// lonely reports whether no peer is connected that is not just a tracker.
func (n *Online) lonely() bool {
	trackers := n.Trackers()
	for _, p := range n.Host.Network().Peers() {
		if indexOf(trackers, p) < 0 {
			return false
		}
	}
	return true
}

func (f *searchFetcher) GetBlock(ctx context.Context, c cid.Cid) (blocks.Block, error) {
	b, err := f.Session.GetBlock(ctx, c)
	var hopeless *hopelessError
	if err != nil && errors.As(context.Cause(f.ended), &hopeless) {
		return nil, hopeless.error
	}
	return b, err
}

func (f *searchFetcher) Close() error {
	err := f.sessionFetcher.Close()
	f.cancel(nil)
	f.work.Wait()
	return err
}
