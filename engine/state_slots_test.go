package engine

import (
	"fmt"
	"testing"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
)

// crowd connects n peers that want all the blocks, of which so many messages are made.
func (r *rig) crowd(n int, bs ...blocks.Block) {
	r.shelf.put(bs...)
	for i := range n {
		p := peer.ID(fmt.Sprintf("peer %03d", i))
		r.connect(p)
		r.want(p, wantAll(bs)...)
	}
	r.read()
}

// read does all jobs, and sends nothing.
func (r *rig) read() {
	for r.collect(); len(r.jobs) > 0; r.collect() {
		r.work(0)
	}
}

func TestAFewMessagesAreOnTheirWayAtOnce(t *testing.T) {
	r := newRig(t, Limits{})
	r.crowd(20, many(4, 256<<10)...)
	require.Len(t, r.inFlight, leastSlots)
	r.send(0)
	r.read()
	require.Len(t, r.inFlight, leastSlots, "the next one's turn has come")
	r.run()
	require.Len(t, r.messages, 20*4)
	require.Zero(t, r.state.slots.out)
}

// Newcomers that do not read hold others up for a second, and only once.
func TestWhoDoesNotReadLetsOthersPass(t *testing.T) {
	r := newRig(t, Limits{})
	r.crowd(2*leastSlots, many(2, 256<<10)...)
	stuck := r.inFlight
	r.inFlight = nil
	r.advance(newcomers - 1)
	require.Empty(t, r.messages)
	r.advance(1)
	r.state.tick(r.now)
	r.run()
	require.GreaterOrEqual(t, len(r.messages), 2*leastSlots, "the others got all")
	r.inFlight = stuck
	r.run()
	require.Len(t, r.messages, 2*leastSlots*2)
	require.Zero(t, r.state.slots.out)
}

// When a round of messages is not taken in time there are more slots, for slow paths
// and for those who wait beside who does not read.
func TestSlotsThatNobodyGivesBackAreAddedTo(t *testing.T) {
	r := newRig(t, Limits{})
	r.crowd(20, many(1, 256<<10)...)
	for _, most := range []int{2 * leastSlots, 4 * leastSlots} {
		r.now = r.now.Add(newcomers)
		r.state.tick(r.now)
		r.read()
		require.Equal(t, most, r.state.slots.most)
	}
	require.Len(t, r.inFlight, 20, "all have one")
	r.run()
	require.Zero(t, r.state.slots.out)
}

// A peer that is slow for a while is counted again when it is not.
func TestWhoWasSlowIsCountedAgain(t *testing.T) {
	r := newRig(t, Limits{})
	r.crowd(1, many(9, 256<<10)...)
	p := r.state.partners["peer 000"]
	r.now = r.now.Add(newcomers)
	r.state.tick(r.now)
	require.True(t, p.slow)
	require.Zero(t, r.state.slots.out)
	r.send(0)
	r.read()
	require.False(t, p.slow)
	require.Equal(t, 1, r.state.slots.out)
	r.now = r.now.Add(promptness + 1)
	r.send(0)
	require.True(t, p.slow)
	r.run()
	require.Zero(t, r.state.slots.out)
}

// uplink plays messages of 256 KiB over paths that have so many bytes a second each, and
// all together, and returns the slots that it ends with.
func uplink(path, all float64, messages int) int {
	l, now := newSlots(), time.Unix(1000, 0)
	l.restart(now)
	for range messages {
		l.out = l.most
		rate := min(path*float64(l.most), all)
		now = now.Add(time.Duration(float64(256<<10) / rate * float64(time.Second)))
		l.done(now, 256<<10, 0)
	}
	return l.most
}

func TestSlotsAreAsManyAsFillTheUplink(t *testing.T) {
	require.Equal(t, leastSlots, uplink(2.5e6, 2.5e6, 5000), "one path fills it")
	require.Equal(t, leastSlots, uplink(1e6, 2.5e6, 5000), "three do")
	require.InDelta(t, 24, uplink(1e5, 2.5e6, 20000), 16, "twenty-five do")
	require.GreaterOrEqual(t, uplink(1e5, 1e9, 20000), 256, "it is never full")
}

// Of partners who are owed about the same, those are served first who want what nobody
// got yet.
func TestWhatNobodyGotGoesFirst(t *testing.T) {
	r := newRig(t, Limits{})
	bs := many(2, 256<<10)
	r.shelf.put(bs...)
	r.want(alice, wantAll(bs[:1])...)
	r.run()
	r.heard(alice)
	r.state.slots.most = 0
	r.want(bob, wantAll(bs[:1])...)
	r.want(alice, wantAll(bs[1:])...)
	r.read()
	r.state.slots.most = 1
	r.read()
	require.Equal(t, alice, r.inFlight[0].Peer, "though she has got more than bob")
	r.run()
	require.Len(t, r.heard(bob), 1)
}

// That brings no more than a few blocks, of which a peer without debt gets two for one.
func TestWhoWantsTheRareIsNotServedForEver(t *testing.T) {
	r := newRig(t, Limits{})
	bs := many(30, 256<<10)
	r.shelf.put(bs...)
	r.want(carol, wantAll(bs[:1])...)
	r.run()
	r.state.slots.most = 1
	r.want(alice, wantAll(bs[1:])...)
	r.want(bob, wantAll(bs[:1])...)
	before := len(r.messages)
	for r.read(); len(r.said[bob]) == 0; r.read() {
		r.send(0)
	}
	require.LessOrEqual(t, len(r.messages)-before, 2*rareSlack/(256<<10)+2)
}
