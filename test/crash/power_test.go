package crash

import (
	"context"
	"flag"
	"fmt"
	"testing"

	"github.com/ipfs/go-datastore"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/test/internal/tally"
)

var ops = flag.Int("ops", 12, "how many operations the writers do before the power is back for good")

func TestPowerLossTakesNothingThatWasAcknowledged(t *testing.T) {
	for _, c := range []struct {
		writers, spared int
		unlogged        bool
	}{{1, 0, false}, {4, 0, false}, {1, 50, false}, {4, 50, false}, {1, 0, true}, {4, 50, true}} {
		t.Run(fmt.Sprintf("%d writers, %d percent spared, unlogged %t", c.writers, c.spared, c.unlogged), func(t *testing.T) {
			p := PowerLoss{
				Workload: Workload{Seed: uint64(c.writers), Writers: c.writers, Ops: *ops / c.writers},
				Spared:   c.spared, Again: 40, Unlogged: c.unlogged,
			}
			points, found, err := p.Run(t.Context())
			require.NoError(t, err)
			require.NoError(t, found)
			require.Greater(t, points, *ops, "at least once for each operation")
			t.Logf("power lost %d times", points)
			tally.Add(t, tally.CrashPoints, points)
		})
	}
}

// The proof that the test above can find a loss: without the sync there are many.
func TestPowerLossFindsAMissingSync(t *testing.T) {
	p := PowerLoss{
		Workload: Workload{Seed: 1, Writers: 1, Ops: *ops},
		Wrap:     func(d datastore.Batching) datastore.Batching { return unsynced{d} },
	}
	_, found, err := p.Run(t.Context())
	require.NoError(t, err)
	require.ErrorContains(t, found, "acknowledged block")
	tally.Add(t, tally.PlantedFaults, 1)
}

// unsynced is a datastore whose Sync does nothing.
type unsynced struct{ datastore.Batching }

func (unsynced) Sync(context.Context, datastore.Key) error { return nil }
