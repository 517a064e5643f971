package wantmanager

import (
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/message"
)

const a peer.ID = "a"

// A want is written once, and cancelled when the last link leaves it.
func TestWantsAreCountedPerLink(t *testing.T) {
	r, c := newRig(t), cidsOf(0, 1)
	r.connect(a)
	r.block(1, a, c[0])
	require.Equal(t, []string{"B0"}, told(c, r.hand(a)))
	r.block(2, a, c[0])
	r.block(2, a, c[0])
	require.Empty(t, r.hands[a])
	r.cancel(r.now, 1, c)
	r.cancel(r.now, 1, c)
	r.settle()
	require.Empty(t, r.hands[a], "the other link wants it still")
	r.cancelAt(r.now, 2, a, c)
	r.settle()
	require.Equal(t, []string{"-0"}, told(c, r.hand(a)))
	require.Empty(t, r.peers[a].wants)
}

func TestAWantThatWasNotWrittenNeedsNoCancel(t *testing.T) {
	r, c := newRig(t), cidsOf(0, 2)
	r.connect(a)
	r.block(1, a, c[0])
	r.block(1, a, c[1]) // Waits behind the message in hand.
	r.cancel(r.now, 1, c[1:])
	r.settle()
	require.Equal(t, []string{"B0"}, told(c, r.drainHands(a)))
}

// A cancel applies to what is in hand, too.
func TestAWantInHandIsCancelledBehindIt(t *testing.T) {
	r, c := newRig(t), cidsOf(0, 1)
	r.connect(a)
	r.block(1, a, c[0])
	r.cancel(r.now, 1, c)
	r.settle()
	require.Equal(t, []string{"B0", "-0"}, told(c, r.drainHands(a)))
}

// A want takes the place of a cancel that was not written, and is cancelled
// like one that was: the peer knows of the older want.
func TestAWantReplacesAPendingCancel(t *testing.T) {
	r, c := newRig(t), cidsOf(0, 2)
	r.connect(a)
	r.block(1, a, c[0])
	r.hand(a)
	r.block(1, a, c[1]) // So that a message is in hand.
	r.cancel(r.now, 1, c[:1])
	r.block(1, a, c[0])
	require.Equal(t, []string{"B1", "B0"}, told(c, r.drainHands(a)))
}

// What answers a want that was renewed after its cancel may have been sent for the
// want before it: then the peer reads the second want afterwards and keeps it.
func TestAWantRenewedAfterItsCancelIsCancelledWithItsAnswer(t *testing.T) {
	r, c := newRig(t), cidsOf(0, 1)
	r.connect(a)
	r.block(1, a, c[0])
	r.cancel(r.now, 1, c)
	r.settle()
	require.Equal(t, []string{"B0", "-0"}, told(c, r.drainHands(a)))
	r.have(1, a, c[0])
	require.Equal(t, []string{"H0"}, told(c, r.drainHands(a)))
	r.sends(a, 10, c[0])
	require.Equal(t, []string{"-0"}, told(c, r.drainHands(a)), "the block may be of the want before")
	r.pass(asked + time.Second)
	r.have(1, a, c[0])
	require.Equal(t, []string{"H0"}, told(c, r.drainHands(a)))
	r.sends(a, 10, c[0])
	require.Empty(t, told(c, r.drainHands(a)), "nothing of so long ago still comes")
}

func TestAWantInPlaceOfACancelIsStillCancelled(t *testing.T) {
	r, c := newRig(t), cidsOf(0, 2)
	r.connect(a)
	r.block(1, a, c[0])
	r.hand(a)
	r.block(1, a, c[1])
	r.cancel(r.now, 1, c[:1])
	r.block(1, a, c[0])
	r.cancel(r.now, 1, c[:1])
	r.settle()
	require.Equal(t, []string{"B1", "-0"}, told(c, r.drainHands(a)))
}

func TestHaveIsUpgradedToBlockAndNotBack(t *testing.T) {
	r, c := newRig(t), cidsOf(0, 1)
	r.connect(a)
	r.have(1, a, c[0])
	require.Equal(t, []string{"H0"}, told(c, r.hand(a)))
	r.block(2, a, c[0])
	require.Equal(t, []string{"B0"}, told(c, r.hand(a)))
	r.have(1, a, c[0])
	require.Empty(t, r.hands[a])
}

