package engine

import (
	"slices"
	"testing"
	"time"
	"unsafe"

	blocks "github.com/ipfs/go-block-format"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/message"
)

func dontHaves(bs []blocks.Block) []message.Entry {
	entries := wantAll(bs)
	for i := range entries {
		entries[i].SendDontHave = true
	}
	return entries
}

func TestMoreWantsThanTasksWaitAndAreAllServed(t *testing.T) {
	r := newRig(t, Limits{Tasks: 8, Subscriptions: 1000})
	bs := many(100, 100)
	r.shelf.put(bs...)
	ticket := r.want(alice, wantAll(bs)...)
	r.collect()
	require.Equal(t, 8, r.state.partners[alice].working)
	require.Len(t, r.state.wantlist(alice), 100, "what waits is part of the wantlist")
	require.NotContains(t, r.admitted, ticket, "reading pauses")
	r.run()
	require.Contains(t, r.admitted, ticket)
	require.Len(t, r.heard(alice), 100)
	require.Empty(t, r.list(alice))
}

func TestAbsentBlocksDoNotKeepTasks(t *testing.T) {
	r := newRig(t, Limits{Tasks: 8, Subscriptions: 1000})
	ticket := r.want(alice, dontHaves(many(500, 100))...)
	r.run()
	require.Contains(t, r.admitted, ticket)
	require.Len(t, r.heard(alice), 500)
	require.Len(t, r.list(alice), 500)
}

func TestCancelsCountWhileWantsWait(t *testing.T) {
	r := newRig(t, Limits{Tasks: 8})
	bs := many(100, 100)
	r.shelf.put(bs...)
	r.want(alice, wantAll(bs)...)
	r.collect()
	var cancels []message.Entry
	for _, b := range bs[2:] {
		cancels = append(cancels, cancel(b))
	}
	ticket := r.want(alice, cancels...)
	r.collect()
	require.Contains(t, r.admitted, ticket, "they do not wait themselves")
	require.Len(t, r.state.wantlist(alice), 2)
	r.run()
	require.Len(t, r.heard(alice), 2)
}

func TestWaitingWantsMerge(t *testing.T) {
	r := newRig(t, Limits{Tasks: 1})
	r.shelf.put(letter("a"), letter("b"), letter("c"))
	r.want(alice, parse("b:a h:b h:c")...)
	r.want(alice, parse("b:b")...)
	r.wantOnly(alice, parse("b:a b:b h:c h:x")...)
	r.wantOnly(alice, parse("b:a b:b h:c")...)
	r.run()
	require.Equal(t, []string{"block a", "block b", "have c"}, sortedWords(r.heard(alice)...))
	require.Len(t, r.admitted, 4)
}

func TestOnePeerWithoutRoomDoesNotHinderAnother(t *testing.T) {
	r := newRig(t, Limits{Tasks: 4})
	bs := many(100, 100)
	r.shelf.put(bs...)
	r.want(alice, wantAll(bs)...)
	r.collect()
	ticket := r.want(bob, wantAll(bs[:4])...)
	r.collect()
	require.Contains(t, r.admitted, ticket)
}

func TestBeyondTheHardLimitWantsAreRefusedAndCounted(t *testing.T) {
	r := newRig(t, Limits{Tasks: 10, Waiting: 20})
	bs := many(100, 100)
	r.shelf.put(bs...)
	r.want(alice, dontHaves(bs)...)
	r.run()
	said := r.heard(alice)
	slices.Sort(said)
	require.Len(t, said, 100)
	require.Contains(t, said[29], "block ")
	require.Contains(t, said[30], "dont-have ")
	require.Equal(t, 1, r.faults[message.FaultWantsOverflow])
	require.EqualValues(t, 70, r.state.stat.RefusedOverflow)
}

func TestTheOldestAnsweredSubscriptionMakesRoom(t *testing.T) {
	r := newRig(t, Limits{Subscriptions: 3})
	for _, wants := range []string{"b:a", "B:b", "B:c", "b:d"} {
		r.want(alice, parse(wants)...)
		r.run()
	}
	require.Equal(t, []string{"a", "c", "d"}, r.list(alice), "b was answered first")
	r.want(alice, parse("b:e")...)
	r.run()
	require.Equal(t, []string{"a", "d", "e"}, r.list(alice))
	r.want(alice, parse("b:f")...)
	r.run()
	require.Equal(t, []string{"d", "e", "f"}, r.list(alice), "nobody was told of a, but nothing else is left")
	require.EqualValues(t, 2, r.state.stat.ForgottenAnswers)
	require.EqualValues(t, 1, r.state.stat.ForgottenSilent)
}

