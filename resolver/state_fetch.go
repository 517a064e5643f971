package resolver

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/souk-p2p/souk/internal/planted"
)

// stage is what a fetch waits for.
type stage uint8

const (
	stageNone    stage = iota // nothing: it is being changed
	stageQueued               // a peer that may be asked
	stageResting              // its time
	stageAsked                // an answer
	stageLate                 // an answer, and a second peer that may be asked
	stageJudged               // the Consumer
)

// class is what goes first among those that wait for a peer.
type class uint8

const (
	classPart  class = iota // of a value under way: it holds memory until it is whole
	classFresh              // never asked for
	classRetry
)

// fetch is one key. There may be very many, so it is kept small.
type fetch struct {
	key      Key
	nth      uint64 // fetches are numbered
	begun    moment
	at       moment // since when it waits for a peer, or until when it rests
	deadline moment // where due is not -1
	asks     [2]*request
	last     *remote // that failed
	value    *value  // that comes in parts, or is with the Consumer
	targets  []*link
	callers  []callID
	attempts uint32
	most     uint32 // attempts; 0 for any number
	need     uint32 // bytes that the value takes, when there was no room for it
	place    int32  // in open or resting; -1
	due      int32  // in deadlines; -1

	stage     stage
	class     class
	unsaid    uint8 // values in a row of which the Consumer said nothing
	targeted  bool  // only targets may be asked
	standing  bool  // not only callers wait for it
	cancelled bool  // and the Consumer has the value still
	excused   bool  // the value that the Consumer has came before a cancel
	expired   bool  // the deadline has passed since the Consumer has the value
}

// sooner orders fetches that wait: fresh keys before retries, then by time.
func sooner(a, b *fetch) bool {
	return cmp.Or(cmp.Compare(a.class, b.class), cmp.Compare(a.at, b.at), cmp.Compare(a.nth, b.nth)) < 0
}

// fetch takes orders.
func (s *state) fetch(now time.Time, orders []order) {
	s.at(now)
	for _, o := range orders {
		s.counts.Duplicates += uint64(o.folded)
		f := s.fetches[o.key]
		switch {
		case f == nil:
			s.begin(o)
		case f.cancelled:
			s.counts.Fetches++
			s.renew(f, o)
		default:
			s.counts.Duplicates++
			s.join(f, o)
		}
	}
}

func (s *state) begin(o order) {
	s.counts.Fetches++
	s.started++
	f := &fetch{key: o.key, nth: s.started, begun: s.now, class: classFresh, targeted: o.targeted, most: uint32(o.attempts), place: -1, due: -1}
	f.expect(o)
	s.fetches[o.key] = f
	s.limit(f, o.deadline)
	s.aim(f, o)
	s.enqueue(f)
}

// expect notes who waits for the fetch.
func (f *fetch) expect(o order) {
	if o.caller == 0 {
		f.standing = true
		return
	}
	f.callers = append(f.callers, o.caller)
}

// renew takes an order for a key that was cancelled while the Consumer has its value:
// the verdict counts, and blames nobody.
func (s *state) renew(f *fetch, o order) {
	f.cancelled, f.expired, f.standing = false, false, false
	f.attempts, f.most = 0, uint32(o.attempts)
	s.release(f)
	f.targeted = o.targeted
	f.expect(o)
	s.limit(f, o.deadline)
	s.aim(f, o)
}

// join takes an order for a key that is fetched already. The looser bounds count.
func (s *state) join(f *fetch, o order) {
	f.expect(o)
	switch {
	case !o.targeted && f.targeted:
		s.free(f)
	case o.targeted && f.targeted:
		s.aim(f, o)
	}
	if o.attempts == 0 || f.most == 0 {
		f.most = 0
	} else {
		f.most = max(f.most, uint32(o.attempts))
	}
	if f.due >= 0 && (o.deadline.IsZero() || s.moment(o.deadline) > f.deadline) {
		s.limit(f, o.deadline)
	}
}

// limit gives a fetch a deadline, or none.
func (s *state) limit(f *fetch, deadline time.Time) {
	if f.due >= 0 {
		s.deadlines.Remove(int(f.due))
	}
	if !deadline.IsZero() {
		f.deadline = s.moment(deadline)
		s.deadlines.Push(f)
	}
}

// overdue ends a fetch whose deadline has passed. The verdict of the Consumer is
// waited for.
func (s *state) overdue(f *fetch) {
	if f.stage == stageJudged {
		s.deadlines.Remove(int(f.due))
		f.expired = true
		return
	}
	s.end(f, f.failed(ErrDeadline))
}

func (f *fetch) failed(why error) error {
	return &FetchError{Key: f.key, Attempts: int(f.attempts), Err: why}
}

// cancel ends fetches.
func (s *state) cancel(now time.Time, keys []Key) {
	s.at(now)
	for _, k := range keys {
		if f := s.fetches[k]; f != nil {
			s.cancelOne(f)
		}
	}
}

