package nearby

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

func neighbourNumber(n int) peer.AddrInfo {
	return peer.AddrInfo{ID: peer.ID(fmt.Sprintf("peer %03d", n)), Addrs: []ma.Multiaddr{ma.StringCast("/ip4/192.168.1.1/tcp/4001")}}
}

// street is who can be reached, and who was dialled.
type street struct {
	mu        sync.Mutex
	answers   func(peer.ID) bool
	dials     []peer.ID
	at        []time.Duration // since the start
	most, now int             // dials at a time
	connected map[peer.ID]bool
	began     time.Time
}

func (s *street) dial(ctx context.Context, p peer.AddrInfo) error {
	s.mu.Lock()
	s.dials, s.at = append(s.dials, p.ID), append(s.at, time.Since(s.began))
	s.now++
	s.most = max(s.most, s.now)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.now--
	}()
	if s.answers(p.ID) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.connected[p.ID] = true
		return nil
	}
	<-ctx.Done()
	return errors.New("silence")
}

func (s *street) isConnected(p peer.ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.connected[p]
}

// play lets a finder look at a street in virtual time, without multicast.
func play(t *testing.T, answers func(peer.ID) bool, scenario func(f *Finder, s *street)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &street{answers: answers, connected: make(map[peer.ID]bool), began: time.Now()}
		f := newFinder(Config{
			Connect: s.dial, Connected: s.isConnected, Logger: zap.NewNop(),
			Allowed: func(p peer.ID) bool { return p != "stranger" },
		})
		f.work.Go(f.look)
		scenario(f, s)
		f.Close()
	})
}

// pass lets time pass, and what is due in it happen.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func all(peer.ID) bool { return true }

func none(peer.ID) bool { return false }

func TestWhoIsHeardOfIsConnected(t *testing.T) {
	play(t, all, func(f *Finder, s *street) {
		f.HandlePeerFound(neighbourNumber(1))
		pass(time.Minute)
		require.Equal(t, []peer.ID{"peer 001"}, s.dials)

		s.mu.Lock()
		delete(s.connected, "peer 001")
		s.mu.Unlock()
		pass(time.Minute)
		require.Len(t, s.dials, 2, "and again when the connection is lost")
	})
}

func TestASilentNeighbourIsDialledEverMoreSeldomAndThenForgotten(t *testing.T) {
	play(t, none, func(f *Finder, s *street) {
		f.HandlePeerFound(neighbourNumber(1))
		pass(time.Hour)
		require.Len(t, s.dials, mostFailures)
		for i := 2; i < len(s.at); i++ {
			require.Greater(t, s.at[i]-s.at[i-1], s.at[i-1]-s.at[i-2])
		}
		require.Empty(t, f.table.all)
	})
}

// Whoever floods the network with announcements makes us dial a few times a second
// and remember little, and keeps an honest neighbour out only as long as it goes on.
func TestAHostileNetworkIsDialledWithinBounds(t *testing.T) {
	honest := neighbourNumber(5000)
	play(t, func(p peer.ID) bool { return p == honest.ID }, func(f *Finder, s *street) {
		for n := range 2000 {
			f.HandlePeerFound(neighbourNumber(n))
			pass(50 * time.Millisecond)
		}
		for range 120 {
			f.HandlePeerFound(honest)
			pass(time.Second)
		}
		require.True(t, s.isConnected(honest.ID))
		require.LessOrEqual(t, s.most, mostDials)
		require.LessOrEqual(t, len(f.table.all), mostNeighbours)
		require.LessOrEqual(t, float64(len(s.dials)), mostDials*(1+time.Since(s.began).Seconds()/dialTime.Seconds()))
	})
}

func TestOnlyAddressesOfLocalNetworksAreDialled(t *testing.T) {
	near := []string{"/ip4/192.168.1.1/tcp/1", "/ip4/10.0.0.1/udp/1/quic-v1", "/ip6/fe80::1/tcp/1", "/ip6/fd00::1/tcp/1", "/ip4/127.0.0.1/tcp/1", "/ip4/169.254.0.1/tcp/1", "/ip4/198.51.100.9/tcp/1"}
	own := []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}
	far := []string{"/ip4/203.0.113.1/tcp/1", "/ip6/2001:db8::1/tcp/1", "/dns4/example.org/tcp/1",
		"/ip4/192.168.1.1/tcp/1/p2p/12D3KooWA4Xop1JaT3MHxwYMkCepYsv4iPVopMXwCz5iHYdBfeSB/p2p-circuit"}
	var addrs []ma.Multiaddr
	for _, a := range slices.Concat(far, near) {
		addrs = append(addrs, ma.StringCast(a))
	}
	var kept []string
	for _, a := range local(addrs, own) {
		kept = append(kept, a.String())
	}
	require.Equal(t, near, kept)
	require.Len(t, local(slices.Repeat(addrs, 10), own), mostAddrs)
}

func TestWhoIsNotAllowedIsNotDialled(t *testing.T) {
	play(t, all, func(f *Finder, s *street) {
		f.HandlePeerFound(peer.AddrInfo{ID: "stranger", Addrs: neighbourNumber(1).Addrs})
		f.HandlePeerFound(peer.AddrInfo{ID: "nowhere"})
		pass(time.Minute)
		require.Empty(t, s.dials)
	})
}
