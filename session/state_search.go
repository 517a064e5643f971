package session

import (
	"slices"
	"time"

	"github.com/ipfs/go-cid"
)

const (
	unknownPause = 500 * time.Millisecond // for answers of peers whose round trip is not known
	leastPause   = 50 * time.Millisecond
	mostPause    = 5 * time.Second

	mostWave = 1 << 16 // peers taken into use at once

	// What the directory finds is waited for so long, and then the dialling of it, before
	// connected peers are asked as well: longer than a tracker or a walk of a DHT
	// that finds anybody takes for the first, and short for who is waiting.
	directoryPatience = 2 * time.Second

	// All of that together, when the directory is asked again as well, and what each
	// has at least: no directory keeps a want from a connected peer for much longer.
	leadPatience  = 2 * directoryPatience
	leastPatience = 500 * time.Millisecond

	mostTried = 32 // candidates that a failure tells of beside those in use: as many as one query finds

	firstRotation = time.Second      // until wants that everybody refused are asked for again
	lastRotation  = 30 * time.Second // the most that this grows to
)

// search is what a session does about wants that no peer in use is left to be
// asked for: it asks the directory, then connected peers in waves. Until the
// first peer has turned out to be useful it asks about one want only, so that
// peers that have nothing for us see at most a want and its cancel.
type search struct {
	fresh *places // to be asked about
	owed  *places // about which a peer still owes an answer
	spent *places // about which everybody in use was asked

	rounds  int       // wants about which peers in use are asked now
	pauses  []pausing // for their answers, about in the order in which they end
	probes  int       // wants about which several peers were asked
	sample  *wanted
	sampled bool // the first want's search is over, or a peer was useful

	arrived   bool // a peer has connected that was not greeted
	watching  bool
	begun     bool      // since the session last had no wants
	finding   bool      // Providers owes candidates
	exhausted bool      // and has no more
	patientTo time.Time // while it is finding, strangers are not asked before
	dialTo    time.Time // nor while candidates are being dialled
	leadTo    time.Time // the last of both times, for all that is asked until the search turns
	dials     int       // candidates to which there was no connection, since the search began or turned
	news      bool      // it has named somebody new since it was asked last
	twice     bool      // it was asked again because all that it had named were of no use
	withheld  bool      // strangers in use were not asked because of it
	wave      int       // connected peers to take into use next
	silences  int       // rounds that ended with a peer silent

	settleAt time.Time // when a sample that nobody had stands for all
	rotateAt time.Time // for wants that everybody has refused
	rotation time.Duration

	moreAt time.Time     // for others that do the same, while those it has named are crowded
	pace   time.Duration // between that
}

// sought takes a want into the search.
func (s *state) sought(now time.Time, w *wanted) {
	w.stage = seeking
	s.noteSought(now, w)
	if w.awaiting() {
		s.search.owed.add(w)
		s.search.await(w, now.Add(s.pause()))
		return
	}
	s.search.endRound(w)
	s.search.fresh.add(w)
}

// settle is called when a peer no longer owes an answer about w.
func (s *state) settle(w *wanted) {
	if w.awaiting() {
		return
	}
	s.search.endRound(w)
	if w.place == owed {
		s.search.move(w, s.search.fresh)
	}
}

// reopen puts all wants that are sought back into their calls' queues, because
// there is a peer that may be asked for the block.
func (s *state) reopen() {
	for _, l := range []*places{s.search.fresh, s.search.owed, s.search.spent} {
		for _, w := range l.all() {
			s.enqueue(w, open)
		}
	}
}

// seek goes on with the search, as far as it can go now.
func (s *state) seek(now time.Time) {
	if s.search.waiting() == 0 {
		return
	}
	if s.rules.only {
		s.seekNamed(now)
		return
	}
	s.begin(now)
	for s.search.waiting() > 0 && s.askRounds(now) {
	}
}

// begin asks to hear of connected peers, and the directory for candidates.
func (s *state) begin(now time.Time) {
	f := &s.search
	if f.begun {
		return
	}
	f.begun, f.wave, f.leadTo = true, s.rules.k, now.Add(leadPatience)
	s.out.watch = !f.watching
	f.watching = true
	s.find(now, s.query())
}

// query is a CID that stands for what is sought.
func (s *state) query() []cid.Cid {
	for _, l := range []*places{s.search.fresh, s.search.owed, s.search.spent} {
		if w := l.first(); w != nil {
			return []cid.Cid{w.cid}
		}
	}
	return nil
}

