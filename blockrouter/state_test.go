package blockrouter

import (
	"fmt"
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/stretchr/testify/require"
)

func TestBlockGoesToEveryLinkThatWantsItOnce(t *testing.T) {
	r := newRig(t)
	r.want(2, "a b")
	r.want(1, "a")
	r.message("peer", "a")
	require.Equal(t, "block a peer", r.told(1))
	require.Equal(t, "block a peer", r.told(2))
	require.Empty(t, r.told(3))
	require.Equal(t, linkID(1), r.out.info[0].link, "in the order of the links, whoever asked first")

	r.message("other", "a")
	require.Empty(t, r.out.info, "nobody waits any more")
	require.Equal(t, receipt{peer: "other", blocks: 1, bytes: 1, dupBlocks: 1, dupBytes: 1}, r.out.received[0])
	require.Equal(t, Stat{BlocksReceived: 2, DataReceived: 2, DupBlksReceived: 1, DupDataReceived: 1}, r.stat)
}

func TestCancelledWantIsNotDelivered(t *testing.T) {
	r := newRig(t)
	r.want(1, "a")
	r.want(2, "a")
	r.cancel(1, "a z")
	r.message("peer", "a")
	require.Empty(t, r.told(1))
	require.Equal(t, "block a peer", r.told(2))
}

func TestLinkIsToldOnceAnEvent(t *testing.T) {
	r := newRig(t)
	r.want(1, "a b c")
	r.message("peer", "b a")
	require.Len(t, r.out.info, 1)
	require.Equal(t, "block b peer, block a peer", r.told(1))
}

func TestPutReachesWhoeverWaitsAndIsAnnounced(t *testing.T) {
	r := newRig(t)
	r.want(1, "a")
	r.put("a b")
	require.Equal(t, "block a", r.told(1))
	require.Equal(t, "a b", r.available())
	require.Empty(t, r.writing(), "it is stored already")
}

func TestUnsolicitedBlockIsDropped(t *testing.T) {
	r := newRig(t)
	r.message("peer", "a")
	require.Equal(t, []string{"a"}, r.released)
	require.Empty(t, r.writing())
	require.Empty(t, r.available())
}

func TestPresencesGoToTheLinksThatWantTheCID(t *testing.T) {
	r := newRig(t)
	r.want(1, "a")
	r.presence("peer", "a b", "")
	require.Equal(t, "peer a true", r.told(1))
	require.Empty(t, r.told(2))
	r.presence("peer", "", "a")
	require.Equal(t, "peer a false", r.told(1))
}

// The answers that were under way when a block came say who is of use.
func TestInterestOutlivesTheWant(t *testing.T) {
	r := newRig(t)
	r.want(1, "a")
	r.message("peer", "a")
	r.presence("other", "a", "")
	require.Equal(t, "other a true", r.told(1))
	r.presence("third", "", "a")
	require.Empty(t, r.told(1), "who has it not is of no use")

	r.want(2, "b")
	r.put("b")
	r.presence("other", "b", "")
	require.Empty(t, r.told(2), "a block from here says nothing about peers")
}

// Who listens hears what one peer says about one CID, be it with the block itself,
// which nobody has wanted by that.
func TestListenerHearsOnePeerAndKeepsNothing(t *testing.T) {
	r := newRig(t)
	r.listen(1, "peer", "a")
	r.listen(1, "peer", "a")
	r.presence("other", "a", "")
	r.presence("peer", "b", "")
	r.message("other", "a")
	require.Empty(t, r.told(1), "of another peer, or about another CID")
	r.presence("peer", "", "a")
	require.Equal(t, "peer a false", r.told(1))
	r.presence("peer", "a", "")
	require.Equal(t, "peer a true", r.told(1))

	r.message("peer", "a")
	require.Equal(t, "peer a true", r.told(1))
	require.Equal(t, receipt{peer: "peer", blocks: 1, bytes: 1}, r.out.received[0], "an answer, and no duplicate")
	require.Empty(t, r.writing())
	require.Empty(t, r.available())
	require.Equal(t, []string{"a", "a"}, r.released)

	r.put("a")
	require.Empty(t, r.told(1), "what is here says nothing about the peer")
	r.cancelAll(1)
	r.message("peer", "a")
	require.Empty(t, r.out.info)
	r.cancelAll(2)
	r.cancelAll(3)
	r.empty()
}