// An upgrade that was not written leaves the want-have with the peer, which has to
// be told when it ends.
func TestAnUpgradeThatWasNotWrittenIsCancelled(t *testing.T) {
	r, c := newRig(t), cidsOf(0, 2)
	r.connect(a)
	r.have(1, a, c[0])
	r.hand(a)
	r.have(1, a, c[1])
	r.block(1, a, c[0])
	r.cancel(r.now, 1, c[:1])
	r.settle()
	require.Equal(t, []string{"H1", "-0"}, told(c, r.drainHands(a)))
}

// The peer may read what was written twice once more after it has answered.
func TestAWantThatWasWrittenTwiceIsCancelledOnceItHasCome(t *testing.T) {
	r, c := newRig(t), cidsOf(0, 2)
	r.connect(a)
	r.block(1, a, c...)
	r.hand(a)
	r.sends(a, 100, c[1])
	require.Empty(t, r.hands[a], "it was written once")
	r.peerState(r.now, a, true, message.V120, 2, 1)
	r.settle()
	require.Equal(t, []string{"B0"}, told(c, r.hand(a)))
	r.sends(a, 100, c[0])
	require.Equal(t, []string{"-0"}, told(c, r.hand(a)))
}

func TestAHaveEndsAWantHaveAndNotAWantBlock(t *testing.T) {
	r, c := newRig(t), cidsOf(0, 2)
	r.connect(a)
	r.have(1, a, c[0])
	r.block(1, a, c[1])
	r.drainHands(a)
	r.hear(a, nil, c, nil)
	require.Nil(t, r.peers[a].wants[c[0]])
	require.Equal(t, sent, r.peers[a].wants[c[1]].phase)
	r.cancel(r.now, 1, c)
	r.settle()
	require.Equal(t, []string{"-1"}, told(c, r.hand(a)), "the server forgot the want-have with its answer")
}

// Servers answer a want-have for a small block with the block.
func TestAWantHaveMayBeAnsweredByTheBlock(t *testing.T) {
	r, c := newRig(t), cidsOf(0, 1)
	r.connect(a)
	r.have(1, a, c[0])
	r.hand(a)
	r.sends(a, 100, c[0])
	require.Empty(t, r.peers[a].wants)
	require.Zero(t, r.faults)
	r.sends(a, 100, c[0])
	require.Zero(t, r.faults, "twice is late")
}

func TestPriorityComesFirstAndThenTheOrderOfAsking(t *testing.T) {
	r, c := newRig(t), cidsOf(0, 5)
	r.block(1, a, c[0])
	r.want(1, a, message.WantBlock, 5, c[1])
	r.want(1, a, message.WantBlock, -5, c[2])
	r.want(1, a, message.WantBlock, 5, c[3])
	r.block(1, a, c[4])
	r.connect(a)
	require.Equal(t, []string{"B1", "B3", "B0"}, told(c, r.hand(a)), "what there is room for")
	r.sends(a, 100, c[1])
	require.Equal(t, []string{"B4", "B2"}, told(c, r.hand(a)))
}

func TestPeersWithoutPresencesAreAskedForTheBlock(t *testing.T) {
	r, c := newRig(t), cidsOf(0, 100)
	r.peerState(r.now, a, true, message.V110, 1, 1)
	r.have(1, a, c...)
	require.Equal(t, []string{"B0", "B1", "B2"}, told(c, r.drainHands(a)), "within the window for blocks")
}

// A failed write puts wants and cancels back. Only a disconnection ends the tries.
func TestAFailedWriteIsTriedAgainWithAPause(t *testing.T) {
	r, c := newRig(t), cidsOf(0, 2)
	r.connect(a)
	r.block(1, a, c[0])
	r.hand(a)
	r.cancel(r.now, 1, c[:1])
	r.block(1, a, c[1])
	r.settle()
	for pause := firstRetry; pause < 20*time.Second; pause *= 2 {
		require.Equal(t, []string{"-0", "B1"}, told(c, r.lose(a)))
		require.Empty(t, r.hands[a])
		r.pass(min(pause, longRetry) - 1)
		require.Empty(t, r.hands[a])
		r.pass(1)
	}
	require.Equal(t, []string{"-0", "B1"}, told(c, r.hand(a)))
}

