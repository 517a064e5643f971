package session

import (
	"runtime"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/internal/heaptest"
	"github.com/souk-p2p/souk/wantmanager"
)

// An outstanding want costs little, in one call or in as many calls.
func TestBytesOfAnOutstandingWant(t *testing.T) {
	const wants = 20_000
	ids := []peer.ID{"a", "b", "c", "d", "e", "f", "g", "h"}
	_, cids := someBlocks(wants, 8)
	for name, c := range map[string]struct{ calls, most int }{"one call": {1, 256}, "as many calls": {wants, 640}} {
		before := heaptest.Held()
		s := newState(rulesOf(named(ids...)))
		s.start()
		for _, id := range ids {
			s.available(id)
		}
		now := time.Unix(1, 0)
		for i := range c.calls {
			share := cids[i*wants/c.calls : (i+1)*wants/c.calls]
			s.want(now, callID(i+1), share, false)
			s.finish(callID(i+1), c.calls > 1)
		}
		s.located(nil, cids)
		s.take(now)
		for _, id := range ids {
			s.view(time.Time{}, id, wantmanager.View{Share: 16 << 20, Rate: 1e6, RTT: rtt})
		}
		s.take(now)
		each := (heaptest.Held() - before) / wants
		t.Logf("%s: %d bytes a want", name, each)
		require.Less(t, each, c.most, name)
		runtime.KeepAlive(s)
	}
	runtime.KeepAlive([][]cid.Cid{cids})
}

// The cost of a block does not grow with the number of wants.
func BenchmarkAskAndReceive(b *testing.B) {
	bs, cids := someBlocks(20_000, 8)
	for b.Loop() {
		s := newState(rulesOf(named("a")))
		s.start()
		s.available("a")
		now := time.Unix(1, 0)
		s.want(now, 1, cids, false)
		s.finish(1, false)
		s.located(nil, cids)
		s.take(now)
		s.view(time.Time{}, "a", wantmanager.View{Share: 512 << 10, Rate: 1e8, RTT: time.Millisecond})
		for _, block := range bs {
			s.received(received(block, "a", now))
			s.consumed(1, 1, 8)
			s.take(now)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/20_000, "ns/block")
}
