package mirror

import (
	"bytes"
	"slices"
	"time"

	"github.com/souk-p2p/souk/download/document"
	"github.com/souk-p2p/souk/download/policy"
	"github.com/souk-p2p/souk/internal/planted"
	"github.com/souk-p2p/souk/internal/table"
)

// state is what the actor owns. Its methods take what happened and add what is to be done
// to its effects; [state.settle] follows each of them.
type state struct {
	window  int // entries of a document that are under way
	fetches int // of all
	batch   int // for which there has to be room before a scan begins
	pause   time.Duration

	docs []*doc // by ID
	jobs map[jobID]*job
	last jobID

	fetching int    // of the jobs: fetches
	scanning int    // and scans
	reserved int    // places of fetches that scans may fill
	line     []*doc // that are to be scanned, in turn
	aside    []*doc // likewise, with less room than a batch: while nobody is in line
	parked   []*job // scans that wait until they are told whether to go on

	unheard   []*doc // of which the policy is to be looked at, in turn
	reviewing bool   // that is being done for some

	timers table.Heap[*doc]
	out    effects
}

// phase is where a document is.
type phase uint8

const (
	fresh   phase = iota // its policy is looked at first
	running              // a round
	resting              // until it is tried again
	idle                 // all of it is here
	ending               // until nothing of it is under way
	over                 // but for what was left behind
)

// doc is a document that is synced, or was and has not ended.
type doc struct {
	id     document.ID
	phase  phase
	policy policy.Policy // that was last heard
	known  bool          // it was, since it could last not be looked at
	stale  bool          // it is among those unheard
	review bool          // it is being looked at
	wanted bool          // of one that is ending: it is to be synced anew
	wake   time.Time     // when a round begins; zero for no time
	due    time.Time     // when something is to be done about it
	place  int           // among the timers, -1 for none

	// Of the round, or the last.

	from    []byte              // where the next scan begins
	scanned bool                // to its end
	again   bool                // another follows at once
	carried map[string]struct{} // keys of what was under way when it began; nobody changes it
	failed  uint64
	reasons []Failure
	err     error // of a look

	fetches []*job // by key, but for what was given up
	scan    *job
	inLine  bool
	isAside bool
	told    []*job // to end, and have not, in that order
	stuck   []*job // given up, in that order
	done    uint64

	waits   []waiterID // for it to be idle
	cancels []waiterID // for it to have ended
}

// job is a call of Look or Fetch.
type job struct {
	id    jobID
	doc   *doc
	until time.Time      // when it is given up; zero until it is told to end
	entry document.Entry // of a fetch; a scan has none
	bytes uint64         // that are here, of a fetch
	room  int            // places that are reserved for what a scan finds
}

// jobID stands for a job.
type jobID uint64

// waiterID stands for who waits.
type waiterID uint64

// effects is what the shell does after an event.
type effects struct {
	end      []jobID
	fetches  []fetching
	scans    []scanning
	resume   []resuming
	review   []document.ID
	answers  []answer
	warnings []warning
}

// fetching is a fetch that begins.
type fetching struct {
	id       jobID
	document document.ID
	entry    document.Entry
}

// scanning is a scan that begins.
type scanning struct {
	id       jobID
	document document.ID
	policy   policy.Policy
	from     []byte
	carried  map[string]struct{} // what is left out
}

// resuming tells a scan whether it is to go on.
type resuming struct {
	id   jobID
	more bool
}

type answer struct {
	waiter waiterID
	err    error
}

// warning is what an operator may have to see to.
type warning struct {
	text     string
	document document.ID
	err      error
}

func newState(window, fetches int, pause time.Duration) *state {
	return &state{
		window: window, fetches: fetches, pause: pause,
		// Half a window, so that what a scan reads for nothing when it is stopped, the rest of
		// a page of some hundred entries, is little beside it.
		batch: max(1, min(window, fetches)/2),
		jobs:  make(map[jobID]*job),
		timers: table.NewHeap(
			func(a, b *doc) bool { return a.before(b) },
			func(d *doc, place int) { d.place = place },
		),
	}
}

