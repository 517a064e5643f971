package scenario

import (
	"context"
	"testing"
	"time"

	"github.com/ipfs/boxo/bitswap/message"
	pb "github.com/ipfs/boxo/bitswap/message/pb"
	blocks "github.com/ipfs/go-block-format"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/sim"
)

// The few messages that are on their way at once become as many as slow and long paths
// take together.
func TestManySlowPathsAreFilledTogether(t *testing.T) {
	const peers, seconds, from = 20, 8, 4
	path := sim.Link{RoundTrip: 300 * time.Millisecond, Bandwidth: 2 * mbs}
	play(t, func(w *sim.World) {
		data := corpus.Blocks(1, 8, 256*kib)
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
		require.GreaterOrEqual(t, use, 0.4, "with four slots it is 0.08")
	})
}

// Who asks under many names and takes nothing, and comes back again and again, leaves
// another at least half of what it had.
func TestManyNamesThatTakeNothingDoNotStarveAnother(t *testing.T) {
	const names = 16
	alone, beside := besideIdlers(t, 0), besideIdlers(t, names)
	require.LessOrEqual(t, beside, 2*alone+time.Second, "alone it takes %s", alone)
}

// besideIdlers is how long a download takes beside so many that ask for the same behind
// one address, read nothing, and come back.
func besideIdlers(t *testing.T, names int) (took time.Duration) {
	play(t, func(w *sim.World) {
		data := corpus.Blocks(1, 48, 256*kib)
		seed, client := w.Node(souk, sim.Link{RoundTrip: lan.RoundTrip, Bandwidth: 1000 * mbs}), w.Node(souk, lan)
		w.Put(seed, data...)
		w.Connect(client, seed)
		var idlers []*sim.Node
		for i := range names {
			if i == 0 {
				idlers = append(idlers, w.Host(lan))
			} else {
				idlers = append(idlers, w.Beside(idlers[0], lan.Bandwidth))
			}
			stuck := w.Stuck()
			idlers[i].SetStreamHandler("/ipfs/bitswap/1.2.0", func(s network.Stream) { stuck(idlers[i], s); _ = s.Reset() })
		}
		all := message.New(true)
		for i, b := range data {
			all.AddEntry(b.Cid(), int32(len(data)-i), pb.Message_Wantlist_Block, false)
		}
		ctx, stop := context.WithCancel(context.Background())
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			w.Together(len(idlers), func(i int) { comeBack(ctx, w, idlers[i], seed, all) })
		}()
		w.Settle()
		w.Begin()
		w.Fetch(client, data, seed)
		took = w.Took()
		stop()
		<-gone
	})
	return took
}

// comeBack asks, waits until most have given it up, and begins anew.
func comeBack(ctx context.Context, w *sim.World, n, seed *sim.Node, all message.BitSwapMessage) {
	for ctx.Err() == nil {
		w.Dial(n, seed)
		_ = n.Say(seed.ID(), all)
		select {
		case <-ctx.Done():
		case <-time.After(1500 * time.Millisecond):
		}
		w.Disconnect(n, seed)
	}
}
