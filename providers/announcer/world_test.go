package announcer

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/tracker"
	"github.com/souk-p2p/souk/providers/wire"
)

var (
	began   = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	errLost = errors.New("lost")
)

// world is a state and the trackers that it tells, in one thread and its own
// time.
type world struct {
	t         require.TestingT
	s         *state
	now       time.Time
	rng       *rand.Rand
	latency   time.Duration // one way
	trackers  []*station
	flights   []*flight
	told      []message
	sequences map[target]uint64 // told last
	asked     waiterID
	answers   map[waiterID]error
	warned    []warning
}

// target is a namespace at a tracker.
type target struct {
	tracker   peer.ID
	namespace record.Namespace
}

// station is a tracker. What it does is honest unless a knob is turned.
type station struct {
	id        peer.ID
	rows      map[record.Namespace]stored
	downUntil time.Time
	lost      uint64
	ahead     time.Duration // its clock

	unreachable, hangs bool
	loses              float64 // of requests, and of answers
	refuses            *wire.Refusal
	shams              bool // says yes and does nothing
}

// stored is a row, or what is left of one.
type stored struct {
	sequence, version uint64
	withdrawn         bool
	until             time.Time
	ttl               time.Duration
}

// flight is a call on its way.
type flight struct {
	call     *call
	draft    draft
	touch    []wire.Touched
	at       time.Time // of the next end of the way
	arrived  bool
	refusals []wire.Refusal
	err      error
}

// message is a call that was begun.
type message struct {
	at         time.Time
	tracker    peer.ID
	namespaces []record.Namespace
	sequence   uint64
	kind       string
}

func newWorld(t require.TestingT, trackers int, seed uint64) *world {
	w := &world{
		t: t, s: newState(seed), now: began, rng: rand.New(rand.NewPCG(seed, 1)), latency: 20 * time.Millisecond,
		answers: make(map[waiterID]error), sequences: make(map[target]uint64),
	}
	for n := range trackers {
		w.trackers = append(w.trackers, &station{id: peer.ID(fmt.Sprintf("t%02d", n)), rows: make(map[record.Namespace]stored)})
	}
	w.s.addresses(w.now, []string{"here"})
	w.know()
	return w
}

// know tells the state the set of trackers.
func (w *world) know() {
	news := make([]trackerNews, len(w.trackers))
	for i, t := range w.trackers {
		news[i] = trackerNews{t.id, t.downUntil, t.lost}
	}
	w.s.known(w.now, news)
	w.settle()
}

func (w *world) settle() {
	w.s.settle(w.now)
	out := w.s.take()
	for _, c := range out.calls {
		w.begin(c)
	}
	for _, a := range out.answers {
		require.NotContains(w.t, w.answers, a.waiter, "answered once")
		w.answers[a.waiter] = a.err
	}
	w.warned = append(w.warned, out.warn...)
	require.NoError(w.t, w.s.audit(w.now))
}

func (w *world) begin(c *call) {
	for _, f := range w.flights {
		require.True(w.t, f.call.tracker != c.tracker, "one call at a time for a tracker")
	}
	m := describe(w.now, c)
	w.told = append(w.told, m)
	if c.touch == nil {
		r := c.rows[0]
		have := target{r.tracker.id, r.claim.namespace}
		require.GreaterOrEqual(w.t, m.sequence, w.sequences[have], "never older than what it was told before")
		w.sequences[have] = m.sequence
	}
	w.flights = append(w.flights, &flight{call: c, draft: c.draft, touch: c.touch, at: w.now.Add(w.latency)})
}

func describe(now time.Time, c *call) message {
	m := message{at: now, tracker: c.tracker.id, sequence: c.draft.sequence, kind: "announce"}
	for _, r := range c.rows {
		m.namespaces = append(m.namespaces, r.claim.namespace)
	}
	switch {
	case c.touch != nil:
		m.kind = "touch"
	case c.draft.withdrawal:
		m.kind = "withdraw"
	}
	return m
}

// run lets time pass.
func (w *world) run(d time.Duration) {
	for end := w.now.Add(d); ; {
		at := end
		if wake := w.s.wake; !wake.IsZero() && wake.Before(at) {
			at = wake
		}
		next := w.nextFlight()
		if next != nil && next.at.Before(at) {
			at = next.at
		}
		w.now = later(w.now, at)
		switch {
		case next != nil && !next.at.After(w.now):
			w.fly(next)
		case at.Equal(end):
			w.settle()
			return
		default:
			w.settle()
		}
	}
}

// nextFlight is the first that moves.
func (w *world) nextFlight() *flight {
	var next *flight
	for _, f := range w.flights {
		if !(f.arrived && w.station(f.call.tracker.id).hangs) && (next == nil || f.at.Before(next.at)) {
			next = f
		}
	}
	return next
}

// fly lets a call arrive, or its answer.
func (w *world) fly(f *flight) {
	t := w.station(f.call.tracker.id)
	if !f.arrived {
		f.arrived, f.at = true, w.now.Add(w.latency)
		f.refusals, f.err = w.arrive(t, f)
		return
	}
	w.flights = slices.DeleteFunc(w.flights, func(o *flight) bool { return o == f })
	if f.err != nil && t.unreachable {
		t.downUntil = w.now.Add(time.Duration(w.rng.Int64N(int64(5 * time.Minute))))
		w.know()
	}
	w.s.ended(w.now, f.call.id, f.refusals, f.err)
	w.settle()
}

