package kademlia

import (
	"errors"
	"fmt"
	"testing"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/stretchr/testify/require"
)

func numbered(n int) (cids []cid.Cid) {
	for i := range n {
		cids = append(cids, blocks.NewBlock([]byte(fmt.Sprint(i))).Cid())
	}
	return cids
}

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func TestARootIsToldAgainBeforeItIsForgotten(t *testing.T) {
	s, roots := newSchedule(), numbered(1)
	s.set(roots, noon)
	require.Equal(t, roots, s.due(noon, 9))
	s.done(roots[0], nil, noon)
	s.set(roots, noon.Add(time.Hour))
	require.Empty(t, s.due(noon.Add(provideAgain-time.Second), 9))
	require.Equal(t, roots, s.due(noon.Add(provideAgain), 9))
}

func TestWhatCannotBeToldIsToldLaterAndEverMoreSeldom(t *testing.T) {
	s, roots := newSchedule(), numbered(1)
	s.set(roots, noon)
	now, last := noon, time.Duration(0)
	for range 12 {
		require.Equal(t, roots, s.due(now, 9))
		s.done(roots[0], errors.New("nobody answers"), now)
		pause := s.all[string(roots[0].Hash())].next.Sub(now)
		require.Empty(t, s.due(now.Add(pause-1), 9))
		require.GreaterOrEqual(t, pause, last)
		now, last = now.Add(pause), pause
	}
	require.Equal(t, lastPause, last)
	s.done(roots[0], nil, now)
	told, waiting := s.counts()
	require.Equal(t, []int{1, 0}, []int{told, waiting})
}

func TestWhatIsKeptNoMoreIsToldNoMore(t *testing.T) {
	s, roots := newSchedule(), numbered(3)
	s.set(roots, noon)
	s.set(roots[1:], noon)
	s.done(roots[0], nil, noon)
	require.ElementsMatch(t, roots[1:], s.due(noon, 9))
}

func TestTheRootsAreBoundedAndOneHashIsOneRoot(t *testing.T) {
	s, roots := newSchedule(), numbered(mostRoots+1)
	again := cid.NewCidV1(cid.Raw, roots[0].Hash())
	s.set(append([]cid.Cid{roots[0], again}, roots...), noon)
	require.Len(t, s.all, mostRoots)
	require.Len(t, s.due(noon, 4), 4)
}
