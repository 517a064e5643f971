package souk

import (
	"context"
	"testing"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/libp2p/go-libp2p"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/blockstore"
	"github.com/souk-p2p/souk/test/eventually"
)

// waitPanics is a context that panics when somebody waits for it.
type waitPanics struct{ context.Context }

func (waitPanics) Done() <-chan struct{} { panic("nobody may wait") }

func TestTheSessionThatCallsShareIsReplacedWhenItBreaks(t *testing.T) {
	h, err := libp2p.New(libp2p.NoListenAddrs)
	require.NoError(t, err)
	defer h.Close()
	x, err := New(t.Context(), h, blockstore.New(dssync.MutexWrap(datastore.NewMapDatastore())))
	require.NoError(t, err)
	defer x.Close()
	b := blocks.NewBlock([]byte("here"))
	require.NoError(t, x.Put(t.Context(), b))

	first := x.common
	broken := x.NewSession(waitPanics{t.Context()})
	x.mu.Lock()
	x.common = broken
	x.mu.Unlock()
	<-broken.Done()
	got, err := x.GetBlock(t.Context(), b.Cid())
	require.NoError(t, err)
	require.Equal(t, b.RawData(), got.RawData())
	require.NotContains(t, []any{first, broken}, x.shared())
	eventually.True(t, func() bool { // It is told once the session has ended.
		return x.panics.counts()["session"] == 1
	})

	require.NoError(t, x.Close())
	_, err = x.GetBlock(t.Context(), b.Cid())
	require.ErrorIs(t, err, ErrClosed)
}
