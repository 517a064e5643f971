package session

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/providers/wire"
)

var spaced = rules{self: "self", namespace: "n"}

// list adds a candidate that the directory names, and that has the given blocks.
func (w *world) list(id peer.ID, has ...cid.Cid) *remote {
	w.directory = append(w.directory, id)
	p := w.peer(id)
	for _, c := range has {
		p.has[c] = true
	}
	return p
}

// said is what the directory heard about a peer.
func (w *world) said(id peer.ID) []wire.Judgement {
	var said []wire.Judgement
	for _, j := range w.judged {
		if j.Peer == id {
			said = append(said, j)
		}
	}
	return said
}

func TestTheDirectoryHearsHowItsCandidatesTurnedOut(t *testing.T) {
	w := newWorld(t, 1, spaced)
	ks := w.makeBlocks(3, 9000)
	w.list("holder", ks...)
	w.connect(w.list("empty"))
	w.list("dead").reachable = false
	w.connected("other", ks...)
	w.call(1, ks...)
	w.drain(1, time.Minute)
	w.run(time.Minute)
	w.call(2, w.makeBlocks(1, 9000)...)
	w.run(5 * time.Minute)
	require.Len(t, w.said("holder"), 1)
	require.Equal(t, wire.OutcomeServed, w.said("holder")[0].Outcome)
	require.ElementsMatch(t, ks, w.said("holder")[0].Samples)
	require.Len(t, w.said("empty"), 1, "however often it refuses")
	require.Equal(t, wire.OutcomeEmpty, w.said("empty")[0].Outcome)
	require.NotEmpty(t, w.said("empty")[0].Samples)
	require.Equal(t, []wire.Judgement{{Peer: "dead", Outcome: wire.OutcomeDead}}, w.said("dead"), "however often it is dialled")
	require.Len(t, w.judged, 3, "who was not its candidate is not its business")
}

func TestWithoutANamespaceNothingIsSaid(t *testing.T) {
	w := newWorld(t, 1, rules{self: "self"})
	ks := w.makeBlocks(10, 9000)
	w.list("holder", ks...)
	w.list("empty")
	w.list("dead").reachable = false
	w.call(1, ks...)
	w.drain(1, time.Minute)
	require.Empty(t, w.judged)
}

func TestNamedPeersAreNotJudged(t *testing.T) {
	r := named("a", "b")
	r.namespace = "n"
	w := newWorld(t, 1, r)
	ks := w.makeBlocks(10, 9000)
	w.connected("a", ks...)
	w.connected("b")
	w.call(1, ks...)
	w.drain(1, time.Minute)
	require.Empty(t, w.judged)
}

// In the middle of a long fetch the directory hears of who serves and of who has
// nothing, with as many samples as a judgement has.
func TestALongFetchIsJudgedOnTheWay(t *testing.T) {
	w := newWorld(t, 1, spaced)
	ks := w.makeBlocks(300, 64<<10)
	w.list("holder", ks...).perBlock = 100 * time.Millisecond
	w.call(1, ks...)
	w.run(3 * time.Second)
	require.False(t, w.closed[1])
	require.Len(t, w.judged, 1)
	require.Len(t, w.judged[0].Samples, wire.MaxSamples)
	w.drain(1, time.Minute)
	require.Len(t, w.judged, 1)
}

// So it does of one that has refused as many, before anybody waits for it.
func TestWhoRefusesMuchIsJudgedOnTheWay(t *testing.T) {
	w := newWorld(t, 1, spaced)
	w.connect(w.list("empty"))
	w.call(1, w.makeBlocks(wire.MaxSamples, 9000)...)
	w.run(firstRotation / 2)
	require.Len(t, w.judged, 1)
	require.Equal(t, wire.OutcomeEmpty, w.judged[0].Outcome)
	require.Len(t, w.judged[0].Samples, wire.MaxSamples)
}

// A candidate is empty when it has refused everything that it was asked, and has
// done nothing else. This one has refused the first of two.
func TestWhoMayHaveItIsNotCalledEmpty(t *testing.T) {
	ways := map[string]struct {
		then  func(w *world, p *remote, k cid.Cid)
		empty bool
	}{
		"it refuses the other too": {func(*world, *remote, cid.Cid) {}, true},
		"it has the other":         {func(_ *world, p *remote, k cid.Cid) { p.has[k] = true }, false},
		"it says that it has it":   {func(_ *world, p *remote, _ cid.Cid) { p.liar = true }, false},
		"it is silent":             {func(_ *world, p *remote, _ cid.Cid) { p.mute = true }, false},
		"it was about to answer":   {func(_ *world, p *remote, _ cid.Cid) { p.rtt = time.Second }, false},
		"it left":                  {func(w *world, p *remote, _ cid.Cid) { w.after(rtt/2, func() { w.disconnect(p) }) }, false},
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1, spaced)
			ks := w.makeBlocks(2, 9000)
			p, other := w.list("p"), w.list("other")
			w.connect(p)
			w.connect(other)
			w.call(1, ks[0])
			w.run(firstRotation / 2)
			way.then(w, p, ks[1])
			w.call(2, ks[1])
			w.run(3 * rtt)
			w.s.closing(context.Canceled)
			w.settle()
			called := slices.ContainsFunc(w.said("p"), func(j wire.Judgement) bool { return j.Outcome == wire.OutcomeEmpty })
			require.Equal(t, way.empty, called)
		})
	}
}

// What is known at the end of a session is said, although its wants have failed.
func TestTheEndOfASessionIsJudged(t *testing.T) {
	w := newWorld(t, 1, spaced)
	w.list("empty")
	ks := w.makeBlocks(1, 9000)
	w.call(1, ks...)
	w.run(500 * time.Millisecond)
	require.Empty(t, w.judged)
	w.s.closing(context.Canceled)
	w.settle()
	require.Equal(t, []wire.Judgement{{Peer: "empty", Outcome: wire.OutcomeEmpty, Samples: ks}}, w.judged)
}

func TestWhatWasSaidIsRememberedWithinBounds(t *testing.T) {
	var j judged
	for n := range 3 * mostJudged {
		p := peer.ID(fmt.Sprint(n))
		require.True(t, j.first(p, wire.OutcomeDead))
		require.False(t, j.first(p, wire.OutcomeDead))
		require.True(t, j.first(p, wire.OutcomeServed))
	}
	require.Len(t, j.told, mostJudged)
	require.Len(t, j.order, mostJudged)
	require.True(t, j.first("0", wire.OutcomeDead), "so long ago that it was forgotten")
}
