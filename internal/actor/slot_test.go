package actor

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func join(older, newer []int) []int { return append(older, newer...) }

func TestPublishMergesWhatWasNotRead(t *testing.T) {
	s := NewSlot[[]int]()
	for n := range 5 {
		s.Publish([]int{n}, join)
	}
	require.Equal(t, []int{0, 1, 2, 3, 4}, <-s.C())
	s.Publish([]int{5}, join)
	require.Equal(t, []int{5}, <-s.C())
}

func TestUnreadBatchComesBeforeTheEnd(t *testing.T) {
	s := NewSlot[[]int]()
	s.Publish([]int{1}, join)
	s.Close()
	require.Equal(t, []int{1}, <-s.C())
	_, open := <-s.C()
	require.False(t, open)
}

// However the two goroutines interleave, nothing is lost, repeated or moved.
func TestSlotKeepsEverythingInOrder(t *testing.T) {
	const most = 50_000
	s := NewSlot[[]int]()
	go func() {
		for n := range most {
			s.Publish([]int{n}, join)
		}
		s.Close()
	}()
	var got []int
	for batch := range s.C() {
		got = append(got, batch...)
	}
	require.Len(t, got, most)
	require.True(t, slices.IsSorted(got))
}

func TestSnapshotIsTheLastValueSet(t *testing.T) {
	var s Snapshot[int]
	require.Nil(t, s.Get())
	for n := range 3 {
		s.Set(&n)
		require.Equal(t, n, *s.Get())
	}
}
