package wantmanager

import (
	"runtime"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/internal/heaptest"
	"github.com/souk-p2p/souk/message"
)

// A want at a peer costs little beside its CID, which others hold as well.
func TestBytesOfAWantAtAPeer(t *testing.T) {
	const peers, wants = 40, maxKnown
	cids := cidsOf(0, wants)
	before := heaptest.Held()
	s := newState(16<<20, 64<<20)
	s.open(1)
	now := time.Unix(1, 0)
	for i := range peers {
		p := peer.ID(rune('a' + i))
		s.peerState(now, p, true, message.V120, 1, 1)
		asks := make([]Ask, wants)
		for n, c := range cids {
			asks[n] = Ask{CID: c, Type: message.WantHave}
		}
		s.send(1, map[peer.ID][]Ask{p: asks})
		s.take(now)
		s.written(now, p, now, nil)
		s.take(now)
	}
	each := (heaptest.Held() - before) / (peers * wants)
	t.Logf("%d bytes a want", each)
	require.Less(t, each, 160)
	runtime.KeepAlive(s)
	runtime.KeepAlive(cids)
}

// The cost of a block does not grow with the number of wants.
func BenchmarkAskAndHear(b *testing.B) {
	cids := cidsOf(0, 20_000)
	asks := make([]Ask, len(cids))
	for i, c := range cids {
		asks[i] = Ask{CID: c}
	}
	for b.Loop() {
		s := newState(16<<20, 64<<20)
		s.open(1)
		now := time.Unix(1, 0)
		s.peerState(now, a, true, message.V120, 1, 1)
		s.send(1, map[peer.ID][]Ask{a: asks})
		s.take(now)
		for _, c := range cids {
			now = now.Add(time.Microsecond)
			s.written(now, a, now, nil)
			s.heard(now, a, news{at: now, began: now, blocks: []sized{{c, 1024}}})
			s.take(now)
		}
		if n := len(s.peers[a].wants); n > 0 {
			b.Fatal(n)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/20_000, "ns/block")
}