func TestAWantOfALostMessageIsCancelledAllTheSame(t *testing.T) {
	r, c := newRig(t), cidsOf(0, 1)
	r.connect(a)
	r.block(1, a, c[0])
	r.lose(a)
	r.cancel(r.now, 1, c)
	r.pass(time.Second)
	require.Equal(t, []string{"-0"}, told(c, r.hand(a)), "part of the message may have arrived")
}

// What the stream lost is written again: live wants, and the cancels of the last
// 30 s.
func TestANewEpochWritesEverythingAgain(t *testing.T) {
	for name, state := range map[string]func(r *rig){
		"epoch":        func(r *rig) { r.peerState(r.now, a, true, message.V120, 2, 1) },
		"generation":   func(r *rig) { r.peerState(r.now, a, true, message.V120, 1, 2) },
		"disconnected": func(r *rig) { r.peerState(r.now, a, false, 0, 1, 1); r.connectAgain() },
	} {
		t.Run(name, func(t *testing.T) {
			r, c := newRig(t), cidsOf(0, 5)
			r.connect(a)
			r.block(1, a, c[0], c[1])
			r.have(1, a, c[2])
			r.block(1, a, c[3], c[4])
			r.drainHands(a)
			r.refuses(a, c[1])
			r.cancel(r.now, 1, c[3:4])
			r.settle()
			r.pass(resendCancels + time.Second)
			r.cancel(r.now, 1, c[4:])
			r.settle()
			r.drainHands(a)
			state(r)
			r.settle()
			require.ElementsMatch(t, []string{"-4", "B0", "B1", "H2"}, told(c, r.drainHands(a)))
		})
	}
}

func (r *rig) connectAgain() {
	r.settle()
	r.peerState(r.now, a, true, message.V120, 1, 2)
}

// A message that was in hand when the stream was lost may be lost with it, though
// the sender says that it was written.
func TestAMessageInHandIsDoubtedWhenTheStreamIsLost(t *testing.T) {
	r, c := newRig(t), cidsOf(0, 2)
	r.connect(a)
	r.block(1, a, c[0])
	r.hand(a)
	r.cancel(r.now, 1, c[:1])
	r.settle()
	require.Len(t, r.hands[a], 1, "the cancel is in hand")
	r.peerState(r.now, a, true, message.V120, 2, 1)
	r.settle()
	require.Equal(t, []string{"-0"}, told(c, r.hand(a)))
	require.Equal(t, []string{"-0"}, told(c, r.hand(a)))
	r.block(1, a, c[1])
	r.peerState(r.now, a, true, message.V120, 3, 1)
	r.settle()
	require.Equal(t, []string{"B1"}, told(c, r.hand(a)))
	require.Contains(t, told(c, r.drainHands(a)), "B1")
	require.Equal(t, sent, r.peers[a].wants[c[1]].phase)
}

// boxo's servers keep 1,024 wants of a peer.
func TestAllThatAPeerKnowsOfIsBounded(t *testing.T) {
	r, c := newRig(t), cidsOf(0, 2000)
	r.connect(a)
	r.have(1, a, c...)
	require.Len(t, r.drainHands(a), maxKnown)
	r.refuses(a, c[:100]...)
	require.Empty(t, r.hands[a], "what was refused still counts")
	require.Equal(t, 100, r.peers[a].answeredDH)
	r.refuses(a, c[100:300]...)
	require.Equal(t, maxStanding, r.peers[a].answeredDH)
	require.Len(t, r.hand(a), 300-maxStanding, "the oldest are withdrawn, and count until then")
	require.Len(t, r.drainHands(a), 300-maxStanding)
	r.sends(a, 1000, c[300:310]...)
	require.Len(t, r.drainHands(a), 10)
}

