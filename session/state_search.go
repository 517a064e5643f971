package session

import (
	"cmp"
	"slices"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/due"
	"github.com/souk-p2p/souk/internal/planted"
	"github.com/souk-p2p/souk/providers"
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

// tick is called when a deadline has passed.
func (s *state) tick(now time.Time) {
	f := &s.search
	f.endPatience(now)
	s.believe(now)
	s.endPauses(now)
	if !f.settleAt.IsZero() && !now.Before(f.settleAt) {
		f.settleAt, f.sampled = time.Time{}, true
	}
	if !f.rotateAt.IsZero() && !now.Before(f.rotateAt) {
		f.rotateAt = time.Time{}
		s.rotate(now)
	}
}

// endPauses stops waiting for answers; who stays silent costs a pause that
// grows.
func (s *state) endPauses(now time.Time) {
	f := &s.search
	late := false
	for len(f.pauses) > 0 && !now.Before(f.pauses[0].until) {
		p := f.pauses[0]
		f.pauses = f.pauses[1:]
		w := p.want
		if w.stage == 0 || w.round != p.round || !w.awaiting() {
			continue
		}
		f.endRound(w)
		if !s.likelyOut(w) {
			late = true
			s.silence(w)
		}
	}
	if late {
		f.silences++
	}
}

// likelyOut reports whether w is asked of a peer that is likely to have it.
func (s *state) likelyOut(w *wanted) bool {
	for a := range w.assignments() {
		if i := int(a.peer); s.peers[i].likely() || w.knows(i)&has != 0 {
			return true
		}
	}
	return false
}

// silence counts the peers that owe an answer about w as having refused, until
// they answer after all.
func (s *state) silence(w *wanted) {
	for n, k := range w.known {
		if k.bits()&awaited != 0 {
			w.known[n] = k.with(silent, awaited)
			s.unassign(w, k.peer())
		}
	}
	s.settle(w)
	if w.stage == open {
		s.offer(s.calls[w.call])
	}
}

// rotate lets the oldest of the wants that everybody has refused be asked for
// again, and asks the directory for new candidates in place of those that were of
// no use.
func (s *state) rotate(now time.Time) {
	f := &s.search
	query := s.query()
	for range maxProbes {
		w := f.spent.first()
		if w == nil {
			break
		}
		for n, k := range w.known {
			s.spare(k.peer(), k.bits())
			w.known[n] = k.with(0, wasAsked|refused|silent)
		}
		s.enqueue(w, open)
	}
	if s.rules.only || !f.exhausted {
		return
	}
	f.dials, f.leadTo = 0, now.Add(leadPatience)
	s.judgeAll()
	for i, p := range s.peers {
		if p.candidate && !p.connected && p.hits == 0 && (p.left || p.err != nil) {
			s.giveUp(i)
		}
	}
	s.find(now, query)
}

// giveUp forgets a candidate, and keeps only that it could not be reached, of the
// latest few.
func (s *state) giveUp(i int) {
	p := s.peers[i]
	if p.err != nil {
		s.noteTried(p.answer(0))
	}
	s.out.bored = append(s.out.bored, p.id)
	s.forgetPeer(i)
}

// noteTried keeps what became of a peer that is forgotten, of the latest few.
func (s *state) noteTried(a Answer) {
	s.tried = slices.DeleteFunc(s.tried, func(o Answer) bool { return o.Peer == a.Peer })
	s.tried = append(s.tried, a)
	s.tried = s.tried[max(0, len(s.tried)-mostTried):]
}

// wake is when tick has something to do, or the zero time.
func (s *state) wake() time.Time {
	at := due.First(s.search.settleAt, s.scoutAt, s.search.patientTo, s.search.dialTo)
	if !planted.Is(planted.MissingTimer) {
		at = due.First(at, s.search.rotateAt)
	}
	if len(s.search.pauses) > 0 {
		at = due.First(at, s.search.pauses[0].until)
	}
	for _, d := range s.doubts {
		at = due.First(at, s.began.Add(d.until))
	}
	return at
}
