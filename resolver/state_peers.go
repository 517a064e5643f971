package resolver

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/planted"
	"github.com/souk-p2p/souk/internal/table"
	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/rate"
)

// remote is a member of the set of peers, or one of whom something has to be remembered:
// that it is a target, blocked, or owes answers.
type remote struct {
	id     peer.ID
	nth    uint64 // peers are numbered as they come
	member bool

	performance time.Duration // past and last, half each; what fails counts as the timeout
	latency     time.Duration // the same of answers with data alone
	lowest      time.Duration // of these; 0 when there was none
	window      float64       // requests that it may have at a time
	pace        time.Duration // between answers, while it has more to do
	paces       int           // that the pace is of, up to paceOver
	answered    moment        // when it has sent data last; 0 for never
	proven      bool          // the Consumer has accepted a value of it
	tried       int           // values of it that the Consumer has
	largest     int64         // of those that it has accepted, in bytes
	excess      int64         // size of a value for which there was no room; 0 when it does not wait for that
	turnedAt    moment        // since when it does
	asked       []*request    // outstanding
	owed        int           // requests that have timed out and may be answered yet
	bucket      rate.Bucket   // of requests
	failures    int           // in a row, at which it could not be asked

	blocked   bool          // by what it sent
	penalty   float64       // at penaltyAt; it decays
	penaltyAt moment        //
	until     moment        // not to be asked before; 0 for no such time
	why       waitingOn     // until
	fault     message.Fault // the last that it was blocked or penalized for
	score     float64       // what counts in ready

	targets links // fetches whose target it is
	pins    links // fetches whose value it has begun to send
	waiting table.Heap[*link]

	readyAt, calledAt, pausesAt int // places in the heaps of the state; -1
}

// waitingOn is why a peer is not asked for a while.
type waitingOn uint8

const (
	forNothing  waitingOn = iota
	forRefill             // it has had as many requests as it may
	forRecovery           // it is busy, or cannot be reached
	forPardon             // it is blocked, or its penalties have to decay
)

// remote returns what is known of a peer, from now on at least that there is one.
func (s *state) remote(id peer.ID) *remote {
	if p := s.remotes[id]; p != nil {
		return p
	}
	s.joined++
	p := &remote{id: id, nth: s.joined, readyAt: -1, calledAt: -1, pausesAt: -1}
	p.reset(s.limits.Latency)
	p.waiting = table.NewHeap(
		func(a, b *link) bool {
			if a.pins() != b.pins() {
				return a.pins() // It may be all that the peer is to be asked for.
			}
			return sooner(a.fetch, b.fetch)
		},
		func(l *link, place int) { l.place = place },
	)
	if s.limits.Rate > 0 {
		p.bucket = rate.NewBucket(s.time(s.now), s.limits.Rate, s.limits.Burst)
	}
	s.remotes[id] = p
	return p
}

func (p *remote) reset(latency time.Duration) {
	p.performance, p.latency, p.lowest, p.window, p.proven, p.largest = latency, latency, 0, leastWindow, false, 0
	p.pace, p.paces, p.answered = 0, 0, 0
}

// room is how many requests the peer may have at a time. As long as the Consumer has
// accepted nothing of it, what that has of it counts, or one that lies fast would be
// asked for much before the first verdict.
func (p *remote) room(most int) int {
	if !p.proven {
		return min(leastWindow, most) - p.tried
	}
	return min(int(p.window), most)
}

// forget removes a peer of whom nothing has to be remembered.
func (s *state) forget(p *remote) {
	if !p.member && !p.blocked && len(p.targets)+len(p.pins)+len(p.asked)+p.tried == 0 && s.penalty(p) < forgivable {
		p.until = 0
		s.place(p)
		delete(s.remotes, p.id)
	}
}

// setMembers takes the whole set of peers. Who leaves it is not asked any more, but may
// answer what it was asked before; its performance is forgotten.
func (s *state) setMembers(now time.Time, ids []peer.ID) {
	s.at(now)
	before := s.members
	stays := make(map[peer.ID]bool, len(ids))
	s.members = make([]*remote, 0, len(ids))
	for _, id := range ids {
		if id != s.self && !stays[id] {
			stays[id] = true
			s.members = append(s.members, s.remote(id))
		}
	}
	for _, p := range before {
		if !stays[p.id] {
			s.left(p)
		}
	}
	for _, p := range s.members {
		p.member = true
		if planted.Is(planted.ForgetsBlock) && p.blocked {
			s.rested(p)
		}
		s.place(p)
	}
	for _, p := range s.remotes {
		s.forget(p) // Penalties decay, and nobody looks then.
	}
}

// left takes a peer out of the set. Those whose values it has begun to send go on at
// others.
func (s *state) left(p *remote) {
	p.member = false
	p.reset(s.limits.Latency)
	s.admit(p)
	s.out.measures = append(s.out.measures, measure{peer: p.id, performance: forgotten})
	s.place(p)
	for i := len(p.pins) - 1; i >= 0; i-- {
		if f := p.pins[i].fetch; f.queued() {
			s.dequeue(f)
			s.unpin(f)
			s.again(f)
		}
	}
	s.forget(p)
}

// foremost is the fetch that waits for the peer in particular and goes first.
func (p *remote) foremost() *fetch { return p.waiting.Top().fetch }

// eligible reports whether the peer may be asked, now or later.
func (p *remote) eligible() bool { return p.member && !p.blocked }

