package crash

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/adapter/pebbledb"
	"github.com/souk-p2p/souk/blockstore"
	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/tally"
)

// flips is how many bits are flipped, each on a disk of its own.
const flips = 60

// The command trusts its database to notice that bytes have changed on the disk,
// and hashes nothing that it reads.
func TestDatabaseNoticesFlippedBits(t *testing.T) {
	disk, history := NewDisk(1), NewHistory(nil)
	d, err := disk.OpenBlocks()
	require.NoError(t, err)
	w := Workload{Seed: 1, Writers: 1, Ops: 60}
	require.NoError(t, w.Run(t.Context(), blockstore.New(d), history))
	require.NoError(t, d.Close())

	noticed := 0
	for i := range flips {
		flipped := disk.LosePower(100)
		last := math.MaxInt
		if i%2 == 0 {
			last = 64 // What a file is read by stands at its end.
		}
		name, err := flipped.Flip(last)
		require.NoError(t, err)
		if !servesOnlyWhole(t, flipped, history, name) {
			noticed++
		}
	}
	t.Logf("of %d flipped bits %d were noticed", flips, noticed)
	require.NotZero(t, noticed)
	tally.Add(t, tally.StoreFaults, flips)
}

// servesOnlyWhole says that every block is read whole or not at all, and reports
// whether all could be read.
func servesOnlyWhole(t *testing.T, disk *Disk, h *History, flipped string) (all bool) {
	t.Helper()
	d, err := disk.OpenBlocks()
	if err != nil {
		return false
	}
	defer d.Close()
	s := blockstore.New(d, blockstore.WithTrustedReads())
	all = true
	for c := range h.safe {
		b, err := s.Get(t.Context(), c)
		if err != nil {
			all = false
			continue
		}
		sum, err := c.Prefix().Sum(b.RawData())
		require.NoError(t, err)
		require.Equal(t, c, sum, "a bit in %s", flipped)
	}
	return all
}

// Pebble would end the process.
func TestFullDiskRefusesWritesAndNothingElse(t *testing.T) {
	disk := NewDisk(1)
	d, err := disk.OpenBlocks()
	require.NoError(t, err)
	defer d.Close()
	s, bs := blockstore.New(d), corpus.Blocks(1, 4, 5000)
	require.NoError(t, s.Put(t.Context(), bs[0]))

	disk.SetFree(100 << 20)
	for _, err := range []error{
		s.Put(t.Context(), bs[1]), s.PutMany(t.Context(), bs), s.PutFetched(t.Context(), bs[1:]),
	} {
		var full *pebbledb.FullError
		require.ErrorAs(t, err, &full)
		require.EqualValues(t, 100<<20, full.Free)
	}
	require.NoError(t, serves(t.Context(), s, bs[0].Cid()))
	require.NoError(t, s.Delete(t.Context(), bs[0].Cid()), "that is how there is room again")

	disk.SetFree(1 << 30)
	require.NoError(t, s.PutMany(t.Context(), bs))
	tally.Add(t, tally.StoreFaults, 1)
}
