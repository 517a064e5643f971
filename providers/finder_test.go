package providers

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
)

// fakeRouting is a routing.ContentDiscovery that knows some peers for each key
// and then searches until its context ends, as a DHT walk does.
type fakeRouting struct {
	known map[cid.Cid][]string
	walks bool
	asked []cid.Cid
	count int
}

func (r *fakeRouting) FindProvidersAsync(ctx context.Context, key cid.Cid, count int) <-chan peer.AddrInfo {
	r.asked, r.count = append(r.asked, key), count
	out := make(chan peer.AddrInfo)
	go func() {
		defer close(out)
		for _, name := range r.known[key] {
			select {
			case out <- peer.AddrInfo{ID: peer.ID(name)}:
			case <-ctx.Done():
				return
			}
		}
		if r.walks {
			<-ctx.Done()
		}
	}()
	return out
}

// all runs a finder to its end and returns whom it found.
func all(ctx context.Context, f Finder, q Query) (names []string, err error) {
	err = f.Find(ctx, q, func(p peer.AddrInfo) bool {
		names = append(names, string(p.ID))
		return len(names) < q.Most
	})
	return names, err
}

func TestRoutingIsAskedForTheSample(t *testing.T) {
	x, y := sample("x")[0], sample("y")[0]
	r := &fakeRouting{known: map[cid.Cid][]string{x: {"a", "b"}, y: {"c"}}}
	names, err := all(t.Context(), Routing(r), Query{Namespace: "films", CIDs: []cid.Cid{x, y}, Most: 8})
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b", "c"}, names)
	require.Equal(t, []cid.Cid{x, y}, r.asked)
	require.Equal(t, 8, r.count)
}

// Where only roots were provided, asking for a part finds nobody.
func TestRoutingIsAskedForTheRootAndThenForTheSample(t *testing.T) {
	root, part := sample("root")[0], sample("part")[0]
	r := &fakeRouting{known: map[cid.Cid][]string{root: {"a"}, part: {"b"}}}
	names, err := all(t.Context(), Routing(r), Query{CIDs: []cid.Cid{part}, Root: root, Most: 8})
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, names)
	require.Equal(t, []cid.Cid{root}, r.asked)
	delete(r.known, root)
	names, err = all(t.Context(), Routing(r), Query{CIDs: []cid.Cid{part}, Root: root, Most: 8})
	require.NoError(t, err)
	require.Equal(t, []string{"b"}, names)
}

func TestRoutingIsAskedForTheNamespaceWithoutASample(t *testing.T) {
	key, err := NamespaceCID("films")
	require.NoError(t, err)
	r := &fakeRouting{known: map[cid.Cid][]string{key: {"a"}}}
	names, err := all(t.Context(), Routing(r), Query{Namespace: "films", Most: 8})
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, names)
}

func TestSearchEndsWhenEnoughWasFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // The search of the fake must have ended, too.
		x := sample("x")[0]
		r := &fakeRouting{known: map[cid.Cid][]string{x: {"a", "b", "c"}}, walks: true}
		names, err := all(t.Context(), Routing(r), Query{CIDs: []cid.Cid{x}, Most: 2})
		require.NoError(t, err)
		require.Equal(t, []string{"a", "b"}, names)
	})
}

func TestSearchEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := sample("x")[0]
		r := &fakeRouting{known: map[cid.Cid][]string{x: {"a"}}, walks: true}
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		defer cancel()
		names, err := all(ctx, Routing(r), Query{CIDs: []cid.Cid{x}, Most: 2})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, []string{"a"}, names)
	})
}

func TestFixedPeersAreAlwaysTheAnswer(t *testing.T) {
	f := Fixed(peer.AddrInfo{ID: "a"}, peer.AddrInfo{ID: "b"}, peer.AddrInfo{ID: "c"})
	for most, want := range map[int][]string{1: {"a"}, 2: {"a", "b"}, 9: {"a", "b", "c"}} {
		names, err := all(t.Context(), f, Query{Most: most})
		require.NoError(t, err)
		require.Equal(t, want, names)
	}
	names, err := all(t.Context(), f, Query{})
	require.NoError(t, err)
	require.Empty(t, names)
}

// Announcements and queries of different versions must meet.
func TestNamespaceCIDStaysTheSame(t *testing.T) {
	c, err := NamespaceCID("films")
	require.NoError(t, err)
	require.Equal(t, "bafkreiazvlcdmek7a4gnboozipn6l2qhdhzfknzwdxc4dd7swi5cym72ce", c.String())
	other, err := NamespaceCID("songs")
	require.NoError(t, err)
	require.NotEqual(t, c, other)
}
