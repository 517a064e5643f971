package resolver

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// mostTargets is how many targets of a fetch are told of.
const mostTargets = 16

// stat is what the state is at.
func (s *state) stat() Stat {
	return Stat{
		Pending: len(s.fetches), Active: s.active, Undelivered: s.undelivered(),
		Peers: len(s.members), Blocked: len(s.barred), Paused: s.pauses.Len(), Counts: s.counts,
	}
}

// keys are those of all fetches that were not cancelled, in no order.
func (s *state) keys() []Key {
	keys := make([]Key, 0, len(s.fetches))
	for k, f := range s.fetches {
		if !f.cancelled {
			keys = append(keys, k)
		}
	}
	return keys
}

// fetchPage is a page of the fetches, in the order in which they began.
func (s *state) fetchPage(now time.Time, after uint64, most int) FetchPage {
	s.at(now)
	page := FetchPage{Total: len(s.fetches), Fetches: []FetchStat{}}
	first, more := lowest(s.fetches, most, func(f *fetch) bool { return f.nth > after }, func(a, b *fetch) int { return cmp.Compare(a.nth, b.nth) })
	for _, f := range first {
		page.Fetches = append(page.Fetches, s.fetchStat(f))
	}
	if more {
		page.Next = first[len(first)-1].nth
	}
	return page
}

// lowest are the lowest of those that are wanted, in order, at most most of them, and
// whether there are more. It looks at each once, and sorts few.
func lowest[K comparable, T any](of map[K]T, most int, wanted func(T) bool, compare func(a, b T) int) (first []T, more bool) {
	some := make([]T, 0, min(2*most, len(of)))
	cut := func() {
		slices.SortFunc(some, compare)
		if len(some) > most {
			some, more = some[:most], true
		}
	}
	for _, v := range of {
		if !wanted(v) || more && compare(v, some[most-1]) > 0 {
			continue
		}
		if some = append(some, v); len(some) == 2*most {
			cut()
		}
	}
	cut()
	return some, more
}

func (s *state) fetchStat(f *fetch) FetchStat {
	stat := FetchStat{
		Key: f.key, Age: time.Duration(s.now - f.begun), Waits: f.waits(), Attempts: int(f.attempts), Most: int(f.most),
		Targeted: f.targeted, Callers: len(f.callers),
	}
	if f.due >= 0 {
		stat.Deadline = time.Duration(f.deadline - s.now)
	}
	for _, l := range f.targets[:min(len(f.targets), mostTargets)] {
		stat.Targets = append(stat.Targets, l.peer.id)
	}
	for _, r := range f.asks {
		if r != nil {
			stat.Asked = append(stat.Asked, r.peer.id)
		}
	}
	if f.value != nil {
		stat.Parts, stat.Size = len(f.value.parts), f.value.size
	}
	return stat
}

// waits says what a fetch waits for.
func (f *fetch) waits() string {
	switch {
	case f.stage == stageQueued && f.targeted && len(f.targets) == 0 && !f.pinned():
		return "for new targets"
	case f.stage == stageQueued:
		return "for a peer"
	case f.stage == stageResting:
		return "for its next attempt"
	case f.stage == stageLate || f.asks[0] != nil && f.asks[0].late:
		return "for an answer that is late"
	case f.stage == stageJudged:
		return "for the Consumer"
	}
	return "for an answer"
}

// peerPage is a page of the peers, by id.
func (s *state) peerPage(now time.Time, after peer.ID, most int) PeerPage {
	s.at(now)
	page := PeerPage{Total: len(s.remotes), Peers: []PeerStat{}}
	first, more := lowest(s.remotes, most, func(p *remote) bool { return p.id > after }, func(a, b *remote) int {
		return strings.Compare(string(a.id), string(b.id))
	})
	for _, p := range first {
		page.Peers = append(page.Peers, s.peerStat(p))
	}
	if more {
		page.Next = first[len(first)-1].id
	}
	return page
}

func (s *state) peerStat(p *remote) PeerStat {
	stat := PeerStat{
		Peer: p.id, Member: p.member, Performance: p.performance, Asked: len(p.asked), Targets: len(p.targets),
		Penalty: s.penalty(p), Not: s.spared(p),
	}
	if p.until > s.now {
		stat.Until = time.Duration(p.until - s.now)
	}
	if p.fault != 0 {
		stat.Fault = p.fault.String()
	}
	return stat
}

// spared says why a peer is not asked now.
func (s *state) spared(p *remote) string {
	switch {
	case p.blocked:
		return "blocked"
	case !p.member:
		return "not in the set"
	case p.until > s.now && p.why == forPardon:
		return "penalties"
	case p.until > s.now && p.why == forRecovery:
		return "cannot be reached or is busy"
	case p.until > s.now:
		return "rate"
	case p.excess > 0:
		return "no room for its value"
	case len(p.asked) >= p.room(s.limits.Outstanding):
		return "as many requests as it may have"
	}
	return ""
}
