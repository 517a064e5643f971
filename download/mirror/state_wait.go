package mirror

import (
	"slices"

	"github.com/souk-p2p/souk/download/document"
)

// isIdle reports whether all that the policy covers is here, as far as is known, and
// nothing has happened since that is not looked at yet.
func (d *doc) isIdle() bool { return d.phase == idle && d.wake.IsZero() && !d.stale && !d.review }

// isSynced reports whether a document is synced, or will be.
func (d *doc) isSynced() bool { return d.phase < ending || d.phase == ending && d.wanted }

// wait answers when a document is idle.
func (s *state) wait(w waiterID, id document.ID) {
	d := s.doc(id)
	switch {
	case d == nil || !d.isSynced():
		s.answer(w, ErrNotSynced)
	case d.isIdle():
		s.answer(w, nil)
	default:
		d.waits = append(d.waits, w)
	}
}

// dismiss forgets who waits no longer.
func (s *state) dismiss(w waiterID) {
	is := func(o waiterID) bool { return o == w }
	for _, d := range s.docs {
		d.waits = slices.DeleteFunc(d.waits, is)
		d.cancels = slices.DeleteFunc(d.cancels, is)
	}
}

func (s *state) answer(w waiterID, err error) {
	s.out.answers = append(s.out.answers, answer{w, err})
}

// answerAll answers all of those who wait for the same.
func (s *state) answerAll(waiters *[]waiterID, err error) {
	for _, w := range *waiters {
		s.answer(w, err)
	}
	*waiters = nil
}

// underWay are the fetches of a document, in the order of keys.
func (s *state) underWay(id document.ID) []jobID {
	d := s.doc(id)
	if d == nil {
		return nil
	}
	all := make([]jobID, len(d.fetches))
	for i, f := range d.fetches {
		all[i] = f.id
	}
	return all
}

// progress notes how many bytes of an entry are here.
func (s *state) progress(id jobID, bytes uint64) {
	if f := s.jobs[id]; f != nil {
		f.bytes = bytes
	}
}

func (s *state) status(id document.ID) Status {
	d := s.doc(id)
	if d == nil || !d.isSynced() {
		return Status{}
	}
	st := Status{
		Syncing: true, Idle: d.isIdle(), Done: d.done, Failed: d.failed, Failures: slices.Clone(d.reasons), Err: d.err,
	}
	if d.phase == resting {
		st.Next = d.wake
	}
	for _, f := range d.fetches {
		st.Active = append(st.Active, Entry{Entry: f.entry, Bytes: f.bytes})
	}
	return st
}
