package mirror

import (
	"bytes"
	"cmp"
	"time"

	"github.com/souk-p2p/souk/internal/due"
	"github.com/souk-p2p/souk/internal/planted"
)

// deletionPause is how long it is waited after a deletion until what is missing is looked
// for: a command that deletes thousands of blocks one by one costs each document a round
// in a second, and not one for each of them.
const deletionPause = time.Second

// mostFailures is how many failures of a round are remembered with their reasons.
const mostFailures = 16

// begin begins a round. What is under way is left to the fetch that there is, whatever
// becomes of that while it is looked at what is missing.
func (s *state) begin(now time.Time, d *doc) {
	d.phase, d.wake = running, time.Time{}
	d.from, d.scanned, d.again = nil, false, false
	d.failed, d.reasons, d.err = 0, nil, nil
	s.stopScan(now, d)
	d.carried = make(map[string]struct{}, len(d.fetches)+len(d.stuck))
	for _, f := range d.fetches {
		if !planted.Is(planted.FetchedTwice) {
			d.carried[string(f.entry.Key)] = struct{}{}
		}
	}
	for _, j := range d.stuck {
		if j.isFetch() {
			d.carried[string(j.entry.Key)] = struct{}{}
			d.cannot(j, &StuckError{Document: d.id, Calls: 1})
		}
	}
	s.attend(now, d)
}

// cannot notes that an entry could not be fetched. What the policy does not cover any
// more has not failed.
func (d *doc) cannot(f *job, err error) {
	if !d.policy.Covers(f.entry.Key) {
		return
	}
	d.failed++
	if len(d.reasons) < mostFailures {
		d.reasons = append(d.reasons, Failure{Entry: f.entry, Err: err})
	}
}

// finish ends a round of which nothing is under way any more.
func (s *state) finish(now time.Time, d *doc) {
	d.carried = nil
	switch {
	case d.again:
		s.begin(now, d)
	case d.failed > 0:
		s.rest(now, d, nil)
	default:
		d.phase = idle
	}
}

// rest lets a document be until it is tried again. What is under way goes on.
func (s *state) rest(now time.Time, d *doc, err error) {
	if err != nil {
		d.err = err
		s.warn("what is missing of a document cannot be found", d, err)
	}
	s.stopScan(now, d)
	d.phase, d.wake = resting, now.Add(s.pause)
	s.schedule(d)
}

func (s *state) warn(text string, d *doc, err error) {
	s.out.warnings = append(s.out.warnings, warning{text, d.id, err})
}

// deleted has what is missing looked for again: blocks were deleted. A document that
// rests does that anyway.
func (s *state) deleted(now time.Time) {
	for _, d := range s.docs {
		switch {
		case d.phase == running:
			d.again = d.again || !planted.Is(planted.UnheardDeletion)
		case d.phase == idle && d.wake.IsZero():
			d.wake = now.Add(deletionPause)
			s.schedule(d)
		}
	}
}

// tick lets happen what is due.
func (s *state) tick(now time.Time) {
	for s.timers.Len() > 0 && !s.timers.Top().due.After(now) {
		d := s.timers.Top()
		for len(d.told) > 0 && !d.told[0].until.After(now) {
			s.giveUp(d.told[0])
		}
		if !d.wake.IsZero() && !d.wake.After(now) {
			s.resume(now, d)
		} else {
			s.attend(now, d)
		}
	}
}

// wake is when tick has to be called, or the zero time.
func (s *state) wake() time.Time {
	if s.timers.Len() == 0 {
		return time.Time{}
	}
	return s.timers.Top().due
}

// schedule has a document looked at when something about it is due.
func (s *state) schedule(d *doc) {
	d.due = d.wake
	if len(d.told) > 0 {
		d.due = due.First(d.wake, d.told[0].until)
	}
	switch set := d.place >= 0; {
	case d.due.IsZero() && set:
		s.timers.Remove(d.place)
	case !d.due.IsZero() && set:
		s.timers.Fix(d.place)
	case !d.due.IsZero():
		s.timers.Push(d)
	}
}

func (d *doc) before(o *doc) bool {
	return cmp.Or(d.due.Compare(o.due), bytes.Compare(d.id[:], o.id[:])) < 0
}
