package announcer

import (
	"cmp"
	"slices"
	"time"

	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/wire"
)

const (
	// mostCalls are under way at once: as many as libp2p dials for one host by
	// default.
	mostCalls = 8
	// patience is the deadline of a call, and grace how much longer it may take to
	// return before it is given up.
	patience = 10 * time.Second
	grace    = 2 * time.Second
)

const (
	// unknownSpread is over what the rows are announced again that a tracker has
	// lost: it has lost those of others, too.
	unknownSpread = 10 * time.Second

	// A tracker that has no room, or time, is asked again after its RetryAfter and
	// a pause that doubles between these two.
	firstRefused = 30 * time.Second
	longRefused  = 15 * time.Minute
	// One that finds the record wrong will not change its mind soon.
	firstWrong = 5 * time.Minute
	longWrong  = time.Hour
	// longRetry is what is believed of a RetryAfter.
	longRetry = time.Hour
)

// callID stands for a call inside the state.
type callID uint64

// call is one message to a tracker: an announcement or a withdrawal of one row, or
// a touch of several.
type call struct {
	id      callID
	tracker *trackerState
	rows    []*row
	draft   draft          // unless it is a touch
	touch   []wire.Touched // if it is one
	began   time.Time
	share   time.Duration // of the TTL until its rows are touched next, in thousandths: the same for all
	lost    uint64        // connections of the tracker until then
	givenUp bool
}

// begin begins what is due: one call for a tracker, the longest due first.
func (s *state) begin(now time.Time) {
	var due []*row
	for _, c := range s.all {
		for _, r := range c.rows {
			if r.task != idle && s.ready(now, r) {
				due = append(due, r)
			}
		}
	}
	slices.SortStableFunc(due, func(a, b *row) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.tracker.id, b.tracker.id))
	})
	for _, r := range due {
		if s.flying() < mostCalls && r.tracker.call == nil {
			s.call(now, r)
		}
	}
}

// ready reports whether a row is due and its tracker can be told.
func (s *state) ready(now time.Time, r *row) bool {
	return !r.at.After(now) && r.tracker.call == nil && r.tracker.untold(now) == nil
}

func (s *state) call(now time.Time, r *row) {
	s.lastCall++
	c := &call{id: s.lastCall, tracker: r.tracker, began: now, share: 400 + s.jitter(100), lost: r.tracker.lost}
	if r.task == keeping && r.current(now) {
		s.touch(now, c)
	} else {
		s.tell(now, c, r)
	}
	r.tracker.call = c
	s.calls = append(s.calls, c)
	s.out.calls = append(s.out.calls, c)
}

// tell announces or withdraws one row.
func (s *state) tell(now time.Time, c *call, r *row) {
	c.draft = s.draft(now, r)
	c.rows = []*row{r}
	r.sent = c.draft.sequence
	if r.task == withdrawing {
		s.stat.Withdrawals++
		return
	}
	s.stat.Announcements++
	r.until = now.Add(patience + r.claim.holding.TTL)
	r.at = c.refresh(now, r)
}

// refresh is when a row of the call is touched next: at about half of its TTL, so
// that one message may be lost, and not for all nodes at once.
func (c *call) refresh(now time.Time, r *row) time.Time {
	return now.Add(r.claim.holding.TTL / 1000 * c.share)
}

// touch keeps all rows of a tracker that are due about now. What it takes along is
// so much that rows which were announced at different times come together.
func (s *state) touch(now time.Time, c *call) {
	s.stat.Touches++
	for _, claim := range s.all {
		r := claim.row(c.tracker)
		if r == nil || r.task != keeping || !r.current(now) || r.at.After(now.Add(claim.holding.TTL/5)) || len(c.rows) == wire.MaxTouches {
			continue
		}
		c.rows = append(c.rows, r)
		c.touch = append(c.touch, wire.Touched{Namespace: claim.namespace, Sequence: r.has.sequence})
		r.until = later(r.until, now.Add(patience+claim.holding.TTL))
		r.at = c.refresh(now, r)
	}
}

// ended takes the result of a call.
func (s *state) ended(now time.Time, id callID, refusals []wire.Refusal, err error) {
	i := slices.IndexFunc(s.calls, func(c *call) bool { return c.id == id })
	c := s.calls[i]
	s.calls = slices.Delete(s.calls, i, i+1)
	t := c.tracker
	if t.call = nil; t.gone {
		delete(s.trackers, t.id)
	}
	if c.givenUp {
		return // What it says may be older than what was noted since.
	}
	if err != nil {
		s.failed(now, c, err)
		return
	}
	t.failures, t.pausedUntil = 0, time.Time{}
	for i, r := range c.rows {
		if r.gone {
			continue
		}
		if at := slices.IndexFunc(refusals, func(f wire.Refusal) bool { return f.Item == i }); at >= 0 {
			s.refused(now, c, r, refusals[at])
		} else {
			s.done(now, c, r)
		}
		if c.lost != t.lost {
			r.check() // The answer may be of the time before a restart.
		}
	}
	if c.lost != t.lost {
		t.quietUntil = earlier(t.quietUntil, t.checkAt)
	}
}

// giveUp lets calls count as failed that do not return. Their trackers get no
// other call until they do.
func (s *state) giveUp(now time.Time) {
	for _, c := range s.calls {
		if !c.givenUp && !now.Before(c.deadline()) {
			c.givenUp = true
			s.failed(now, c, ErrStuck)
		}
	}
}

