package scenario

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/exchanges"
	"github.com/souk-p2p/souk/test/sim"
)

// A thousand sessions are opened and given up at random while others fetch, and
// then the exchange closes: neither goroutines nor memory stay behind.
func TestThousandSessionsLeaveNothing(t *testing.T) {
	for _, seeds := range []exchanges.Make{souk, boxo} {
		t.Run(string(seeds), func(t *testing.T) {
			var before, after sim.Usage
			play(t, func(w *sim.World) { before, after = churn(w, seeds) })
			t.Logf("before %+v, after %+v", before, after)
			require.LessOrEqual(t, after.Goroutines, before.Goroutines)
			require.Less(t, after.Heap, before.Heap+2*mib)
		})
	}
}

// churn does everything twice and measures around the second time: the first
// fills what a process keeps for good, such as pools.
func churn(w *sim.World, seeds exchanges.Make) (before, after sim.Usage) {
	present, absent := corpus.Blocks(1, 400, 16*kib), corpus.Blocks(2, 400, 16)
	sources := w.Nodes(4, seeds, lan)
	for i, s := range sources {
		w.Put(s, present[i*100:(i+1)*100]...)
	}
	client := w.Host(lan)
	w.Connect(client, sources...)
	for range 2 {
		w.Settle()
		before = sim.Rest()
		w.Open(client, souk)
		w.Settle()
		w.Try(func(ctx context.Context) error {
			return openAndGiveUp(ctx, client, 1000, corpus.CIDs(append(present, absent...)))
		})
		w.Settle()
		for _, s := range sources {
			w.Wants(s, client)
		}
		w.Blameless()
		w.Shut(client)
		after = sim.Rest()
	}
	return before, after
}

// openAndGiveUp opens sessions, fifty at a time. Each asks for some blocks, of
// which half do not exist, and is given up after a random while.
func openAndGiveUp(ctx context.Context, n *sim.Node, sessions int, cs []cid.Cid) error {
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(50)
	for i := range sessions {
		all.Go(func() error {
			dice := rand.New(rand.NewPCG(1, uint64(i)))
			ctx, giveUp := context.WithCancel(ctx)
			defer giveUp()
			ch, err := n.Exchange.Fetcher(ctx).GetBlocks(ctx, pick(dice, cs))
			if err != nil {
				return err
			}
			timer := time.AfterFunc(time.Duration(dice.IntN(300))*time.Millisecond, giveUp)
			defer timer.Stop()
			for range ch {
				if dice.IntN(20) == 0 {
					giveUp()
				}
			}
			return nil
		})
	}
	return all.Wait()
}

func pick(dice *rand.Rand, cs []cid.Cid) []cid.Cid {
	some := make([]cid.Cid, 1+dice.IntN(60))
	for i := range some {
		some[i] = cs[dice.IntN(len(cs))]
	}
	return some
}
