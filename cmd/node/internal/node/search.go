package node

import (
	"context"
	"errors"
	"sync"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/providers"
	"github.com/souk-p2p/souk/session"
)

// Find implements [Node].
func (n *Online) Find(ctx context.Context, s Search) ([]peer.AddrInfo, error) {
	if err := n.AddTrackers(s.Trackers...); err != nil {
		return nil, err
	}
	if !n.tracked() && n.dht == nil {
		return nil, &NoTrackersError{}
	}
	return n.find(ctx, s)
}

// find returns peers, or why there are none.
func (n *Online) find(ctx context.Context, s Search) ([]peer.AddrInfo, error) {
	q := providers.Query{Namespace: s.Namespace, Most: s.Most}
	if s.CID.Defined() {
		q.CIDs = []cid.Cid{s.CID}
	}
	found, err := n.Exchange.Search(ctx, q)
	if len(found) > 0 || err != nil {
		return found, err
	}
	if trackers := n.named(); len(trackers) > 0 {
		_, err = n.Connect(ctx, trackers)
	}
	if err == nil {
		err = &NobodyError{Namespace: s.Namespace}
	}
	return nil, err
}

// searchFetcher fetches within a namespace. A session waits for peers that may
// still come; this one fails when there is nobody to wait for, for all that is
// not stored.
type searchFetcher struct {
	sessionFetcher
	stored stored
	ended  context.Context // of the session; its cause says that there is nobody
	cancel context.CancelCauseFunc
	work   sync.WaitGroup
}

func (n *Online) search(ctx context.Context, namespace string) *searchFetcher {
	f := &searchFetcher{stored: stored{n.store}}
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

// hopeless returns why the search has ended by itself, or nil when it has not.
func (f *searchFetcher) hopeless() error {
	var why *hopelessError
	if errors.As(context.Cause(f.ended), &why) {
		return why.error
	}
	return nil
}

// lonely reports whether no peer is connected that is not just a tracker.
func (n *Online) lonely() bool {
	trackers := n.named()
	for _, p := range n.Host.Network().Peers() {
		if indexOf(trackers, p) < 0 {
			return false
		}
	}
	return true
}

func (f *searchFetcher) GetBlock(ctx context.Context, c cid.Cid) (blocks.Block, error) {
	b, err := f.Session.GetBlock(ctx, c)
	if err == nil || f.hopeless() == nil {
		return b, err
	}
	b, err = f.stored.GetBlock(ctx, c)
	var missing *NoPeersError
	if errors.As(err, &missing) {
		err = f.hopeless()
	}
	return b, err
}

func (f *searchFetcher) GetBlocks(ctx context.Context, cs []cid.Cid) (<-chan blocks.Block, error) {
	in, err := f.Session.GetBlocks(ctx, cs)
	if err != nil && f.hopeless() == nil {
		return nil, err
	}
	out := make(chan blocks.Block)
	go func() {
		defer close(out)
		f.deliver(ctx, cs, in, out)
	}()
	return out, nil
}

// deliver hands on what the session has, if it has begun, and when that has ended
// for want of peers, what else is stored.
func (f *searchFetcher) deliver(ctx context.Context, cs []cid.Cid, in <-chan blocks.Block, out chan<- blocks.Block) {
	came := make(map[cid.Cid]struct{}, len(cs))
	give := func(b blocks.Block) bool {
		came[b.Cid()] = struct{}{}
		select {
		case out <- b:
			return true
		case <-ctx.Done():
			return false
		}
	}
	if in != nil {
		for b := range in {
			if !give(b) {
				return
			}
		}
	}
	if f.hopeless() == nil {
		return
	}
	for _, c := range cs {
		if _, again := came[c]; again {
			continue
		}
		if b, err := f.stored.GetBlock(ctx, c); err == nil && !give(b) {
			return
		}
	}
}

func (f *searchFetcher) Close() error {
	err := f.sessionFetcher.Close()
	f.cancel(nil)
	f.work.Wait()
	return err
}