// The oldest subscriptions are withdrawn, and the peer hears of that before it
// hears of the wants that take their places.
func TestTheOldestSubscriptionsAreWithdrawnFirst(t *testing.T) {
	r, c := newRig(t), cidsOf(0, 2000)
	r.connect(a)
	r.have(1, a, c...)
	known, most := make(map[cid.Cid]bool), 0
	for range 6 {
		for len(r.hands[a]) > 0 {
			entries := r.hand(a)
			for _, e := range entries { // boxo adds the wants of a message before it takes out the cancels.
				if !e.Cancel {
					known[e.CID] = true
				}
			}
			most = max(most, len(known))
			for _, e := range entries {
				if e.Cancel {
					delete(known, e.CID)
				}
			}
		}
		var refused []cid.Cid
		for _, k := range c {
			if w := r.peers[a].wants[k]; w != nil && w.phase == sent && len(refused) < 300 {
				refused = append(refused, k)
			}
		}
		r.refuses(a, refused...)
	}
	require.LessOrEqual(t, most, 1024)
	require.Equal(t, maxStanding, r.peers[a].answeredDH)
	require.Nil(t, r.peers[a].wants[c[0]], "the oldest is withdrawn")
}

func TestASubscriptionIsAskedAgain(t *testing.T) {
	r, c := newRig(t), cidsOf(0, 1)
	r.connect(a)
	r.block(1, a, c[0])
	r.hand(a)
	r.block(1, a, c[0])
	require.Empty(t, r.hands[a], "it waits for its answer")
	r.refuses(a, c[0])
	r.have(1, a, c[0])
	require.Equal(t, []string{"B0"}, told(c, r.hand(a)), "a want-block stays one")
	r.sends(a, 10, c[0])
	require.Zero(t, r.faults)
}

func TestOnlyWhatWasNotAskedWithinAMinuteIsAFault(t *testing.T) {
	r, c := newRig(t), cidsOf(0, 4)
	r.connect(a)
	r.block(1, a, c[0], c[1])
	r.hand(a)
	r.cancel(r.now, 1, c[:1])
	r.settle()
	r.hand(a)
	r.sends(a, 10, c[0])
	require.Zero(t, r.faults, "a cancelled block may be late")
	r.sends(a, 10, c[1], c[1])
	require.Zero(t, r.faults, "so may the second copy")
	r.sends(a, 10, c[2])
	require.Equal(t, 1, r.faults)
	r.pass(asked + time.Second)
	r.sends(a, 10, c[0])
	require.Equal(t, 2, r.faults)
	r.sends("stranger", 10, c[3])
	require.Equal(t, 2, r.faults, "of one that has left nothing is known")
}

func TestAPresenceThatWasNotAskedForIsAFault(t *testing.T) {
	r, c := newRig(t), cidsOf(0, 3)
	r.connect(a)
	r.have(1, a, c[0], c[1])
	r.drainHands(a)
	r.hear(a, nil, c[:1], nil)
	r.hear(a, nil, c[:1], nil)
	r.cancel(r.now, 1, c[1:2])
	r.settle()
	r.hear(a, nil, c[1:2], nil)
	require.Zero(t, r.faults, "twice, or late")
	r.hear(a, nil, c[2:], nil)
	require.Equal(t, blame{message.FaultUnasked: 1}, r.blamed)
	r.hear(a, nil, nil, c[2:])
	require.Equal(t, blame{message.FaultUnasked: 2}, r.blamed)
}

// A block with other bytes than were asked for has another CID.
func TestAnotherBlockThanTheOneThatIsDueIsInvalid(t *testing.T) {
	r, c := newRig(t), cidsOf(0, 2)
	r.connect(a)
	r.block(1, a, c[0])
	r.hand(a)
	r.sends(a, 10, c[1])
	require.Equal(t, blame{message.FaultInvalid: 1}, r.blamed)
	require.Equal(t, sent, r.peers[a].wants[c[0]].phase, "the want stays")
}