func (w *world) arrive(t *station, f *flight) ([]wire.Refusal, error) {
	if t.unreachable || w.rng.Float64() < t.loses {
		return nil, errLost
	}
	refusals := w.take(t, f)
	if w.rng.Float64() < t.loses {
		return nil, errLost
	}
	return refusals, nil
}

// take lets a tracker do what it is told, or refuse it.
func (w *world) take(t *station, f *flight) (refusals []wire.Refusal) {
	refuse := func(item int, code wire.Code, stored uint64) {
		refusals = append(refusals, wire.Refusal{Code: code, Item: item, Stored: stored})
	}
	switch {
	case t.refuses != nil:
		for i := range max(len(f.touch), 1) {
			r := *t.refuses
			r.Item = i
			refusals = append(refusals, r)
		}
	case t.shams:
	case f.touch != nil:
		for i, row := range f.touch {
			have, known := t.rows[row.Namespace]
			if !known || have.withdrawn || have.sequence != row.Sequence || !w.now.Before(have.until) {
				refuse(i, wire.CodeUnknownRow, 0)
				continue
			}
			have.until = w.now.Add(have.ttl)
			t.rows[row.Namespace] = have
		}
	default:
		code, stored := w.store(t, f.draft)
		if code != wire.CodeOther {
			refuse(0, code, stored)
		}
	}
	return refusals
}

// store takes a record as a tracker does.
func (w *world) store(t *station, d draft) (wire.Code, uint64) {
	have, known := t.rows[d.namespace]
	if known && !w.now.Before(have.until) {
		have, known = stored{}, false
	}
	clock := w.now.Add(t.ahead)
	switch {
	case clock.Sub(d.issued).Abs() > record.MaxSkew:
		return wire.CodeSkew, 0
	case d.sequence > uint64(d.issued.Add(record.MaxAge).UnixMilli()) || d.sequence <= have.sequence:
		return wire.CodeSequence, have.sequence
	case d.withdrawal && !known:
		return wire.CodeUnknownRow, 0
	case d.withdrawal:
		t.rows[d.namespace] = stored{sequence: d.sequence, withdrawn: true, until: w.now.Add(record.MaxTTL)}
	default:
		t.rows[d.namespace] = stored{sequence: d.sequence, version: d.version, until: w.now.Add(d.holding.TTL), ttl: d.holding.TTL}
	}
	return wire.CodeOther, 0
}

func (w *world) station(id peer.ID) *station {
	i := slices.IndexFunc(w.trackers, func(t *station) bool { return t.id == id })
	if i < 0 {
		return &station{unreachable: true}
	}
	return w.trackers[i]
}

// announce asks the state, and returns who waits.
func (w *world) announce(ns record.Namespace, h Holding) waiterID {
	h, err := h.checked(ns)
	require.NoError(w.t, err)
	w.asked++
	w.s.announce(w.now, w.asked, ns, h)
	w.settle()
	return w.asked
}

func (w *world) withdraw(ns record.Namespace) waiterID {
	w.asked++
	w.s.withdraw(w.now, w.asked, ns)
	w.settle()
	return w.asked
}

// restart lets a tracker lose everything, and the state notice the lost
// connection.
func (w *world) restart(t *station) {
	t.rows = make(map[record.Namespace]stored)
	t.lost++
	w.know()
}

func (w *world) ids() []peer.ID {
	var all []peer.ID
	for _, t := range w.trackers {
		all = append(all, t.id)
	}
	return all
}

// homes are the live trackers that a claim belongs at.
func (w *world) homes(c *claim) []*station {
	var all []*station
	up := func(id peer.ID) bool { return !w.station(id).unreachable }
	for _, p := range c.places {
		for _, id := range tracker.Top(p, w.ids(), up) {
			if t := w.station(id); !slices.Contains(all, t) {
				all = append(all, t)
			}
		}
	}
	return all
}

// lists reports whether a tracker hands out a namespace, in which version.
func (w *world) lists(t *station, ns record.Namespace) (version uint64, listed bool) {
	have, known := t.rows[ns]
	return have.version, known && !have.withdrawn && w.now.Before(have.until)
}

// requireHome fails unless every live tracker that a namespace belongs at lists
// it as it is.
func (w *world) requireHome(ns record.Namespace) {
	c := w.s.claims[ns]
	require.NotNil(w.t, c, "%s", ns)
	homes := w.homes(c)
	require.NotEmpty(w.t, homes)
	for _, t := range homes {
		version, listed := w.lists(t, ns)
		require.True(w.t, listed, "%s at %s", ns, t.id)
		require.Equal(w.t, c.version, version, "%s at %s", ns, t.id)
	}
}

// count is how many messages of a kind were told since a time; the empty kind is
// all.
func (w *world) count(kind string, since time.Time) int {
	n := 0
	for _, m := range w.told {
		if !m.at.Before(since) && (kind == "" || m.kind == kind) {
			n++
		}
	}
	return n
}
