package tracker

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/providers/record"
)

// lived is a table with rows of many kinds.
func lived(t *testing.T) *rig {
	r := newRig(t, open())
	for i := range 60 {
		a := r.row(i, fmt.Sprint("ns", i%7))
		a.Ranges = spans(record.Point(i), 200)
		if i%7 == 5 {
			a.Ranges = record.Everything
		}
		r.announced(a)
		r.pass(time.Second)
	}
	gone := r.row(3, "ns3")
	gone.TTL = 0
	r.announced(gone)
	r.speak("ns5", 5, Served, 2)
	return r
}

func TestARestoredTableKnowsWhatItKnew(t *testing.T) {
	r := lived(t)
	again := newRig(t, open())
	rows := 0
	for chunk := range r.chunks(1000) {
		n, err := again.table.Restore(r.now, chunk)
		require.NoError(t, err)
		again.audit()
		rows += n
	}
	require.Equal(t, 60, rows)
	require.Equal(t, slices.Collect(r.chunks(1<<20)), slices.Collect(again.chunks(1<<20)))
	require.InDelta(t, 2, again.score("ns5", 5), 0.01)
	again.now = r.now
	late := r.row(3, "ns3")
	late.Seq = 1
	require.Equal(t, RefusedSequence, again.announce(late).Refusal, "a withdrawal is not forgotten")
}

func TestWhatIsOverIsNotRestoredAndWhatCameSinceStays(t *testing.T) {
	r := lived(t)
	chunk, _ := r.table.Snapshot(0, 1<<20)
	again := newRig(t, open())
	again.now, again.seq = r.now, 1000
	again.announced(again.row(6, "ns6"))
	n, err := again.table.Restore(r.now, chunk)
	require.NoError(t, err)
	require.Equal(t, 59, n)
	require.Equal(t, uint64(1001), again.table.rows.at(1).seq)
	n, err = newRig(t, open()).table.Restore(r.now.Add(3*time.Hour), chunk)
	require.NoError(t, err)
	require.Zero(t, n)
}

func TestADamagedChunkIsRefusedAsAWhole(t *testing.T) {
	r := lived(t)
	chunk, _ := r.table.Snapshot(0, 1<<20)
	again := newRig(t, open())
	for at := range chunk {
		broken := slices.Clone(chunk)
		broken[at] ^= 0x10
		_, err := again.table.Restore(r.now, broken)
		require.ErrorIs(t, err, ErrDamaged)
		_, err = again.table.Restore(r.now, chunk[:at])
		require.ErrorIs(t, err, ErrDamaged)
	}
	require.Zero(t, again.table.Stat().Rows)
}

func TestATableTakesNoMoreOfASnapshotThanItHasRoomFor(t *testing.T) {
	r := newRig(t, open())
	r.blind = true
	for i := range 4000 {
		a := r.row(i, "ns")
		a.Record = make([]byte, 400)
		r.announced(a)
	}
	small := newRig(t, Limits{TableBytes: 1 << 20})
	for chunk := range r.chunks(64 << 10) {
		_, err := small.table.Restore(r.now, chunk)
		require.NoError(t, err)
		small.audit()
	}
	require.NotZero(t, small.table.Stat().Rows)
}

func FuzzRestore(f *testing.F) {
	r := newRig(f, open())
	r.announced(r.row(1, "ns"), r.row(2, "ns"))
	chunk, _ := r.table.Snapshot(0, 1<<20)
	f.Add(chunk[len(snapshotMagic) : len(chunk)-4])
	f.Fuzz(func(t *testing.T, rows []byte) {
		again := newRig(t, Limits{TableBytes: 1 << 20})
		_, _ = again.table.Restore(again.now, sealed(rows))
		again.audit()
		again.pass(3 * time.Hour)
		require.Zero(t, again.table.Stat().Rows)
	})
}

func TestWithdrawalsAreRestoredBesideAFullQuota(t *testing.T) {
	r := newRig(t, open())
	for i := range 80 {
		a := r.row(1, fmt.Sprint("ns", i))
		r.announced(a)
		if i < 16 {
			a = r.row(1, fmt.Sprint("ns", i))
			a.TTL = 0
			r.announced(a)
		}
	}
	chunk, _ := r.table.Snapshot(0, 1<<20)
	n, err := newRig(t, open()).table.Restore(r.now, chunk)
	require.NoError(t, err)
	require.Equal(t, 80, n)
}

// A row that moves while a snapshot is written can be in two pieces.
func TestOfTwoRowsInASnapshotTheNewerCounts(t *testing.T) {
	r := newRig(t, open())
	narrow := r.row(1, "ns")
	narrow.Ranges = spans(0x1000, 0x12ff)
	r.announced(narrow)
	older, _ := r.table.Snapshot(0, 1<<20)
	r.announced(r.row(1, "ns"))
	newer, _ := r.table.Snapshot(0, 1<<20)
	for _, chunks := range [][][]byte{{older, newer}, {newer, older}} {
		again := newRig(t, open())
		for _, chunk := range chunks {
			_, err := again.table.Restore(r.now, chunk)
			require.NoError(t, err)
			again.audit()
		}
		require.Equal(t, 1, again.table.Stat().Rows)
		require.Len(t, again.ask("ns", 8, 1).Rows, 1)
	}
}
