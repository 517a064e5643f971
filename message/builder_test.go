package message

import (
	"testing"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/stretchr/testify/require"
)

func TestBuilderMergesEntries(t *testing.T) {
	c := shaCID(1)
	for name, tc := range map[string]struct {
		first, second, want Entry
	}{
		"want-block beats want-have and keeps its priority": {
			Entry{CID: c, Priority: 1, Type: WantHave},
			Entry{CID: c, Priority: 2, Type: WantBlock},
			Entry{CID: c, Priority: 1, Type: WantBlock},
		},
		"want-have does not weaken want-block": {
			Entry{CID: c, Priority: 1, Type: WantBlock},
			Entry{CID: c, Priority: 2, Type: WantHave},
			Entry{CID: c, Priority: 1, Type: WantBlock},
		},
		"the last priority of one type counts": {
			Entry{CID: c, Priority: 1, Type: WantHave},
			Entry{CID: c, Priority: -2, Type: WantHave},
			Entry{CID: c, Priority: -2, Type: WantHave},
		},
		"cancel wins when it comes last": {
			Entry{CID: c, Priority: 1},
			Entry{CID: c, Cancel: true},
			Entry{CID: c, Cancel: true},
		},
		"cancel wins when it comes first": {
			Entry{CID: c, Cancel: true},
			Entry{CID: c, Priority: 1},
			Entry{CID: c, Priority: 1, Cancel: true},
		},
		"the wish for a DONT_HAVE stays": {
			Entry{CID: c, SendDontHave: true},
			Entry{CID: c},
			Entry{CID: c, SendDontHave: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var b Builder
			require.True(t, b.AddEntry(tc.first))
			require.False(t, b.AddEntry(tc.second))
			require.Equal(t, []Entry{tc.want}, b.Message().Wantlist)
		})
	}
}

func TestBuilderKeepsOrderAndTellsExactCIDsApart(t *testing.T) {
	v1 := shaCID(1)
	v0 := cid.NewCidV0(v1.Hash())
	var b Builder
	require.True(t, b.AddEntry(Entry{CID: shaCID(2)}))
	require.True(t, b.AddEntry(Entry{CID: v1}))
	require.True(t, b.AddEntry(Entry{CID: v0}))
	require.True(t, b.Cancel(shaCID(3)))
	require.False(t, b.AddEntry(Entry{CID: v1}))
	require.Equal(t, []Entry{{CID: shaCID(2)}, {CID: v1}, {CID: v0}, {CID: shaCID(3), Cancel: true}}, b.Message().Wantlist)
}

func TestBuilderBlockBeatsPresence(t *testing.T) {
	before, after := testBlock(t, 8, 1), testBlock(t, 8, 2)
	var b Builder
	require.True(t, b.AddPresence(Presence{CID: before.Cid(), Have: true}))
	require.True(t, b.AddPresence(Presence{CID: shaCID(3)}))
	require.True(t, b.AddBlock(before))
	require.True(t, b.AddBlock(after))
	require.False(t, b.AddBlock(after))
	require.False(t, b.AddPresence(Presence{CID: after.Cid()}))
	m := b.Message()
	require.Equal(t, []blocks.Block{before, after}, m.Blocks)
	require.Equal(t, []Presence{{CID: shaCID(3)}}, m.Presences)
}

func TestBuilderKeepsTheLastPresence(t *testing.T) {
	var b Builder
	require.True(t, b.AddPresence(Presence{CID: shaCID(1), Have: true}))
	require.False(t, b.AddPresence(Presence{CID: shaCID(1)}))
	require.Equal(t, []Presence{{CID: shaCID(1)}}, b.Message().Presences)
}

func TestBuilderIsEmptyAfterMessage(t *testing.T) {
	b := Builder{Full: true, PendingBytes: 7}
	for i := range 2 * keptIndex {
		b.AddEntry(Entry{CID: testBlock(t, 8, i).Cid()})
	}
	first := b.Message()
	require.Len(t, first.Wantlist, 2*keptIndex)
	require.True(t, first.Full)
	require.EqualValues(t, 7, first.PendingBytes)
	require.True(t, b.Message().Empty())
	require.True(t, b.AddEntry(first.Wantlist[0]), "an emptied builder knows no CID")
	require.Equal(t, first.Wantlist[:1], b.Message().Wantlist)
}
