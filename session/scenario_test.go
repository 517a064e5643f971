package session

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/message"
)

const rtt = 20 * time.Millisecond // of the world's peers, unless a scenario says otherwise

func named(ids ...peer.ID) rules { return rules{self: "self", named: ids, only: true} }

func outcomes(err *FetchError) map[peer.ID]Outcome {
	m := make(map[peer.ID]Outcome)
	for _, a := range err.Answers {
		m[a.Peer] = a.Outcome
	}
	return m
}

func failureOf(t *testing.T, r Result) *FetchError {
	t.Helper()
	var failed *FetchError
	require.ErrorAs(t, r.Err, &failed)
	return failed
}

// Named peers that all refuse make the fetch fail with their answers, and the
// error names each.
func TestNamedPeersThatAllRefuseFailWithTheirAnswers(t *testing.T) {
	w := newWorld(t, 1, named("a", "b", "c"))
	for _, id := range []peer.ID{"a", "b", "c"} {
		w.connected(id)
	}
	w.run(time.Second)
	k := w.makeBlocks(1, 9000)[0]
	w.call(1, k)
	rs, took := w.drain(1, time.Minute)
	require.Less(t, took, 2*rtt)
	require.Len(t, rs, 1)
	failed := failureOf(t, rs[0])
	require.True(t, failed.NotFound())
	require.NoError(t, failed.Err)
	require.Equal(t, map[peer.ID]Outcome{"a": DontHave, "b": DontHave, "c": DontHave}, outcomes(failed))
}

func TestNamedPeersThatCannotBeReachedFailTheFetch(t *testing.T) {
	w := newWorld(t, 1, named("a", "b"))
	w.peer("a").reachable = false
	w.connected("b")
	w.call(1, w.makeBlocks(1, 10)[0])
	rs, _ := w.drain(1, time.Minute)
	failed := failureOf(t, rs[0])
	require.Equal(t, map[peer.ID]Outcome{"a": Unreachable, "b": DontHave}, outcomes(failed))
	require.True(t, failed.NotFound())
}

func TestNobodyNamedFailsAtOnce(t *testing.T) {
	w := newWorld(t, 1, named())
	w.call(1, w.makeBlocks(1, 10)[0])
	rs, took := w.drain(1, time.Minute)
	require.Less(t, took, time.Millisecond)
	require.ErrorIs(t, rs[0].Err, ErrNoProviders)
}

// A silent peer has not refused: the fetch waits for it.
func TestSilenceOfANamedPeerIsNoRefusal(t *testing.T) {
	w := newWorld(t, 1, named("a", "b"))
	w.connected("a").mute = true
	w.connected("b")
	w.call(1, w.makeBlocks(1, 10)[0])
	w.run(time.Minute)
	require.False(t, w.closed[1])
	failed := w.s.cancel(1, context.DeadlineExceeded)
	require.Len(t, failed, 1)
	require.Equal(t, map[peer.ID]Outcome{"a": NoAnswer, "b": DontHave}, outcomes(failed[0]))
	require.False(t, failed[0].NotFound())
}

// With WithWaiting the want stays as a subscription, and a block that comes to be
// at a peer is had.
func TestWaitingKeepsTheSubscription(t *testing.T) {
	r := named("a")
	r.wait = true
	w := newWorld(t, 1, r)
	a := w.connected("a")
	k := w.makeBlocks(1, 10)[0]
	w.call(1, k)
	w.run(3 * time.Minute)
	require.False(t, w.closed[1])
	require.Contains(t, a.wants, k)
	require.Less(t, a.seen[k], 20, "it is asked for again, but seldom")
	a.has[k] = true
	w.drain(1, 40*time.Second)
}

func TestOnlyNamedPeersAreAsked(t *testing.T) {
	w := newWorld(t, 1, named("a"))
	w.connected("a").mute = true
	other := w.connected("b")
	cids := w.makeBlocks(3, 10)
	for _, k := range cids {
		other.has[k] = true
	}
	w.call(1, cids...)
	w.s.received(receivedFrom(w, "b", cids[0])) // It was fetched by another session.
	w.settle()
	w.run(time.Minute)
	require.Empty(t, other.seen)
	require.Zero(t, w.finds)
	require.Len(t, w.results[1], 1)
}