// place puts a peer into the heaps in which it belongs, after anything about it has
// changed.
func (s *state) place(p *remote) {
	if p.eligible() && p.until <= s.now {
		if refill := p.bucket.When(s.time(s.now), 1); !refill.IsZero() {
			p.until, p.why = s.moment(refill), forRefill
		}
	}
	pauses := p.until > s.now
	able := p.eligible() && !pauses && len(p.asked) < p.room(s.limits.Outstanding)
	ready := able && p.excess == 0
	p.score = float64(p.performance) * float64(1+len(p.asked)) * (1 + s.penalty(p))
	put(&s.pauses, p, p.pausesAt, pauses)
	put(&s.ready, p, p.readyAt, ready)
	put(&s.called, p, p.calledAt, able && p.waiting.Len() > 0 && (ready || p.waiting.Top().pins()))
}

// put has a heap hold a peer, or not, whose place in it is given.
func put(h *table.Heap[*remote], p *remote, place int, in bool) {
	switch {
	case in && place < 0:
		h.Push(p)
	case in:
		h.Fix(place)
	case place >= 0:
		h.Remove(place)
	}
}

// better orders the peers that may be asked: the best performance first. What a peer
// was asked already counts, because it has to answer that before, and so do penalties.
func better(a, b *remote) bool {
	if a.score != b.score {
		return a.score < b.score
	}
	return a.nth < b.nth
}

// measured takes in how long a peer took for an answer, or the timeout when it failed.
func (s *state) measured(p *remote, elapsed time.Duration) {
	if !p.member {
		return
	}
	p.performance = (p.performance + elapsed) / 2
	s.out.measures = append(s.out.measures, measure{peer: p.id, performance: p.performance})
	s.place(p)
}

// The window of a peer is how many requests it may have: enough to keep it busy, and no
// more, because what waits for it would be had sooner from another. It begins small, so
// that little is lost to one that lies or is slow.
const (
	// leastWindow keeps a peer busy for which an answer takes as long as the way. Its
	// second answer shows what one takes it.
	leastWindow = 2
	// mostWaiting is how many times the lowest an answer is to take: as long as the way
	// and the work, others may wait before it.
	mostWaiting = 2
	// windowOver is how many answers the window is smoothed over. One says little, and
	// while a window grows they come one after the other.
	windowOver = 4
	// paceOver is how many times between answers the pace is: what makes one longer on
	// the way makes the next one shorter.
	paceOver = 8
	// lowestOver is how many answers the lowest takes to forget how things were.
	lowestOver = 64
)

// performed takes in how long a peer took to send data.
func (s *state) performed(r *request) {
	p, elapsed := r.peer, time.Duration(s.now-r.sent)
	busy := p.answered > 0 && r.sent.after(p.lowest) <= p.answered
	p.latency = (p.latency + elapsed) / 2
	if p.lowest == 0 || elapsed < p.lowest {
		p.lowest = elapsed
	}
	p.lowest += (elapsed - p.lowest) / lowestOver
	if busy {
		p.pacedBy(time.Duration(s.now - p.answered))
	} else {
		// With so many at a time it took so long: that is its rate, or it could do more.
		p.fits(float64(r.among)*mostWaiting*float64(p.lowest)/float64(max(elapsed, 1)), windowOver)
	}
	p.window = min(p.window, float64(s.limits.Outstanding))
	p.answered = s.now
	s.measured(p, elapsed)
}

// pacedBy takes in what an answer took a peer that had the request before it gave its
// last one, so that nothing but its work was between them. So two answers show how many
// requests it needs, and a way of 200 ms does not have to be gone once for each of them.
func (p *remote) pacedBy(gap time.Duration) {
	p.paces = min(p.paces+1, paceOver)
	p.pace += (gap - p.pace) / time.Duration(p.paces)
	over := windowOver
	if p.paces == 1 {
		over = 1
	}
	p.fits(1+(mostWaiting-1)*float64(p.lowest)/float64(max(p.pace, 1)), over)
}

// fits moves the window towards a size.
func (p *remote) fits(size float64, over int) {
	p.window = max(leastWindow, p.window+(size-p.window)/float64(over))
}

// pause has a peer not be asked for a time. The time of one that is blocked stays.
func (s *state) pause(p *remote, d time.Duration, why waitingOn) {
	if p.blocked {
		return
	}
	if until := s.now.after(d); until > p.until {
		p.until, p.why = until, why
	}
	s.place(p)
}

// mostPause is the longest that a peer is left alone which cannot be reached, and a key
// at whose values the Consumer panics: a dial or a value every half minute costs nothing,
// and who comes back, or is mended, goes on within that.
const mostPause = 30 * time.Second

// pauseAfter is the pause after so many failures in a row before the last one.
func (s *state) pauseAfter(failures int) time.Duration {
	return max(s.limits.Retry, min(s.limits.Retry<<min(failures, 16), mostPause))
}

// unreachable leaves a peer alone, for longer with each time in a row.
func (s *state) unreachable(p *remote) {
	s.pause(p, s.pauseAfter(p.failures), forRecovery)
	p.failures++
}

// rested has a peer be asked again whose pause is over.
func (s *state) rested(p *remote) {
	p.until, p.why = 0, forNothing
	if p.blocked {
		s.pardon(p)
	}
	s.place(p)
	s.forget(p)
}