func TestFailuresOfTheStoreAreBounded(t *testing.T) {
	r := newRig(t, Limits{Subscriptions: 3})
	for _, n := range []string{"a", "b", "c", "d", "e"} {
		r.shelf.broken[message.Multihash(letter(n).Cid())] = true
		r.want(alice, wantBlock(letter(n)))
	}
	r.run()
	require.Equal(t, []string{"a", "b", "c"}, r.list(alice))
}

func TestTheTableBytesAreShared(t *testing.T) {
	r := newRig(t, Limits{TableBytes: 64 << 10})
	bs := many(1000, 100)
	r.want(alice, wantAll(bs)...)
	r.run()
	of := r.state.partners[alice].memory
	require.InDelta(t, (64<<10)/5, of, 1000, "one peer gets a fifth of all")
	r.want(bob, wantAll(bs)...)
	r.run()
	require.Greater(t, r.state.partners[bob].memory, of/2)
	r.want(carol, dontHaves(bs[:10])...)
	r.run()
	require.Len(t, r.list(carol), 10, "and something is left for the next")
	r.disconnect(alice)
	r.disconnect(bob)
	r.disconnect(carol)
	r.run()
	require.Zero(t, r.state.table)
}

func TestAFullTableForgetsWhatItsOwnerKnowsToBeMissing(t *testing.T) {
	r := newRig(t, Limits{TableBytes: 64 << 10})
	bs := many(1000, 100)
	r.want(alice, dontHaves(bs)...)
	r.run()
	late := letter("late")
	r.want(alice, wantBlock(late))
	r.run()
	require.Contains(t, r.list(alice), "late")
	require.NotZero(t, r.state.stat.ForgottenAnswers)
}

func TestAMillionCancelsCreateNothing(t *testing.T) {
	r := newRig(t, Limits{})
	cancels := make([]message.Entry, 1000)
	for i, b := range many(1000, 100) {
		cancels[i] = cancel(b)
	}
	for range 1000 {
		r.state.wants(r.now, alice, 0, cancels, false, 0)
	}
	r.collect()
	require.Zero(t, r.state.table)
	require.Empty(t, r.state.partners[alice].wants)
	require.Empty(t, r.state.index)
}

func TestChurnLeavesNothingBehind(t *testing.T) {
	r := newRig(t, Limits{})
	bs := many(50, 100)
	r.shelf.put(bs[:25]...)
	for range 2000 { // while no job and no message is ever done
		for _, b := range bs {
			r.state.wants(r.now, alice, 0, []message.Entry{orDontHave(wantBlock(b))}, false, 0)
			r.state.wants(r.now, alice, 0, []message.Entry{cancel(b)}, false, 0)
		}
		r.state.effects(r.now)
	}
	p := r.state.partners[alice]
	require.Zero(t, p.working+p.subscriptions+p.asked.n+p.answers.n)
	require.LessOrEqual(t, cap(r.state.asking), 64)
	require.LessOrEqual(t, cap(p.tasks.Items()), 64)
}

func TestAPeerThatDoesNotReadHoldsTwoMessages(t *testing.T) {
	r := newRig(t, Limits{})
	bs := many(10, 64<<10)
	r.shelf.put(bs...)
	r.want(alice, wantAll(bs)...)
	for r.collect(); len(r.jobs) > 0; r.collect() {
		r.work(0)
	}
	require.Len(t, r.inFlight, lane)
	require.Equal(t, 2*(128<<10), r.state.inFlight)
	require.EqualValues(t, 6*(64<<10), r.inFlight[1].Message.PendingBytes)
}

func TestHalfOfTheBytesInFlightIsForThoseWhoHaveNothing(t *testing.T) {
	r := newRig(t, Limits{NodeBytes: 1 << 20})
	r.state.slots.most = mostSlots
	bs := many(20, 128<<10)
	r.shelf.put(bs...)
	var peers []peer.ID
	for i := range 20 {
		p := peer.ID(rune('A' + i))
		peers = append(peers, p)
		r.connect(p)
		r.want(p, wantAll(bs)...)
		for r.collect(); len(r.jobs) > 0; r.collect() {
			r.work(0)
		}
	}
	require.Equal(t, 1<<20, r.state.inFlight, "all that the node has")
	require.Equal(t, 2, r.state.partners[peers[0]].busy())
	served := 0
	for _, p := range peers {
		served += min(r.state.partners[p].busy(), 1)
	}
	require.GreaterOrEqual(t, served, 6)
	r.run()
	for _, p := range peers {
		require.Len(t, r.heard(p), 20)
	}
}

