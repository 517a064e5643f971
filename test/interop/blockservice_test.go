package interop

import (
	"context"
	"testing"

	"github.com/ipfs/boxo/blockservice"
	boxostore "github.com/ipfs/boxo/blockstore"
	"github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/adapter/boxo"
	"github.com/souk-p2p/souk/blockstore"
	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/exchanges"
)

// Souk takes the place of the exchange inside boxo's own blockservice, which
// stores what is fetched; both blockstores look at one datastore.
func TestBlockserviceOverSouk(t *testing.T) {
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			peer, h := start(t, tr, exchanges.MakeBoxo), newHost(t, tr)
			service := newBlockservice(t, h)
			connect(t, h, peer)

			theirs := corpus.Mixed(1, 100, 10<<10)
			put(t, peer, theirs...)
			receive(t, blockservice.NewSession(ctx, service).GetBlocks(ctx, corpus.CIDs(theirs)), theirs)
			for _, b := range theirs {
				has, err := service.Blockstore().Has(ctx, b.Cid())
				require.NoError(t, err)
				require.True(t, has, "the blockservice stored what came")
			}

			ours := corpus.Mixed(2, 100, 10<<10)
			require.NoError(t, service.AddBlocks(ctx, ours))
			receive(t, askAnyone(t, ctx, peer, ours), ours)
		})
	}
}

func newBlockservice(t *testing.T, h host.Host) blockservice.BlockService {
	t.Helper()
	ds := dssync.MutexWrap(datastore.NewMapDatastore())
	x, err := souk.New(t.Context(), h, blockstore.New(ds), souk.WithoutStoring())
	require.NoError(t, err)
	service := blockservice.New(boxostore.NewBlockstore(ds), boxo.Exchange(x))
	t.Cleanup(func() { require.NoError(t, service.Close()) })
	return service
}
