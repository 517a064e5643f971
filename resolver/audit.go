package resolver

import (
	"errors"
	"fmt"
	"slices"

	"github.com/souk-p2p/souk/internal/table"
)

// audit recounts what the state keeps twice, and returns what is wrong, or against the
// rules.
func (s *state) audit() error {
	if err := s.auditCounts(); err != nil {
		return err
	}
	for k, f := range s.fetches {
		if f.key != k {
			return fmt.Errorf("fetch %s is listed as %s", f.key, k)
		}
		if err := s.auditFetch(f); err != nil {
			return fmt.Errorf("fetch %s: %w", k, err)
		}
	}
	for id, p := range s.remotes {
		if p.id != id {
			return fmt.Errorf("peer %s is listed as %s", p.id, id)
		}
		if err := s.auditPeer(p); err != nil {
			return fmt.Errorf("peer %s: %w", id, err)
		}
	}
	return errors.Join(s.auditLists(), s.auditRequests())
}

// auditLists looks whether members and blocked peers are listed.
func (s *state) auditLists() error {
	members, blocked := 0, 0
	for _, p := range s.remotes {
		if p.member {
			members++
		}
		if p.blocked {
			blocked++
		}
	}
	for _, p := range s.members {
		if !p.member || s.remotes[p.id] != p {
			return fmt.Errorf("peer %s is listed as a member", p.id)
		}
	}
	for _, p := range s.turned {
		if p.excess == 0 || s.remotes[p.id] != p || s.held == 0 {
			return fmt.Errorf("peer %s waits for room, of %d bytes", p.id, p.excess)
		}
	}
	for _, p := range s.barred {
		if !p.blocked || s.remotes[p.id] != p {
			return fmt.Errorf("peer %s is listed as blocked", p.id)
		}
	}
	if members != len(s.members) || blocked != len(s.barred) {
		return fmt.Errorf("%d members and %d blocked peers, %d and %d are listed", members, blocked, len(s.members), len(s.barred))
	}
	return nil
}

func (s *state) auditCounts() error {
	var held, claimed int64
	queued, resting, active := 0, 0, 0
	for _, f := range s.fetches {
		if f.value != nil {
			held += f.value.held
			if f.value.claimed {
				claimed += f.value.held
			}
		}
		if f.asks[0] != nil {
			active++
		}
		switch {
		case f.stage == stageResting:
			resting++
		case f.queued() && !f.targeted && !f.awaitsPin():
			queued++
		}
	}
	switch {
	case held != s.held || claimed != s.claimed:
		return fmt.Errorf("%d bytes are held, %d of them claimed; counted were %d and %d", held, claimed, s.held, s.claimed)
	case s.held > s.limits.Undelivered:
		return fmt.Errorf("%d bytes are held: the bound is %d", s.held, s.limits.Undelivered)
	case active != s.active:
		return fmt.Errorf("%d fetches have requests, and %d are counted", active, s.active)
	case queued != s.open.Len() || resting != s.resting.Len():
		return fmt.Errorf("%d fetches wait for anybody and %d for their time, %d and %d are queued", queued, resting, s.open.Len(), s.resting.Len())
	case len(s.requests) != s.timers.Len():
		return fmt.Errorf("%d requests have %d timers", len(s.requests), s.timers.Len())
	}
	return nil
}

func (s *state) auditFetch(f *fetch) error {
	switch {
	case f.stage == stageNone:
		return errors.New("it waits for nothing")
	case f.asks[0] == nil && f.asks[1] != nil, f.asks[0] != nil && f.asks[0] == f.asks[1]:
		return errors.New("its requests are not as they should be")
	case (f.stage == stageAsked || f.stage == stageLate) != (f.asks[0] != nil):
		return fmt.Errorf("at stage %d it has a request: %t", f.stage, f.asks[0] != nil)
	case f.asks[1] != nil && (!f.asks[1].hedge || f.asks[0].peer == f.asks[1].peer):
		return errors.New("two requests, none of which is a hedge, or at one peer")
	case f.stage == stageLate && f.asks[1] != nil:
		return errors.New("it waits for a third request")
	case f.due >= 0 && !isAt(&s.deadlines, f.due, f):
		return errors.New("its deadline is lost")
	case !f.standing && len(f.callers) == 0 && !f.cancelled:
		return errors.New("nobody waits for it")
	case f.cancelled && f.stage != stageJudged, f.expired && f.stage != stageJudged:
		return errors.New("it should have ended")
	case len(f.targets) > 0 && !f.targeted:
		return errors.New("it has targets and asks all")
	}
	return errors.Join(s.auditPlace(f), s.auditValue(f), s.auditTargets(f))
}

func isAt[T comparable](h *table.Heap[T], place int32, item T) bool {
	return place >= 0 && int(place) < h.Len() && h.Items()[place] == item
}

