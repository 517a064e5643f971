package tracker

import (
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
)

func trackers(n int) []peer.ID {
	ids := make([]peer.ID, n)
	for i := range ids {
		ids[i] = who(i)
	}
	return ids
}

func TestEveryoneRanksTrackersAlikeHoweverTheyAreListed(t *testing.T) {
	ids := trackers(20)
	want := Rank(Place{Namespace: "ns"}, ids)
	require.ElementsMatch(t, ids, want)
	slices.Reverse(ids)
	require.Equal(t, want, Rank(Place{Namespace: "ns"}, append(ids, ids[3])))
}

func TestTheOrderOfTheOthersStaysWhenATrackerGoes(t *testing.T) {
	at := Place{Namespace: "ns", Narrow: true, Division: 7}
	whole := Rank(at, trackers(20))
	for _, gone := range whole {
		without := func(ids []peer.ID) []peer.ID {
			return slices.DeleteFunc(slices.Clone(ids), func(id peer.ID) bool { return id == gone })
		}
		require.Equal(t, without(whole), Rank(at, without(whole)))
	}
}

func TestPlacesAreSpreadOverTheTrackers(t *testing.T) {
	first := map[peer.ID]int{}
	for division := range 256 {
		for _, namespace := range []string{"a", "b", "c", "d"} {
			first[Rank(Place{namespace, true, uint8(division)}, trackers(8))[0]]++
		}
	}
	require.Len(t, first, 8)
	for id, n := range first {
		require.InDelta(t, 128, n, 50, id)
	}
	require.NotEqual(t, Rank(Place{Namespace: "a"}, trackers(8)), Rank(Place{"a", true, 0}, trackers(8)))
}

func TestTheTopTakesTheNextForOneThatIsDead(t *testing.T) {
	at := Place{Namespace: "ns"}
	order := Rank(at, trackers(8))
	alive := func(id peer.ID) bool { return id != order[1] && id != order[3] }
	require.Equal(t, []peer.ID{order[0], order[2], order[4]}, Top(at, trackers(8), alive))
	require.Len(t, Top(at, trackers(2), func(peer.ID) bool { return true }), 2)
	require.Empty(t, Top(at, nil, alive))
}

func TestTheRankOfAPlaceIsTheSameInEveryVersion(t *testing.T) {
	order := Rank(Place{Namespace: "souk", Narrow: true, Division: 0xa5}, trackers(6))
	places := make([]int, len(order))
	for i, id := range order {
		places[i] = slices.Index(trackers(6), id)
	}
	require.Equal(t, []int{4, 1, 3, 0, 2, 5}, places)
}