// One want-block at a time; a refusal moves it on.
func TestARefusalMovesTheWantBlockOn(t *testing.T) {
	w := newWorld(t, 1, named("a", "b", "c"))
	cids := w.makeBlocks(20, 9000)
	w.connected("a")
	w.connected("b")
	w.connected("c", cids...)
	w.call(1, cids...)
	rs, took := w.drain(1, time.Minute)
	require.Len(t, rs, 20)
	require.Less(t, took, 10*rtt)
	require.Equal(t, 20, w.peers["c"].blocksSent)
	for _, r := range rs {
		require.Equal(t, peer.ID("c"), r.From)
		require.Positive(t, r.Took)
	}
}

func TestADisconnectionMovesTheWantBlockOn(t *testing.T) {
	w := newWorld(t, 1, named("a", "b"))
	cids := w.makeBlocks(10, 9000)
	a, _ := w.connected("a", cids...), w.connected("b", cids...)
	a.reachable = false
	w.call(1, cids...)
	w.run(rtt / 2)
	w.disconnect(a)
	rs, took := w.drain(1, time.Minute)
	require.Len(t, rs, 10)
	require.Less(t, took, 4*rtt)
}

// A peer that says HAVE and never sends costs no more than its patience.
func TestHaveThenSilenceAsksAnother(t *testing.T) {
	w := newWorld(t, 1, rules{self: "self"})
	cids := w.makeBlocks(20, 9000)
	w.connected("a").liar = true
	w.connected("b", cids...)
	w.call(1, cids...)
	rs, took := w.drain(1, time.Minute)
	require.Len(t, rs, 20)
	require.Less(t, took, 6*time.Second)
}

func TestAWantThatAPeerPassedOverGoesToAnother(t *testing.T) {
	w := newWorld(t, 1, named("a", "b"))
	cids := w.makeBlocks(1, 9000)
	a := w.connected("a")
	a.noDontHave = true
	w.peer("b").reachable = false
	w.run(time.Second)
	w.call(1, cids...)
	w.run(100 * time.Millisecond)
	w.connected("b", cids...)
	w.run(5 * time.Millisecond) // Before b can say that it has it.
	require.Equal(t, 1, w.s.peers[w.s.index["a"]].out)
	w.s.unanswered(w.now, "a", cids)
	w.settle()
	rs, took := w.drain(1, time.Minute)
	require.Equal(t, peer.ID("b"), rs[0].From)
	require.Less(t, took, 3*rtt)
}

// A peer says HAVE to one want and is about to answer for the others, some of
// which it sends without being asked again: only the first is asked of it.
func TestWhatAPeerIsAboutToAnswerIsNotAskedOfItTwice(t *testing.T) {
	w := newWorld(t, 1, rules{self: "self"})
	ks := w.makeBlocks(10, 500)
	a, b := w.connected("a"), w.connected("b")
	a.rtt, b.mute = 10*time.Millisecond, true
	w.s.search.sampled = true
	w.call(1, ks...)
	w.until(time.Second, func() bool { return b.askedFor == len(ks) })
	w.run(a.rtt) // It refuses all of them.
	for i, k := range ks[:3] {
		require.Equal(t, message.WantHave, b.wants[k].kind)
		w.presence(b, k, true)
		w.settle()
		require.Equal(t, message.WantBlock, b.wants[k].kind)
		require.Equal(t, len(ks)+i+1, b.askedFor)
	}
}

// boxo opens a stream for each message, so a DONT_HAVE may arrive behind the HAVE
// that was said after it.
func TestADontHaveJustBehindAHaveIsStale(t *testing.T) {
	w := newWorld(t, 1, named("a"))
	k := w.makeBlocks(1, 9000)[0]
	a := w.connected("a")
	a.mute = true
	w.run(time.Second)
	w.heard(a)
	w.call(1, k)
	w.run(5 * time.Millisecond)
	w.s.presence(w.now, "a", k, true)
	w.settle()
	w.run(rtt)
	w.s.presence(w.now, "a", k, false)
	w.settle()
	w.run(rtt / 2)
	require.False(t, w.closed[1], "it may be older than the HAVE")
	w.run(rtt)
	require.True(t, w.closed[1], "no block came after all")
	require.Equal(t, DontHave, failureOf(t, w.results[1][0]).Answers[0].Outcome)
}

