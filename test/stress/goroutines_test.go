package stress

import (
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/session"
	"github.com/souk-p2p/souk/test/internal/tally"
	"github.com/souk-p2p/souk/test/sim"
)

// The most goroutines beside those of the host: of a node that does nothing, and of it
// for each connected peer, one that is asked for something.
const (
	mostOfANode = 24
	mostOfAPeer = 2
)

// settled is how many goroutines there are when nothing happens any more.
func settled(w *sim.World) int {
	w.Settle()
	return runtime.NumGoroutine()
}

// A node that does nothing has few goroutines, whatever it offers.
func TestGoroutinesOfAnIdleNode(t *testing.T) {
	other := peer.AddrInfo{ID: "somebody"}
	for name, opts := range map[string][]souk.Option{
		"with defaults":        nil,
		"with trackers":        {souk.WithTrackers(other), souk.WithNamespace("books")},
		"that is a tracker":    {souk.WithTracker(), souk.WithTrackers(other), souk.WithNamespace("books")},
		"with content routing": {souk.WithRouting(new(sim.Routing))},
		"that serves nobody":   {souk.WithServerDisabled()},
	} {
		t.Run(name, func(t *testing.T) {
			tally.Add(t, tally.Scenarios, 1)
			play(t, func(t *testing.T, w *sim.World) {
				at := w.Host(link)
				before := settled(w)
				openOn(t, at, setup{opts: opts})
				n := settled(w) - before
				t.Logf("%d goroutines", n)
				require.LessOrEqual(t, n, mostOfANode)
			})
		})
	}
}

// A peer costs what its streams need, a session and a call one goroutine each, and a
// want none.
func TestGoroutinesOfPeersCallsAndWants(t *testing.T) {
	const peers, wants, calls = 8, 1000, 4
	tally.Add(t, tally.Scenarios, 1)
	play(t, func(t *testing.T, w *sim.World) {
		var theirs atomic.Int64 // goroutines of the peers, which read our streams
		bare, at := w.Host(link), w.Host(link)
		var others []*sim.Node
		var ids []peer.ID
		for range peers {
			p := w.Host(link)
			p.SetStreamHandler(bitswap, counting(&theirs)(p))
			others, ids = append(others, p), append(ids, p.ID())
		}
		alone := settled(w)
		w.Connect(bare, others...)
		ofHost := settled(w) - alone
		n := openOn(t, at, setup{})
		open := settled(w)
		w.Connect(at, others...)
		idle := settled(w)
		require.LessOrEqual(t, idle-open, ofHost, "peers that nothing is asked of have none")

		s := n.souk.NewSession(t.Context(), session.WithPeers(ids...))
		cs := absent(t, calls*wants)
		for i := range calls {
			_, err := s.GetBlocks(t.Context(), cs[i*wants:(i+1)*wants])
			require.NoError(t, err)
			most := peers*mostOfAPeer + 1 + i + 1
			require.LessOrEqual(t, settled(w)-idle-int(theirs.Load()), most, "one session and %d calls", i+1)
		}
	})
}
