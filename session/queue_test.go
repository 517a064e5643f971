package session

import (
	"fmt"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/wantmanager"
)

func TestPriorityIsThatOfTheSession(t *testing.T) {
	r := named("a")
	r.priority = 7
	s := newState(rulesOf(r))
	s.start()
	s.available("a")
	k := newWorld(t, 1, named()).makeBlocks(1, 10)[0]
	now := time.Unix(1, 0)
	s.want(now, 1, []cid.Cid{k}, false)
	s.located(nil, []cid.Cid{k})
	require.Equal(t, map[peer.ID][]wantmanager.Ask{"a": {{CID: k, Type: message.WantBlock, Priority: 7}}}, s.take(now).asks)
}

func TestOrderedWantsAreAskedInOrderAndOthersAreNot(t *testing.T) {
	w := newWorld(t, 1, named())
	cids := w.makeBlocks(64, 10)
	for _, ordered := range []bool{true, false} {
		s := newState(rulesOf(named("a")))
		s.start()
		s.available("a")
		now := time.Unix(1, 0)
		s.want(now, 1, cids, ordered)
		s.located(nil, cids)
		s.mean = 10
		var got []cid.Cid
		for _, a := range s.take(now).asks["a"] {
			got = append(got, a.CID)
		}
		require.Len(t, got, 64)
		if ordered {
			require.Equal(t, cids, got)
		} else {
			require.NotEqual(t, cids, got)
			require.ElementsMatch(t, cids, got)
		}
	}
}

// Every node asks for the wants of a slice in an order of its own.
func TestTheOrderOfASliceDiffersFromPeerToPeer(t *testing.T) {
	cids := newWorld(t, 1, named()).makeBlocks(64, 10)
	first := make(map[cid.Cid]bool)
	for i := range 16 {
		q := queue{stage: open}
		for _, k := range cids {
			q.push(&wanted{cid: k, stage: open, order: hash(peer.ID(fmt.Sprint(i)), k.KeyString())})
		}
		first[q.pop().cid] = true
	}
	require.Greater(t, len(first), 8)
}

// While a block comes the manager has the next ones: those that fill the window, and
// one that waits for room in it. Of the block, all counts until its last byte.
func TestThereIsAWantBehindTheWindowWhileABlockComes(t *testing.T) {
	const size = 256 << 10
	cids := newWorld(t, 1, named()).makeBlocks(64, 10)
	for _, share := range []int{size / 4, size, size + size/4, 2 * size, 5*size + 1} {
		s := newState(rulesOf(named("a")))
		s.start()
		s.available("a")
		s.view(time.Time{}, "a", wantmanager.View{Share: share, Rate: 1e6, RTT: rtt})
		s.mean = size
		s.peers[s.index["a"]].hits = provenHits
		s.want(time.Unix(1, 0), 1, cids, false)
		s.located(nil, cids)
		asked := len(s.take(time.Unix(1, 0)).asks["a"]) * size
		require.Greater(t, asked-size, share, "behind the block that comes")
		require.LessOrEqual(t, asked, share+share/4+2*size, "no more than the next")
	}
}