func TestAPeerMayAlwaysHaveOneBlockInFlight(t *testing.T) {
	r := newRig(t, Limits{PeerBytes: 1000, NodeBytes: 1000})
	bs := many(3, 5000)
	r.shelf.put(bs...)
	r.want(alice, wantAll(bs)...)
	r.run()
	require.Len(t, r.heard(alice), 3)
}

func TestMessagesGatherSmallBlocks(t *testing.T) {
	r := newRig(t, Limits{})
	bs := many(256, 1024)
	r.shelf.put(bs...)
	r.want(alice, wantAll(bs)...)
	for r.collect(); len(r.jobs) > 0 && r.jobs[0].lookup != nil; r.collect() {
		r.work(0)
	}
	r.run()
	require.LessOrEqual(t, len(r.messages), 5)
	for _, m := range r.messages {
		size := 0
		for _, b := range m.Blocks {
			size += len(b.RawData())
		}
		require.LessOrEqual(t, size, 128<<10)
	}
}

func TestPresencesAreGatheredUpToTheSizeOfAMessage(t *testing.T) {
	r := newRig(t, Limits{})
	r.want(alice, dontHaves(many(2000, 100))...)
	for r.collect(); len(r.jobs) > 0; r.collect() {
		r.work(0)
	}
	require.Len(t, r.inFlight, 1, "one is on its way at a time")
	r.run()
	require.Len(t, r.heard(alice), 2000)
	for _, m := range r.messages {
		require.LessOrEqual(t, m.Size(message.V120), presenceBytes+16)
	}
	require.LessOrEqual(t, len(r.messages), 8)
}

// shares lets the network take messages one at a time, in turn, and returns the
// bytes that each peer got while both still had something to get.
func shares(r *rig, a, b peer.ID) (toA, toB int) {
	for r.collect(); len(r.jobs)+len(r.inFlight) > 0; r.collect() {
		if len(r.jobs) > 0 {
			r.work(0)
			continue
		}
		size := r.inFlight[0].bytes
		if r.inFlight[0].Peer == a {
			toA += size
		} else {
			toB += size
		}
		r.send(0)
		if r.state.partners[a].tasks.Len() == 0 || r.state.partners[b].tasks.Len() == 0 {
			return toA, toB
		}
	}
	return toA, toB
}

// one limits the node to a message at a time, so that who is next matters.
var one = Limits{NodeBytes: 1, MessageBytes: 1}

func TestPeersAreServedFairlyByBytes(t *testing.T) {
	r := newRig(t, one)
	large, small := many(50, 100<<10), many(1000, 4<<10)
	r.shelf.put(large...)
	r.shelf.put(small...)
	r.want(alice, wantAll(large)...)
	r.want(bob, wantAll(small)...)
	toAlice, toBob := shares(r, alice, bob)
	require.InEpsilon(t, toAlice, toBob, 0.15, "alice has larger blocks, bob many more")
}

func TestALateAndSmallRequestIsServedBesideALargeOne(t *testing.T) {
	r := newRig(t, one)
	bs := many(500, 10<<10)
	r.shelf.put(bs...)
	r.want(alice, wantAll(bs)...)
	for r.collect(); len(r.messages) < 200; r.collect() {
		if len(r.jobs) > 0 {
			r.work(0)
		} else {
			r.send(0)
		}
	}
	r.want(bob, wantAll(bs[:2])...)
	for r.collect(); len(r.said[bob]) < 2; r.collect() {
		if len(r.jobs) > 0 {
			r.work(0)
		} else {
			r.send(0)
		}
	}
	require.LessOrEqual(t, len(r.messages), 206, "bob waited for a few messages only")
}

func TestALateRequestDoesNotLockOutALargeOne(t *testing.T) {
	r := newRig(t, one)
	bs := many(500, 10<<10)
	r.shelf.put(bs...)
	r.want(alice, wantAll(bs)...)
	for r.collect(); len(r.messages) < 200; r.collect() {
		if len(r.jobs) > 0 {
			r.work(0)
		} else {
			r.send(0)
		}
	}
	r.want(bob, wantAll(bs)...)
	toAlice, toBob := shares(r, alice, bob)
	require.InEpsilon(t, toAlice, toBob, 0.1, "who wanted nothing has saved up nothing")
}

