package dag_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/adapter/dag"
)

func TestWhatIsMissingLocallyIsLeftOut(t *testing.T) {
	a, b, c := blocks.NewBlock([]byte("a")), blocks.NewBlock([]byte("b")), blocks.NewBlock([]byte("c"))
	stored := dag.Local(func(_ context.Context, of cid.Cid) (blocks.Block, error) {
		for _, one := range []blocks.Block{a, c} {
			if one.Cid() == of {
				return one, nil
			}
		}
		return nil, errors.New("absent")
	})
	out, err := stored.GetBlocks(t.Context(), []cid.Cid{a.Cid(), b.Cid(), c.Cid()})
	require.NoError(t, err)
	require.Equal(t, a, <-out)
	require.Equal(t, c, <-out, "what is behind it comes")
	_, more := <-out
	require.False(t, more)
}

// A store that fails because its context has ended is not asked for all the rest.
func TestALocalReadEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		asked := 0
		stored := dag.Local(func(ctx context.Context, _ cid.Cid) (blocks.Block, error) {
			asked++
			<-ctx.Done()
			return nil, ctx.Err()
		})
		out, err := stored.GetBlocks(ctx, make([]cid.Cid, 1000))
		require.NoError(t, err)
		synctest.Wait()
		cancel()
		_, more := <-out
		require.False(t, more)
		require.Equal(t, 1, asked)
	})
}
