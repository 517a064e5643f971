package stress

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/souk-p2p/souk/session"
	"github.com/souk-p2p/souk/test/eventually"
	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/exchanges"
	"github.com/souk-p2p/souk/test/internal/tally"
	"github.com/souk-p2p/souk/test/sim"
)

// pair is a seed and a client over TCP on loopback, connected.
func pair(t *testing.T) (seed, client *exchanges.Souk, seedID, clientID peer.ID) {
	t.Helper()
	seed, at := onLoopback(t, inMemory())
	client, h := onLoopback(t, inMemory())
	require.NoError(t, h.Connect(t.Context(), peer.AddrInfo{ID: at.ID(), Addrs: at.Addrs()}))
	return seed, client, at.ID(), h.ID()
}

// A thousand sessions at once fetch blocks that overlap: each gets all of its own.
func TestAThousandSessionsAtOnce(t *testing.T) {
	const sessions, each = 1000, 10
	tally.Add(t, tally.Scenarios, 1)
	seed, client, id, clientID := pair(t)
	data := corpus.Blocks(1, sessions+each, 1<<10)
	require.NoError(t, seed.Put(t.Context(), data...))
	all, ctx := errgroup.WithContext(soon(t))
	for i := range sessions {
		all.Go(func() error {
			s := client.NewSession(ctx, session.WithPeers(id))
			defer s.Close(ctx)
			return sim.Fetch(ctx, s, data[i:i+each])
		})
	}
	require.NoError(t, all.Wait())
	eventually.True(t, func() bool { return len(seed.WantsOf(clientID)) == 0 }, "nothing stays wanted")
}

// A hundred goroutines want and cancel the same few blocks that nobody has, until
// they are there: whoever then still wants one gets it.
func TestAStormOfWantsAndCancels(t *testing.T) {
	const callers, rounds = 100, 50
	tally.Add(t, tally.Scenarios, 1)
	seed, client, id, _ := pair(t)
	data := corpus.Blocks(1, 8, 1<<10)
	shared := client.NewSession(t.Context(), session.WithPeers(id), session.WithWaiting())
	var storm sync.WaitGroup
	for caller := range uint64(callers) {
		storm.Go(func() {
			random := rand.New(rand.NewPCG(caller, 0))
			for range rounds {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.IntN(2000))*time.Microsecond)
				_, _ = shared.GetBlock(ctx, data[random.IntN(len(data))].Cid())
				cancel()
			}
		})
	}
	storm.Wait()
	all, ctx := errgroup.WithContext(soon(t))
	for range callers {
		all.Go(func() error { return sim.Fetch(ctx, shared, data) })
	}
	require.NoError(t, seed.Put(t.Context(), data...))
	require.NoError(t, all.Wait())
}

// Somebody wants a block in the moment in which it is put, here or at a peer: it
// comes within a second of virtual time.
func TestAPutThatRacesAGetIsNotLost(t *testing.T) {
	const trials, atOnce = 10_000, 100
	tally.Add(t, tally.Scenarios, 1)
	play(t, func(t *testing.T, w *sim.World) {
		seed, client := newNode(t, w, setup{}), newNode(t, w, setup{})
		w.Connect(client.Node, seed.Node)
		w.Settle()
		waiting := client.souk.NewSession(t.Context(), session.WithPeers(seed.ID()), session.WithWaiting())
		var all errgroup.Group
		all.SetLimit(2 * atOnce)
		for i, b := range corpus.Blocks(1, trials, 64) {
			put := func() error { return []*node{client, seed}[i%2].souk.Put(t.Context(), b) }
			get := func() error {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err := waiting.GetBlock(ctx, b.Cid())
				return err
			}
			all.Go(put)
			all.Go(get)
		}
		require.NoError(t, all.Wait())
	})
}
