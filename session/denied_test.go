package session

import (
	"context"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
)

func TestADeniedCandidateIsNotAskedAndIsNamedInTheError(t *testing.T) {
	for _, connected := range []bool{false, true} {
		w := newWorld(t, 1, rules{self: "self", namespace: "films"})
		ks := w.makeBlocks(2, 9000)
		p := w.peer("holder")
		p.has[ks[0]], p.has[ks[1]], p.denied = true, true, true
		if connected {
			w.connect(p)
		}
		w.directory = []peer.ID{"holder"}
		w.call(1, ks...)
		w.run(40 * time.Second)
		require.Empty(t, p.seen)
		require.Empty(t, w.results[1])
		failed := w.s.cancel(1, context.DeadlineExceeded)
		require.Equal(t, map[peer.ID]Outcome{"holder": Denied}, outcomes(failed[0]))
		require.ErrorIs(t, failed[0].Answers[0].Err, ErrDenied)
		require.ErrorContains(t, failed[0], ": denied: a rule lets it have nothing")
		require.Empty(t, w.judged, "it is no fault of the peer")
	}
}

func TestNamedPeersThatAreDeniedFailTheFetchAtOnce(t *testing.T) {
	w := newWorld(t, 1, named("a", "b"))
	w.connected("a").denied = true
	w.connected("b")
	w.run(time.Second)
	w.deny(w.peers["a"], true)
	w.call(1, w.makeBlocks(1, 10)[0])
	rs, took := w.drain(1, time.Minute)
	require.Less(t, took, 2*rtt)
	failed := failureOf(t, rs[0])
	require.Equal(t, map[peer.ID]Outcome{"a": Denied, "b": DontHave}, outcomes(failed))
	require.True(t, failed.NotFound())
	require.ErrorContains(t, failed, "of the 2 peers named, 1 are denied by our access rules and no other has it")
}

// What was asked of a peer that is denied later is asked of others, and of the peer
// again when the rule goes.
func TestARuleThatComesLaterMovesWantsToOthers(t *testing.T) {
	w := newWorld(t, 1, rules{self: "self"})
	ks := w.makeBlocks(40, 9000)
	slow := w.connected("slow", ks...)
	slow.perBlock = time.Second
	w.directory = []peer.ID{"slow"}
	w.call(1, ks...)
	w.run(2 * time.Second)
	require.NotEmpty(t, slow.seen)
	w.deny(slow, true)
	w.run(time.Second)
	require.Empty(t, slow.wants, "everything was taken back")
	sent := slow.blocksSent
	quick := w.connected("quick", ks[:20]...)
	w.run(time.Minute)
	require.Positive(t, quick.blocksSent)
	require.Equal(t, sent, slow.blocksSent)
	slow.perBlock = time.Millisecond
	w.deny(slow, false)
	w.drain(1, time.Minute)
	require.True(t, w.closed[1])
	require.Greater(t, slow.blocksSent, sent)
}

func TestAStrangerThatIsDeniedIsForgotten(t *testing.T) {
	w := newWorld(t, 1, rules{self: "self"})
	k := w.makeBlocks(1, 9000)[0]
	w.call(1, k)
	a := w.connected("a")
	w.run(10 * time.Second)
	w.deny(a, true)
	require.Empty(t, w.s.index)
	asked := a.seen[k]
	w.run(time.Minute)
	require.LessOrEqual(t, a.seen[k], asked+1, "the cancel, and nothing more")
	require.Equal(t, map[peer.ID]Outcome{"a": Denied}, outcomes(w.s.cancel(1, context.Canceled)[0]))
}

func TestAReportTellsWhoIsDenied(t *testing.T) {
	w := newWorld(t, 1, named("a"))
	w.s.rules.wait = true
	w.connected("a")
	w.run(time.Second)
	w.deny(w.peers["a"], true)
	w.call(1, w.makeBlocks(1, 10)[0])
	w.run(time.Second)
	r := w.s.report(w.now, true)
	require.Len(t, r.Tried, 1)
	require.Equal(t, Denied, r.Tried[0].Outcome)
	require.ErrorIs(t, r.Tried[0].Err, ErrDenied)
}
