package providers

import (
	"context"
	"iter"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/routing"
	"github.com/multiformats/go-multihash"
)

// Finder knows peers that may have something.
type Finder interface {
	// Find calls found for each candidate, at most q.Most times, as they are
	// found, until there are no more, ctx ends, or found returns false. It runs
	// in a worker and may block.
	Find(ctx context.Context, q Query, found func(peer.AddrInfo) bool) error
}

// Fixed is a finder that always answers with the same peers.
func Fixed(peers ...peer.AddrInfo) Finder { return fixed(peers) }

type fixed []peer.AddrInfo

func (f fixed) Find(_ context.Context, q Query, found func(peer.AddrInfo) bool) error {
	for n, p := range f {
		if n == q.Most || !found(p) {
			return nil
		}
	}
	return nil
}

// Routing is a finder that asks content routing: a DHT or a delegated router. A
// query is asked by its [Query.Rounds], or, without any CID, by [NamespaceCID].
func Routing(r routing.ContentDiscovery) Finder { return contentDiscovery{r} }

type contentDiscovery struct{ routing.ContentDiscovery }

func (d contentDiscovery) Find(ctx context.Context, q Query, found func(peer.AddrInfo) bool) error {
	rounds := q.Rounds()
	if len(q.CIDs) == 0 && !q.Root.Defined() {
		key, err := NamespaceCID(q.Namespace)
		if err != nil {
			return err
		}
		rounds = [][]cid.Cid{{key}}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // Ends the search when enough was found.
	n := 0
	for _, keys := range rounds {
		for _, key := range keys {
			for p := range until(ctx, d.FindProvidersAsync(ctx, key, q.Most)) {
				if n++; n > q.Most || !found(p) {
					return nil
				}
			}
		}
		if n > 0 || ctx.Err() != nil {
			break
		}
	}
	return ctx.Err()
}

// until receives from a channel until it is closed or ctx ends: not every router
// closes its channel then.
func until(ctx context.Context, peers <-chan peer.AddrInfo) iter.Seq[peer.AddrInfo] {
	return func(yield func(peer.AddrInfo) bool) {
		for {
			select {
			case p, more := <-peers:
				if !more || !yield(p) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}

// NamespaceCID is the key under which a namespace stands in content routing:
// CIDv1, raw, sha2-256 of the namespace behind a prefix of its own.
func NamespaceCID(namespace string) (cid.Cid, error) {
	return cid.Prefix{Version: 1, Codec: cid.Raw, MhType: multihash.SHA2_256, MhLength: -1}.
		Sum([]byte("/souk/namespace/" + namespace))
}
