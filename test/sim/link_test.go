package sim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/exchanges"
)

// download returns how long a bare stream takes for 4 MiB, and its longest stall.
func download(t *testing.T, change func(w *World, seed, client *Node)) (took, stall time.Duration) {
	data := corpus.Blocks(1, 64, 64<<10)
	l := Link{RoundTrip: 50 * time.Millisecond, Bandwidth: 20_000_000}
	Run(t, func(w *World) {
		seed, client := w.Node(exchanges.MakeBare, l), w.Node(exchanges.MakeBare, l)
		w.Put(seed, data...)
		w.Connect(client, seed)
		w.Settle()
		w.Begin()
		w.FetchUntil(client, data, func() { change(w, seed, client) }, seed)
		took, stall = w.Took(), w.stall()
	})
	return took, stall
}

func TestLinkThatLosesPacketsIsSlower(t *testing.T) {
	clean, _ := download(t, func(*World, *Node, *Node) {})
	lossy, stall := download(t, func(w *World, _, client *Node) { w.Lossy(client, 0.1) })
	require.Less(t, clean, 3*time.Second)
	require.Greater(t, lossy, 3*clean/2)
	require.Greater(t, stall, 50*time.Millisecond, "a lost packet is sent again after a round trip")
}

// Half of it, 2 MiB, is left when the seed slows to 4 Mbit/s, but for what is on its
// way: that takes 4.2 s, and a block 0.13 s.
func TestNodeThatIsSlowedSendsNoFasterThanThat(t *testing.T) {
	took, stall := download(t, func(w *World, seed, _ *Node) { w.Slow(seed, 4_000_000) })
	require.Greater(t, took, 4*time.Second)
	require.Less(t, took, 7*time.Second)
	require.Greater(t, stall, 130*time.Millisecond)
}
