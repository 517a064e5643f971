package engine

import (
	"cmp"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/due"
	"github.com/souk-p2p/souk/internal/table"
	"github.com/souk-p2p/souk/ledger"
	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/rate"
)

// strangerTime is how long wants are kept of a peer that is not known to be
// connected. Its state may arrive after its first wants; or these are what was
// still queued when the peer left, and must be gone within 5 s of that.
const strangerTime = 4 * time.Second

// complaintEvery bounds how often failures of the store are reported.
const complaintEvery = time.Second

// state is the decisions of the engine. Events go in through methods; what
// there is to do comes out of [state.effects], which must be called after every
// event or run of events.
//
// A want's life, with the events that move it (see [phase]):
//
//	wants -> asked -> looking --looked--> queued -> reading --read--> sending --sent--> gone
//	                          \--looked--> answer (HAVE) -> answering --sent--> gone
//	                          \--looked--> answer (DONT_HAVE) -> answering --sent--> absent
//	                          \--looked--> failing --tick--> asked
//	absent, failing --available--> queued or answer (HAVE)
type state struct {
	limits  Limits
	jobs    int                     // at most so many are out at a time
	guarded func() bool             // what is there must be looked up for the sake of access
	debt    func(p peer.ID) float64 // see Config.Scores
	seed    uint64
	began   time.Time // when the first wantlist came
	clock   uint32    // when the last event was, in seconds from then

	partners map[peer.ID]*partner
	index    index
	copies   copies

	touched []*partner // that something happened to since the last effects
	asking  []*partner // with look-ups to start, in turn
	asked   int        // of asking, already served

	classOf  func(p peer.ID) string // see Config.Class
	classes  []*class               // the one of those in no other, then by name
	rates    rates
	work     float64 // virtual time: the work of whoever was served last
	retries  table.Heap[retry]
	sleepers table.Heap[*partner]

	laden    table.Heap[*partner] // for whom something was read and can be sent
	slots    slots
	pace     pace
	unsent   unsent // of partners that are not slow
	reads    uint64 // jobs so far
	jobsOut  int
	inFlight int       // bytes of blocks being read or sent
	table    int       // bytes of memory for wants
	live     int       // wants
	phases   census    // of those
	failures uint64    // of the store
	draining bool      // nothing new is taken
	unsaid   time.Time // while all that is left of a drain is promises: when the last of them expires
	grumbled time.Time // when a failure was last complained of

	stat       Stat
	out, spare *effects
}

// retry is a want that is looked up again because the store failed.
type retry struct {
	at  time.Time
	nth uint64
	w   *want
}

// effects is what there is to do after events. All slices are in the order in
// which the decisions were made. It belongs to the caller until the next call
// of [state.effects].
type effects struct {
	// Lookups and Reads go to a worker and come back through looked and read.
	// There are never more out than the state was made for.
	Lookups []*lookupJob
	Reads   []*readJob
	// Messages go to the network and come back through sent.
	Messages []*shipment
	// Admitted are the tickets of calls of wants that are wholly in the table.
	Admitted []uint64
	// Deltas are for the ledger, one for each peer.
	Deltas []ledger.Delta
	// Complaint is a failure of the store to be logged: at most one a second.
	Complaint error
	// Drained says that the engine drains and that nothing is left to finish.
	Drained bool
}

func (e *effects) reset() {
	clear(e.Lookups)
	clear(e.Reads)
	clear(e.Messages)
	*e = effects{
		Lookups: e.Lookups[:0], Reads: e.Reads[:0], Messages: e.Messages[:0],
		Admitted: e.Admitted[:0], Deltas: e.Deltas[:0],
	}
}

// newState returns the state of an engine that has met nobody. At most jobs
// look-ups and reads are out at a time. Equal seeds and equal events have equal
// effects.
func newState(limits Limits, jobs int, seed uint64) *state {
	limits = limits.withDefaults()
	s := &state{
		limits: limits, jobs: jobs, seed: seed,
		debt:     func(peer.ID) float64 { return 0 },
		guarded:  func() bool { return false },
		partners: make(map[peer.ID]*partner),
		index:    make(index),
		copies:   newCopies(limits.Copies),
		slots:    newSlots(),
		classOf:  func(peer.ID) string { return rate.Default },
		classes:  []*class{newClass(rate.Default)},
		out:      new(effects), spare: new(effects),
	}
	s.laden = table.NewHeap(readFirst, func(p *partner, place int) { p.berth = place })
	s.sleepers = table.NewHeap(
		func(a, b *partner) bool { return cmp.Or(a.wake.Compare(b.wake), cmp.Compare(a.id, b.id)) < 0 },
		func(p *partner, place int) { p.sleeper = place },
	)
	s.retries = table.NewHeap(
		func(a, b retry) bool { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.nth, b.nth)) < 0 },
		func(r retry, place int) { r.w.place = int32(place) },
	)
	return s
}

