package session

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// check compares every count that the state keeps with a recount of its tables.
func check(t require.TestingT, s *state) {
	if h, ok := t.(*testing.T); ok {
		h.Helper()
	}
	checkPeers(t, s)
	checkBudget(t, s)
	checkSearch(t, s)
	for k, w := range s.wants {
		require.Equal(t, k, w.cid)
		require.NotEmpty(t, w.calls, "somebody waits for %s", k)
		require.Equal(t, w.stage == asked, len(w.at) == 1, "stage %d, %d want-blocks out", w.stage, len(w.at))
		require.LessOrEqual(t, len(w.at), 1)
		require.Equal(t, w.stage == asked || w.stage == loading, w.charge > 0, "charge %d in stage %d", w.charge, w.stage)
		if w.stage == open {
			c := s.calls[w.calls[0]]
			require.True(t, c.inTurn, "the call of an open want has its turn")
			require.True(t, slices.Contains(c.queue.items, queueItem{w, open}), "an open want is in its queue")
		}
		if w.stage == local {
			require.True(t, slices.Contains(s.calls[w.calls[0]].local.items, queueItem{w, local}))
		}
		for _, a := range w.at {
			require.NotZero(t, w.knows(int(a.peer))&told, "who was asked was told")
			require.True(t, slices.Contains(s.peers[a.peer].asked, w))
		}
	}
}

func checkPeers(t require.TestingT, s *state) {
	load, out := make([]int, len(s.peers)), make([]int, len(s.peers))
	for _, w := range s.wants {
		for _, a := range w.at {
			load[a.peer] += int(a.size)
			out[a.peer]++
		}
		for _, k := range w.known {
			require.NotEmpty(t, s.peers[k.peer].id, "nothing is known of a peer that was forgotten")
			require.True(t, s.peers[k.peer].connected, "what a peer said ends with its connection")
		}
	}
	for i, p := range s.peers {
		require.Equal(t, load[i], p.load, "load of peer %d", i)
		require.Equal(t, out[i], p.out, "want-blocks at peer %d", i)
		if p.id != "" {
			require.Equal(t, i, s.index[p.id])
		}
	}
	require.Equal(t, len(s.peers), len(s.index)+len(s.free))
}

func checkBudget(t require.TestingT, s *state) {
	held, inFlight, left := 0, make(map[callID]int), make(map[callID]int)
	for _, w := range s.wants {
		held += w.charge
		if w.charge > 0 {
			inFlight[w.payer]++
		}
		for _, id := range w.calls {
			left[id]++
		}
	}
	for id, c := range s.calls {
		held += c.bytes
		require.Equal(t, inFlight[id], c.inFlight, "in flight for call %d", id)
		require.Equal(t, left[id], c.left, "left of call %d", id)
		require.GreaterOrEqual(t, c.ready, 0)
		require.GreaterOrEqual(t, c.bytes, 0)
	}
	require.Equal(t, held, s.held, "in flight and undelivered")
}

func checkSearch(t require.TestingT, s *state) {
	f := &s.search
	rounds, probes, live := 0, 0, make(map[*places]int)
	for _, w := range s.wants {
		if w.inRound {
			rounds++
			require.True(t, w.awaiting(), "a round is over when all have answered")
			require.True(t, paused(f, w), "a round has a deadline")
		}
		if w.probed {
			probes++
		}
		require.Equal(t, w.stage == seeking, w.place != nil)
		live[w.place]++
		if w.stage == seeking {
			require.Equal(t, w.awaiting(), w.place == f.owed, "only those that wait for answers are owed some")
			require.Contains(t, w.place.all(), w)
		}
		if w.place == f.owed {
			require.True(t, paused(f, w), "the wait for answers has a deadline")
		}
	}
	require.Equal(t, rounds, f.rounds, "rounds")
	require.Equal(t, probes, f.probes, "probes")
	for _, l := range []*places{f.fresh, f.owed, f.spent} {
		require.Equal(t, live[l], l.live)
		require.Len(t, l.all(), l.live)
	}
}

func paused(f *search, w *wanted) bool {
	return slices.ContainsFunc(f.pauses, func(p pausing) bool { return p.want == w && p.round == w.round })
}
