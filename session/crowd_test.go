package session

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/message"
)

// crowded returns a world with a source that takes 400 ms for each of n blocks, and
// another downloader, after the source has turned out to be crowded.
func crowded(t *testing.T, n int) (w *world, ks []cid.Cid, source, other *remote) {
	w = newWorld(t, 1, rules{self: "self", progress: func(peer.ID) time.Time { return time.Time{} }})
	ks = w.makeBlocks(n, 64<<10)
	source = w.connected("source", ks...)
	source.perBlock = 400 * time.Millisecond
	other = w.connected("other")
	w.call(1, ks...)
	w.until(5*time.Second, func() bool { return other.standing() >= 20 && len(w.at(source)) > 1 })
	return w, ks, source, other
}

// at lists what a peer is asked for.
func (w *world) at(p *remote) []cid.Cid {
	var list []cid.Cid
	for _, in := range w.s.peers[w.s.index[p.id]].asked {
		if in.assignedTo(w.s.index[p.id]) {
			list = append(list, in.cid)
		}
	}
	return list
}

// says lets a peer have one block and say so.
func (w *world) says(p *remote, c cid.Cid) {
	p.has[c] = true
	w.presence(p, c, true)
	w.settle()
}

func TestACrowdedSourceIsAskedForLittleAtATime(t *testing.T) {
	w, _, source, _ := crowded(t, 60)
	for range 20 {
		w.run(100 * time.Millisecond)
		require.LessOrEqual(t, len(w.at(source)), crowdedDepth)
	}
}

// What waits at a crowded source, and another has got, is fetched there.
func TestWhatAnotherHasGotIsWithdrawnFromACrowdedSource(t *testing.T) {
	w, _, source, other := crowded(t, 60)
	waits := w.at(source)[1]
	require.Contains(t, other.wants, waits, "what waits is asked about, too")
	w.says(other, waits)
	require.NotContains(t, w.at(source), waits)
	require.Contains(t, w.at(other), waits)
	require.NotContains(t, source.wants, waits)
}

// What may be under way is not withdrawn, but one that waits though the source sends us
// nothing is.
func TestWhatMayBeUnderWayIsNotWithdrawn(t *testing.T) {
	for _, sending := range []bool{true, false} {
		w, _, source, other := crowded(t, 60)
		w.s.rules.progress = func(peer.ID) time.Time {
			if sending {
				return w.now
			}
			return w.now.Add(-time.Second)
		}
		first := w.at(source)[0]
		w.says(other, first)
		require.Equal(t, sending, slices.Contains(w.at(source), first))
	}
}

// A crowded source is not asked for what another has that is busy, while there are
// blocks that nobody else has.
func TestACrowdedSourceIsAskedForWhatNobodyElseHas(t *testing.T) {
	w, ks, source, other := crowded(t, 60)
	other.perBlock = 400 * time.Millisecond
	held := ks[:40]
	for _, k := range held {
		if other.wants[k] != nil {
			w.says(other, k)
		} else {
			other.has[k] = true
		}
	}
	rs, _ := w.drain(1, time.Minute)
	require.Len(t, rs, len(ks))
	twice := 0
	for _, r := range rs {
		if r.From == source.id && other.has[r.CID] {
			twice++
		}
	}
	require.LessOrEqual(t, twice, 15, "of 40; half of them would come from it by turns")
	require.Less(t, source.blocksSent+other.blocksSent, len(ks)+4, "and few came twice")
}

// A peer that gets what we want is asked only for what it said that it has: a block
// asked for before would come when it was got elsewhere.
func TestADownloaderIsAskedForWhatItHas(t *testing.T) {
	w, ks, _, other := crowded(t, 60)
	for _, k := range ks[:10] {
		if other.wants[k] != nil {
			w.says(other, k)
		}
	}
	rs, _ := w.drain(1, time.Minute)
	require.Len(t, rs, len(ks))
	require.True(t, w.s.peers[w.s.index[other.id]].getting)
	require.LessOrEqual(t, len(rs), 60)
	for _, r := range rs {
		require.True(t, r.From != other.id || other.has[r.CID])
	}
	require.Empty(t, other.wants)
}

// Nodes ask different peers what they have, so that no few have to serve a crowd.
func TestEachNodeHasNeighboursOfItsOwn(t *testing.T) {
	asked := make(map[peer.ID]int)
	for n := range 10 {
		w := newWorld(t, 1, rules{self: peer.ID(fmt.Sprint("self ", n)), k: 4})
		ks := w.makeBlocks(60, 64<<10)
		w.connected("source", ks...).perBlock = 400 * time.Millisecond
		all := w.strangers(20)
		w.call(1, ks...)
		w.run(2 * time.Second)
		for _, p := range all {
			if len(p.seen) > 8 {
				asked[p.id]++
			}
		}
	}
	require.Greater(t, len(asked), 12)
}