// A block that answers a listener is delivered and stored for whoever wants it.
func TestListenerTakesNothingFromWhoWantsIt(t *testing.T) {
	r := newRig(t)
	r.listen(1, "peer", "a")
	r.want(2, "a")
	r.message("peer", "a")
	require.Equal(t, "peer a true", r.told(1))
	require.Equal(t, "block a peer", r.told(2))
	require.Equal(t, "a", r.writing())
}

func TestInterestIsBounded(t *testing.T) {
	r := newRig(t)
	for n := range mostInterest + 10 {
		r.want(1, fmt.Sprint(n))
		r.message("peer", fmt.Sprint(n))
		r.want(1, fmt.Sprint(n)) // Wanted and got a second time: one interest.
		r.message("peer", fmt.Sprint(n))
	}
	require.Len(t, r.interested, mostInterest)
	require.Len(t, r.links[1].got, mostInterest)
	r.presence("other", "9", "")
	require.Empty(t, r.told(1), "the oldest went first")
	r.presence("other", "10", "")
	require.Equal(t, "other 10 true", r.told(1))
}

// There is no account of a peer that sent nothing.
func TestEmptyMessageIsReleasedAndNotRecorded(t *testing.T) {
	r := newRig(t)
	r.message("peer", "")
	require.Equal(t, []string{""}, r.released)
	require.Empty(t, r.out.received)
}

func TestCancelAllClosesTheLinkAndLeavesNothing(t *testing.T) {
	r := newRig(t)
	r.want(1, "a b c d")
	r.message("peer", "a")
	r.want(2, "a")
	r.cancelAll(1)
	require.Equal(t, []linkID{1}, r.out.closed)
	r.cancelAll(1)
	require.Empty(t, r.out.closed, "once")

	r.cancelAll(2)
	r.cancelAll(3)
	r.look("a b")
	require.Empty(t, r.out.info)
	r.wrote(nil)
	r.empty()
}

func TestLinkThatIsNotOpenIsNotHeard(t *testing.T) {
	r := newRig(t)
	r.want(9, "a")
	r.load(9, "a")
	r.cancel(9, "a")
	r.cancelAll(9)
	require.Zero(t, r.wishes.first.Len())
	require.Empty(t, r.jobs)
}

func TestMergedNewsIsTheSameAsItsParts(t *testing.T) {
	older := Info{Local: cids("a"), Missing: cids("b"), Presences: map[PeerCID]bool{{"p", block("a").Cid()}: true}}
	newer := Info{
		Blocks: []Received{{Block: block("c")}}, Local: cids("d"),
		Presences: map[PeerCID]bool{{"p", block("a").Cid()}: false, {"q", block("a").Cid()}: true},
		Failed:    map[cid.Cid]error{block("e").Cid(): errDisk},
	}
	m := merge(older, newer)
	require.Len(t, m.Blocks, 1)
	require.Equal(t, "a d", namesOf(m.Local))
	require.Equal(t, "b", namesOf(m.Missing))
	require.Equal(t, map[PeerCID]bool{{"p", block("a").Cid()}: false, {"q", block("a").Cid()}: true}, m.Presences, "the last word")
	require.ErrorIs(t, m.Failed[block("e").Cid()], errDisk)
}

func TestUnreadNewsDoesNotGrowByRepetition(t *testing.T) {
	var unread Info
	for range 10_000 {
		unread = merge(unread, Info{Local: cids("a b c"), Missing: cids("d"), Presences: map[PeerCID]bool{{"p", block("d").Cid()}: true}})
	}
	require.Less(t, cap(unread.Local), 64)
	require.Less(t, cap(unread.Missing), 64)
	require.Len(t, unread.Presences, 1)
	require.Equal(t, "a b c", namesOf(unique(unread.Local)))
}

func TestWhatIsIgnoredIsCountedAndToldToNobody(t *testing.T) {
	r := newRig(t, func(l *limits) { l.weigh = true })
	r.want(1, "a")
	r.listen(2, "peer", "a")
	r.ignored("peer", blocksOf("a b"), func() { r.released = append(r.released, "a b") })
	r.then()
	require.Empty(t, r.out.info)
	require.Empty(t, r.writing())
	require.Equal(t, []string{"a b"}, r.released)
	require.Equal(t, []receipt{{peer: "peer", blocks: 2, bytes: 2, dupBlocks: 2, dupBytes: 2}}, r.out.received)
	require.Equal(t, []weighed{{1, true}, {1, true}}, r.out.weighed)
	r.message("other", "a")
	require.Equal(t, "block a other", r.told(1), "it is still wanted")
	require.Equal(t, []weighed{{1, false}}, r.out.weighed)
}