// settle begins what there is room for, and returns what is to be done since it was last
// called.
func (s *state) settle() effects {
	s.beginReview()
	s.beginScans()
	s.unpark()
	out := s.out
	s.out = effects{}
	return out
}

// find returns where a document is, or would be.
func (s *state) find(id document.ID) (at int, known bool) {
	return slices.BinarySearchFunc(s.docs, id, func(d *doc, id document.ID) int { return bytes.Compare(d.id[:], id[:]) })
}

// doc returns a document, or nil.
func (s *state) doc(id document.ID) *doc {
	if at, known := s.find(id); known {
		return s.docs[at]
	}
	return nil
}

// sync syncs a document. One that is synced is looked at again, unless it is just being.
func (s *state) sync(now time.Time, id document.ID) {
	at, known := s.find(id)
	if !known {
		d := &doc{id: id, place: -1}
		s.docs = slices.Insert(s.docs, at, d)
		s.ask(d)
		return
	}
	d := s.docs[at]
	switch d.phase {
	case ending:
		d.wanted = true
		return
	case over:
		s.renew(d)
		return
	case resting, idle:
		s.resume(now, d)
	}
	s.ask(d) // Who was looking at it may have seen that it is not to be synced.
}

// renew begins anew with a document that has ended.
func (s *state) renew(d *doc) {
	d.phase, d.wanted, d.known, d.done = fresh, false, false, 0
	s.ask(d)
}

// resume begins a round, for which the policy has to be known.
func (s *state) resume(now time.Time, d *doc) {
	if d.known {
		s.begin(now, d)
		return
	}
	d.phase, d.wake = fresh, time.Time{}
	s.ask(d)
	s.attend(now, d)
}

// cancel ends the syncing of a document.
func (s *state) cancel(now time.Time, w waiterID, id document.ID) {
	d := s.doc(id)
	if d == nil {
		s.answer(w, nil)
		return
	}
	d.wanted = false
	d.cancels = append(d.cancels, w)
	if d.phase != over {
		s.end(now, d)
		return
	}
	s.answerAll(&d.cancels, d.stuckError())
}

// end ends a document: it is not synced from now on.
func (s *state) end(now time.Time, d *doc) {
	s.answerAll(&d.waits, ErrNotSynced)
	if d.phase == ending {
		return
	}
	d.phase, d.wake = ending, time.Time{}
	d.review = false
	s.leave(&s.unheard, d, &d.stale)
	s.stopScan(now, d)
	for _, f := range d.fetches {
		s.tell(now, f)
	}
	s.attend(now, d)
}

// leave takes a document out of a line in which it may be.
func (s *state) leave(line *[]*doc, d *doc, in *bool) {
	if *in {
		*in = false
		*line = slices.DeleteFunc(*line, func(o *doc) bool { return o == d })
	}
}

// ended is called when nothing of a document is under way any more.
func (s *state) ended(d *doc) {
	d.phase = over
	d.carried, d.reasons, d.failed, d.err = nil, nil, 0, nil
	s.answerAll(&d.cancels, d.stuckError())
	if d.wanted {
		s.renew(d)
	} else if len(d.stuck) == 0 {
		at, _ := s.find(d.id)
		s.docs = slices.Delete(s.docs, at, at+1)
	}
}

// stuckError says what of a document was left behind; nil when nothing was.
func (d *doc) stuckError() error {
	if len(d.stuck) == 0 {
		return nil
	}
	return &StuckError{Document: d.id, Calls: len(d.stuck)}
}

// attend is called when something has happened to a document: it goes on with its round,
// or ends it.
func (s *state) attend(now time.Time, d *doc) {
	switch {
	case d.phase == running && !d.scanned:
		s.queue(d)
	case d.phase == running && len(d.fetches) == 0:
		s.finish(now, d)
	case d.phase == ending && d.scan == nil && (len(d.fetches) == 0 || planted.Is(planted.EarlyEnd)):
		s.ended(d)
	case d.phase == over && len(d.stuck) == 0:
		s.ended(d)
	}
	if d.isIdle() {
		s.answerAll(&d.waits, nil)
	}
	s.schedule(d)
}
