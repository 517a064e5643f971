package blockrouter

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBlocksAreDeliveredThenStoredThenAnnounced(t *testing.T) {
	r := newRig(t)
	r.want(1, "a")
	r.message("peer", "a")
	require.Equal(t, "block a peer", r.told(1))
	require.Equal(t, "a", names(r.out.write))
	require.Empty(t, r.available())
	r.wrote(nil)
	require.Equal(t, "a", r.available())
}

// Who asks for a block in between is not told that it is not here.
func TestBlocksAreStagedFromDeliveryUntilTheyAreStoredOrRefused(t *testing.T) {
	r := newRig(t)
	r.want(1, "a b")
	r.message("peer", "a b x")
	require.Equal(t, blocksOf("a b"), r.out.staged)
	require.Empty(t, r.out.unstaged)
	r.wrote(nil)
	require.Equal(t, blocksOf("a b"), r.out.unstaged)

	r.want(1, "c")
	r.message("peer", "c")
	r.wrote(errDisk)
	require.Equal(t, blocksOf("c"), r.out.unstaged)
}

func TestBlocksAreStoredInTheirOrderOneWriteAtATime(t *testing.T) {
	r := newRig(t)
	r.want(1, "a b c d e f")
	r.message("peer", "c")
	r.message("peer", "a b f")
	r.message("peer", "e")
	require.Equal(t, "c", r.writing())
	r.wrote(nil)
	require.Equal(t, "a b", names(r.out.write), "a batch has 2 bytes")
	r.wrote(nil)
	require.Equal(t, "f e", names(r.out.write))
	r.wrote(nil)
	require.Empty(t, r.out.write)
	require.Nil(t, r.unstored)
}

func TestMessageIsReleasedWhenTheLastOfItIsStored(t *testing.T) {
	r := newRig(t)
	r.want(1, "a b c")
	r.message("peer", "a b c x")
	require.Empty(t, r.released)
	r.wrote(nil)
	require.Empty(t, r.released, "c is not stored")
	r.wrote(nil)
	require.Equal(t, []string{"a b c x"}, r.released)
}

func TestMessagesWaitWhileTooMuchIsNotStored(t *testing.T) {
	r := newRig(t)
	r.want(1, "a b c d")
	r.message("peer", "a b c")
	require.False(t, r.full())
	r.message("peer", "d")
	require.True(t, r.full())
	r.wrote(nil)
	require.False(t, r.full())
}

// They were delivered; that they are not announced is all that is lost.
func TestBlocksThatTheStoreRefusesAreReleasedCountedAndNotAnnounced(t *testing.T) {
	r := newRig(t)
	r.want(1, "a b")
	r.message("peer", "a")
	r.message("peer", "b")
	r.wrote(errDisk)
	require.Empty(t, r.available())
	require.Equal(t, []string{"a"}, r.released)
	require.EqualValues(t, 1, r.stat.StoreErrors)
	r.wrote(nil)
	require.Equal(t, "b", r.available(), "the next is tried all the same")
}

func TestWithoutStoringNothingIsWrittenOrAnnounced(t *testing.T) {
	r := newRig(t, func(l *limits) { l.keep = false })
	r.want(1, "a")
	r.message("peer", "a")
	require.Equal(t, "block a peer", r.told(1))
	require.Equal(t, []string{"a"}, r.released)
	require.Empty(t, r.writing())
	require.Empty(t, r.available())
}

// A queue that never runs empty must not keep the blocks that were stored.
func TestStoredBlocksAreLetGo(t *testing.T) {
	r := newRig(t)
	r.want(1, "a b c d e")
	r.message("peer", "a b c d e")
	job := r.state.writing
	r.wrote(nil)
	for _, w := range job {
		require.Nil(t, w.block)
	}
}
