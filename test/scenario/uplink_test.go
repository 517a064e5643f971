package scenario

import (
	"testing"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/sim"
)

// The few messages that are on their way at once become as many as slow and long paths
// take together.
func TestManySlowPathsAreFilledTogether(t *testing.T) {
	const peers, seconds, from = 50, 10, 4
	path := sim.Link{RoundTrip: 300 * time.Millisecond, Bandwidth: 2 * mbs}
	play(t, func(w *sim.World) {
		data := corpus.Blocks(1, 16, 256*kib)
		seed := w.Node(souk, sim.Link{RoundTrip: path.RoundTrip, Bandwidth: 1000 * mbs})
		clients := w.Nodes(peers, souk, path)
		w.Put(seed, data...)
		for _, c := range clients {
			w.Connect(c, seed)
		}
		w.Settle()
		var early, late uint64
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			time.Sleep(from * time.Second)
			early = sim.Sum(seed).BytesSent
			time.Sleep((seconds - from) * time.Second)
			late = sim.Sum(seed).BytesSent
		}()
		w.FetchTogether(clients, func(int) []blocks.Block { return data }, seed)
		<-ended
		use := float64(late-early) * 8 / float64(seconds-from) / float64(peers*path.Bandwidth)
		t.Logf("%.2f of the paths", use)
		require.GreaterOrEqual(t, use, 0.5, "with four slots it is 0.08")
	})
}
