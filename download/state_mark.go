package download

import (
	"slices"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/due"
)

// mark is a node that is not asked for a resource at present. It outlives the node,
// so that one that is forgotten and comes back is not asked again either.
type mark struct {
	node  peer.ID
	why   Reason
	round uint32    // in which it failed; the next round ends the mark
	until time.Time // when it counts no more, of HasNot
}

// holds reports whether a mark still counts.
func (m mark) holds(now time.Time, round uint32) bool {
	if m.why == HasNot {
		return m.until.After(now)
	}
	return m.round == round
}

// refuse notes that a node has not got a resource.
func (r *resource) refuse(id peer.ID, until time.Time) {
	r.mark(mark{node: id, why: HasNot, until: until})
}

// refused looks at a resource that nodes have refused.
func (s *state) refused(now time.Time, r *resource) {
	switch r.phase {
	case unwanted:
		s.keep(r)
	case queued:
		s.timers.set(r, due.First(r.timing.at, r.expires()))
		s.reconsider(now, r)
	}
}

func (r *resource) findMark(id peer.ID) (at int, found bool) {
	return slices.BinarySearchFunc(r.marks, id, func(m mark, id peer.ID) int { return strings.Compare(string(m.node), string(id)) })
}

// mark adds a mark, in place of another of the same node. A refusal that counts is not
// replaced by another failure.
func (r *resource) mark(m mark) {
	at, found := r.findMark(m.node)
	switch {
	case !found:
		r.marks = slices.Insert(r.marks, at, m)
	case m.why == HasNot || r.marks[at].why != HasNot:
		r.marks[at] = m
	}
}

// unmark lets a node be asked again, and reports whether it could not be.
func (r *resource) unmark(id peer.ID) bool {
	at, found := r.findMark(id)
	if found {
		r.marks = slices.Delete(r.marks, at, at+1)
	}
	return found
}

// marked reports whether a node is not to be asked.
func (r *resource) marked(id peer.ID) bool {
	_, found := r.findMark(id)
	return found
}

// expires is when the first refusal counts no more, or the zero time.
func (r *resource) expires() (first time.Time) {
	for _, m := range r.marks {
		if m.why == HasNot {
			first = due.First(first, m.until)
		}
	}
	return first
}

// latest is when the last of the refusals counts no more, or t if that is later.
func latest(t time.Time, marks []mark) time.Time {
	for _, m := range marks {
		if m.until.After(t) {
			t = m.until
		}
	}
	return t
}
