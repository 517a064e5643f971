package tracker

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multihash"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/providers/wire"
)

func cidOf(text string) cid.Cid {
	hash, err := multihash.Sum([]byte(text), multihash.SHA2_256, -1)
	if err != nil {
		panic(err)
	}
	return cid.NewCidV1(cid.Raw, hash)
}

// prober is what the tracker dials.
type prober struct {
	has   func(ctx context.Context, p peer.AddrInfo) (bool, error)
	mu    sync.Mutex
	asked map[peer.ID][]string // addresses
	now   int
	most  int
}

func (p *prober) probe(ctx context.Context, who peer.AddrInfo, c cid.Cid) (bool, error) {
	if c != cidOf("block") {
		return false, fmt.Errorf("asked for %s", c)
	}
	p.mu.Lock()
	p.now++
	p.most = max(p.most, p.now)
	p.asked[who.ID] = nil
	for _, a := range who.Addrs {
		p.asked[who.ID] = append(p.asked[who.ID], a.String())
	}
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.now--
		p.mu.Unlock()
	}()
	return p.has(ctx, who)
}

func (p *prober) addrs(id peer.ID) ([]string, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	addrs, asked := p.asked[id]
	return addrs, asked
}

func (p *prober) mostAtOnce() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.most
}

// probing runs a test with a tracker that was told what of photos was served by
// the first peer.
func probing(t *testing.T, has func(ctx context.Context, p peer.AddrInfo) (bool, error), others func(s *service), test func(t *testing.T, s *service, p *prober)) {
	p := &prober{has: has, asked: map[peer.ID][]string{}}
	cfg := generous()
	cfg.Probe = p.probe
	serve(t, cfg, func(t *testing.T, s *service) {
		s.connect(1).announces("photos")
		client := s.connect(2)
		reply := client.asks(about("photos"))
		others(s)
		client.send(&wire.Feedback{Token: reply.Token, Peers: []wire.Judgement{
			{Peer: idOf(1), Outcome: wire.OutcomeServed, Samples: []cid.Cid{cidOf("block")}},
		}})
		test(t, s, p)
	})
}

func TestAnnouncersWhoDoNotHaveWhatTheySayAreFoundOutByProbes(t *testing.T) {
	has := func(_ context.Context, p peer.AddrInfo) (bool, error) { return p.ID == idOf(1), nil }
	liar := func(s *service) { s.connect(3).announces("photos") }
	probing(t, has, liar, func(t *testing.T, s *service, p *prober) {
		time.Sleep(10 * time.Second)
		scores := map[peer.ID]wire.Score{}
		for _, row := range s.connect(4).asks(about("photos")).Rows {
			scores[announcers(t, []wire.Row{row})[0]] = row.Score
		}
		require.Equal(t, map[peer.ID]wire.Score{idOf(1): wire.ScoreGood, idOf(3): wire.ScorePoor}, scores)
		stat := s.stat()
		require.NotZero(t, stat.Probes[ProbeHad])
		require.NotZero(t, stat.Probes[ProbeMissed])
		addrs, _ := p.addrs(idOf(3))
		require.Equal(t, []string{"/ip4/1.0.3.7/udp/4001/quic-v1"}, addrs)
	})
}

func TestProbesGoToPublicAddressesThatWereObservedAndNowhereElse(t *testing.T) {
	has := func(context.Context, peer.AddrInfo) (bool, error) { return true, nil }
	others := func(s *service) {
		s.connectFrom(3, "/ip4/10.0.0.1/tcp/1").announces("photos")
		s.connectFrom(4, "/ip4/127.0.0.1/tcp/1").announces("photos")
		s.connect(5).announces("photos", at("/dns4/victim.example/tcp/1", "/ip6/2001:db8::1/tcp/1"))
		s.connect(6).announces("photos", at("/dns4/victim.example/tcp/1", "/ip4/1.0.6.7/tcp/1", "/ip4/8.8.8.8/tcp/1"))
	}
	probing(t, has, others, func(t *testing.T, s *service, p *prober) {
		time.Sleep(time.Minute)
		for n := 3; n <= 5; n++ {
			_, asked := p.addrs(idOf(n))
			require.False(t, asked, n)
		}
		addrs, asked := p.addrs(idOf(6))
		require.True(t, asked)
		require.Equal(t, []string{"/ip4/1.0.6.7/tcp/1"}, addrs)
		require.NotZero(t, s.stat().Probes[ProbeSkipped])
	})
}

func TestFourProbesAreMadeAtOnceAndEachEndsInTime(t *testing.T) {
	hangs := func(ctx context.Context, p peer.AddrInfo) (bool, error) {
		if last := p.ID[len(p.ID)-1]; last%3 > 0 {
			time.Sleep(1500 * time.Millisecond)
			return true, nil
		}
		<-ctx.Done()
		return false, ctx.Err()
	}
	probing(t, hangs, func(s *service) {
		for n := range 20 {
			s.connect(10 + n).announces("photos")
		}
	}, func(t *testing.T, s *service, p *prober) {
		time.Sleep(probeDeadline + 5*time.Second)
		require.Equal(t, probesAtOnce, p.mostAtOnce())
		stat := s.stat()
		require.NotZero(t, stat.Probes[ProbeUnreached])
		require.LessOrEqual(t, stat.Probing, probesAtOnce)
		for _, row := range s.connect(4).asks(about("photos")).Rows {
			require.NotEqual(t, wire.ScorePoor, row.Score, "who was not reached is not blamed")
		}
	})
}

func TestAProbeThatPanicsSaysNothingAndIsReported(t *testing.T) {
	panicked := make(chan error, 100)
	cfg := generous()
	cfg.Probe = func(context.Context, peer.AddrInfo, cid.Cid) (bool, error) { panic("broken") }
	cfg.Panicked = func(err error) { panicked <- err }
	synctest.Test(t, func(t *testing.T) {
		s := startService(t, cfg)
		s.connect(1).announces("photos")
		client := s.connect(2)
		reply := client.asks(about("photos"))
		client.send(&wire.Feedback{Token: reply.Token, Peers: []wire.Judgement{
			{Peer: idOf(1), Outcome: wire.OutcomeServed, Samples: []cid.Cid{cidOf("block")}},
		}})
		time.Sleep(3 * time.Second)
		require.NotZero(t, s.stat().Probes[ProbeUnreached])
		s.stop()
	})
	require.NotEmpty(t, panicked)
}