func TestABlockEndsTheDoubtAboutADontHave(t *testing.T) {
	w := newWorld(t, 1, named("a"))
	k := w.makeBlocks(1, 9000)[0]
	a := w.connected("a")
	a.mute = true
	w.run(time.Second)
	w.heard(a)
	w.call(1, k)
	w.run(5 * time.Millisecond)
	w.s.presence(w.now, "a", k, true)
	w.s.presence(w.now, "a", k, false)
	w.settle()
	delete(a.wants, k)
	w.deliver("a", k)
	w.settle()
	w.run(time.Second)
	require.NoError(t, w.results[1][0].Err)
}

// Peers that have nothing for the session see one want and its cancel.
func TestUninvolvedPeersSeeOneWantAndItsCancel(t *testing.T) {
	w := newWorld(t, 1, rules{self: "self"})
	cids := w.makeBlocks(101, 9000)
	for i := range 9 {
		w.connected(peer.ID(fmt.Sprint("other", i)))
	}
	w.connected("holder", cids...)
	w.call(1, cids...)
	rs, _ := w.drain(1, time.Minute)
	require.Len(t, rs, 101)
	for id, p := range w.peers {
		if id == "holder" {
			continue
		}
		messages := 0
		for _, n := range p.seen {
			messages += n
		}
		require.LessOrEqual(t, messages, 2, "%s saw %v", id, p.seen)
	}
}

// A search that begins before the connected peers are known is no search that has
// ended: also among very many they see one want and its cancel.
func TestUninvolvedPeersOfACrowdSeeOneWant(t *testing.T) {
	w := newWorld(t, 1, rules{self: "self"})
	cids := w.makeBlocks(50, 9000)
	w.slowly = 0
	w.call(1, cids...)
	w.run(10 * time.Millisecond) // Nobody is connected yet.
	for i := range 300 {
		w.connected(peer.ID(fmt.Sprintf("other %03d", i)))
	}
	w.connected("the holder", cids...)
	rs, _ := w.drain(1, time.Minute)
	require.Len(t, rs, 50)
	for id, p := range w.peers {
		if id == "the holder" {
			continue
		}
		messages := 0
		for _, n := range p.seen {
			messages += n
		}
		require.LessOrEqual(t, messages, 2, "%s saw %v", id, p.seen)
	}
}

// Peers that connect after the first had everything are used all the same, and one
// that has nothing sees one want and its cancel.
func TestLateComersAreGreeted(t *testing.T) {
	w := newWorld(t, 1, rules{self: "self", k: 3})
	cids := w.makeBlocks(200, 9000)
	w.connected("a", cids...)
	w.call(1, cids...)
	w.run(100 * time.Millisecond)
	b, nothing, more := w.connected("b", cids...), w.connected("nothing"), w.connected("one more", cids...)
	rs, _ := w.drain(1, time.Minute)
	require.Len(t, rs, 200)
	require.Greater(t, b.blocksSent, 50)
	require.Len(t, nothing.seen, 1)
	require.Empty(t, more.seen, "three are enough")
}

// Without a directory connected peers are asked in waves of K, 2K, 4K.
func TestConnectedPeersAreAskedInWaves(t *testing.T) {
	w := newWorld(t, 1, rules{self: "self", k: 2})
	for i := range 20 {
		w.connected(peer.ID(fmt.Sprintf("p%02d", i)))
	}
	w.call(1, w.makeBlocks(1, 9000)[0])
	var waves []int
	for range 200 {
		w.run(time.Millisecond)
		inUse := 0
		for _, p := range w.s.peers {
			if p.inUse {
				inUse++
			}
		}
		if n := len(waves); inUse > 0 && (n == 0 || waves[n-1] != inUse) {
			waves = append(waves, inUse)
		}
	}
	require.Equal(t, []int{2, 6, 14, 20}, waves)
}

