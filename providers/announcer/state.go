package announcer

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/tracker"
)

const (
	mostNamespaces = 64              // announced: what a tracker keeps of one peer
	mostWithdrawn  = mostNamespaces  // being withdrawn: older ones are left to their TTL
	changePause    = 5 * time.Second // between announcements of what changes again and again, and before one of new addresses
)

// state is what the actor owns. Its methods take what happened and add what is
// to be done to its effects; [state.settle] follows each of them.
type state struct {
	rng *rand.Rand

	trackers map[peer.ID]*trackerState
	ids      []peer.ID // of those in the set, ascending
	claims   map[record.Namespace]*claim
	names    []record.Namespace // of the claims, ascending

	sequence uint64  // the highest that was used or heard of
	calls    []*call // that have not returned, in the order in which they began
	lastCall callID

	addrs   []string  // of the host, in binary: what is signed
	moved   []string  // what they have become
	movedAt time.Time // when that counts; zero for no change

	leaving bool       // nothing is announced any more
	leavers []waiterID // wait for all to be withdrawn
	wake    time.Time
	stat    Stat
	out     effects
}

// claim is a namespace that is announced, or being withdrawn.
type claim struct {
	namespace record.Namespace
	holding   Holding
	live      bool
	version   uint64    // grows with what a record would say
	changed   time.Time // when that last counted

	places []tracker.Place
	ranks  [][]peer.ID // for each place

	signed  draft  // last
	rows    []*row // by tracker, ascending
	waiters []waiter
}

// effects is what the shell does after an event.
type effects struct {
	calls   []*call
	answers []answer
	warn    []warning
}

// waiterID stands for who waits for an announcement or a withdrawal.
type waiterID uint64

type answer struct {
	waiter waiterID
	err    error
}

// warning is a refusal that somebody has to look at.
type warning struct {
	tracker   peer.ID
	namespace record.Namespace
	err       error
}

func newState(seed uint64) *state {
	return &state{
		rng:      rand.New(rand.NewPCG(seed, 0x736f756b)),
		trackers: make(map[peer.ID]*trackerState), claims: make(map[record.Namespace]*claim),
	}
}

// take returns the effects gathered since the last call.
func (s *state) take() effects {
	out := s.out
	s.out = effects{}
	return out
}

// announce takes what is held now of a namespace. A holding that is as it was
// costs nothing.
func (s *state) announce(now time.Time, w waiterID, ns record.Namespace, h Holding) {
	if s.leaving {
		s.answerWith(w, ErrClosed)
		return
	}
	c := s.claims[ns]
	if (c == nil || !c.live) && s.live() == mostNamespaces {
		s.answerWith(w, ErrTooMany)
		return
	}
	if c == nil {
		c = s.claim(ns)
	}
	if !c.live || !c.holding.equal(h) {
		s.hold(now, c, h)
	}
	c.waiters = append(c.waiters, waiter{id: w, since: now, version: c.version})
}

// claim makes room for a namespace.
func (s *state) claim(ns record.Namespace) *claim {
	c := &claim{namespace: ns}
	s.claims[ns] = c
	at, _ := slices.BinarySearch(s.names, ns)
	s.names = slices.Insert(s.names, at, ns)
	return c
}

// hold lets a claim be for a holding. Where that is not kept any more, what was
// told before is taken back.
func (s *state) hold(now time.Time, c *claim, h Holding) {
	c.holding, c.live = h, true
	c.places = h.places(c.namespace)
	s.rank(c)
	s.renew(now, c)
	s.assign(now, c)
	for _, r := range c.rows {
		if r.task == idle && r.sent != 0 {
			r.withdraw(now)
		}
	}
}

// renew lets what was signed count for nothing: all rows are announced again, at
// once or a while after the last time.
func (s *state) renew(now time.Time, c *claim) {
	c.version++
	switch again := c.changed.Add(changePause); {
	case !c.taken():
		c.changed = now
	case !c.changed.After(now):
		c.changed = later(now, again)
	}
	for i, r := range c.rows {
		r.at = c.changed
		if i > 0 {
			r.at = r.at.Add(s.jitter(s.spread()))
		}
	}
}

