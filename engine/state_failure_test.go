package engine

import (
	"context"
	"strings"
	"testing"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/message"
)

func TestAStoreThatFailsHasNotSaidThatABlockIsMissing(t *testing.T) {
	r := newRig(t, Limits{})
	r.shelf.put(letter("a"), letter("b"))
	key := message.Multihash(letter("a").Cid())
	r.shelf.broken[key] = true
	r.want(alice, parse("B:a B:b")...)
	r.run()
	require.Equal(t, []string{"block b"}, r.heard(alice), "other blocks go on")
	require.Equal(t, []string{"a"}, r.list(alice))
	require.Equal(t, retryFirst, r.wake.Sub(r.now))

	r.advance(5 * time.Minute) // after 1, 3, 7, 15, 31, 63 s and then each minute
	require.Empty(t, r.heard(alice))
	require.EqualValues(t, 10, r.state.stat.StoreErrors)

	delete(r.shelf.broken, key)
	r.advance(retryMost)
	require.Equal(t, []string{"block a"}, r.heard(alice))
	require.True(t, r.wake.IsZero(), "nothing is left to wait for")
}

func TestAStoreThatFailsAtTheReadKeepsTheWant(t *testing.T) {
	r := newRig(t, Limits{})
	r.shelf.put(letter("a"), letter("b"))
	key := message.Multihash(letter("a").Cid())
	r.want(alice, parse("B:a B:b")...)
	r.collect()
	r.work(0)
	r.shelf.broken[key] = true
	r.run()
	require.Equal(t, []string{"block b"}, r.heard(alice))
	delete(r.shelf.broken, key)
	r.advance(retryFirst)
	require.Equal(t, []string{"block a"}, r.heard(alice))
	require.Zero(t, r.state.inFlight)
}

func TestABlockThatIsThereButUnreadableIsTriedLessAndLessOften(t *testing.T) {
	r := newRig(t, Limits{})
	corrupt := letter("a")
	r.shelf.put(corrupt)
	r.worker.store = unreadable{r.shelf}
	r.want(alice, wantBlock(corrupt))
	r.advance(time.Minute) // after 1, 3, 7, 15 and 31 s
	require.EqualValues(t, 6, r.state.stat.StoreErrors)
}

// unreadable is a store that has blocks but cannot read them.
type unreadable struct{ *shelf }

func (unreadable) Get(context.Context, cid.Cid) (blocks.Block, error) { return nil, errDisk }

func TestWhatWasNotSentIsSentAgain(t *testing.T) {
	r := newRig(t, Limits{})
	r.shelf.put(letter("a"), letter("b"))
	r.refuse = errDisk
	r.want(alice, parse("B:a H:b B:x")...)
	r.run()
	require.Equal(t, []string{"a", "b", "x"}, r.list(alice))
	r.refuse = nil
	r.run()
	require.Empty(t, r.heard(alice), "not at once")
	r.advance(pauseMost)
	require.Equal(t, []string{"block a", "dont-have x", "have b"}, sortedWords(r.heard(alice)...))
	require.Equal(t, []string{"x"}, r.list(alice))
}

func TestAPeerThatReconnectsIsSentToAtOnce(t *testing.T) {
	r := newRig(t, Limits{})
	r.shelf.put(letter("a"))
	r.refuse = errDisk
	r.want(alice, parse("b:a")...)
	r.run()
	r.refuse = nil
	r.state.peer(r.now, peerState{id: alice, connected: true, version: message.V120, generation: 1})
	r.run()
	require.Equal(t, []string{"block a"}, r.heard(alice))
}

func TestSendingIsGivenUpAfterAWhile(t *testing.T) {
	r := newRig(t, Limits{})
	r.shelf.put(letter("a"))
	r.refuse = errDisk
	r.want(alice, parse("b:a H:x")...)
	r.advance(time.Minute)
	require.Empty(t, r.list(alice))
	require.EqualValues(t, 2, r.state.stat.Unsent)
	require.EqualValues(t, 2*maxTries, r.state.stat.SendErrors)
	require.True(t, r.wake.IsZero())
}

func TestTriesAreCountedForEachAnswer(t *testing.T) {
	r := newRig(t, Limits{})
	for range 2 {
		r.refuse = errDisk
		r.want(alice, parse("H:x")...)
		for range maxTries - 1 {
			r.run()
			r.now = r.wake
			r.state.tick(r.now)
		}
		r.refuse = nil
		r.run()
		require.Equal(t, []string{"dont-have x"}, r.heard(alice))
	}
}

func TestNothingIsLeftOfAPeerThatIsGone(t *testing.T) {
	r := newRig(t, Limits{Tasks: 4})
	r.shelf.put(letter("a"), letter("b"), letter("c"), letter("d"))
	r.shelf.broken[message.Multihash(letter("d").Cid())] = true
	r.want(alice, parse("b:x H:y b:d")...)
	r.run()
	r.want(alice, parse("b:a h:b b:c b:1 b:2 b:3")...)
	r.collect()
	require.Contains(t, r.state.counts(), alice)
	r.disconnect(alice)
	r.run()
	require.NotContains(t, r.state.partners, alice)
	require.Empty(t, r.state.index)
	require.Zero(t, r.state.table)
	require.Zero(t, r.state.inFlight)
	require.True(t, r.wake.IsZero())
	require.Len(t, r.admitted, 2, "its readers are let go")
}

