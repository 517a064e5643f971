package resolver

import (
	"cmp"
	"crypto/sha256"
	"math/rand/v2"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/table"
	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/resolver/wire"
)

type (
	// callID names a caller that waits for a value, across all keys. 0 is nobody.
	callID uint64
	// requestID names a request, across all peers. They grow from 1.
	requestID uint64
)

// order asks for a key. For one that is fetched already it adds to that fetch: a
// caller, targets, more time, more attempts.
type order struct {
	key      Key
	targeted bool      // only targets may be asked; otherwise all
	targets  []peer.ID // belong to the state from then on
	deadline time.Time // zero for none
	attempts int       // how often a peer may be asked; 0 for as often as it takes
	folded   int       // orders for the same key that were folded into it
	caller   callID    // 0: the fetch lasts until it is cancelled; otherwise as long as somebody waits
}

// answer is what a peer has said to a request.
type answer struct {
	refusal wire.Code         // why there are none; 0: there are data
	data    []byte            // the value, or one part of it; the state's from then on
	size    int64             // of the value, where data are the first of its parts; else 0
	hashes  []byte            // of these parts, one after the other
	sum     [sha256.Size]byte // of data, where summed says that somebody has hashed them
	summed  bool
}

// effects are what the shell performs.
type effects struct {
	asks     []ask
	jobs     []job
	failures []failure
	replies  []reply
	measures []measure
	blocks   []block
	endings  []ending
	cuts     []peer.ID // who is nobody here any more, and says something
}

type (
	// ask is a request to be sent. What becomes of it is to be said with answered, unsent
	// or parted; when none of them comes it times out.
	ask struct {
		id   requestID
		to   peer.ID
		key  Key
		part uint32    // 0 for the value, or its first part
		list wire.List // of the value whose part it is, when part is not 0
	}
	// job is a value for the Consumer, whose verdict is to be said with judged. There is
	// one for a key at a time.
	job struct {
		key   Key
		parts [][]byte // one after the other
	}
	// failure is a fetch that has ended without a value, to be told to the Consumer. Why
	// is ErrCancelled or a *FetchError.
	failure struct {
		key Key
		why error
	}
	// reply is what a caller gets, once: parts, or err.
	reply struct {
		caller callID
		key    Key
		parts  [][]byte
		err    error
	}
	// measure is what was seen of a peer: how it performs now, or a fault of it.
	measure struct {
		peer        peer.ID
		performance time.Duration // 0 when nothing was measured; forgotten when the peer has left the set
		fault       message.Fault // 0 when there was none
	}
	// block is a peer that is not asked any more until then; zero for ever. Hard says that
	// it has left all targets.
	block struct {
		peer  peer.ID
		until time.Time
		hard  bool
		fault message.Fault
	}
	// ending is a fetch that is no more. Why is nil, ErrCancelled or a *FetchError.
	ending struct {
		took time.Duration
		why  error
	}
)

// forgotten is the performance of a peer that is measured no more.
const forgotten time.Duration = -1

// moment is a time, since the state began: a third of the size of a time.Time, of which
// there would be several a key.
type moment time.Duration

func (m moment) after(d time.Duration) moment { return m + moment(d) }

// state is everything that the resolver decides with.
type state struct {
	limits Limits
	self   peer.ID
	began  time.Time
	now    moment // of the event that is taken in
	rng    *rand.Rand

	fetches  map[Key]*fetch
	requests map[requestID]*request
	remotes  map[peer.ID]*remote // members, and those of whom something has to be remembered
	members  []*remote           // as they were given
	barred   []*remote           // blocked by what they sent, the latest last
	started  uint64              // fetches so far
	joined   uint64              // peers so far
	last     requestID

	open      table.Heap[*fetch]   // wait for anybody
	resting   table.Heap[*fetch]   // wait for their time
	deadlines table.Heap[*fetch]   // of those that have one
	timers    table.Heap[*request] // when each is late, then when it has failed
	hopes     table.Heap[*request] // that somebody else could be asked as well, the last expected first
	ready     table.Heap[*remote]  // may be asked now
	called    table.Heap[*remote]  // of those, for whom in particular fetches wait
	pauses    table.Heap[*remote]  // when each may be asked again

	// What counts towards Limits.Undelivered.
	expected int64 // what a value may be large, after those that came
	awaited  int   // values that are asked for
	held     int64 // of values that come in parts or are with the Consumer
	claimed  int64 // of those, of values larger than any good one of who sends them

	turned []*remote // for whose values there was no room, the first first

	active int // fetches with an outstanding request
	counts Counts
	out    effects
}