// The directory comes first: where it names somebody who has it, connected peers
// are not asked.
func TestTheDirectoryComesBeforeTheWaves(t *testing.T) {
	w := newWorld(t, 1, rules{self: "self", namespace: "n"})
	cids := w.makeBlocks(5, 9000)
	for i := range 20 {
		w.connected(peer.ID(fmt.Sprint("other", i)))
	}
	holder := w.peer("holder")
	for _, k := range cids {
		holder.has[k] = true
	}
	w.directory = []peer.ID{"holder"}
	w.call(1, cids...)
	rs, took := w.drain(1, time.Minute)
	require.Len(t, rs, 5)
	require.Less(t, took, 200*time.Millisecond)
	require.Equal(t, 1, w.finds)
	require.Equal(t, []peer.ID{"holder"}, w.served)
	for id, p := range w.peers {
		if id != "holder" {
			require.Empty(t, p.seen)
		}
	}
}

// A candidate that cannot be had does not hold up the waves for long.
func TestACandidateThatCannotBeHadIsNotWaitedFor(t *testing.T) {
	for name, spoil := range map[string]func(*remote){
		"it cannot be reached": func(p *remote) { p.reachable = false },
		"it is denied":         func(p *remote) { p.denied = true },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1, rules{self: "self"})
			cids := w.makeBlocks(5, 9000)
			w.connected("other", cids...)
			spoil(w.peer("candidate"))
			w.directory = []peer.ID{"candidate"}
			w.call(1, cids...)
			rs, took := w.drain(1, time.Minute)
			require.Len(t, rs, 5)
			require.Less(t, took, 300*time.Millisecond)
		})
	}
}

// A directory that does not answer is not waited for when a connected peer may
// have it, and what it names in the end is used.
func TestASlowDirectoryIsWaitedForTwoSeconds(t *testing.T) {
	w := newWorld(t, 1, rules{self: "self"})
	ks := w.makeBlocks(2, 9000)
	w.slowly = 20 * time.Second
	w.directory = []peer.ID{"c"}
	b, c := w.connected("b", ks[0]), w.peer("c")
	c.has[ks[1]] = true
	w.call(1, ks...)
	w.run(directoryPatience - time.Millisecond)
	require.Empty(t, b.seen)
	took := w.until(time.Minute, func() bool { return len(w.results[1]) == 1 })
	require.Less(t, took, 5*rtt)
	rs, _ := w.drain(1, time.Minute)
	require.Equal(t, peer.ID("c"), rs[1].From)
}

// Candidates that could not be reached give way to others, and a failure tells of
// them whenever it comes.
func TestAFailureTellsOfCandidatesThatWereGivenUp(t *testing.T) {
	for seconds := range 40 {
		w := newWorld(t, 1, rules{self: "self"})
		w.directory = []peer.ID{"x"}
		w.peer("x").reachable = false
		w.call(1, w.makeBlocks(1, 10)[0])
		w.run(100*time.Millisecond + time.Duration(seconds)*time.Second)
		failed := w.s.cancel(1, context.DeadlineExceeded)
		require.Len(t, failed, 1)
		require.Equal(t, map[peer.ID]Outcome{"x": Unreachable}, outcomes(failed[0]), "after %d seconds", seconds)
	}
}

func TestWhatEverybodyRefusedIsAskedForAgain(t *testing.T) {
	w := newWorld(t, 1, rules{self: "self"})
	k := w.makeBlocks(1, 9000)[0]
	a := w.connected("a")
	w.call(1, k)
	w.run(2 * time.Minute)
	require.Greater(t, a.seen[k], 2)
	require.Less(t, a.seen[k], 16, "ever more seldom")
	require.Greater(t, w.finds, 2, "and the directory is asked again")
	a.has[k] = true
	w.drain(1, 40*time.Second)
}

// The only peer delivered everything and left; a new want searches again.
func TestANewWantAfterTheOnlyPeerLeftSearchesAgain(t *testing.T) {
	w := newWorld(t, 1, rules{self: "self"})
	cids := w.makeBlocks(2, 9000)
	only := w.connected("only", cids[0])
	w.call(1, cids[0])
	w.drain(1, time.Minute)
	only.reachable = false
	w.disconnect(only)
	w.run(time.Minute)
	require.Empty(t, w.s.peers[0].id, "a peer that left an idle session is forgotten")
	w.peer("new").has[cids[1]] = true
	w.directory = []peer.ID{"new"}
	w.call(2, cids[1])
	rs, took := w.drain(2, time.Minute)
	require.Equal(t, peer.ID("new"), rs[0].From)
	require.Less(t, took, 500*time.Millisecond)
	require.Equal(t, 2, w.finds)
}

