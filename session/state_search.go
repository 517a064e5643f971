package session

import (
	"slices"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	unknownPause = 500 * time.Millisecond // for answers of peers whose round trip is not known
	leastPause   = 50 * time.Millisecond
	mostPause    = 5 * time.Second

	firstRotation = time.Second      // until wants that everybody refused are asked for again
	lastRotation  = 30 * time.Second // the most that this grows to
)

// search is what a session does about wants that no peer in use is left to be
// asked for: it asks the directory, then connected peers in waves. Until the
// first peer has turned out to be useful it asks about one want only, so that
// peers that have nothing for us see at most a want and its cancel.
type search struct {
	wants     []*wanted // in the order in which they came; those that left are skipped
	waiting   int
	probes    int // wants about which several peers were asked
	sample    *wanted
	sampled   bool // the first want's search is over, or a peer was useful
	watching  bool
	begun     bool      // since the session last had no wants
	finding   bool      // Providers owes candidates
	exhausted bool      // and has no more
	wave      int       // connected peers to take into use next
	rounds    int       // wants about which peers in use are asked now
	silences  int       // rounds that ended with a peer silent
	deadline  time.Time // for the answers of the round
	settleAt  time.Time // when a sample that nobody had stands for all
	rotateAt  time.Time // for wants that everybody has refused
	rotation  time.Duration
}

func (f *search) add(w *wanted) {
	if w.stage == seeking {
		return
	}
	w.stage = seeking
	f.wants = append(f.wants, w)
	f.waiting++
	if !w.awaiting() {
		f.endRound(w)
	}
}

func (f *search) beginRound(w *wanted) {
	if !w.inRound {
		w.inRound = true
		f.rounds++
	}
}

func (f *search) endRound(w *wanted) {
	if w.inRound {
		w.inRound = false
		f.rounds--
	}
}

// left notes that a want is no longer sought.
func (f *search) left(w *wanted) {
	if w.stage != seeking {
		return
	}
	f.waiting--
	f.wants = slices.DeleteFunc(f.wants, func(o *wanted) bool { return o == w })
}

func (f *search) probe(w *wanted) {
	if !w.probed {
		w.probed = true
		f.probes++
	}
}

func (f *search) forget(w *wanted) {
	f.left(w)
	f.endRound(w)
	if w.probed {
		w.probed = false
		f.probes--
	}
}

// reopen puts wants that are sought back into their calls' queues.
func (s *state) reopen(which func(*wanted) bool) {
	kept := s.search.wants[:0]
	for _, w := range s.search.wants {
		if !which(w) {
			kept = append(kept, w)
			continue
		}
		w.stage = open
		s.search.waiting--
		s.wait(w)
	}
	clear(s.search.wants[len(kept):])
	s.search.wants = kept
	if s.search.waiting == 0 {
		s.search.rotateAt = time.Time{}
	}
}

// seek goes on with the search, as far as it can go now.
func (s *state) seek(now time.Time) {
	if s.search.waiting == 0 {
		return
	}
	if s.rules.only {
		s.seekNamed(now)
		return
	}
	s.begin()
	for s.search.waiting > 0 && s.round(now) {
	}
}

// begin asks to hear of connected peers, and the directory for candidates.
func (s *state) begin() {
	f := &s.search
	if f.begun {
		return
	}
	f.begun, f.finding, f.wave = true, true, s.rules.k
	s.out.watch = !f.watching
	f.watching = true
	s.out.find = s.sample()
}

// rest is called when the session has no wants left: the next want starts a new
// search, candidates that are gone are not dialled any more, and what is known
// of peers that left is forgotten.
func (s *state) rest() {
	f := &s.search
	*f = search{sampled: f.sampled, watching: f.watching, finding: f.finding}
	kept := s.peers[:0]
	for _, p := range s.peers {
		if p.connected || p.named {
			kept = append(kept, p)
			continue
		}
		if p.candidate {
			s.out.bored = append(s.out.bored, p.id)
		}
		delete(s.index, p.id)
	}
	clear(s.peers[len(kept):])
	s.peers = kept
	for i, p := range s.peers {
		s.index[p.id] = i
	}
}