// tick does what is due by now.
func (s *state) tick(now time.Time) {
	for s.retries.Len() > 0 && !s.retries.Top().at.After(now) {
		s.ask(s.retries.Top().w)
	}
	for s.sleepers.Len() > 0 && !s.sleepers.Top().wake.After(now) {
		p := s.sleepers.Pop()
		p.unlearn(now)
		s.pass(now, p)
		if !p.expires.IsZero() && !p.expires.After(now) {
			s.forget(p)
		}
		s.touch(p)
	}
}

// effects settles what the events since the last call have changed and returns
// what there is to do.
func (s *state) effects(now time.Time) *effects {
	s.settleAll(now)
	s.send(now)
	s.settleAll(now) // sending has touched them
	s.dispatch(now)
	s.out.Drained, s.unsaid = s.drained(now)
	out := s.out
	s.out, s.spare = s.spare, out
	s.out.reset()
	return out
}

// wake is when tick has something to do, or the zero time.
func (s *state) wake() time.Time {
	wake := due.First(s.unsaid, s.rates.wake)
	if s.retries.Len() > 0 {
		wake = due.First(wake, s.retries.Top().at)
	}
	if s.sleepers.Len() > 0 {
		wake = due.First(wake, s.sleepers.Top().wake)
	}
	return wake
}

// touch makes sure that the next effects look at p.
func (s *state) touch(p *partner) {
	if !p.touched {
		p.touched = true
		s.touched = append(s.touched, p)
	}
}

func (s *state) settleAll(now time.Time) {
	for i := 0; i < len(s.touched); i++ { // settling may touch others
		p := s.touched[i]
		p.touched = false
		s.settle(now, p)
	}
	clear(s.touched)
	s.touched = s.touched[:0]
}

// settle brings everything that depends on the state of p up to date.
func (s *state) settle(now time.Time, p *partner) {
	s.admit(p)
	s.sendPresences(now, p)
	s.turnToAsk(p)
	s.load(now, p)
	s.rank(now, p)
	s.flush(p)
	if p.idle() {
		p.expires, p.paused, p.said = time.Time{}, time.Time{}, nil
		if s.partners[p.id] == p {
			delete(s.partners, p.id)
		}
	}
	s.sleep(now, p)
}

// flush passes what p's account gained to the ledger.
func (s *state) flush(p *partner) {
	if p.delta == (ledger.Delta{}) {
		return
	}
	p.delta.Peer = p.id
	s.out.Deltas = append(s.out.Deltas, p.delta)
	p.delta = ledger.Delta{}
}

// complain reports a failure of the store, unless one was reported just before.
func (s *state) complain(now time.Time, err error) {
	s.stat.StoreErrors++
	if s.grumbled.IsZero() || now.Sub(s.grumbled) >= complaintEvery {
		s.grumbled, s.out.Complaint = now, err
	}
}

// snapshot is the statistics of this moment.
func (s *state) snapshot() Stat {
	stat := s.stat
	stat.Partners, stat.Wants = len(s.partners), s.live
	stat.TableBytes, stat.InFlightBytes = s.table, s.inFlight
	stat.Unanswered = s.phases[phaseQueued] + s.phases[phaseAnswer]
	stat.Answering = s.phases[phaseReading] + s.phases[phaseSending] + s.phases[phaseAnswering]
	stat.LookUps, stat.StoreCalls = s.phases[phaseAsked], s.jobsOut
	return stat
}

// wantlist lists the wants of a peer, highest priority first, then by CID.
func (s *state) wantlist(id peer.ID) []message.Entry {
	p := s.partners[id]
	if p == nil {
		return nil
	}
	entries := make([]message.Entry, 0, p.size())
	for _, w := range p.wants {
		entries = append(entries, w.entry())
	}
	for _, e := range p.waiting {
		entries = append(entries, *e)
	}
	slices.SortFunc(entries, func(a, b message.Entry) int {
		return cmp.Or(cmp.Compare(b.Priority, a.Priority), table.Compare(a.CID, b.CID))
	})
	return entries
}

// counts returns how many wants each peer has here.
func (s *state) counts() map[peer.ID]int {
	counts := make(map[peer.ID]int, len(s.partners))
	for id, p := range s.partners {
		if n := p.size(); n > 0 {
			counts[id] = n
		}
	}
	return counts
}