func TestAPeerAtItsLimitDoesNotHoldUpTheNext(t *testing.T) {
	r := newRig(t, Limits{PeerBytes: 100 << 10, MessageBytes: 1})
	bs := many(4, 60<<10)
	first, second := sized("first", 70<<10), sized("second", 10<<10)
	r.shelf.put(append(bs, first, second)...)
	r.want(alice, wantAll(bs)...)
	r.want(bob, at(1, wantBlock(first)), at(0, wantBlock(second))) // more than alice: she is next
	for r.collect(); len(r.jobs) > 0; r.collect() {
		r.work(0)
	}
	require.Equal(t, 1, r.state.partners[alice].busy(), "two would be too much")
	require.Equal(t, 2, r.state.partners[bob].busy())
}

func TestWhoOwesLessGetsMoreButNobodyIsLockedOut(t *testing.T) {
	r := newRig(t, one)
	r.state.debt = func(p peer.ID) float64 { return map[peer.ID]float64{alice: 0, bob: 1e9}[p] }
	bs := many(400, 10<<10)
	r.shelf.put(bs...)
	r.want(alice, wantAll(bs)...)
	r.want(bob, wantAll(bs)...)
	toAlice, toBob := shares(r, alice, bob)
	require.InDelta(t, 2, float64(toAlice)/float64(toBob), 0.1)
}

func TestPeersWhoWantTheSameGetDifferentBlocksFirst(t *testing.T) {
	r := newRig(t, Limits{MessageBytes: 1})
	bs := many(64, 10<<10)
	r.shelf.put(bs...)
	var peers []peer.ID
	for i := range 16 {
		p := peer.ID(rune('A' + i))
		peers = append(peers, p)
		r.connect(p)
		r.want(p, wantAll(bs)...)
	}
	for r.collect(); len(r.messages) < 60; r.collect() {
		if len(r.jobs) > 0 {
			r.work(0)
		} else {
			r.send(0)
		}
	}
	distinct := make(map[string]bool)
	for _, p := range peers {
		for _, said := range r.said[p] {
			distinct[said] = true
		}
	}
	require.GreaterOrEqual(t, len(distinct), 59, "of the first 60 blocks sent nearly all are different")
	r.run()
}

func TestTheSameEventsHaveTheSameEffects(t *testing.T) {
	play := func() (said []string) {
		r := newRig(t, Limits{Tasks: 20, MessageBytes: 1000})
		bs := many(200, 100)
		r.shelf.put(bs[:100]...)
		for _, p := range []peer.ID{alice, bob, carol} {
			r.want(p, dontHaves(bs)...)
		}
		r.run()
		r.wantOnly(bob, wantAll(bs[50:150])...)
		r.shelf.put(bs[100:]...)
		r.state.recheck()
		r.disconnect(carol)
		r.run()
		return append(r.heard(alice), r.heard(bob)...)
	}
	first := play()
	for range 5 {
		require.Equal(t, first, play())
	}
}

func TestOnlyOneComplaintASecond(t *testing.T) {
	r := newRig(t, Limits{})
	for _, b := range many(200, 100) {
		r.shelf.broken[message.Multihash(b.Cid())] = true
		r.want(alice, wantBlock(b))
	}
	complaints := 0
	for range 50 {
		out := r.state.effects(r.now)
		if out.Complaint != nil {
			complaints++
		}
		for _, j := range out.Lookups {
			r.worker.do(t.Context(), job{lookup: j})
			r.state.looked(r.now, j)
		}
		r.now = r.now.Add(10 * time.Millisecond)
	}
	require.Equal(t, 1, complaints)
	r.now = r.now.Add(complaintEvery)
	r.state.complain(r.now, errDisk)
	require.ErrorIs(t, r.state.effects(r.now).Complaint, errDisk)
	require.EqualValues(t, 201, r.state.stat.StoreErrors)
}

func TestAJobThatWasNotOutIsABug(t *testing.T) {
	r := newRig(t, Limits{})
	require.Panics(t, func() { r.state.looked(r.now, new(lookupJob)) })
	require.Panics(t, func() { r.state.reserve(r.state.partners[alice], -1) })
}

func TestAWantIsSmall(t *testing.T) {
	require.LessOrEqual(t, unsafe.Sizeof(want{}), uintptr(96))
}
