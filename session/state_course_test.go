package session

import (
	"context"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/blockrouter"
)

// courseOf is the course of a call that has ended, as the world remembers it.
func (w *world) courseOf(id callID) *course {
	w.t.Helper()
	require.Contains(w.t, w.courses, id)
	return w.courses[id]
}

func TestACourseTellsWhenACallCameToEachPhase(t *testing.T) {
	w := newWorld(t, 1, rules{self: "self", followed: true})
	ks := w.makeBlocks(3, 9000)
	w.here[ks[2]] = true
	a := w.peer("a")
	a.has[ks[0]], a.has[ks[1]] = true, true
	w.connected("b")
	w.directory = []peer.ID{"a"}
	began := w.now
	w.call(1, ks...)
	rs, took := w.drain(1, time.Minute)
	require.Len(t, rs, 3)
	c := w.courseOf(1)
	p := c.phases
	require.Equal(t, began, p.Taken)
	require.False(t, p.Searched.Before(began))
	require.GreaterOrEqual(t, p.Asked.Sub(p.Searched), w.slowly, "the directory took that long")
	require.GreaterOrEqual(t, p.FirstBlock.Sub(p.Asked), a.rtt)
	require.Equal(t, a.perBlock, p.FirstBlock.Sub(p.FirstByte))
	require.False(t, p.LastBlock.Before(p.FirstBlock))
	require.LessOrEqual(t, p.LastBlock.Sub(began), took)
	require.Equal(t, 1, c.candidates)
	require.Equal(t, 1, c.peers, "b was not asked")
	require.Zero(t, c.duplicates)
}

func TestACourseEndsWithACancel(t *testing.T) {
	w := newWorld(t, 1, named("a", "b"))
	w.s.rules.followed, w.s.rules.wait = true, true
	w.connected("a")
	w.connected("b")
	w.run(time.Second)
	k := w.makeBlocks(1, 10)[0]
	w.call(1, k)
	w.call(2, k)
	w.run(time.Second)
	w.s.cancel(1, context.Canceled)
	w.settle()
	c := w.courseOf(1)
	require.Equal(t, 2, c.candidates)
	require.Equal(t, 2, c.peers)
	require.Zero(t, c.phases.FirstByte)
	require.NotContains(t, w.courses, callID(2), "it goes on")
}

func TestNobodyFollowedCostsNoCourse(t *testing.T) {
	w := newWorld(t, 1, rules{self: "self"})
	k := w.makeBlocks(1, 10)[0]
	w.connected("a", k)
	w.call(1, k)
	require.Nil(t, w.s.calls[1].course)
	want := w.s.wantFor(k)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		w.s.noteSought(w.now, want)
		w.s.noteWantBlock(w.now, want)
		w.s.noteAsked(want, "a")
		w.s.noteCame(blockrouter.Received{At: w.now}, want, 0)
	}))
	w.drain(1, time.Minute)
	require.Empty(t, w.courses)
	s := new(Session)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		of := s.watch(t.Context(), "GetBlock", k)
		of.of(nil)
		of.note(nil)
		of.end(nil)
	}))
}
