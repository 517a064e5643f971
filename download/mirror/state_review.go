package mirror

import (
	"time"

	"github.com/souk-p2p/souk/download/document"
	"github.com/souk-p2p/souk/download/policy"
	"github.com/souk-p2p/souk/internal/planted"
)

// mostReviews is of how many documents the policies are looked at in one go: some
// milliseconds of reading, so that what changes meanwhile does not wait for long.
const mostReviews = 256

// review is what was seen of a document.
type review struct {
	document document.ID
	policy   policy.Policy
	gone     bool // it was removed, or is not to be synced
	err      error
}

// changed has the policies of all documents looked at: one was changed, and nobody knows
// which.
func (s *state) changed() {
	for _, d := range s.docs {
		if d.phase < ending {
			s.ask(d)
		}
	}
}

// ask has the policy of a document looked at.
func (s *state) ask(d *doc) {
	if !d.stale {
		d.stale = true
		s.unheard = append(s.unheard, d)
	}
}

// beginReview has the policies looked at of the documents whose turn it is.
func (s *state) beginReview() {
	n := min(len(s.unheard), mostReviews)
	if s.reviewing || n == 0 {
		return
	}
	for _, d := range s.unheard[:n] {
		d.stale, d.review = false, true
		s.out.review = append(s.out.review, d.id)
	}
	s.unheard = s.unheard[n:]
	s.reviewing = true
}

// reviewed takes what was seen. What has ended meanwhile, and may have begun anew, is
// left alone.
func (s *state) reviewed(now time.Time, all []review) {
	s.reviewing = false
	for _, r := range all {
		if d := s.doc(r.document); d != nil && d.review {
			d.review = false
			s.hear(now, d, r)
		}
	}
}

func (s *state) hear(now time.Time, d *doc, r review) {
	switch {
	case r.gone && d.stale && !planted.Is(planted.OldNews):
		// It may be back: it is looked at again.
	case r.gone:
		s.end(now, d)
	case r.err != nil:
		d.known = false
		s.rest(now, d, r.err)
	default:
		s.follow(now, d, r.policy)
	}
}

// follow takes the policy of a document.
func (s *state) follow(now time.Time, d *doc, p policy.Policy) {
	same := d.known && d.policy.Equal(p)
	d.policy, d.known = p, true
	for _, f := range d.fetches {
		if !p.Covers(f.entry.Key) {
			s.tell(now, f)
		}
	}
	if !same || d.phase == fresh {
		s.begin(now, d)
		return
	}
	s.attend(now, d)
}