func TestAPeerThatIsBackBeginsWithNothing(t *testing.T) {
	r := newRig(t, Limits{})
	r.want(alice, parse("b:a")...)
	r.run()
	r.state.peer(r.now, peerState{id: alice, connected: true, version: message.V120, generation: 2})
	r.put(letter("a"))
	r.run()
	require.Empty(t, r.heard(alice))
}

func TestPresencesThatMayBeLostAreSaidAgain(t *testing.T) {
	r := newRig(t, Limits{})
	r.shelf.put(letter("a"), letter("b"))
	r.want(alice, parse("h:a H:x H:y")...)
	r.run()
	r.now = r.now.Add(repeatFor - time.Second)
	r.want(alice, parse("h:b")...)
	r.run()
	r.heard(alice)
	lose := func(epoch uint64) []string {
		r.state.peer(r.now, peerState{id: alice, connected: true, version: message.V120, generation: 1, epoch: epoch})
		r.run()
		return sortedWords(r.heard(alice)...)
	}
	r.put(letter("y"))
	r.run()
	require.Equal(t, []string{"have y"}, r.heard(alice))
	require.Equal(t, []string{"dont-have x", "have a", "have b", "have y"}, lose(2))
	require.Equal(t, []string{"dont-have x", "have a", "have b", "have y"}, lose(3), "a repetition may be lost, too")
	r.advance(repeatFor)
	r.want(alice, parse("h:b H:x")...)
	r.run()
	r.heard(alice)
	r.want(alice, parse("H:x")...)
	require.Equal(t, []string{"dont-have x", "have b"}, lose(4), "what is asked again is answered once")
	r.advance(repeatFor)
	require.Empty(t, lose(5), "what was said long ago has arrived")
	require.Empty(t, r.state.partners[alice].said)
}

func TestWhatIsInHandCountsForAPeerThatIsBack(t *testing.T) {
	r := newRig(t, Limits{MessageBytes: 1})
	r.shelf.put(letter("a"), letter("b"), letter("c"), letter("d"))
	r.want(alice, parse("b:a b:b")...)
	for r.collect(); len(r.inFlight) < lane; r.collect() {
		r.work(0)
	}
	r.disconnect(alice)
	r.collect()
	r.connect(alice)
	r.want(alice, parse("b:c b:d")...)
	for r.collect(); len(r.jobs) > 0; r.collect() {
		r.work(0)
	}
	require.Len(t, r.inFlight, lane, "the lane is still full")
	r.run()
	require.Contains(t, r.heard(alice), "block d")
}

func TestWantsOfAStrangerAreKeptForAWhile(t *testing.T) {
	const stranger peer.ID = "stranger"
	r := newRig(t, Limits{})
	r.want(stranger, parse("B:x")...)
	r.run()
	require.Equal(t, []string{"dont-have x"}, r.heard(stranger))
	require.Equal(t, []string{"x"}, r.list(stranger))
	r.advance(strangerTime)
	require.NotContains(t, r.state.partners, stranger)

	r.want(stranger, parse("B:x")...)
	r.connect(stranger)
	r.advance(time.Hour)
	require.Equal(t, []string{"x"}, r.list(stranger))
}

func TestRecheckLooksForEverythingThatIsWanted(t *testing.T) {
	r := newRig(t, Limits{})
	r.want(alice, parse("B:a b:b b:x")...)
	r.want(bob, parse("h:a")...)
	r.run()
	r.heard(alice)
	r.shelf.put(letter("a"), letter("b"))
	r.state.recheck()
	r.run()
	require.Equal(t, []string{"block a", "block b"}, sortedWords(r.heard(alice)...))
	require.Equal(t, []string{"have a"}, r.heard(bob))
	require.Equal(t, []string{"x"}, r.list(alice))
}

// What a reader had left of a connection that is gone comes after the next one is
// known: its sender has forgotten these wants.
func TestWantsOfAnEarlierConnectionDoNotCount(t *testing.T) {
	r := newRig(t, Limits{})
	r.state.peer(r.now, peerState{id: alice, connected: true, version: message.V120, generation: 7})
	r.state.wants(r.now, alice, 6, parse("b:x"), false, 1)
	r.state.wants(r.now, alice, 7, parse("b:y"), false, 2)
	r.run()
	require.Equal(t, []string{"y"}, r.list(alice))
	require.Equal(t, []uint64{1, 2}, r.admitted, "nobody waits for what does not count")

	r.state.wants(r.now, alice, 8, parse("b:x"), false, 3)
	r.run()
	require.Equal(t, []string{"x"}, r.list(alice), "with a later one, what was wanted on this is forgotten")
}

// The end of a DONT_HAVE took a want for the end of its block, which was stored and
// handed over in between: the block was not sent again when that failed, or it was
// sent twice.
func TestADontHaveThatIsLateDoesNotSpeakForTheBlockBehindIt(t *testing.T) {
	for _, lost := range []string{"dont-have a", "block a"} {
		r := newRig(t, Limits{})
		r.want(alice, parse("B:a")...)
		r.collect()
		r.work(0) // It is not there.
		r.collect()
		r.put(letter("a"))
		r.collect()
		r.work(0) // Now it is.
		r.collect()
		require.Len(t, r.inFlight, 2)
		for _, what := range []string{"dont-have a", "block a"} {
			r.refuse = nil
			if what == lost {
				r.refuse = errDisk
			}
			r.send(0)
			r.collect()
		}
		r.refuse = nil
		r.advance(time.Minute)
		require.Empty(t, r.list(alice))
		heard := r.heard(alice)
		require.Equal(t, 1, strings.Count(strings.Join(heard, ","), "block a"), "%s was lost: %v", lost, heard)
	}
}
