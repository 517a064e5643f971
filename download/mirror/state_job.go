package mirror

import (
	"bytes"
	"slices"
	"time"

	"github.com/souk-p2p/souk/download/document"
	"github.com/souk-p2p/souk/internal/planted"
)

// mostScans is how many documents are gone through at a time: enough to keep a disk and a
// few cores busy. The others stand in line.
const mostScans = 4

// patience is what a Fetch or Look may take that was told to end: as long as a read of a
// store, after which that counts as failed.
const patience = 10 * time.Second

// scanEnd is how a scan has ended.
type scanEnd uint8

const (
	stopped  scanEnd = iota // it was not to go on, or could not
	complete                // there is no more
	gone                    // the document was removed
)

func (j *job) isFetch() bool { return j.entry.Key != nil }

// room is how many more entries of a document may be under way.
func (s *state) room(d *doc) int {
	room := s.window - len(d.fetches)
	if d.scan != nil {
		room -= d.scan.room
	}
	return room
}

// free is how many more entries may be under way.
func (s *state) free() int { return s.fetches - s.fetching - s.reserved }

// queue has a document stand in line for a scan when there is room for a batch, and aside
// when there is less.
func (s *state) queue(d *doc) {
	switch room := s.room(d); {
	case d.scan != nil || d.inLine || room == 0:
	case room >= s.batch:
		s.leave(&s.aside, d, &d.isAside)
		s.line, d.inLine = append(s.line, d), true
	case !d.isAside:
		s.aside, d.isAside = append(s.aside, d), true
	}
}

// beginScans begins scans of the documents whose turn it is. Those aside have theirs when
// nobody would wait for it: each costs the reading of a page, and may find little.
func (s *state) beginScans() {
	for len(s.line) > 0 && s.scanning < mostScans && s.free() >= s.batch {
		d := s.line[0]
		s.leave(&s.line, d, &d.inLine)
		s.beginScan(d, s.batch)
	}
	for len(s.line) == 0 && len(s.aside) > 0 && s.scanning < mostScans && s.free() > 0 {
		d := s.aside[0]
		s.leave(&s.aside, d, &d.isAside)
		s.beginScan(d, min(s.room(d), s.free()))
	}
}

// beginScan begins a scan that may find so much.
func (s *state) beginScan(d *doc, room int) {
	d.scan = s.job(d)
	s.scanning++
	s.reserve(d.scan, room)
	s.out.scans = append(s.out.scans, scanning{d.scan.id, d.id, d.policy, d.from, d.carried})
}

func (s *state) job(d *doc) *job {
	s.last++
	j := &job{id: s.last, doc: d}
	s.jobs[j.id] = j
	return j
}

// reserve reserves places for what a scan finds, or gives them back.
func (s *state) reserve(scan *job, places int) {
	scan.room += places
	s.reserved += places
}

// stopScan ends the scan of a document: what it would find is not wanted any more, or
// from the beginning.
func (s *state) stopScan(now time.Time, d *doc) {
	s.leave(&s.line, d, &d.inLine)
	s.leave(&s.aside, d, &d.isAside)
	if d.scan != nil {
		s.reserve(d.scan, -d.scan.room)
		s.tell(now, d.scan)
	}
}

// found has an entry fetched that a scan has found, which waits until it is told whether
// to go on.
func (s *state) found(id jobID, e document.Entry) {
	scan := s.jobs[id]
	s.parked = append(s.parked, scan)
	if scan.until.IsZero() {
		s.reserve(scan, -1)
		s.start(scan.doc, e)
		scan.doc.from = append(slices.Clone(e.Key), 0) // the next key that can be
	}
}

// unpark lets the scans go on for which there is a place: one of their batch, or, while
// no other document is in line, any. It stops those in whose way others are.
func (s *state) unpark() {
	s.parked = slices.DeleteFunc(s.parked, func(scan *job) bool {
		told := !scan.until.IsZero()
		if !told && scan.room == 0 && len(s.line) == 0 {
			if s.free() == 0 || s.room(scan.doc) == 0 {
				return false
			}
			s.reserve(scan, 1)
		}
		s.out.resume = append(s.out.resume, resuming{scan.id, !told && scan.room > 0})
		return true
	})
}

// start has an entry fetched, for which there is a place.
func (s *state) start(d *doc, e document.Entry) {
	f := s.job(d)
	f.entry = e
	s.fetching++
	at, _ := d.search(e.Key)
	d.fetches = slices.Insert(d.fetches, at, f)
	s.out.fetches = append(s.out.fetches, fetching{f.id, d.id, e})
}

func (d *doc) search(key []byte) (at int, known bool) {
	return slices.BinarySearchFunc(d.fetches, key, func(f *job, key []byte) int { return bytes.Compare(f.entry.Key, key) })
}

// tell tells a job to end, once.
func (s *state) tell(now time.Time, j *job) {
	if j.until.IsZero() {
		j.until = now.Add(patience)
		j.doc.told = append(j.doc.told, j)
		s.out.end = append(s.out.end, j.id)
	}
}

// scanned takes the end of a scan.
func (s *state) scanned(now time.Time, id jobID, end scanEnd, err error) {
	scan := s.jobs[id]
	d := scan.doc
	s.reserve(scan, -scan.room)
	s.scanning--
	s.parked = slices.DeleteFunc(s.parked, func(o *job) bool { return o == scan })
	s.drop(scan)
	switch {
	case !scan.until.IsZero():
		// It was told to end, and another goes on from where the round is.
	case end == gone:
		d.phase = fresh
		s.ask(d)
	case err != nil:
		s.rest(now, d, err)
	case end == complete:
		d.scanned = true
	}
	s.attend(now, d)
}

// fetched takes the end of a fetch. One that was told to end has not failed, but may be
// wanted again.
func (s *state) fetched(now time.Time, id jobID, err error) {
	f := s.jobs[id]
	d := f.doc
	s.fetching--
	left := s.drop(f)
	switch {
	case left:
	case err == nil:
		d.done++
	case !f.until.IsZero():
		d.again = d.again || d.policy.Covers(f.entry.Key) && !planted.Is(planted.ForgottenEntry)
	default:
		d.cannot(f, err)
	}
	s.attend(now, d)
}

// drop forgets a job that has returned, and reports whether it was given up before.
func (s *state) drop(j *job) (left bool) {
	delete(s.jobs, j.id)
	d := j.doc
	if at := slices.Index(d.stuck, j); at >= 0 {
		d.stuck = slices.Delete(d.stuck, at, at+1)
		return true
	}
	s.part(j)
	return false
}

// part takes a job from what its document waits for.
func (s *state) part(j *job) {
	d := j.doc
	if at := slices.Index(d.told, j); at >= 0 {
		d.told = slices.Delete(d.told, at, at+1)
	}
	if d.scan == j {
		d.scan = nil
		return
	}
	at, _ := d.search(j.entry.Key)
	d.fetches = slices.Delete(d.fetches, at, at+1)
}

// giveUp leaves a job behind that was told to end and has not returned.
func (s *state) giveUp(j *job) {
	d := j.doc
	s.part(j)
	d.stuck = append(d.stuck, j)
	d.again = d.again || j.isFetch() && d.policy.Covers(j.entry.Key)
	s.warn("a call for a document was told to end and has not returned", d, d.stuckError())
}