// deadline is when a call is given up.
func (c *call) deadline() time.Time { return c.began.Add(patience + grace) }

// flying is how many calls were not given up.
func (s *state) flying() int {
	n := 0
	for _, c := range s.calls {
		if !c.givenUp {
			n++
		}
	}
	return n
}

// failed takes a call without an answer: the tracker may have taken what it was
// told, or not.
func (s *state) failed(now time.Time, c *call, err error) {
	s.stat.Failures++
	s.rest(now, c.tracker)
	for _, r := range c.rows {
		r.err, r.failed = err, now
		r.at = now
		if r.task == withdrawing {
			s.tryAgain(now, r, 0)
		}
	}
}

// done takes it that a tracker did what it was told.
func (s *state) done(now time.Time, c *call, r *row) {
	r.err, r.refusals = nil, 0
	switch {
	case c.touch != nil:
		r.has.heard = now
	case c.draft.withdrawal:
		r.has = receipt{}
		if r.task == withdrawing {
			r.task, r.until = idle, now
		}
		return
	default:
		r.has = receipt{sequence: c.draft.sequence, version: c.draft.version, issued: c.draft.issued, heard: now}
	}
	r.until = now.Add(r.claim.holding.TTL)
	if r.task == keeping && r.current(now) {
		r.at = c.refresh(now, r)
	}
}

// refused takes it that a tracker did not.
func (s *state) refused(now time.Time, c *call, r *row, f wire.Refusal) {
	if f.Code == wire.CodeSequence && f.Stored == c.draft.sequence && c.touch == nil {
		s.done(now, c, r) // It has this very record, and its answer was lost.
		return
	}
	if int(f.Code) >= wire.NumCodes {
		f.Code = wire.CodeOther
	}
	s.stat.Refused[f.Code]++
	r.err = &RefusedError{f}
	switch {
	case c.touch != nil:
		s.refusedTouch(now, r, f)
	case c.draft.withdrawal:
		s.refusedWithdrawal(now, r, f)
	default:
		s.refusedAnnounce(now, r, f)
	}
}

func (s *state) refusedTouch(now time.Time, r *row, f wire.Refusal) {
	switch f.Code {
	case wire.CodeRate, wire.CodeUnavailable:
		s.hush(now, r, f)
		r.at = r.tracker.quietUntil
	case wire.CodeUnknownRow, wire.CodeSequence:
		s.learn(now, f.Stored)
		r.has, r.at = receipt{}, now.Add(s.jitter(unknownSpread))
		r.tracker.alarms = 0
	default:
		r.has = receipt{}
		s.refusedAnnounce(now, r, f)
	}
}

func (s *state) refusedAnnounce(now time.Time, r *row, f wire.Refusal) {
	r.refusals++
	r.at = now
	switch f.Code {
	case wire.CodeSequence:
		s.learn(now, f.Stored)
		if r.refusals == 1 {
			return // The next one is right.
		}
		r.refusedUntil = now.Add(s.pause(r.refusals-1, firstRefused, longRefused))
	case wire.CodeInvalid, wire.CodeSender, wire.CodeSignature, wire.CodeSkew:
		s.warnOnce(r, f)
		r.refusedUntil = now.Add(s.pause(r.refusals, firstWrong, longWrong))
	case wire.CodeRate:
		s.hush(now, r, f)
		r.refusedUntil = r.tracker.quietUntil
	default:
		r.refusedUntil = now.Add(s.pause(r.refusals, firstRefused, longRefused) + retryAfter(f))
	}
	r.failed = now
}

func (s *state) refusedWithdrawal(now time.Time, r *row, f wire.Refusal) {
	if r.task != withdrawing {
		return
	}
	switch f.Code {
	case wire.CodeUnknownRow:
		r.task, r.until, r.err = idle, now, nil // There is nothing to withdraw.
		return
	case wire.CodeSequence:
		s.learn(now, f.Stored)
	case wire.CodeRate:
		s.hush(now, r, f)
	}
	r.failed = now
	s.tryAgain(now, r, retryAfter(f))
}

// tryAgain lets a withdrawal be tried again, if its turn comes before the row is
// over.
func (s *state) tryAgain(now time.Time, r *row, after time.Duration) {
	pause := firstPause << (2 * r.tries)
	r.tries++
	r.at = now.Add(max(pause/2+s.jitter(pause/2), after))
}

// hush says nothing to a tracker that hears too much.
func (s *state) hush(now time.Time, r *row, f wire.Refusal) {
	until := now.Add(max(retryAfter(f), firstPause) + s.jitter(firstPause))
	r.tracker.quietUntil = later(r.tracker.quietUntil, until)
}

// pause is how long to wait after n refusals in a row.
func (s *state) pause(n int, first, long time.Duration) time.Duration {
	p := min(first<<min(n-1, 16), long)
	return p/2 + s.jitter(p/2)
}

func (s *state) warnOnce(r *row, f wire.Refusal) {
	if bit := uint32(1) << f.Code; r.tracker.warned&bit == 0 {
		r.tracker.warned |= bit
		s.out.warn = append(s.out.warn, warning{r.tracker.id, r.claim.namespace, r.err})
	}
}

// learn goes on from a sequence that a tracker has stored, unless no honest one
// could have.
func (s *state) learn(now time.Time, stored uint64) {
	if record.NextSequence(stored, now) > stored {
		s.sequence = max(s.sequence, stored)
	}
}

func retryAfter(f wire.Refusal) time.Duration { return min(max(f.RetryAfter, 0), longRetry) }

// later returns the later of two times.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
