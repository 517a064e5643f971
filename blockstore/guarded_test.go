package blockstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/stretchr/testify/require"
)

func newGuarded() *Guarded { return NewGuarded(New(dssync.MutexWrap(datastore.NewMapDatastore()))) }

func numberedBlock(n int) blocks.Block { return blocks.NewBlock(fmt.Appendf(nil, "block %d", n)) }

// wanting is a mark that wants some blocks.
func wanting(bs ...blocks.Block) func(context.Context) (func(cid.Cid) bool, error) {
	return func(context.Context) (func(cid.Cid) bool, error) {
		return func(c cid.Cid) bool {
			for _, b := range bs {
				if string(b.Cid().Hash()) == string(c.Hash()) {
					return true
				}
			}
			return false
		}, nil
	}
}

func requireStored(t *testing.T, s Blockstore, want bool, bs ...blocks.Block) {
	t.Helper()
	for _, b := range bs {
		has, err := s.Has(t.Context(), b.Cid())
		require.NoError(t, err)
		require.Equal(t, want, has, "%s", b.RawData())
	}
}

func TestASweepRemovesWhatIsNotWanted(t *testing.T) {
	g, a, b := newGuarded(), numberedBlock(1), numberedBlock(2)
	require.NoError(t, g.PutMany(t.Context(), []blocks.Block{a, b}))
	dry, err := g.Sweep(t.Context(), wanting(a), SweepOptions{DryRun: true})
	require.NoError(t, err)
	requireStored(t, g, true, a, b)
	done, err := g.Sweep(t.Context(), wanting(a), SweepOptions{})
	require.NoError(t, err)
	requireStored(t, g, true, a)
	requireStored(t, g, false, b)
	require.Equal(t, []int64{1, 7, 1, 7, 0}, []int64{done.Blocks, done.Bytes, done.KeptBlocks, done.KeptBytes, done.KeptByNote})
	require.Equal(t, dry, done)
}

func TestASweepRemovesNothingWhenTheMarkFails(t *testing.T) {
	g, a := newGuarded(), numberedBlock(1)
	require.NoError(t, g.Put(t.Context(), a))
	broken := errors.New("broken")
	_, err := g.Sweep(t.Context(), func(context.Context) (func(cid.Cid) bool, error) { return nil, broken }, SweepOptions{})
	require.ErrorIs(t, err, broken)
	requireStored(t, g, true, a)
}

func TestWhatIsHeldIsNotSwept(t *testing.T) {
	g, stored, found, neither := newGuarded(), numberedBlock(1), numberedBlock(2), numberedBlock(3)
	require.NoError(t, g.PutMany(t.Context(), []blocks.Block{found, neither}))
	release := g.Hold()
	require.NoError(t, g.Put(t.Context(), stored))
	requireStored(t, g, true, found)
	done, err := g.Sweep(t.Context(), wanting(), SweepOptions{})
	require.NoError(t, err)
	require.EqualValues(t, 2, done.KeptByNote)
	requireStored(t, g, true, stored, found)
	requireStored(t, g, false, neither)

	release()
	release() // does not release the hold of another
	other := g.Hold()
	_, err = g.Sweep(t.Context(), wanting(), SweepOptions{})
	require.NoError(t, err)
	other()
	requireStored(t, g, false, stored, found)
}

func TestWhatIsStoredDuringTheMarkIsNotSwept(t *testing.T) {
	g, early, late := newGuarded(), numberedBlock(1), numberedBlock(2)
	require.NoError(t, g.Put(t.Context(), early))
	_, err := g.Sweep(t.Context(), func(ctx context.Context) (func(cid.Cid) bool, error) {
		require.NoError(t, g.PutMany(ctx, []blocks.Block{late}))
		return func(cid.Cid) bool { return false }, nil
	}, SweepOptions{})
	require.NoError(t, err)
	requireStored(t, g, true, late)
	requireStored(t, g, false, early)
}

func TestOneSweepAtATime(t *testing.T) {
	g := newGuarded()
	_, err := g.Sweep(t.Context(), func(ctx context.Context) (func(cid.Cid) bool, error) {
		_, err := g.Sweep(ctx, wanting(), SweepOptions{})
		return nil, err
	}, SweepOptions{})
	require.ErrorIs(t, err, ErrSweeping)
	_, err = g.Sweep(t.Context(), wanting(), SweepOptions{})
	require.NoError(t, err)
}

func TestASweepEndsWithItsContext(t *testing.T) {
	g, a := newGuarded(), numberedBlock(1)
	require.NoError(t, g.Put(t.Context(), a))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := g.Sweep(ctx, wanting(), SweepOptions{})
	require.ErrorIs(t, err, context.Canceled)
	requireStored(t, g, true, a)
}

// TestSweepsTakeNothingFromThoseWhoHold has many store the same few blocks, or rely on
// them being there, and then name them as wanted, while sweeps follow each other. None may
// lose a block from when it has stored or found it until it names it no longer.
func TestSweepsTakeNothingFromThoseWhoHold(t *testing.T) {
	g := newGuarded()
	var mu sync.Mutex
	wanted := map[string]int{}
	want := func(b blocks.Block, n int) {
		mu.Lock()
		defer mu.Unlock()
		wanted[string(b.Cid().Hash())] += n
	}
	ctx, cancel := context.WithCancel(t.Context())
	var sweeps sync.WaitGroup
	swept := int64(0)
	sweeps.Go(func() {
		for ctx.Err() == nil {
			done, err := g.Sweep(context.Background(), func(context.Context) (func(cid.Cid) bool, error) {
				mu.Lock()
				defer mu.Unlock()
				roots := map[string]bool{}
				for hash, n := range wanted {
					roots[hash] = n > 0
				}
				return func(c cid.Cid) bool { return roots[string(c.Hash())] }, nil
			}, SweepOptions{})
			if err != nil {
				t.Error(err)
				return
			}
			swept += done.Blocks
		}
	})
	var users sync.WaitGroup
	for user := range 4 {
		users.Go(func() { useStore(t, g, rand.New(rand.NewPCG(uint64(user), 1)), want) })
	}
	users.Wait()
	cancel()
	sweeps.Wait()
	last, err := g.Sweep(t.Context(), wanting(), SweepOptions{}) // However fast the users were.
	require.NoError(t, err)
	require.Positive(t, swept+last.Blocks)
}

