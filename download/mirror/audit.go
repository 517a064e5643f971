package mirror

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/souk-p2p/souk/internal/due"
)

// audit looks for what contradicts itself in the state after it has settled, and returns
// what is wrong.
func (s *state) audit() error {
	if err := s.auditJobs(); err != nil {
		return err
	}
	if err := s.auditLines(); err != nil {
		return err
	}
	for i, d := range s.docs {
		if i > 0 && bytes.Compare(s.docs[i-1].id[:], d.id[:]) >= 0 {
			return fmt.Errorf("document %s is not in its place", d.id)
		}
		for _, err := range []error{s.auditDoc(d), s.auditPhase(d), s.auditTimer(d)} {
			if err != nil {
				return fmt.Errorf("document %s: %w", d.id, err)
			}
		}
	}
	return nil
}

// auditJobs counts again what is under way.
func (s *state) auditJobs() error {
	fetching, scanning, reserved, held := 0, 0, 0, 0
	for id, j := range s.jobs {
		if j.id != id {
			return fmt.Errorf("job %d is kept as %d", j.id, id)
		}
		if j.isFetch() {
			fetching++
		} else {
			scanning++
			reserved += j.room
		}
	}
	for _, d := range s.docs {
		held += len(d.fetches) + len(d.stuck)
		if d.scan != nil {
			held++
		}
	}
	switch {
	case fetching != s.fetching || scanning != s.scanning || reserved != s.reserved:
		return fmt.Errorf("%d fetches, %d scans and %d reserved places are kept as %d, %d and %d",
			fetching, scanning, reserved, s.fetching, s.scanning, s.reserved)
	case held != len(s.jobs):
		return fmt.Errorf("documents have %d of %d jobs", held, len(s.jobs))
	case scanning > mostScans || s.free() < 0:
		return fmt.Errorf("%d scans, %d fetches, and %d places reserved", scanning, fetching, reserved)
	}
	return nil
}

func (s *state) auditLines() error {
	for _, d := range s.line {
		if at, known := s.find(d.id); !known || s.docs[at] != d || !d.inLine || d.scan != nil || s.room(d) < s.batch {
			return fmt.Errorf("document %s is in line for a scan", d.id)
		}
	}
	for _, d := range s.aside {
		if at, known := s.find(d.id); !known || s.docs[at] != d || !d.isAside || d.inLine || d.scan != nil || s.room(d) <= 0 {
			return fmt.Errorf("document %s waits aside for a scan", d.id)
		}
	}
	for _, d := range s.unheard {
		if at, known := s.find(d.id); !known || s.docs[at] != d || !d.stale {
			return fmt.Errorf("document %s is in line for a look at its policy", d.id)
		}
	}
	count := func(in func(*doc) bool) (n int) {
		for _, d := range s.docs {
			if in(d) {
				n++
			}
		}
		return n
	}
	switch {
	case count(func(d *doc) bool { return d.inLine }) != len(s.line) || count(func(d *doc) bool { return d.isAside }) != len(s.aside):
		return errors.New("who is in line for a scan is not")
	case count(func(d *doc) bool { return d.stale }) != len(s.unheard):
		return errors.New("of whom the policy is to be looked at is not in line")
	case len(s.line) > 0 && s.scanning < mostScans && s.free() >= s.batch,
		len(s.line) == 0 && len(s.aside) > 0 && s.scanning < mostScans && s.free() > 0:
		return errors.New("a scan could begin, and does not")
	case slices.ContainsFunc(s.parked, s.couldGoOn):
		return errors.New("a scan could go on or be stopped, and waits")
	case len(s.unheard) > 0 && !s.reviewing:
		return errors.New("policies could be looked at, and are not")
	}
	return nil
}

func (s *state) couldGoOn(scan *job) bool {
	return !scan.until.IsZero() || scan.room > 0 || len(s.line) > 0 || s.free() > 0 && s.room(scan.doc) > 0
}

// auditDoc looks at what is under way of a document.
func (s *state) auditDoc(d *doc) error {
	if s.room(d) < 0 {
		return fmt.Errorf("%d fetches, and room for %d", len(d.fetches), s.room(d))
	}
	for i, f := range d.fetches {
		switch {
		case f.doc != d || s.jobs[f.id] != f:
			return fmt.Errorf("fetch %d is not its own", f.id)
		case i > 0 && bytes.Compare(d.fetches[i-1].entry.Key, f.entry.Key) >= 0:
			return fmt.Errorf("%q is fetched twice, or not in its place", f.entry.Key)
		case f.until.IsZero() && (d.phase >= ending || !d.policy.Covers(f.entry.Key)):
			return fmt.Errorf("%q is fetched, and nobody wants it", f.entry.Key)
		}
	}
	for i, j := range d.told {
		if j.until.IsZero() || slices.Contains(d.stuck, j) || s.jobs[j.id] != j || i > 0 && d.told[i-1].until.After(j.until) {
			return fmt.Errorf("job %d is not one that was told to end", j.id)
		}
	}
	if d.scan != nil && d.scan.until.IsZero() && (d.phase != running || d.scanned) {
		return errors.New("a scan goes on, and nobody wants it")
	}
	return nil
}

// auditPhase looks whether a document waits for something that will come.
func (s *state) auditPhase(d *doc) error {
	active := len(d.fetches)
	if d.scan != nil {
		active++
	}
	var wrong bool
	switch d.phase {
	case fresh:
		wrong = !d.stale && !d.review
	case running:
		waits := d.inLine || d.isAside
		wrong = active == 0 && !waits || !d.scanned && d.scan == nil && !waits && s.room(d) > 0
	case resting:
		wrong = d.wake.IsZero()
	case idle:
		wrong = active > 0 || d.failed > 0 || d.again || d.isIdle() && len(d.waits) > 0
	case ending:
		wrong = active == 0 || len(d.waits) > 0 && !d.wanted
	case over:
		wrong = active > 0 || len(d.stuck) == 0 || len(d.cancels)+len(d.waits) > 0
	}
	if wrong {
		return fmt.Errorf("phase %d, with %d under way, %d failed and %d and %d who wait", d.phase, active, d.failed, len(d.waits), len(d.cancels))
	}
	return nil
}

func (s *state) auditTimer(d *doc) error {
	first := d.wake
	for _, j := range d.told {
		first = due.First(first, j.until)
	}
	set := d.place >= 0 && d.place < s.timers.Len() && s.timers.Items()[d.place] == d
	if set == first.IsZero() || set && (!d.due.Equal(first) || s.wake().After(first)) {
		return fmt.Errorf("due at %s, and the timer is set to %s", first, d.due)
	}
	return nil
}