// sample is a CID that stands for what is sought.
func (s *state) sample() []cid.Cid { return []cid.Cid{s.search.wants[0].cid} }

// round asks the peers in use about wants that are sought, and takes more into
// use when all of them have answered. It reports whether there is more to do.
func (s *state) round(now time.Time) bool {
	exhausted := 0
	for _, w := range slices.Clone(s.sought()) {
		if w.awaiting() {
			continue
		}
		s.search.endRound(w)
		if s.search.rounds >= s.atOnce() {
			return false
		}
		if !s.askAround(now, w) {
			exhausted++
		}
	}
	if exhausted == 0 || s.search.rounds > 0 {
		return false
	}
	return s.widen(now)
}

// sought are the wants that may be asked about now: the sample alone, until a
// peer was useful or nobody had it.
func (s *state) sought() []*wanted {
	f := &s.search
	if f.sampled {
		return f.wants
	}
	if f.sample == nil || f.sample.stage == 0 {
		f.sample = f.wants[0]
	}
	if f.sample.stage != seeking {
		return nil // It is being asked about.
	}
	return []*wanted{f.sample}
}

// atOnce is about how many wants the peers in use may be asked at once.
func (s *state) atOnce() int {
	if s.search.sampled {
		return maxProbes
	}
	return 1
}

// askAround asks up to K peers in use about a want that they were not asked
// about yet: one for the block, the others whether they have it.
func (s *state) askAround(now time.Time, w *wanted) bool {
	var fresh []int
	for i, p := range s.peers {
		if p.connected && p.inUse && w.knows(i)&(wasAsked|refused|silent) == 0 {
			fresh = append(fresh, i)
		}
	}
	if len(fresh) == 0 {
		return false
	}
	slices.SortStableFunc(fresh, func(a, b int) int { return s.byScore(s.peers[a].id, s.peers[b].id) })
	if !s.rules.flood {
		fresh = fresh[:min(len(fresh), s.rules.k)]
	}
	for _, i := range fresh[1:] {
		s.wantHave(w, i)
	}
	s.wantBlock(now, w, fresh[0])
	s.search.beginRound(w)
	s.search.deadline = now.Add(s.pause())
	return true
}

// pause is how long the answers of a round are waited for: two round trips, and
// longer each time that a peer stays silent.
func (s *state) pause() time.Duration {
	var rtt time.Duration
	for _, p := range s.peers {
		rtt = max(rtt, p.view.RTT)
	}
	pause := unknownPause
	if rtt > 0 {
		pause = max(2*rtt, leastPause)
	}
	for range min(s.search.silences, 16) {
		pause += pause / 2
	}
	return min(pause, mostPause)
}

// widen takes more peers into use. It reports whether it did.
func (s *state) widen(now time.Time) bool {
	f := &s.search
	if f.finding {
		return false
	}
	var more []*sessionPeer
	for _, p := range s.peers {
		if p.candidate && !p.connected && !p.left && p.err == nil {
			return false // The directory's candidate is being dialled.
		}
		if p.connected && !p.inUse {
			more = append(more, p)
		}
	}
	if len(more) == 0 {
		s.exhaust(now)
		return false
	}
	slices.SortStableFunc(more, func(a, b *sessionPeer) int { return s.byScore(a.id, b.id) })
	for _, p := range more[:min(f.wave, len(more))] {
		p.inUse = true
	}
	f.wave *= 2
	return true
}

// exhaust is reached when everybody was asked about what is sought: all of it is
// asked for again after a while. When nobody had the sample, many wants are
// asked about at once from then on, but not before the peers that are about to
// connect were asked for the sample too.
func (s *state) exhaust(now time.Time) {
	f := &s.search
	if !f.sampled && f.settleAt.IsZero() {
		f.settleAt = now.Add(s.pause())
	}
	if f.rotateAt.IsZero() {
		f.rotation = min(max(f.rotation+f.rotation/2, firstRotation), lastRotation)
		f.rotateAt = now.Add(f.rotation)
	}
}

