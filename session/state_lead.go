package session

import (
	"slices"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

// The directory goes first: strangers, connected peers for which nothing speaks,
// hear nothing of a want that it may have somebody for. That ends when it has
// nobody, when all that it has named are of no use and it was asked again in vain,
// and when it takes too long.

// find asks the directory, which has its time from now on. It is asked for K more
// than it has named, because it may name the same again.
func (s *state) find(now time.Time, sample []cid.Cid) {
	f := &s.search
	s.out.most = s.rules.k
	for _, p := range s.peers {
		if p.listed {
			s.out.most++
		}
	}
	f.finding, f.exhausted, f.news = true, false, false
	f.patientTo = s.patience(now)
	s.out.find = sample
}

// patience is until when the directory, or a candidate that is dialled, is waited
// for from now on: two seconds, or half of one when the search has used its time.
func (s *state) patience(now time.Time) time.Time {
	until, left := now.Add(directoryPatience), s.search.leadTo
	if least := now.Add(leastPatience); left.Before(least) {
		left = least
	}
	if until.After(left) {
		return left
	}
	return until
}

// mostDials is how many peers that the directory names a search dials before it
// begins anew: what a directory that lies may cost.
const mostDials = 10

// mayDial reports whether a candidate may be dialled, if it has to be, and counts it.
func (s *state) mayDial(p peer.ID) bool {
	if i, known := s.index[p]; known && (s.peers[i].connected || s.peers[i].candidate) {
		return true
	}
	if s.search.dials >= max(mostDials, s.rules.k) {
		return false
	}
	s.search.dials++
	return true
}

// hoping reports whether somebody may come in a moment who is better than a
// stranger: the directory has time to answer, or a candidate to be reached.
func (s *state) hoping() bool {
	f := &s.search
	if f.finding && !f.patientTo.IsZero() {
		return true
	}
	return !f.dialTo.IsZero() && slices.ContainsFunc(s.peers, (*sessionPeer).dialled)
}

// led reports whether a candidate of the directory is there and may have more of
// what is wanted. One that had some of it, and refuses the rest in a row, may.
func (s *state) led() bool {
	return slices.ContainsFunc(s.peers, func(p *sessionPeer) bool {
		return p.listed && p.connected && (p.promising() || p.hits > 0)
	})
}

// askBusyAgain lets candidates be asked once more about what is sought if they have not
// answered, or it was taken back from them, while they send other blocks: a want that
// waits behind those is no reason to turn to strangers. It reports whether there are any.
func (s *state) askBusyAgain(now time.Time) (any bool) {
	if s.rules.progress == nil || !s.led() {
		return false
	}
	for _, w := range s.search.spent.all() {
		for n, k := range w.known {
			p := s.peers[k.peer()]
			if k.bits()&silent == 0 || k.bits()&refused != 0 || !p.listed || p.hits == 0 || !p.connected {
				continue
			}
			if now.Sub(s.rules.progress(p.id)) < s.pause() {
				w.known[n] = k.with(0, silent|wasAsked)
				any = true
			}
		}
	}
	return any
}

// endPatience ends the time of the directory and of its candidates.
func (f *search) endPatience(now time.Time) {
	for _, until := range []*time.Time{&f.patientTo, &f.dialTo} {
		if !until.IsZero() && !now.Before(*until) {
			*until = time.Time{}
		}
	}
}
