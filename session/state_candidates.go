package session

import (
	"cmp"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/providers"
)

// greet takes peers into use that connected while or after the sample was asked
// for, where the directory has named nobody: each is asked about one want, so
// that one who has nothing sees that and its cancel.
func (s *state) greet() {
	f := &s.search
	if !f.arrived || !f.sampled || !f.begun || s.rules.only || s.hoping() || s.led() {
		return
	}
	next := s.upcoming()
	if len(next) == 0 {
		return
	}
	f.arrived = false
	for i, p := range s.peers {
		if len(s.used) >= s.rules.k {
			return
		}
		if p.connected && !p.inUse {
			p.inUse, s.used = true, append(s.used, i)
			s.question(next[0], i)
		}
	}
	slices.Sort(s.used)
}

func (s *state) byScore(a, b peer.ID) int {
	switch x, y := s.rules.score(a), s.rules.score(b); {
	case x > y:
		return -1
	case x < y:
		return 1
	}
	return cmp.Compare(s.distance(a), s.distance(b))
}

// candidates takes the directory's answer: peers, and whether there are more. Those
// that come in time are waited for until they are connected.
func (s *state) candidates(now time.Time, c providers.Candidates) {
	f := &s.search
	for _, info := range c.Peers {
		if info.ID == s.rules.self || s.rules.only || !s.mayDial(info.ID) {
			continue
		}
		i := s.peer(info.ID)
		p := s.peers[i]
		if p.candidate {
			continue
		}
		if p.listed = p.hits == 0; p.listed {
			f.news = true
		}
		if !p.connected && !f.patientTo.IsZero() {
			f.dialTo = s.patience(now)
		}
		p.candidate, p.inUse, p.partial = true, true, slices.Contains(c.Parts, p.id)
		s.stale = true
		s.out.interest = append(s.out.interest, info)
		if p.connected {
			s.reopen()
			s.askToo(i)
		}
	}
	if c.Done {
		f.finding, f.exhausted, f.patientTo = false, true, time.Time{}
	}
}

// seekNamed fails wants that every named peer has refused, unless the caller
// prefers to wait. The others wait for a peer to connect, to answer, or to be
// asked again.
func (s *state) seekNamed(now time.Time) {
	f := &s.search
	for w := f.fresh.first(); w != nil; w = f.fresh.first() {
		if s.allRefused(w) && !s.rules.wait {
			s.fail(w, s.nobody())
		} else {
			f.move(w, f.spent)
		}
	}
	if f.spent.live > 0 {
		s.exhaust(now)
	}
}

// nobody is the cause of a failure when there was no peer to name.
func (s *state) nobody() error {
	if len(s.peers) == 0 {
		return ErrNoProviders
	}
	return nil
}

func (s *state) allRefused(w *wanted) bool {
	for i, p := range s.peers {
		if p.named && p.err == nil && w.knows(i)&refused == 0 {
			return false
		}
	}
	return true
}
