package session

import (
	"slices"
	"testing"
)

// check compares every count that the state keeps with a recount of its tables.
func check(t *testing.T, s *state) {
	t.Helper()
	c := checker{t, s}
	c.wants()
	c.peers()
	c.budget()
	c.search()
}

type checker struct {
	t *testing.T
	s *state
}

func (c checker) that(holds bool, format string, args ...any) {
	if !holds {
		c.t.Helper()
		c.t.Fatalf(format, args...)
	}
}

// wants checks that each want is where its stage says.
func (c checker) wants() {
	for k, w := range c.s.wants {
		c.that(k == w.cid && len(w.calls) > 0, "somebody waits for %s", k)
		c.that(len(w.at) <= 1 && (w.stage == asked) == (len(w.at) == 1), "stage %d, %d want-blocks out", w.stage, len(w.at))
		c.that((w.stage == asked || w.stage == loading) == (w.charge > 0), "charge %d in stage %d", w.charge, w.stage)
		call := c.s.calls[w.calls[0]]
		switch w.stage {
		case open:
			c.that(call.inTurn && slices.Contains(call.queue.items, queueItem{w, open}), "an open want waits in its queue")
		case local:
			c.that(call.inLocal && slices.Contains(call.local.items, queueItem{w, local}), "a local want waits in its queue")
		}
		for _, a := range w.at {
			c.that(w.knows(int(a.peer))&told != 0, "who was asked was told")
			c.that(slices.Contains(c.s.peers[a.peer].asked, w), "what a peer was asked is listed")
		}
	}
}

func (c checker) peers() {
	load, out := make([]int, len(c.s.peers)), make([]int, len(c.s.peers))
	for _, w := range c.s.wants {
		for _, a := range w.at {
			load[a.peer] += int(a.size)
			out[a.peer]++
		}
		for _, k := range w.known {
			c.that(c.s.peers[k.peer].connected, "what a peer said ends with its connection")
		}
	}
	for i, p := range c.s.peers {
		c.that(load[i] == p.load && out[i] == p.out, "peer %d: load %d, counted %d; out %d, counted %d", i, p.load, load[i], p.out, out[i])
		c.that(p.id == "" || c.s.index[p.id] == i, "peer %d has its index", i)
	}
	c.that(len(c.s.peers) == len(c.s.index)+len(c.s.free), "an index is used or free")
}

func (c checker) budget() {
	held, inFlight, left := 0, make(map[callID]int), make(map[callID]int)
	for _, w := range c.s.wants {
		held += w.charge
		if w.charge > 0 {
			inFlight[w.payer]++
		}
		for _, id := range w.calls {
			left[id]++
		}
	}
	for id, call := range c.s.calls {
		held += call.bytes
		c.that(inFlight[id] == call.inFlight, "call %d: %d in flight, counted %d", id, call.inFlight, inFlight[id])
		c.that(left[id] == call.left, "call %d: %d left, counted %d", id, call.left, left[id])
		c.that(call.ready >= 0 && call.bytes >= 0, "call %d: %d results, %d bytes", id, call.ready, call.bytes)
	}
	c.that(held == c.s.held, "%d bytes held, counted %d", c.s.held, held)
}

func (c checker) search() {
	f := &c.s.search
	pauses := make(map[*wanted]uint32)
	for _, p := range f.pauses {
		pauses[p.want] = max(pauses[p.want], p.round)
	}
	rounds, probes, live := 0, 0, make(map[*places]int)
	for _, w := range c.s.wants {
		paused := pauses[w] != 0 && pauses[w] == w.round
		if w.inRound {
			rounds++
			c.that(w.awaiting() && paused, "a round has a deadline, and ends when all have answered")
		}
		if w.probed {
			probes++
		}
		live[w.place]++
		c.that((w.stage == seeking) == (w.place != nil), "who is sought has a place")
		if w.stage == seeking {
			c.that(w.awaiting() == (w.place == f.owed), "those that wait for answers are owed some")
			c.that(slices.Contains(w.place.items, place{w, w.ticket}), "who has a place is listed")
		}
		c.that(w.place != f.owed || paused, "the wait for answers has a deadline")
	}
	c.that(rounds == f.rounds && probes == f.probes, "%d rounds, counted %d; %d probes, counted %d", f.rounds, rounds, f.probes, probes)
	for _, l := range []*places{f.fresh, f.owed, f.spent} {
		c.that(live[l] == l.live, "%d live places, counted %d", l.live, live[l])
	}
}
