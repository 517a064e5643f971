package wire

import (
	"context"
	"testing"
	"time"

	"github.com/ipfs/boxo/bitswap/message"
	pb "github.com/ipfs/boxo/bitswap/message/pb"
	blocks "github.com/ipfs/go-block-format"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/exchanges"
	"github.com/souk-p2p/souk/test/sim"
)

// drain begins the drain of a node of ours, for at most so long. What it comes to
// is delivered.
func drain(t *testing.T, n *sim.Node, most time.Duration) <-chan error {
	ended := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), most)
	go func() {
		defer cancel()
		ended <- n.Exchange.(*exchanges.Souk).Drain(ctx)
	}()
	return ended
}

// leave closes a node and its host.
func leave(t *testing.T, n *sim.Node) {
	require.NoError(t, n.Exchange.Close())
	require.NoError(t, n.Host.Close())
	n.Exchange = nil
}

// Who was told HAVE gets the block while the server drains, and so does who has
// asked for it; what else is asked for is not there any more.
func TestAServerThatDrainsKeepsItsPromises(t *testing.T) {
	play(t, func(t *testing.T, w *sim.World) {
		server, g := gated(t, w, exchanges.MakeSouk)
		partner, other := w.Recorder(lan, nil), w.Recorder(lan, nil)
		w.Put(server, letters("abcd")...)
		w.Connect(partner.Node, server)
		w.Connect(other.Node, server)
		w.Settle()
		partner.Tell(server, ask{haves: "a"}.message())
		other.Tell(server, ask{blocks: "z"}.message())
		w.Pass(500 * time.Millisecond)
		g.hold(&g.reads)
		partner.Tell(server, ask{blocks: "b"}.message())
		w.Pass(500 * time.Millisecond)
		ended := drain(t, server, time.Minute)
		w.Pass(100 * time.Millisecond)
		partner.Tell(server, ask{blocks: "ac", haves: "d", dontHave: true}.message())
		other.Tell(server, ask{blocks: "a", dontHave: true}.message())
		w.Put(server, letters("z")...)
		w.Pass(100 * time.Millisecond)
		g.release(&g.reads)
		require.NoError(t, <-ended)
		require.Equal(t, answer{blocks: "ab", haves: "a", dontHaves: "cd"}, answered(partner.Heard()))
		require.Equal(t, answer{dontHaves: "a"}, answered(other.Heard()), "nobody has promised it to this one, nor z")
		require.True(t, server.Exchange.(*exchanges.Souk).Draining())
	})
}

// A drain waits for what peers were told and do not ask for, but not for long.
func TestADrainWithNothingToFinishEndsSoon(t *testing.T) {
	play(t, func(t *testing.T, w *sim.World) {
		server, partner := opposite(w, exchanges.MakeSouk, letters("a")...)
		began := time.Now()
		require.NoError(t, <-drain(t, server, time.Minute))
		require.Zero(t, time.Since(began))

		silent := w.Node(exchanges.MakeSouk, lan)
		w.Put(silent, letters("a")...)
		w.Connect(partner.Node, silent)
		w.Settle()
		partner.Tell(silent, ask{haves: "a"}.message())
		w.Pass(time.Second / 2)
		began = time.Now()
		require.NoError(t, <-drain(t, silent, time.Minute))
		require.Less(t, time.Since(began), 2*time.Second)
		require.Greater(t, time.Since(began), time.Second)
	})
}

// A node may close its connections once it has drained: what it has sent is there.
func TestWhatWasSentArrivesBeforeADrainEnds(t *testing.T) {
	play(t, func(t *testing.T, w *sim.World) {
		far := sim.Link{RoundTrip: 400 * time.Millisecond, Bandwidth: 10 * mbs}
		server, partner := w.Node(exchanges.MakeSouk, far), w.Recorder(far, nil)
		bs := corpus.Blocks(1, 8, 128*kib)
		w.Put(server, bs...)
		w.Connect(partner.Node, server)
		w.Settle()
		partner.Tell(server, wanting(bs))
		w.Pass(600 * time.Millisecond)
		require.NoError(t, <-drain(t, server, time.Minute))
		leave(t, server)
		w.Pass(time.Second)
		require.Len(t, partner.Heard(), len(bs))
	})
}

// A peer that does not read does not keep the node.
func TestAPeerThatDoesNotReadDoesNotHoldUpADrain(t *testing.T) {
	play(t, func(t *testing.T, w *sim.World) {
		server, partner := w.Node(exchanges.MakeSouk, lan), w.Recorder(lan, nil)
		deaf := make(chan struct{})
		defer close(deaf)
		partner.Accepting(func(network.Stream) { <-deaf })
		bs := corpus.Blocks(1, 16, 1<<20)
		w.Put(server, bs...)
		w.Connect(partner.Node, server)
		w.Settle()
		partner.Tell(server, wanting(bs))
		w.Pass(time.Second)
		began := time.Now()
		err := <-drain(t, server, 3*time.Second)
		require.Equal(t, 3*time.Second, time.Since(began))
		var left *souk.DrainError
		require.ErrorAs(t, err, &left)
		require.Positive(t, left.Wants)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		leave(t, server)
		require.LessOrEqual(t, time.Since(began), 5*time.Second)
	})
}

// wanting is a wantlist of blocks.
func wanting(bs []blocks.Block) message.BitSwapMessage {
	m := message.New(false)
	for _, b := range bs {
		m.AddEntry(b.Cid(), 1, pb.Message_Wantlist_Block, true)
	}
	return m
}