// Of three peers two said HAVE, and one of those sends a block now and then.
func TestWhoSaysHaveAndSendsNothingIsBlamedWhenItIsLateAgainAndAgain(t *testing.T) {
	const each = 10
	r, c := newRig(t), cidsOf(0, 3*each)
	for i, p := range []peer.ID{"liar", "slow", "silent"} {
		r.connect(p)
		mine := c[each*i : each*(i+1)]
		r.have(1, p, mine...)
		r.drainHands(p)
		if p != "silent" {
			r.hear(p, nil, mine, nil)
		}
		r.block(1, p, mine...)
		r.drainHands(p)
	}
	r.pass(unknownPatience + time.Millisecond)
	require.Zero(t, r.faults, "once is not enough")
	for i := range each {
		r.sends("slow", 10, c[each+i])
		for p := range r.peers {
			r.drainHands(p)
		}
		r.pass(mostPatience)
	}
	require.Positive(t, r.blamed[message.FaultBroken])
	require.Len(t, r.blamed, 1)
	require.GreaterOrEqual(t, r.peers["liar"].broken, patientWithPromises)
	require.Less(t, r.peers["slow"].broken, patientWithPromises)
	require.Zero(t, r.peers["silent"].broken)
}

// With more blocks within a minute than can be remembered, nobody is blamed.
func TestAFastPeerIsNotBlamedForWhatWasForgotten(t *testing.T) {
	r, c := newRig(t), cidsOf(0, maxRecent+200)
	r.connect(a)
	r.have(1, a, c...)
	for _, k := range c {
		r.drainHands(a)
		r.sends(a, 10, k)
	}
	r.sends(a, 10, c[0])
	require.Zero(t, r.faults)
}

func TestAConnectionIsHeldWhileWantsAreLive(t *testing.T) {
	r, c := newRig(t), cidsOf(0, 2)
	r.connect(a)
	require.Empty(t, r.held)
	r.block(1, a, c...)
	require.True(t, r.held[a])
	r.hand(a)
	r.sends(a, 10, c[0])
	require.True(t, r.held[a])
	r.cancel(r.now, 1, c)
	r.settle()
	require.Empty(t, r.held)
}

func TestNothingIsLeftOfALinkOrAPeerThatLeaves(t *testing.T) {
	r, c := newRig(t), cidsOf(0, 600)
	for _, p := range []peer.ID{"a", "b", "c"} {
		r.connect(p)
		r.have(1, p, c...)
		r.block(2, p, c[:5]...)
	}
	r.cancelAll(r.now, 1)
	r.cancelAll(r.now, 1)
	r.settle()
	require.Equal(t, []linkID{1}, r.closed)
	for _, p := range r.peers {
		require.Len(t, p.wants, 5)
	}
	r.drop(r.now, 2, "b")
	r.cancelAll(r.now, 2)
	r.settle()
	require.Empty(t, r.links)
	require.Empty(t, r.held)
	for p := range r.peers {
		r.peerState(r.now, p, false, 0, 1, 1)
	}
	r.settle()
	for _, p := range []peer.ID{"a", "b", "c"} {
		r.lose(p) // Its connection is closed.
	}
	r.pass(5 * time.Second)
	require.Empty(t, r.peers)
	require.True(t, r.wake().IsZero())
}

// A queue that cannot be written does not grow with what is given up.
func TestAQueueThatWaitsDoesNotGrow(t *testing.T) {
	r, c := newRig(t), cidsOf(0, 1)
	r.block(1, a, cidsOf(1, 1)...)
	for range 10000 {
		r.send(1, map[peer.ID][]Ask{a: {{CID: c[0], Type: message.WantBlock}}})
		r.cancel(r.now, 1, c)
	}
	r.settle()
	require.Less(t, len(r.peers[a].queue.wants), 100)
	require.Empty(t, r.peers[a].cancels.order)
}

func TestCancelsGoOutInOrderAndOnce(t *testing.T) {
	var q cancels
	many := cidsOf(0, maxEntries+10)
	for _, k := range many {
		q.add(k)
		q.add(k)
	}
	require.True(t, q.remove(many[3]))
	require.False(t, q.remove(many[3]))
	first := q.take(maxEntries)
	require.Len(t, first, maxEntries)
	require.Equal(t, many[:3], first[:3])
	require.NotContains(t, first, many[3])
	require.Len(t, q.take(maxEntries), 9)
	require.Empty(t, q.take(maxEntries))
}
