package stress

import (
	"context"
	"runtime"
	"testing"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/internal/heaptest"
	"github.com/souk-p2p/souk/test/eventually"
	"github.com/souk-p2p/souk/test/internal/exchanges"
	"github.com/souk-p2p/souk/test/internal/tally"
)

const (
	sessionBytes = 16 << 20      // in flight or undelivered, by default
	nodeBytes    = 64 << 20      // of all sessions
	always       = 2 * blockSize // that each call may have besides
	late         = 8 * blockSize // that were withdrawn from a slow peer, and still come
	wantBytes    = 400           // that an outstanding want may cost, in the session and in BlockRouter together
)

// fetchers are the ways to fetch without keeping: what is measured is what is held
// for the callers.
func fetchers(t *testing.T, run func(t *testing.T, open func(blocks int) (*exchanges.Souk, *endless, peer.ID))) {
	for name, opts := range map[string][]souk.Option{
		"without storing":       {souk.WithoutStoring()},
		"a store that discards": nil,
	} {
		t.Run(name, func(t *testing.T) {
			tally.Add(t, tally.Scenarios, 1)
			run(t, func(blocks int) (*exchanges.Souk, *endless, peer.ID) {
				data := newEndless(blocks)
				_, seed := onLoopback(t, data)
				x, h := onLoopback(t, newVoid(), opts...)
				require.NoError(t, h.Connect(t.Context(), peer.AddrInfo{ID: seed.ID(), Addrs: seed.Addrs()}))
				return x, data, seed.ID()
			})
		})
	}
}

// untilQuiet waits until the exchange has received at least so much and nothing
// more comes.
func untilQuiet(t *testing.T, x *exchanges.Souk, atLeast uint64) {
	t.Helper()
	last, since := uint64(0), time.Now()
	eventually.True(t, func() bool {
		if now := x.Stat().DataReceived; now != last {
			last, since = now, time.Now()
		}
		return last >= atLeast && time.Since(since) > 500*time.Millisecond
	}, "received %d of %d", last, atLeast)
}

// Somebody asks for 10 GiB and reads nothing.
func TestACallThatIsNeverReadHoldsABoundedAmount(t *testing.T) {
	fetchers(t, func(t *testing.T, open func(int) (*exchanges.Souk, *endless, peer.ID)) {
		x, data, seed := open(40_960)
		before := heaptest.Held()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		_, err := x.Fetcher(ctx, seed).GetBlocks(ctx, data.cids)
		require.NoError(t, err)
		untilQuiet(t, x, sessionBytes*3/4)
		require.LessOrEqual(t, x.Stat().DataReceived, uint64(sessionBytes+always+late))
		held := heaptest.Held() - before
		t.Logf("%.1f MiB held", float64(held)/(1<<20))
		require.LessOrEqual(t, held, sessionBytes+always+late+len(data.cids)*wantBytes)

		cancel()
		eventually.True(t, func() bool { return heaptest.Held()-before < sessionBytes/4 }, "what is cancelled is let go of")
		runtime.KeepAlive(data)
	})
}

// A hundred callers ask for 100 MiB each and read nothing.
func TestCallsThatAreNeverReadShareTheBudgetOfTheNode(t *testing.T) {
	const callers, each = 100, 400
	fetchers(t, func(t *testing.T, open func(int) (*exchanges.Souk, *endless, peer.ID)) {
		x, data, seed := open(callers * each)
		before := heaptest.Held()
		for i := range callers {
			_, err := x.Fetcher(t.Context(), seed).GetBlocks(t.Context(), data.cids[i*each:(i+1)*each])
			require.NoError(t, err)
		}
		untilQuiet(t, x, callers*always)
		require.LessOrEqual(t, x.Stat().DataReceived, uint64(nodeBytes+callers*always+late))
		held := heaptest.Held() - before
		t.Logf("%.1f MiB held", float64(held)/(1<<20))
		require.LessOrEqual(t, held, nodeBytes+late+callers*(always+each*wantBytes))
		runtime.KeepAlive(data)
	})
}

// What was not read for long can be read to the end.
func TestACallThatIsReadLateDeliversEverything(t *testing.T) {
	fetchers(t, func(t *testing.T, open func(int) (*exchanges.Souk, *endless, peer.ID)) {
		x, data, seed := open(256)
		out, err := x.Fetcher(t.Context(), seed).GetBlocks(t.Context(), data.cids)
		require.NoError(t, err)
		untilQuiet(t, x, sessionBytes*3/4)
		missing := make(map[cid.Cid]struct{})
		for _, c := range data.cids {
			missing[c] = struct{}{}
		}
		for b := range out {
			requireTrue(t, b)
			require.Contains(t, missing, b.Cid(), "each comes once")
			delete(missing, b.Cid())
		}
		require.Empty(t, missing)
	})
}

// requireTrue checks that a block is what its CID says.
func requireTrue(t *testing.T, b blocks.Block) {
	t.Helper()
	sum, err := b.Cid().Prefix().Sum(b.RawData())
	require.NoError(t, err)
	require.Equal(t, b.Cid(), sum)
}
