package session

import (
	"slices"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

func (s *state) hit(i int) {
	p := s.peers[i]
	p.hits++
	p.streak = 0
	s.search.rotation = 0
	if p.hits > 1 {
		return
	}
	p.inUse = true
	s.stale = true
	s.search.sampled = true
	s.out.served = append(s.out.served, p.id)
	s.reopen()
}

// presence takes a HAVE or DONT_HAVE. What was not asked is ignored.
func (s *state) presence(now time.Time, id peer.ID, c cid.Cid, have bool) {
	w := s.wantFor(c)
	i, known := s.index[id]
	if w == nil && known && have && s.peers[i].inUse && s.peers[i].hits == 0 {
		s.hit(i) // A HAVE that came just after the block, from another peer that has it.
	}
	if w == nil || !known || w.knows(i)&(wasAsked|silent) == 0 {
		return // What was withdrawn from a silent peer may be answered all the same.
	}
	if have {
		s.have(now, w, i)
	} else {
		s.dontHave(now, w, i)
	}
}

func (s *state) have(now time.Time, w *wanted, i int) {
	news := w.knows(i)&has == 0
	if w.knows(i)&refused != 0 && s.crowd() {
		s.peers[i].getting = true
	}
	w.learn(i, has, awaited|refused|silent)
	s.promise(now, w, i)
	s.settle(w)
	if !news {
		return
	}
	s.peers[i].tally.haves++
	s.hit(i)
	s.search.endRound(w)
	if w.stage == seeking {
		s.enqueue(w, open)
	}
	if w.stage == open {
		s.offered(w, i)
	}
	s.prefer(now, w, i)
}

// dontHave takes a DONT_HAVE. boxo opens a stream for each message, so that one
// which follows a HAVE closely may have been overtaken by it: it counts when no
// block has come after all.
func (s *state) dontHave(now time.Time, w *wanted, i int) {
	if w.knows(i)&has != 0 {
		if until := s.doubtful(w, i); s.clock(now) < until {
			s.doubts = append(s.doubts, doubt{want: w, peer: i, until: until})
			return
		}
	}
	s.refuse(now, w, i)
}

// promise is a HAVE of late.
type promise struct {
	want *wanted
	at   time.Duration
}

// promise notes a HAVE, after which a DONT_HAVE before it is nothing to believe. It
// is kept as long as it matters.
func (s *state) promise(now time.Time, w *wanted, i int) {
	p, at := s.peers[i], s.clock(now)
	for len(p.promises) > 0 && p.promises[0].at+2*p.view.RTT <= at {
		p.promises = p.promises[1:]
	}
	p.promises = append(p.promises, promise{w, at})
	s.doubts = slices.DeleteFunc(s.doubts, func(d doubt) bool { return d.want == w && d.peer == i })
}

// doubtful is until when a DONT_HAVE of peer i may be older than its HAVE.
func (s *state) doubtful(w *wanted, i int) time.Duration {
	p := s.peers[i]
	for _, o := range slices.Backward(p.promises) {
		if o.want == w {
			return o.at + 2*p.view.RTT
		}
	}
	return 0
}

// doubt is a DONT_HAVE that may be older than the HAVE before it.
type doubt struct {
	want  *wanted
	peer  int
	until time.Duration
}

// believe counts the DONT_HAVEs whose doubt has run out.
func (s *state) believe(now time.Time) {
	left := s.doubts[:0]
	for _, d := range s.doubts {
		switch {
		case s.clock(now) < d.until:
			left = append(left, d)
		case d.want.stage != 0 && d.want.knows(d.peer)&has != 0:
			s.refuse(now, d.want, d.peer)
		}
	}
	clear(s.doubts[len(left):])
	s.doubts = left
}

func (s *state) refuse(now time.Time, w *wanted, i int) {
	p := s.peers[i]
	if w.knows(i)&refused == 0 {
		p.misses++
		p.streak++
		p.tally.dontHaves++
	}
	asked := w.assignedTo(i)
	w.learn(i, refused, awaited|has|silent)
	s.noteRefused(i, w.cid)
	s.bringBack(now, w, i)
	if asked && w.stage != 0 && s.crowd() {
		s.takeBack(w, i)
		w.learn(i, refused, silent)
	}
}

// failure says what became of asking for w.
func (s *state) failure(w *wanted, cause error) *FetchError {
	err := &FetchError{CID: w.cid, Err: cause, Store: s.unread[w.cid]}
	for i, p := range s.peers {
		bits := w.knows(i)
		if bits == 0 && !p.named && p.err == nil {
			continue
		}
		err.Answers = append(err.Answers, p.answer(bits))
	}
	for _, a := range s.tried {
		if !slices.ContainsFunc(err.Answers, func(o Answer) bool { return o.Peer == a.Peer }) {
			err.Answers = append(err.Answers, a)
		}
	}
	slices.SortFunc(err.Answers, func(a, b Answer) int { return cmpPeers(a.Peer, b.Peer) })
	return err
}

// answer is what became of asking the peer, of which bits are known about a CID.
func (p *sessionPeer) answer(bits uint8) Answer {
	return Answer{Peer: p.id, Outcome: p.outcome(bits), Err: p.err}
}

func (p *sessionPeer) outcome(bits uint8) Outcome {
	switch {
	case p.err == ErrDenied:
		return Denied
	case p.err != nil:
		return Unreachable
	case bits&refused != 0:
		return DontHave
	case bits&has != 0:
		return Have
	case !p.connected && p.left:
		return Left
	case bits&(wasAsked|told|silent) != 0, p.named && !p.connected:
		return NoAnswer
	}
	return NotAsked
}