func (s *state) byScore(a, b peer.ID) int {
	switch x, y := s.rules.score(a), s.rules.score(b); {
	case x > y:
		return -1
	case x < y:
		return 1
	}
	return cmpPeers(a, b)
}

// candidates takes the directory's answer: peers, and whether there are more.
func (s *state) candidates(peers []peer.AddrInfo, done bool) {
	for _, info := range peers {
		if info.ID == s.rules.self {
			continue
		}
		p := s.peers[s.peer(info.ID)]
		if p.candidate {
			continue
		}
		p.candidate, p.inUse = true, true
		s.out.interest = append(s.out.interest, info)
	}
	if done {
		s.search.finding, s.search.exhausted = false, true
	}
}

// seekNamed fails wants that every named peer has refused, unless the caller
// prefers to wait. The others wait for a peer to connect, to answer, or to be
// asked again.
func (s *state) seekNamed(now time.Time) {
	for _, w := range slices.Clone(s.search.wants) {
		if s.allRefused(w) && !s.rules.wait {
			s.fail(w, s.nobody())
		}
	}
	if s.search.waiting > 0 {
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

// tick is called when a deadline of the search has passed.
func (s *state) tick(now time.Time) {
	f := &s.search
	if !f.deadline.IsZero() && !now.Before(f.deadline) {
		f.deadline = time.Time{}
		s.endRound()
	}
	if !f.settleAt.IsZero() && !now.Before(f.settleAt) {
		f.settleAt, f.sampled = time.Time{}, true
	}
	if !f.rotateAt.IsZero() && !now.Before(f.rotateAt) {
		f.rotateAt = time.Time{}
		s.rotate(now)
	}
}

// endRound stops waiting for answers about the wants that are sought; who stays
// silent costs a pause that grows.
func (s *state) endRound() {
	f := &s.search
	late := false
	for _, k := range sortedCIDs(s.wants) {
		w := s.wants[k]
		if !w.inRound || !w.awaiting() || s.likelyOut(w) {
			continue
		}
		late = true
		s.silence(w)
	}
	if late {
		f.silences++
	}
}

// likelyOut reports whether w is asked of a peer that is likely to have it.
func (s *state) likelyOut(w *wanted) bool {
	return slices.ContainsFunc(w.at, func(a assignment) bool {
		p := s.peers[a.peer]
		return p.likely() || w.knows(a.peer)&has != 0
	})
}

// silence counts the peers that owe an answer about w as having refused, until
// they answer after all.
func (s *state) silence(w *wanted) {
	for n := range w.known {
		if k := &w.known[n]; k.bits&awaited != 0 {
			k.bits = k.bits&^awaited | silent
			s.unassign(w, int(k.peer))
		}
	}
}

// rotate asks for the oldest of the wants that everybody has refused again, and
// the directory for new candidates.
func (s *state) rotate(now time.Time) {
	f := &s.search
	n := 0
	for _, w := range f.wants {
		if n++; n > maxProbes {
			break
		}
		for k := range w.known {
			w.known[k].bits &^= wasAsked | refused | silent
		}
	}
	if f.waiting > maxProbes { // The next time it is the turn of others.
		f.wants = slices.Concat(f.wants[maxProbes:], f.wants[:maxProbes])
	}
	if !s.rules.only && f.exhausted && f.waiting > 0 {
		f.finding, f.exhausted = true, false
		s.out.find = s.sample()
	}
	s.reopen(func(*wanted) bool { return true })
}

// wake is when tick has something to do, or the zero time.
func (s *state) wake() time.Time {
	var at time.Time
	for _, t := range []time.Time{s.search.deadline, s.search.settleAt, s.search.rotateAt} {
		if at.IsZero() || (!t.IsZero() && t.Before(at)) {
			at = t
		}
	}
	return at
}
