package message

import (
	"bytes"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whatever comes, the decoder does not panic, takes no more than it received
// allows, gives everything back, allocates in proportion, and hands on only
// blocks that hash to their CID. What it accepted says the same after another
// way over the wire.
func FuzzDecode(f *testing.F) {
	f.Fuzz(func(t *testing.T, stream []byte, version uint8) {
		v := Unversioned + Version(version)%V120
		budget := testBudget{}
		d := NewDecoder(bytes.NewReader(stream), v, Limits{}, &budget, nil)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		frames, _, err := decodeFrames(giveBack(d, &budget))
		runtime.ReadMemStats(&after)
		if err != nil {
			require.NotErrorAs(t, err, new(*BudgetError))
		}
		require.Zero(t, budget.held)
		require.LessOrEqual(t, budget.most, windowSize+listStep+growth*len(stream))
		// A refused element of six bytes costs the CID library's error.
		require.LessOrEqual(t, int(after.TotalAlloc-before.TotalAlloc), 256<<10+64*len(stream))
		for i := range frames {
			requireVerified(t, &frames[i])
			requireStable(t, &frames[i])
		}
	})
}

func requireVerified(t *testing.T, m *Message) {
	for _, b := range m.Blocks {
		require.NoError(t, CheckCID(b.Cid()))
		c, err := b.Cid().Prefix().Sum(b.RawData())
		require.NoError(t, err)
		require.Equal(t, b.Cid(), c)
	}
	for _, e := range m.Wantlist {
		require.NoError(t, CheckCID(e.CID))
	}
	for _, p := range m.Presences {
		require.NoError(t, CheckCID(p.CID))
	}
}

func requireStable(t *testing.T, m *Message) {
	frame := m.AppendFrame(nil, V120)
	require.Len(t, frame, len(framed(make([]byte, m.Size(V120)))))
	again := decodeOne(t, frame, V120)
	require.Equal(t, m, again)
	require.Equal(t, frame, again.AppendFrame(nil, V120))
}
