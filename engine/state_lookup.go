package engine

import (
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/planted"
	"github.com/souk-p2p/souk/message"
)

// A want for which the store failed is looked up again after retryFirst, twice
// as long after each further failure, at most retryMost.
const (
	retryFirst = time.Second
	retryMost  = time.Minute
)

// verdict is what a worker found out about a block.
type verdict uint8

const (
	found  verdict = iota // it is there, and the peer may have it
	absent                // it is not there
	denied                // the peer may not have it
	failed                // the store did not tell
)

// lookupJob is a number of wants of one peer to be looked up by a worker, which
// fills in the verdicts.
type lookupJob struct {
	Peer  peer.ID
	Items []lookup

	began time.Time
}

// lookup is one want of a job.
type lookup struct {
	CID   cid.Cid
	Known bool // that the block is there, and its Size: only access is in question

	Verdict verdict
	Size    int
	Err     error // when failed

	want *want // not for the worker
}

// ask puts a want in line for a look-up.
func (s *state) ask(w *want) {
	s.place(w, phaseAsked)
	w.seen = false
}

// turnToAsk gives p a turn at the workers when it has wants to look up.
func (s *state) turnToAsk(p *partner) {
	if p.asked.n > 0 && !p.turn {
		p.turn = true
		s.asking = append(s.asking, p)
	}
}

// startLookup makes one job for the partner whose turn it is.
func (s *state) startLookup(now time.Time) bool {
	for s.asked < len(s.asking) {
		p := s.asking[s.asked]
		s.asking[s.asked] = nil
		s.asked++
		p.turn = false
		if p.asked.n > 0 {
			s.jobsOut++
			s.out.Lookups = append(s.out.Lookups, s.newLookup(now, p))
			s.turnToAsk(p)
			s.trimAsking()
			return true
		}
	}
	s.trimAsking()
	return false
}

// trimAsking gives back the room of turns that have passed.
func (s *state) trimAsking() {
	if s.asked == len(s.asking) {
		s.asking, s.asked = s.asking[:0], 0
	} else if s.asked > len(s.asking)/2 {
		n := copy(s.asking, s.asking[s.asked:])
		clear(s.asking[n:])
		s.asking, s.asked = s.asking[:n], 0
	}
}

func (s *state) newLookup(now time.Time, p *partner) *lookupJob {
	most := min(portion(jobWants, s.pace.lookup), p.asked.n)
	job := &lookupJob{Peer: p.id, Items: make([]lookup, 0, most), began: now}
	for len(job.Items) < most {
		w := p.asked.first
		s.place(w, phaseLooking)
		job.Items = append(job.Items, lookup{CID: w.cid, Known: w.seen, Size: int(w.size), want: w})
	}
	return job
}

// looked takes back a job with its verdicts.
func (s *state) looked(now time.Time, job *lookupJob) {
	s.jobDone()
	s.pace.lookup = average(s.pace.lookup, now.Sub(job.began)/time.Duration(len(job.Items)))
	for i := range job.Items {
		it := &job.Items[i]
		w := it.want
		if w.phase != phaseLooking { // It was withdrawn meanwhile.
			continue
		}
		switch it.Verdict {
		case found:
			s.found(w, it.Size)
		case absent:
			s.notFound(w)
		default:
			s.notServed(now, w, it.Verdict, it.Err)
		}
	}
}

// notServed is what becomes of a want whose block the peer may not have, which is no
// different from one that is not there, or that the store has failed to give.
func (s *state) notServed(now time.Time, w *want, v verdict, err error) {
	switch v {
	case denied:
		s.stat.RefusedAccess++
		s.missing(w)
	case failed:
		s.complain(now, err)
		s.fail(now, w)
	}
}

func (s *state) jobDone() {
	if s.jobsOut--; s.jobsOut < 0 {
		panic("engine: a job came back that was not out")
	}
}

// found turns a want into a task: to send the block, or to say HAVE.
func (s *state) found(w *want, size int) {
	if size > blockLimit {
		s.stat.RefusedSize++
		s.missing(w)
		return
	}
	s.unplace(w)
	w.size, w.answered = int32(size), false
	if w.kind == message.WantBlock || s.inline(w) {
		s.place(w, phaseQueued)
		return
	}
	w.have = true
	s.place(w, phaseAnswer)
}

// unplace takes a want out of its container before what that is ordered by
// changes.
func (s *state) unplace(w *want) { s.place(w, phaseLooking) }

// inline reports whether the block itself is the shortest answer to a
// want-have: it is small, and its owner is not exploring.
func (s *state) inline(w *want) bool {
	return int(w.size) <= s.limits.InlineBytes && w.from.size() < inlineWants
}

// notFound handles that the store did not have a block when it was asked.
func (s *state) notFound(w *want) {
	if w.seen { // It does by now.
		s.found(w, int(w.size))
	} else {
		s.missing(w)
	}
}

// missing answers DONT_HAVE if that was asked for, and makes the want a
// subscription.
func (s *state) missing(w *want) {
	w.failures = 0
	if w.owes && w.from.presences() {
		w.have = false
		s.place(w, phaseAnswer)
	} else {
		s.subscribe(w, false)
	}
}

// subscribe keeps a want until its block arrives, unless the engine drains.
func (s *state) subscribe(w *want, answered bool) {
	if s.draining {
		s.remove(w)
		return
	}
	s.unplace(w)
	w.answered = answered
	s.place(w, phaseAbsent)
	s.boundSubscriptions(w.from)
}

func (s *state) boundSubscriptions(p *partner) {
	for p.subscriptions > s.limits.Subscriptions && s.forgetOldest(p) {
	}
}

// fail keeps a want until the store can be asked again, unless the engine drains.
func (s *state) fail(now time.Time, w *want) {
	if s.draining {
		s.decline(w)
		return
	}
	s.place(w, phaseFailing)
	delay := min(retryFirst<<min(w.failures, 10), retryMost)
	w.failures = min(w.failures+1, 10)
	s.failures++
	s.retries.Push(retry{at: now.Add(delay), nth: s.failures, w: w})
	s.boundSubscriptions(w.from)
	if w.from.subscriptions > s.limits.Subscriptions {
		s.stat.ForgottenSilent++
		s.remove(w)
	}
}

// available notes that a block was stored, and answers the wants that were
// waiting for these bytes under any CID.
func (s *state) available(c cid.Cid, size int) {
	if message.CheckCID(c) != nil || size > blockLimit {
		return
	}
	for w := s.index[message.Multihash(c)]; w != nil; w = w.nextSame {
		s.arrived(w, size)
	}
}

func (s *state) arrived(w *want, size int) {
	switch w.phase {
	case phaseAsked, phaseLooking:
		w.seen, w.size = !planted.Is(planted.WantPutRace), int32(size)
	case phaseReading:
		w.seen = true
	case phaseAnswer, phaseAnswering:
		if !w.have {
			s.deliver(w, size)
		}
	case phaseAbsent, phaseFailing:
		s.deliver(w, size)
	}
}

// deliver answers a want with a block that became available.
func (s *state) deliver(w *want, size int) {
	if !s.guarded() {
		s.found(w, size)
		return
	}
	s.ask(w)
	w.seen, w.size = true, int32(size)
}

// recheck looks up all subscriptions: blocks became available that were too
// many to be named.
func (s *state) recheck() {
	for _, p := range s.sorted() {
		for i := range p.absent {
			for p.absent[i].n > 0 {
				s.ask(p.absent[i].first)
			}
		}
	}
}
