package resolver

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	"github.com/stretchr/testify/require"
)

// following is a source that is followed, as seen by who follows.
type following struct {
	stop context.CancelFunc

	mu    sync.Mutex
	last  []peer.ID
	infos []peer.AddrInfo
	words int
	ended error
}

// followed follows a source to the end of the test.
func followed(t *testing.T, s Source) *following {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	seen := &following{stop: stop}
	go func() {
		ended := s.Follow(ctx, func(all []peer.AddrInfo) {
			seen.mu.Lock()
			defer seen.mu.Unlock()
			seen.last, seen.infos = nil, all
			seen.words++
			for _, p := range all {
				seen.last = append(seen.last, p.ID)
			}
		})
		seen.mu.Lock()
		defer seen.mu.Unlock()
		seen.ended = ended
	}()
	synctest.Wait()
	return seen
}

func info(p peer.ID, addrs ...string) peer.AddrInfo {
	all := peer.AddrInfo{ID: p}
	for _, a := range addrs {
		all.Addrs = append(all.Addrs, multiaddr.StringCast(a))
	}
	return all
}

func (f *following) hears(t *testing.T, want ...peer.ID) {
	t.Helper()
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	require.Equal(t, want, f.last)
}

func TestASetTellsOfEachChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSet(info("b"), info("a"))
		seen := followed(t, s)
		seen.hears(t, "a", "b")
		s.Add(info("c"), info("a", "/ip4/192.0.2.1/tcp/1"))
		seen.hears(t, "a", "b", "c")
		require.Len(t, seen.infos[0].Addrs, 1)
		s.Remove("b", "nobody")
		seen.hears(t, "a", "c")
		s.Replace()
		seen.hears(t)
		followed(t, s).hears(t)
		seen.stop()
		synctest.Wait()
		require.ErrorIs(t, seen.ended, context.Canceled)
	})
}

func TestJoinedSourcesAreTheUnion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two := NewSet(info("a", "/ip4/192.0.2.1/tcp/1"), info("b")), NewSet()
		gone, fails := errors.New("gone"), make(chan struct{})
		seen := followed(t, Join(one, two, follow(func(ctx context.Context, set func([]peer.AddrInfo)) error {
			set([]peer.AddrInfo{info("z")})
			select {
			case <-fails:
				return gone
			case <-ctx.Done():
				return ctx.Err()
			}
		})))
		seen.hears(t, "a", "b", "z")
		two.Add(info("a", "/ip4/192.0.2.2/tcp/1", "/ip4/192.0.2.1/tcp/1"), info("c"))
		seen.hears(t, "a", "b", "c", "z")
		require.Len(t, seen.infos[0].Addrs, 2, "each address once")
		one.Replace()
		seen.hears(t, "a", "c", "z")
		close(fails)
		synctest.Wait()
		require.ErrorIs(t, seen.ended, gone)
	})
}

func TestASourceThatPanicsEndsThoseItIsJoinedWith(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := followed(t, Join(NewSet(), follow(func(context.Context, func([]peer.AddrInfo)) error { panic("bug") })))
		require.ErrorContains(t, seen.ended, "bug")
	})
}

// finds is a directory.
type finds struct {
	mu    sync.Mutex
	peers []peer.AddrInfo
	err   error
	asked int
}

// says has the directory find peers from now on.
func (f *finds) says(err error, peers ...peer.ID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.peers, f.err = nil, err
	for _, p := range peers {
		f.peers = append(f.peers, info(p))
	}
}

func (f *finds) Find(_ context.Context, _ string, k int) ([]peer.AddrInfo, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	return f.peers[:min(k, len(f.peers))], f.err
}

func TestANamespaceIsAskedForAgainAndHearsWhoComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, came := new(finds), make(chan peer.AddrInfo)
		in.says(errors.New("no trackers"))
		seen := followed(t, follow(func(ctx context.Context, set func([]peer.AddrInfo)) error {
			return inNamespace{"films", 2}.follow(ctx, in, came, set)
		}))
		require.Zero(t, seen.words, "nobody is known")
		in.says(nil, "a", "b", "c")
		time.Sleep(findAgain)
		seen.hears(t, "a", "b")
		for _, p := range []peer.ID{"x", "y", "z"} {
			came <- info(p)
		}
		seen.hears(t, "a", "b", "x", "y")
		in.says(nil)
		time.Sleep(findEvery)
		seen.hears(t, "a", "b", "x", "y")
		in.says(nil, "c")
		time.Sleep(findAgain)
		seen.hears(t, "c")
		require.Equal(t, 4, in.asked)
	})
}