func (s *state) withdraw(now time.Time, w waiterID, ns record.Namespace) {
	c := s.claims[ns]
	if c == nil {
		s.answerWith(w, nil)
		return
	}
	if c.live {
		s.drop(now, c)
	}
	c.waiters = append(c.waiters, waiter{id: w, since: now, withdrawal: true})
}

// drop lets a claim be withdrawn wherever it was told.
func (s *state) drop(now time.Time, c *claim) {
	c.live = false
	c.version++
	c.changed = now
	for _, r := range c.rows {
		if r.task != withdrawing {
			r.withdraw(now)
		}
	}
	s.limitWithdrawn()
}

// limitWithdrawn gives up the withdrawal that began first when there are too
// many.
func (s *state) limitWithdrawn() {
	var oldest *claim
	n := 0
	for _, c := range s.all {
		if c.live {
			continue
		}
		if n++; oldest == nil || c.changed.Before(oldest.changed) {
			oldest = c
		}
	}
	if n <= mostWithdrawn {
		return
	}
	oldest.rows = slices.DeleteFunc(oldest.rows, (*row).dropped)
	for _, w := range oldest.waiters {
		s.answerWith(w.id, ErrGivenUp)
	}
	oldest.waiters = nil
}

// leave withdraws everything, and answers when all that can be told was told.
func (s *state) leave(now time.Time, w waiterID) {
	s.leaving = true
	s.leavers = append(s.leavers, w)
	for _, c := range s.all {
		if c.live {
			s.drop(now, c)
		}
	}
}

// addresses takes those of the host, in one order. They count after a pause, in
// which more may change, unless nobody was told others.
func (s *state) addresses(now time.Time, addrs []string) {
	s.moved = addrs
	switch {
	case slices.Equal(s.moved, s.addrs):
		s.movedAt = time.Time{}
	case s.live() == 0:
		s.addrs, s.movedAt = s.moved, time.Time{}
	case s.movedAt.IsZero():
		s.movedAt = now.Add(changePause)
	}
}

func (s *state) move(now time.Time) {
	if s.movedAt.IsZero() || now.Before(s.movedAt) {
		return
	}
	s.addrs, s.movedAt = s.moved, time.Time{}
	for _, c := range s.all {
		if c.live {
			s.renew(now, c)
		}
	}
}

// settle is called after each event: it decides where every namespace belongs
// now, begins the calls that are due and answers who waits.
func (s *state) settle(now time.Time) {
	s.move(now)
	s.giveUp(now)
	for _, c := range s.all {
		s.assign(now, c)
	}
	s.begin(now)
	for _, c := range s.all {
		s.answer(now, c)
	}
	s.forget()
	s.answerLeavers(now)
	s.wake = s.next(now)
	s.stat.Namespaces = s.live()
}

// forget drops the claims of which nothing is left to tell.
func (s *state) forget() {
	s.names = slices.DeleteFunc(s.names, func(ns record.Namespace) bool {
		c := s.claims[ns]
		if c.live || len(c.rows) > 0 || len(c.waiters) > 0 {
			return false
		}
		delete(s.claims, ns)
		return true
	})
}

// all are the claims in the order of their names.
func (s *state) all(yield func(int, *claim) bool) {
	for i, ns := range s.names {
		if !yield(i, s.claims[ns]) {
			return
		}
	}
}

func (s *state) live() int {
	n := 0
	for _, c := range s.all {
		if c.live {
			n++
		}
	}
	return n
}

func (s *state) jitter(most time.Duration) time.Duration {
	return time.Duration(s.rng.Int64N(int64(most) + 1))
}

// taken reports whether a tracker has a row of the claim.
func (c *claim) taken() bool {
	return slices.ContainsFunc(c.rows, func(r *row) bool { return r.has.sequence != 0 && r.task != withdrawing })
}

// row returns what a tracker was told, or nil.
func (c *claim) row(t *trackerState) *row {
	if i, found := c.search(t); found {
		return c.rows[i]
	}
	return nil
}