func useStore(t *testing.T, g *Guarded, random *rand.Rand, want func(blocks.Block, int)) {
	for range 400 {
		release := g.Hold()
		var mine []blocks.Block
		for range 4 {
			b := numberedBlock(random.IntN(12))
			if has, err := g.Has(t.Context(), b.Cid()); err != nil || !has {
				if err := g.PutMany(t.Context(), []blocks.Block{b}); err != nil {
					t.Error(err)
				}
			}
			mine = append(mine, b)
		}
		for _, b := range mine {
			want(b, 1)
		}
		release()
		for _, b := range mine {
			if _, err := g.store.Get(t.Context(), b.Cid()); err != nil {
				t.Errorf("a wanted block is gone: %v", err)
			}
			want(b, -1)
		}
	}
}

func TestAQuotaRefusesWhatDoesNotFit(t *testing.T) {
	g, a, b, c := newGuarded(), numberedBlock(1), numberedBlock(2), numberedBlock(3) // 7 bytes each
	require.NoError(t, g.Put(t.Context(), a))
	require.NoError(t, g.SetQuota(t.Context(), Quota{Max: 20, High: 14}))
	high := g.High()
	require.Empty(t, high)
	require.NoError(t, g.PutMany(t.Context(), []blocks.Block{a, b})) // a is there
	require.Len(t, high, 1)

	err := g.PutFetched(t.Context(), []blocks.Block{b, c})
	var full *QuotaError
	require.ErrorAs(t, err, &full)
	require.Equal(t, QuotaError{Max: 20, Used: 14, Size: 7}, *full)
	requireStored(t, g, false, c)
	require.NoError(t, g.Put(t.Context(), b))

	require.NoError(t, g.Delete(t.Context(), a.Cid()))
	require.NoError(t, g.Delete(t.Context(), a.Cid()))
	require.NoError(t, g.Put(t.Context(), c))
	usage, err := g.Usage(t.Context())
	require.NoError(t, err)
	require.Equal(t, Usage{Blocks: 2, Bytes: 14, Quota: Quota{Max: 20, High: 14}}, usage)
}

func TestASweepMakesRoomUnderAQuota(t *testing.T) {
	g, a, b := newGuarded(), numberedBlock(1), numberedBlock(2)
	require.NoError(t, g.SetQuota(t.Context(), Quota{Max: 7}))
	require.NoError(t, g.Put(t.Context(), a))
	require.Error(t, g.Put(t.Context(), b))
	_, err := g.Sweep(t.Context(), wanting(), SweepOptions{})
	require.NoError(t, err)
	require.NoError(t, g.Put(t.Context(), b))
}

func TestUsageWithoutAQuotaIsRightAfterASweep(t *testing.T) {
	g, a := newGuarded(), numberedBlock(1)
	for range 3 {
		require.NoError(t, g.Put(t.Context(), a))
	}
	usage, err := g.Usage(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1, usage.Blocks)
	require.NoError(t, g.Put(t.Context(), a))
	_, err = g.Sweep(t.Context(), wanting(a), SweepOptions{})
	require.NoError(t, err)
	usage, err = g.Usage(t.Context())
	require.NoError(t, err)
	require.Equal(t, Usage{Blocks: 1, Bytes: 7}, usage)
}

func TestSizesAreListedAlsoByAStoreThatCannot(t *testing.T) {
	g, a := newGuarded(), numberedBlock(1)
	require.NoError(t, g.Put(t.Context(), a))
	for _, s := range []Blockstore{g, struct{ Blockstore }{g}} {
		var all []Sized
		for b, err := range AllSizes(t.Context(), s) {
			require.NoError(t, err)
			all = append(all, b)
		}
		require.Equal(t, []Sized{{CID: cid.NewCidV1(cid.Raw, a.Cid().Hash()), Size: 7}}, all)
	}
}

func TestWhoRemembersWhatIsStoredIsToldOfADeletion(t *testing.T) {
	g, a, b := newGuarded(), numberedBlock(1), numberedBlock(2)
	require.NoError(t, g.PutMany(t.Context(), []blocks.Block{a, b}))
	var told []string
	no := errors.New("no")
	refuse := false
	g.BeforeDelete(func(context.Context) (func(), error) {
		if refuse {
			return nil, no
		}
		requireStored(t, g, true, a)
		told = append(told, "before")
		return func() { requireStored(t, g, false, a); told = append(told, "after") }, nil
	})
	require.NoError(t, g.Delete(t.Context(), a.Cid()))
	require.NoError(t, g.Delete(t.Context(), a.Cid()), "it is not there")
	require.Equal(t, []string{"before", "after"}, told)
	refuse = true
	require.ErrorIs(t, g.Delete(t.Context(), b.Cid()), no)
	requireStored(t, g, true, b)
}