func TestAnIdleSessionDoesNothing(t *testing.T) {
	w := newWorld(t, 1, rules{self: "self"})
	for i := range 20 {
		w.connected(peer.ID(fmt.Sprint(i)))
	}
	w.run(time.Hour)
	require.True(t, w.s.wake().IsZero())
	require.Zero(t, w.finds)
	require.False(t, w.watching)
}

// The table of peers follows the peers that are there.
func TestThePeersOfTheSessionDoNotPileUp(t *testing.T) {
	w := newWorld(t, 1, rules{self: "self"})
	k := w.makeBlocks(1, 9000)[0]
	w.call(1, k)
	for i := range 500 {
		p := w.connected(peer.ID(fmt.Sprint(i)))
		w.run(50 * time.Millisecond)
		w.disconnect(p)
		w.run(50 * time.Millisecond)
	}
	require.Less(t, len(w.s.peers), 16)
	w.s.cancel(1, context.Canceled)
	w.settle()
	require.Empty(t, w.s.index)
	require.True(t, w.s.wake().IsZero())
}

// A peer lost with wants outstanding is dialled again.
func TestAUsefulPeerThatIsLostIsDialledAgain(t *testing.T) {
	w := newWorld(t, 1, rules{self: "self"})
	cids := w.makeBlocks(50, 9000)
	a := w.connected("a", cids...)
	a.perBlock = 20 * time.Millisecond
	w.call(1, cids...)
	w.run(300 * time.Millisecond)
	w.disconnect(a)
	rs, took := w.drain(1, time.Minute)
	require.Greater(t, len(rs), 30)
	require.Less(t, took, 2*time.Second)
	w.run(time.Minute)
	w.disconnect(a)
	w.run(time.Minute)
	require.Empty(t, w.interested, "and not when it is of no use any more")
}

func TestAPeerThatSentWithoutBeingKnownIsUsed(t *testing.T) {
	w := newWorld(t, 1, rules{self: "self"})
	cids := w.makeBlocks(10, 9000)
	w.connected("other").mute = true
	for _, k := range cids {
		w.peer("stranger").has[k] = true
	}
	w.call(1, cids...)
	w.run(time.Second)
	clear(w.peers["other"].wants)
	w.s.received(receivedFrom(w, "stranger", cids[0]))
	w.s.gone("other")
	w.settle()
	rs, _ := w.drain(1, time.Minute)
	require.Len(t, rs, 10)
}

// Peers share by when they would be done.
func TestUnequalPeersShareByFinishTime(t *testing.T) {
	w := newWorld(t, 1, named("fast", "slow"))
	cids := w.makeBlocks(400, 9000)
	w.connected("fast", cids...).perBlock = 2 * time.Millisecond
	w.connected("slow", cids...).perBlock = 8 * time.Millisecond
	w.call(1, cids...)
	rs, took := w.drain(1, time.Minute)
	require.Len(t, rs, 400)
	require.InDelta(t, 320, w.peers["fast"].blocksSent, 60)
	require.Less(t, took, 900*time.Millisecond, "400 blocks at 5 in 8 ms")
}

// At the end an idle peer takes over what a slow one still has queued.
func TestAnIdlePeerTakesOverFromASlowOne(t *testing.T) {
	w := newWorld(t, 1, named("fast", "slow"))
	cids := w.makeBlocks(20, 9000)
	slow := w.connected("slow", cids...)
	slow.perBlock = time.Second
	fast := w.connected("fast")
	w.call(1, cids...)
	w.run(time.Second)
	for _, k := range cids {
		fast.has[k] = true
	}
	w.s.peers[w.s.index["fast"]].hits = 10
	w.s.peers[w.s.index["fast"]].misses = 0
	for want := range w.s.wants.All() { // It has them by now.
		want.learn(w.s.index["fast"], 0, refused)
	}
	rs, took := w.drain(1, time.Minute)
	require.NotEmpty(t, rs)
	require.Less(t, took, 4*time.Second, "20 s from the slow one alone")
	require.Empty(t, slow.wants, "what was taken over is withdrawn")
}