// newState returns a state without peers. The limits have their defaults.
func newState(now time.Time, limits Limits, self peer.ID, seed uint64) *state {
	return &state{
		limits: limits, self: self, began: now, rng: rand.New(rand.NewPCG(seed, 0)),
		fetches: make(map[Key]*fetch), requests: make(map[requestID]*request), remotes: make(map[peer.ID]*remote),
		expected: min(firstExpected, int64(limits.Part), limits.MaxValue),

		open:    table.NewHeap(sooner, func(f *fetch, place int) { f.place = int32(place) }),
		resting: table.NewHeap(sooner, func(f *fetch, place int) { f.place = int32(place) }),
		deadlines: table.NewHeap(
			func(a, b *fetch) bool {
				return cmp.Or(cmp.Compare(a.deadline, b.deadline), cmp.Compare(a.nth, b.nth)) < 0
			},
			func(f *fetch, place int) { f.due = int32(place) },
		),
		timers: table.NewHeap(
			func(a, b *request) bool { return cmp.Or(cmp.Compare(a.due, b.due), cmp.Compare(a.id, b.id)) < 0 },
			func(r *request, place int) { r.timer = place },
		),
		hopes: table.NewHeap(
			func(a, b *request) bool {
				return cmp.Or(cmp.Compare(b.expected, a.expected), cmp.Compare(a.id, b.id)) < 0
			},
			func(r *request, place int) { r.hope = place },
		),
		ready:  table.NewHeap(better, func(p *remote, place int) { p.readyAt = place }),
		called: table.NewHeap(func(a, b *remote) bool { return sooner(a.foremost(), b.foremost()) }, func(p *remote, place int) { p.calledAt = place }),
		pauses: table.NewHeap(
			func(a, b *remote) bool { return cmp.Or(cmp.Compare(a.until, b.until), cmp.Compare(a.nth, b.nth)) < 0 },
			func(p *remote, place int) { p.pausesAt = place },
		),
	}
}

// take returns what is to be performed.
func (s *state) take() effects {
	out := s.out
	s.out = effects{}
	return out
}

// at begins an event. Time does not go back.
func (s *state) at(now time.Time) { s.now = max(s.now, s.moment(now)) }

func (s *state) moment(t time.Time) moment { return moment(t.Sub(s.began)) }

func (s *state) time(m moment) time.Time { return s.began.Add(time.Duration(m)) }

// batch is how much of what is due a turn does at most: what comes in meanwhile waits
// less than a millisecond for it.
const batch = 256

// turn does what is due, and sends one request if there is one to send.
func (s *state) turn(now time.Time) {
	s.at(now)
	for range batch {
		if !s.elapse() {
			break
		}
	}
	s.send()
}

// elapse does one thing that is due, and reports whether there was one.
func (s *state) elapse() bool {
	switch {
	case s.deadlines.Len() > 0 && s.deadlines.Top().deadline <= s.now:
		s.overdue(s.deadlines.Top())
	case s.timers.Len() > 0 && s.timers.Top().due <= s.now:
		s.late(s.timers.Top())
	case s.resting.Len() > 0 && s.resting.Top().at <= s.now:
		s.enqueue(s.resting.Pop())
	case s.pauses.Len() > 0 && s.pauses.Top().until <= s.now:
		s.rested(s.pauses.Pop())
	case len(s.turned) > 0 && s.turnsUp() <= s.now:
		p := s.turned[0]
		s.admit(p)
		s.place(p)
	default:
		return false
	}
	return true
}

// wake is when turn has something to do: now if there is something already, and the
// zero time for never.
func (s *state) wake(now time.Time) time.Time {
	s.at(now)
	if s.sendable() {
		return now
	}
	next, some := moment(0), false
	note := func(waits bool, at func() moment) {
		if waits && (!some || at() < next) {
			next, some = at(), true
		}
	}
	note(s.deadlines.Len() > 0, func() moment { return s.deadlines.Top().deadline })
	note(s.timers.Len() > 0, func() moment { return s.timers.Top().due })
	note(s.resting.Len() > 0, func() moment { return s.resting.Top().at })
	note(s.pauses.Len() > 0, func() moment { return s.pauses.Top().until })
	note(len(s.turned) > 0, s.turnsUp)
	if !some {
		return time.Time{}
	}
	return s.time(max(next, s.now))
}
