package sim

import (
	"context"
	"slices"
	"sync"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/test/internal/corpus"
)

// Routing is content routing that knows who was announced, and keeps book of who
// asked. It takes its time for each provider, as a walk of a DHT does.
type Routing struct {
	Pace  time.Duration // until the first provider, and between two of them
	Stuck bool          // it finds nobody, and ends with its caller

	mu        sync.Mutex
	providers map[cid.Cid][]peer.AddrInfo
	queries   []cid.Cid
	running   []context.Context // of the queries that have not ended
	most      int
}

// Announce says that the nodes have the blocks.
func (r *Routing) Announce(bs []blocks.Block, nodes ...*Node) {
	for _, n := range nodes {
		r.AnnounceAt(corpus.CIDs(bs), peer.AddrInfo{ID: n.ID(), Addrs: n.Addrs()})
	}
}

// AnnounceAt says that a peer is found under the keys, and where it is.
func (r *Routing) AnnounceAt(keys []cid.Cid, p peer.AddrInfo) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.providers == nil {
		r.providers = make(map[cid.Cid][]peer.AddrInfo)
	}
	for _, k := range keys {
		r.providers[k] = append(r.providers[k], p)
	}
}

// FindProvidersAsync is part of routing.ContentDiscovery.
func (r *Routing) FindProvidersAsync(ctx context.Context, c cid.Cid, _ int) <-chan peer.AddrInfo {
	out := make(chan peer.AddrInfo)
	found := r.begin(ctx, c)
	go func() {
		defer close(out)
		defer r.end(ctx)
		if r.Stuck {
			<-ctx.Done()
			return
		}
		for _, p := range found {
			if !r.pause(ctx) {
				return
			}
			select {
			case out <- p:
			case <-ctx.Done():
				return
			}
		}
		r.pause(ctx) // That there are no more is not known at once.
	}()
	return out
}

func (r *Routing) begin(ctx context.Context, c cid.Cid) []peer.AddrInfo {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queries = append(r.queries, c)
	r.running = append(r.running, ctx)
	r.most = max(r.most, r.live())
	return slices.Clone(r.providers[c])
}

func (r *Routing) end(ctx context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := slices.Index(r.running, ctx)
	r.running = slices.Delete(r.running, at, at+1)
}

// live counts the queries that somebody waits for: one that was cancelled may not
// have noticed yet.
func (r *Routing) live() int {
	n := 0
	for _, ctx := range r.running {
		if ctx.Err() == nil {
			n++
		}
	}
	return n
}

func (r *Routing) pause(ctx context.Context) bool {
	select {
	case <-time.After(r.Pace):
		return true
	case <-ctx.Done():
		return false
	}
}

// Queries are what was asked so far, in order.
func (r *Routing) Queries() []cid.Cid {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.queries)
}

// Running is how many queries have not ended, and the most that ran at once.
func (r *Routing) Running() (now, most int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.running), r.most
}
