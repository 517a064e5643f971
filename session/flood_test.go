package session

import (
	"fmt"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// The cost of asking everybody grows with how many they are, and not with the square
// of that.
func BenchmarkFlood(b *testing.B) {
	const wants = 32
	for _, peers := range []int{500, 1000, 2000, 4000} {
		b.Run(fmt.Sprint(peers), func(b *testing.B) {
			_, cids := someBlocks(wants, 8)
			for b.Loop() {
				s := newState(rulesOf(rules{flood: true}))
				s.start()
				s.search.sampled = true // Else it would ask about one want at a time.
				for i := range peers {
					s.available(peer.ID(fmt.Sprintf("%04d", i)))
				}
				now := time.Unix(1, 0)
				s.want(now, 1, cids, false)
				s.finish(1, false)
				s.located(nil, cids)
				s.take(now)
				for i := range peers {
					for _, c := range cids {
						s.presence(now, peer.ID(fmt.Sprintf("%04d", i)), c, false)
					}
					s.take(now)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*wants*peers), "ns/answer")
		})
	}
}