// auditPlace looks whether a fetch is where it is found when it can go on.
func (s *state) auditPlace(f *fetch) error {
	open := f.queued() && !f.targeted && !f.awaitsPin()
	switch {
	case open && !isAt(&s.open, f.place, f):
		return errors.New("it waits for anybody, and is not in the queue")
	case f.stage == stageResting && !isAt(&s.resting, f.place, f):
		return errors.New("it rests for ever")
	case !open && f.stage != stageResting && f.place >= 0:
		return errors.New("it waits and does not wait")
	case f.pinned() && (f.value.pin.place >= 0) != f.awaitsPin():
		return errors.New("it should go on with a peer, and does not wait for it, or the other way round")
	case f.awaitsPin() && !f.value.pin.peer.eligible():
		return errors.New("it goes on with a peer that is not asked")
	}
	return nil
}

func (s *state) auditValue(f *fetch) error {
	v := f.value
	switch {
	case f.stage == stageJudged && (v == nil || v.pin != nil):
		return errors.New("the Consumer has nothing, or more is to come")
	case v == nil:
		return nil
	case v.pin != nil && (v.pin.fetch != f || v.pin.at >= len(v.pin.peer.pins) || v.pin.peer.pins[v.pin.at] != v.pin):
		return errors.New("the peer of its value does not know of it")
	case v.held != v.size, f.stage != stageJudged && (len(v.parts) > 0) == (v.hashes == nil):
		return fmt.Errorf("of %d bytes %d are held", v.size, v.held)
	}
	for _, r := range f.asks {
		if r != nil && int(r.part) != len(v.parts) {
			return fmt.Errorf("part %d is asked for, and %d are there", r.part, len(v.parts))
		}
	}
	return nil
}

func (s *state) auditTargets(f *fetch) error {
	for _, l := range f.targets {
		p := l.peer
		switch {
		case l.fetch != f || s.remotes[p.id] != p || l.at >= len(p.targets) || p.targets[l.at] != l:
			return fmt.Errorf("target %s does not know of it", p.id)
		case p.blocked || p.id == s.self:
			return fmt.Errorf("target %s may not be asked", p.id)
		case (l.place >= 0) != (f.queued() && !f.awaitsPin() && !f.asksOf(p)):
			return fmt.Errorf("it waits for target %s, or does not, at stage %d", p.id, f.stage)
		}
	}
	for _, r := range f.asks {
		if r != nil && f.targeted && !f.aimsAt(r.peer) {
			return fmt.Errorf("peer %s is asked and no target", r.peer.id)
		}
	}
	return nil
}

func (s *state) auditPeer(p *remote) error {
	pauses := p.until > s.now
	able := p.eligible() && !pauses && len(p.asked) < p.room(s.limits.Outstanding) && p.bucket.Ready(s.time(s.now), 1)
	ready := able && p.excess == 0
	called := p.waiting.Len() > 0 && (p.readyAt >= 0 || p.pausesAt < 0 && able && p.waiting.Top().pins())
	switch {
	case len(p.asked) > s.limits.Outstanding:
		return fmt.Errorf("%d requests are outstanding", len(p.asked))
	case p.id == s.self && p.member:
		return errors.New("it is the resolver itself")
	case p.readyAt >= 0 && !ready || p.readyAt < 0 && ready && p.pausesAt < 0:
		return fmt.Errorf("it may be asked: %t, and is in the heap at %d", ready, p.readyAt)
	case (p.calledAt >= 0) != called:
		return fmt.Errorf("%d fetches wait for it, and it is called at %d", p.waiting.Len(), p.calledAt)
	case pauses && p.pausesAt < 0:
		return errors.New("nobody wakes when it may be asked again")
	case p.blocked && len(p.targets)+len(p.pins) > 0:
		return errors.New("it is blocked, and a target or begun with")
	}
	for i, l := range p.waiting.Items() {
		if l.place != i || l.peer != p || !l.fetch.queued() {
			return fmt.Errorf("fetch %s waits for it, and should not", l.fetch.key)
		}
	}
	return nil
}

func (s *state) auditRequests() error {
	awaited, asked := 0, 0
	for id, r := range s.requests {
		f := r.fetch
		if f != nil && r.part == 0 {
			awaited++
		}
		switch {
		case r.id != id || s.timers.Items()[r.timer] != r:
			return fmt.Errorf("request %d has no timer", id)
		case s.remotes[r.peer.id] != r.peer || !slices.Contains(r.peer.asked, r):
			return fmt.Errorf("request %d is not known at its peer", id)
		case f != nil && (s.fetches[f.key] != f || f.asks[0] != r && f.asks[1] != r):
			return fmt.Errorf("request %d is for a fetch that does not wait for it", id)
		case f != nil && r.peer.blocked:
			return fmt.Errorf("request %d is waited for from a blocked peer", id)
		}
	}
	tried := make(map[*remote]int)
	for _, f := range s.fetches {
		if f.value != nil {
			for _, p := range f.value.tries {
				tried[p]++
			}
		}
	}
	for id, p := range s.remotes {
		asked += len(p.asked)
		if p.tried != tried[p] {
			return fmt.Errorf("the Consumer has %d values of peer %s, and %d are counted", tried[p], id, p.tried)
		}
	}
	if awaited != s.awaited || asked != len(s.requests) {
		return fmt.Errorf("%d requests, of them %d for values: %d are at peers, and %d counted", len(s.requests), awaited, asked, s.awaited)
	}
	return nil
}
