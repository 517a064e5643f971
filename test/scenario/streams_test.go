package scenario

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/sim"
)

// A peer that resets idle streams is alive: each later want reaches it as fast
// as the first.
func TestStreamsResetWhileIdle(t *testing.T) {
	data := corpus.Blocks(1, 10, kib)
	play(t, func(w *sim.World) {
		seed, client := w.Handled(lan, sim.Impatient(data)), w.Node(souk, lan)
		w.Connect(client, seed)
		w.Settle()
		s := w.Session(client, seed)
		for i := range data {
			w.Begin()
			s.Fetch(data[i : i+1])
			w.Within(4 * lan.RoundTrip)
			w.Pass(8 * time.Second)
		}
	})
}

// A peer that resets the streams on which it is answered, when nothing came for
// five seconds, gets every later answer all the same.
func TestAnswersReachWhoResetsIdleStreams(t *testing.T) {
	data := corpus.Blocks(1, 6, kib)
	play(t, func(w *sim.World) {
		server, client := w.Node(souk, lan), w.Recorder(lan, nil)
		w.Put(server, data...)
		w.Connect(client.Node, server)
		w.Settle()
		for _, b := range data {
			client.Tell(server, wantDelta(b))
			w.Pass(4 * lan.RoundTrip)
			w.Check(func(t require.TestingT) {
				heard := client.Take()
				require.Len(t, heard, 1)
				require.Equal(t, sim.Block, heard[0].Kind)
				require.Equal(t, b.Cid(), heard[0].CID)
			})
			w.Pass(5 * time.Second)
			w.CutStreams(client.Node)
		}
	})
}

// A resource manager on either side resets streams when a server opens one for
// each message, and their blocks are lost without a word. What does not come is
// asked for again, also where there is only one peer to ask.
func TestLostAnswersAreAskedForAgain(t *testing.T) {
	data := corpus.Blocks(1, 200, 4*kib)
	play(t, func(w *sim.World) {
		seed, client := w.Scripted(lan, sim.Lossy(data)), w.Node(souk, lan)
		w.Connect(client, seed)
		w.Settle()
		w.Begin()
		w.Fetch(client, data, seed)
		w.Within(5 * time.Second)
	})
}

// A want that a peer has read and lost with its stream is written again, as often
// as that happens.
func TestWantsLostWithTheirStreamAreWrittenAgain(t *testing.T) {
	data := corpus.Blocks(1, 20, kib)
	play(t, func(w *sim.World) {
		seed, client := w.Handled(lan, sim.Stumbling(5, data)), w.Node(souk, lan)
		w.Connect(client, seed)
		w.Settle()
		w.Begin()
		w.Fetch(client, data, seed)
		w.Within(5 * time.Second)
	})
}

// A node that is cut off while it serves is noticed, and what it owed comes from
// another.
func TestPeerThatIsCutOffWhileItServes(t *testing.T) {
	data := corpus.Blocks(1, 200, 16*kib)
	each(t, bothToSouk, func(w *sim.World, s sim.Sides) {
		first, second, client := w.Node(s.Seed, lan), w.Node(s.Seed, lan), w.Node(s.Client, lan)
		w.Put(first, data...)
		w.Put(second, data...)
		w.Connect(client, first, second)
		w.Settle()
		w.Begin()
		w.FetchUntil(client, data, func() { w.Cut(first) }, first, second)
		w.Within(30 * time.Second)
	})
}
