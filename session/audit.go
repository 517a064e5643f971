package session

import (
	"fmt"
	"slices"
)

// audit recounts what the state keeps twice, and returns what is wrong. It is for
// the time after [state.take].
func (s *state) audit() error {
	for _, check := range []func() error{s.auditWants, s.auditPeers, s.auditBudget, s.auditSearch} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// auditWants looks whether each want is where its stage says.
func (s *state) auditWants() error {
	for w := range s.wants.All() {
		k := w.cid
		switch {
		case s.wantFor(k) != w || w.call == 0:
			return fmt.Errorf("nobody waits for %s", k)
		case (w.stage == asked) != (w.alone() >= 0):
			return fmt.Errorf("%s is in stage %d with its only want-block at %d", k, w.stage, w.alone())
		case (w.stage == asked || w.stage == loading) != (w.charge > 0):
			return fmt.Errorf("%s is charged %d in stage %d", k, w.charge, w.stage)
		case !s.queued(w):
			return fmt.Errorf("%s is in stage %d and not in its call's queue", k, w.stage)
		}
		for a := range w.assignments() {
			if w.knows(int(a.peer))&told == 0 || !slices.Contains(s.peers[a.peer].asked, w) {
				return fmt.Errorf("%s is asked of peer %d, which was not told or does not list it", k, a.peer)
			}
		}
	}
	return nil
}

func (s *state) queued(w *wanted) bool {
	call := s.calls[w.call]
	switch w.stage {
	case open:
		return call.inTurn && slices.Contains(call.queue.items, queued{w.order, w})
	case local:
		return call.inLocal && slices.Contains(call.local.items, queued{w.order, w})
	}
	return true
}

func (s *state) auditPeers() error {
	load, out := make([]int, len(s.peers)), make([]int, len(s.peers))
	for w := range s.wants.All() {
		for a := range w.assignments() {
			load[a.peer] += int(a.size)
			out[a.peer]++
		}
		for _, k := range w.known {
			if !s.peers[k.peer()].connected {
				return fmt.Errorf("what peer %d said of %s has outlived its connection", k.peer(), w.cid)
			}
		}
	}
	for i, p := range s.peers {
		if load[i] != p.load || out[i] != p.out {
			return fmt.Errorf("peer %d: load %d, counted %d; out %d, counted %d", i, load[i], p.load, out[i], p.out)
		}
		if p.id != "" && s.index[p.id] != i {
			return fmt.Errorf("peer %d has another's index", i)
		}
	}
	if len(s.peers) != len(s.index)+len(s.free) {
		return fmt.Errorf("%d peers, %d of them known and %d free", len(s.peers), len(s.index), len(s.free))
	}
	return nil
}

func (s *state) auditBudget() error {
	held, inFlight, left := 0, make(map[callID]int), make(map[callID]int)
	for w := range s.wants.All() {
		held += int(w.charge)
		if w.charge > 0 {
			inFlight[w.call]++
		}
		for _, id := range append([]callID{w.call}, w.others()...) {
			left[id]++
		}
	}
	for id, c := range s.calls {
		held += c.bytes
		if inFlight[id] != c.inFlight || left[id] != c.left || c.ready < 0 || c.bytes < 0 {
			return fmt.Errorf("call %d: %d in flight, counted %d; %d left, counted %d; %d results of %d bytes",
				id, inFlight[id], c.inFlight, left[id], c.left, c.ready, c.bytes)
		}
	}
	if held != s.held {
		return fmt.Errorf("%d bytes held, counted %d", held, s.held)
	}
	return nil
}

// auditSearch looks whether who is sought waits for something that will come.
func (s *state) auditSearch() error {
	f := &s.search
	pauses := make(map[*wanted]uint32)
	for _, p := range f.pauses {
		pauses[p.want] = max(pauses[p.want], p.round)
	}
	rounds, probes, live := 0, 0, make(map[*places]int)
	for w := range s.wants.All() {
		k := w.cid
		paused := pauses[w] != 0 && pauses[w] == w.round
		if w.inRound {
			rounds++
		}
		if w.probed {
			probes++
		}
		live[f.list(w.place)]++
		switch {
		case w.inRound && (!w.awaiting() || !paused):
			return fmt.Errorf("%s is in a round without answers to come or without a deadline", k)
		case (w.stage == seeking) != (w.place != nowhere):
			return fmt.Errorf("%s is in stage %d, has a place in the search: %t", k, w.stage, w.place != nowhere)
		case w.stage == seeking && w.awaiting() != (w.place == owed):
			return fmt.Errorf("%s waits for answers: %t", k, w.awaiting())
		case w.stage == seeking && !slices.Contains(f.list(w.place).items, place{w, w.ticket}):
			return fmt.Errorf("%s has a place and is not listed", k)
		case w.place == owed && !paused:
			return fmt.Errorf("%s waits for answers without a deadline", k)
		}
	}
	if rounds != f.rounds || probes != f.probes {
		return fmt.Errorf("%d rounds, counted %d; %d probes, counted %d", rounds, f.rounds, probes, f.probes)
	}
	for _, l := range []*places{f.fresh, f.owed, f.spent} {
		if live[l] != l.live {
			return fmt.Errorf("%d live places, counted %d", live[l], l.live)
		}
	}
	return nil
}
