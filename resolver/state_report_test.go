package resolver

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestPagesAreTheWholeInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.MapOf(rapid.IntRange(0, 1000), rapid.Just(0)).Draw(t, "all")
		for k := range all {
			all[k] = k
		}
		most := rapid.IntRange(1, 7).Draw(t, "most")
		var got []int
		for after, more := -1, true; more; after = got[len(got)-1] {
			var page []int
			page, more = lowest(all, most, func(v int) bool { return v > after }, cmp.Compare[int])
			require.LessOrEqual(t, len(page), most)
			if got = append(got, page...); len(got) == 0 {
				break
			}
		}
		require.True(t, slices.IsSorted(got))
		require.Len(t, got, len(all))
	})
}

func TestAFetchSaysWhatItWaitsFor(t *testing.T) {
	s := rig("p").state
	s.fetch(epoch, []order{{key: "a"}, {key: "b", targeted: true, targets: []peer.ID{"nobody"}}, {key: "c", targeted: true}})
	s.turn(epoch)
	page := s.fetchPage(epoch, 0, 2)
	require.Equal(t, 3, page.Total)
	require.Equal(t, "for an answer", page.Fetches[0].Waits)
	require.Equal(t, []peer.ID{"p"}, page.Fetches[0].Asked)
	require.Equal(t, "for a peer", page.Fetches[1].Waits)
	require.Equal(t, []peer.ID{"nobody"}, page.Fetches[1].Targets)
	rest := s.fetchPage(epoch, page.Next, 2)
	require.Equal(t, "for new targets", rest.Fetches[0].Waits)
	require.Zero(t, rest.Next)
	require.ElementsMatch(t, []Key{"a", "b", "c"}, s.keys())

	s.answered(epoch, "p", 1, answer{data: []byte("x")})
	require.Equal(t, "for the Consumer", s.fetchPage(epoch, 0, 1).Fetches[0].Waits)
	s.judged(epoch, "a", false)
	peers := s.peerPage(epoch, "", 10)
	require.Equal(t, 2, peers.Total)
	require.Equal(t, "not in the set", peers.Peers[0].Not)
	require.Equal(t, "blocked", peers.Peers[1].Not)
	require.Equal(t, "value", peers.Peers[1].Fault)
	require.Equal(t, "for its next attempt", s.fetchPage(epoch, 0, 1).Fetches[0].Waits)
	s.cancel(epoch, []Key{"a"})
	require.ElementsMatch(t, []Key{"b", "c"}, s.keys())
}

// The stream to a peer that is blocked is cut, which looks to the state as if the peer
// could not be reached; a pause for that would end, and the block with it.
func TestABlockedPeerThatPartsStaysBlocked(t *testing.T) {
	s := rig("p").state
	s.fetch(epoch, []order{{key: "a"}, {key: "b"}})
	s.turn(epoch)
	s.turn(epoch)
	s.answered(epoch, "p", 1, answer{data: []byte("x")})
	s.judged(epoch, "a", false)
	s.parted(epoch, "p")
	for now := range 100 {
		s.turn(epoch.Add(time.Duration(now) * time.Minute))
	}
	require.NoError(t, s.audit())
	require.Equal(t, "blocked", s.peerPage(epoch, "", 1).Peers[0].Not)
	require.Len(t, s.take().asks, 2)
}