// rest is called when the session has no wants left: the next want starts a new
// search, the directory need not go on with this one, candidates that are gone
// are not dialled any more, and what is known of peers that left is forgotten.
func (s *state) rest() {
	s.judgeAll()
	old := s.search
	s.search = newSearch()
	s.search.sampled, s.search.watching = old.sampled, old.watching
	s.out.enough = old.finding
	s.doubts, s.tried = nil, nil
	for i, p := range s.peers {
		p.promises = nil
		if p.id == "" || p.connected || p.named {
			continue
		}
		if p.candidate {
			s.out.bored = append(s.out.bored, p.id)
		}
		s.forgetPeer(i)
	}
}

// askRounds asks the peers in use about wants that are sought, and takes more
// into use when all of them have answered. It reports whether there is more to
// do.
func (s *state) askRounds(now time.Time) bool {
	f := &s.search
	for f.rounds < s.atOnce() {
		w := s.next()
		if w == nil {
			break
		}
		switch {
		case s.askAround(now, w):
		case s.expect(w):
			f.move(w, f.owed)
			f.await(w, now.Add(s.pause()))
		default:
			f.move(w, f.spent)
		}
	}
	if f.rounds > 0 || !s.spent() {
		return false
	}
	return s.widen(now)
}

// next is the want to be asked about: the sample alone, until a peer was useful
// or nobody had it. One that its call cannot afford now stands for nothing.
func (s *state) next() *wanted {
	f := &s.search
	if f.sampled {
		return f.fresh.first()
	}
	if f.sample == nil || (f.sample.stage != seeking && f.sample.stage != asked) {
		f.sample = f.fresh.first()
	}
	if f.sample == nil || f.sample.place != fresh {
		return nil
	}
	return f.sample
}

// spent reports whether what may be asked about now was asked of all in use.
func (s *state) spent() bool {
	f := &s.search
	if f.sampled {
		return f.spent.live > 0
	}
	return f.sample != nil && f.sample.place == spent
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
	var others []int
	for _, i := range s.used {
		if w.knows(i)&(wasAsked|refused|silent) == 0 {
			others = append(others, i)
		}
	}
	if s.hoping() && !s.rules.flood {
		s.askMeanwhile(w, others)
		return false
	}
	if len(others) == 0 {
		return false
	}
	slices.SortStableFunc(others, func(a, b int) int { return s.byScore(s.peers[a].id, s.peers[b].id) })
	if !s.rules.flood {
		others = others[:min(len(others), s.rules.k)]
	}
	for _, i := range others[1:] {
		s.wantHave(w, i)
	}
	s.wantBlock(now, w, others[0])
	s.search.beginRound(w)
	s.search.await(w, now.Add(s.pause()))
	return true
}

// askMeanwhile asks those who are no strangers, while somebody better may come. The
// search does not wait for their answers.
func (s *state) askMeanwhile(w *wanted, others []int) {
	n := 0
	for _, i := range others {
		switch {
		case s.stranger(i):
			s.search.withheld = true
		case n < s.rules.k:
			s.question(w, i)
			n++
		}
	}
}

// pause is how long the answers of a round are waited for: two round trips, and
// longer each time that a peer stays silent.
func (s *state) pause() time.Duration {
	var rtt time.Duration
	for _, i := range s.used {
		rtt = max(rtt, s.peers[i].view.RTT)
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

// widen takes more peers into use, after the directory was asked for others in
// place of those that it has named. It reports whether there is somebody to ask.
func (s *state) widen(now time.Time) bool {
	f := &s.search
	switch {
	case s.hoping():
		return false
	case f.news && f.exhausted && !f.twice:
		f.twice = true
		s.find(now, s.query())
		return false
	case f.withheld:
		f.withheld = false
		f.renew()
		return true
	case s.askBusyAgain(now):
		f.renew()
		return true
	}
	return s.takeWave(now)
}

// takeWave takes connected strangers into use.
func (s *state) takeWave(now time.Time) bool {
	f := &s.search
	var more []*sessionPeer
	for _, p := range s.peers {
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
	f.wave = min(2*f.wave, mostWave)
	f.settleAt, f.rotateAt, f.rotation = time.Time{}, time.Time{}, 0 // Not everybody was asked after all.
	f.renew()
	s.stale = true
	s.refresh()
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