// clear ends all fetches, those first that began first.
func (s *state) clear(now time.Time) { s.retain(now, func(Key) bool { return false }) }

// retain ends all fetches but those of keys that are to be kept.
func (s *state) retain(now time.Time, keep func(Key) bool) {
	s.at(now)
	for _, f := range s.inOrder() {
		if !keep(f.key) {
			s.cancelOne(f)
		}
	}
}

// inOrder are all fetches as they began.
func (s *state) inOrder() []*fetch {
	all := make([]*fetch, 0, len(s.fetches))
	for _, f := range s.fetches {
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b *fetch) int { return cmp.Compare(a.nth, b.nth) })
	return all
}

// cancelOne ends a fetch. When the Consumer has its value, the verdict says whether it
// has failed; whoever waits in person does not wait for that.
func (s *state) cancelOne(f *fetch) {
	if f.cancelled {
		return
	}
	s.counts.Cancels++
	if f.stage != stageJudged {
		s.end(f, ErrCancelled)
		return
	}
	s.tell(f, nil, ErrCancelled)
	f.callers, f.cancelled, f.excused = nil, true, true
}

// leave says that a caller waits no longer. It gets no reply. A fetch that nobody waits
// for ends.
func (s *state) leave(now time.Time, caller callID, key Key) {
	s.at(now)
	f := s.fetches[key]
	if f == nil || !slices.Contains(f.callers, caller) {
		return
	}
	f.callers = slices.DeleteFunc(f.callers, func(c callID) bool { return c == caller })
	if !f.standing && len(f.callers) == 0 {
		s.cancelOne(f)
	}
}

// tell gives each caller of a fetch what it gets.
func (s *state) tell(f *fetch, parts [][]byte, err error) {
	for _, c := range f.callers {
		s.out.replies = append(s.out.replies, reply{c, f.key, parts, err})
	}
}

// end ends a fetch, of which nothing is left then. What is asked for may still come.
func (s *state) end(f *fetch, why error) {
	var parts [][]byte
	if why == nil {
		parts = f.value.parts
	} else if f.standing {
		s.out.failures = append(s.out.failures, failure{f.key, why})
	}
	s.tell(f, parts, why)
	s.out.endings = append(s.out.endings, ending{time.Duration(s.now - f.begun), why})
	s.counts.ended(why)
	s.halt(f)
	s.drop(f)
	s.release(f)
	s.limit(f, time.Time{})
	delete(s.fetches, f.key)
}

// enqueue has a fetch wait for a peer that may be asked.
func (s *state) enqueue(f *fetch) {
	f.stage = stageQueued
	if f.asks[0] != nil {
		f.stage = stageLate
	}
	switch {
	case f.awaitsPin():
		s.await(f.value.pin)
	case f.targeted:
		for _, l := range f.targets {
			if !f.asksOf(l.peer) {
				s.await(l)
			}
		}
	default:
		s.open.Push(f)
	}
}

// dequeue has a fetch wait no more, neither for a peer nor for its time.
func (s *state) dequeue(f *fetch) {
	switch {
	case f.stage == stageResting:
		s.resting.Remove(int(f.place))
	case f.stage != stageQueued && f.stage != stageLate:
	case f.awaitsPin():
		s.forgo(f.value.pin)
	case f.targeted:
		for _, l := range f.targets {
			s.forgo(l)
		}
	default:
		s.open.Remove(int(f.place))
	}
}

// halt has a fetch wait for nothing and nobody.
func (s *state) halt(f *fetch) {
	s.dequeue(f)
	s.disown(f)
	f.stage = stageNone
}

func (f *fetch) queued() bool { return f.stage == stageQueued || f.stage == stageLate }

// repeats is the class of a fetch that was asked for before.
func (f *fetch) repeats() class {
	if f.underway() {
		return classPart
	}
	return classRetry
}

// again lets a fetch that lost its request through no fault of a peer, or of one that
// was blocked for it, wait for another peer at once.
func (s *state) again(f *fetch) {
	f.class, f.at = f.repeats(), s.now
	s.enqueue(f)
}

// rest lets a fetch that has failed wait for its next attempt, or ends it.
func (s *state) rest(f *fetch, pause time.Duration) {
	if f.most > 0 && f.attempts >= f.most {
		s.end(f, f.failed(ErrAttempts))
		return
	}
	f.class, f.at, f.stage = f.repeats(), s.now.after(pause), stageResting
	if planted.Is(planted.LostRetry) && f.attempts > 1 {
		f.at = math.MaxInt64
	}
	s.resting.Push(f)
}

// asksOf reports whether a peer is asked for the fetch already.
func (f *fetch) asksOf(p *remote) bool {
	return f.asks[0] != nil && f.asks[0].peer == p || f.asks[1] != nil && f.asks[1].peer == p
}