// Of many blocks, downloaders begin with about the same, in different orders.
func TestDownloadersOfManyBlocksBeginInTheSamePlace(t *testing.T) {
	first := func(self peer.ID) []cid.Cid {
		w := newWorld(t, 1, rules{self: self})
		q := queue{stage: open}
		for _, k := range w.makeBlocks(2000, 10) {
			q.push(&wanted{cid: k, stage: open, order: w.s.order(&callState{}, k, 2000, false)})
		}
		var list []cid.Cid
		for range orderSpread {
			list = append(list, q.pop().cid)
		}
		return list
	}
	a, b := first("a"), first("b")
	both := 0
	for _, k := range a {
		if slices.Contains(b, k) {
			both++
		}
	}
	require.Greater(t, both, orderSpread/3, "a permutation of all would have two")
	require.NotEqual(t, a[:4], b[:4])
}

// What comes next is found without looking at all that waits.
func TestTheNextOfAQueueAreInOrder(t *testing.T) {
	q := queue{stage: open}
	for i := range 1000 {
		st := open
		if i%3 == 0 {
			st = asked
		}
		q.push(&wanted{order: uint64(i * 7919 % 1000), stage: st})
	}
	next := q.first(scoutWants)
	require.Len(t, next, scoutWants)
	require.True(t, slices.IsSortedFunc(next, func(a, b *wanted) int { return int(a.order) - int(b.order) }))
	require.Less(t, next[scoutWants-1].order, uint64(2*scoutWants))
}

// Those whom the directory names later are found while the one that it has named is
// crowded.
func TestTheDirectoryIsAskedWhoHasComeToACrowd(t *testing.T) {
	w := newWorld(t, 1, spaced)
	ks := w.makeBlocks(60, 64<<10)
	source := w.list("source", ks...)
	source.perBlock = 400 * time.Millisecond
	strangers := w.strangers(20)
	w.call(1, ks...)
	w.run(500 * time.Millisecond)
	require.Equal(t, 1, w.finds)
	w.list("other", ks[:40]...)
	rs, took := w.drain(1, time.Minute)
	require.Len(t, rs, len(ks))
	require.Less(t, took, 45*source.perBlock, "the source alone takes 60")
	require.LessOrEqual(t, w.finds, 8)
	require.Equal(t, w.finds-1, w.news, "what was found before is no answer")
	require.Zero(t, askedOf(strangers))
}

// However long the first block takes, how far away a peer is shows before.
func TestAPeerShowsItsRoundTripBeforeItsFirstBlock(t *testing.T) {
	w := newWorld(t, 1, spaced)
	ks := w.makeBlocks(60, 64<<10)
	source := w.list("source", ks...)
	source.perBlock = 5 * time.Second
	w.call(1, ks...)
	w.run(500 * time.Millisecond)
	require.Zero(t, source.blocksSent)
	require.NotZero(t, w.s.peers[w.s.index[source.id]].view.RTT)
	require.Len(t, source.seen, len(w.at(source))+1, "one more want is enough")
}

// Who has announced a part is asked for blocks that it says it has.
func TestWhoHasAnnouncedAPartIsAskedFirstWhatItHas(t *testing.T) {
	w := newWorld(t, 1, spaced)
	ks := w.makeBlocks(20, 64<<10)
	holder := w.list("holder", ks...)
	holder.perBlock = 100 * time.Millisecond
	part := w.list("part")
	w.parts = append(w.parts, part.id)
	w.call(1, ks...)
	for !w.closed[1] {
		w.consume(1)
		for k, want := range part.wants {
			require.Equal(t, message.WantHave, want.kind, k)
		}
		w.run(10 * time.Millisecond)
	}
	require.NotEmpty(t, part.seen)
}

func TestManyBlocksComeFromWhoHasAnnouncedAPart(t *testing.T) {
	w := newWorld(t, 1, spaced)
	ks := w.makeBlocks(20, 64<<10)
	part := w.list("part", ks...)
	part.perBlock = 10 * time.Millisecond
	w.parts = append(w.parts, part.id)
	strangers := w.strangers(5)
	w.call(1, ks...)
	rs, took := w.drain(1, time.Minute)
	require.Len(t, rs, len(ks))
	require.Less(t, took, time.Second)
	require.Zero(t, askedOf(strangers))
}

// A want-block that a peer has refused is withdrawn when another is asked that has it.
func TestARefusedBlockIsWithdrawnWhenItIsFound(t *testing.T) {
	w := newWorld(t, 1, spaced)
	ks := w.makeBlocks(20, 64<<10)
	holder := w.list("holder", ks...)
	holder.perBlock = 100 * time.Millisecond
	empty := w.list("empty")
	w.call(1, ks...)
	w.run(time.Second)
	require.NotEmpty(t, empty.seen)
	for !w.closed[1] {
		w.consume(1)
		for _, k := range w.at(holder) {
			want := empty.wants[k]
			require.True(t, want == nil || want.kind == message.WantHave, "it would send it when it has it")
		}
		w.run(50 * time.Millisecond)
	}
}
