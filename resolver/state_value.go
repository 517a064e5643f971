package resolver

import (
	"crypto/sha256"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/planted"
	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/resolver/wire"
)

// value is what came for a fetch: all of it, with the Consumer, or the first parts.
type value struct {
	parts     [][]byte
	size      int64
	hashes    []byte // of all parts; nil for a value of one
	list      wire.List
	suppliers []peer.ID
	tries     []*remote // those of them that are known, while the Consumer has the value
	pin       *link     // to the peer that sends it; nil when that has failed
	resumes   int       // in a row that brought nothing
	held      int64     // what it counts towards Limits.Undelivered
	claimed   bool      // it is larger than any good one of the peer that began it
}

// mostResumes is how many peers in a row may fail to go on with a value before it is
// begun again: the list of its parts may be one that only a liar has, and its room is
// for others then.
const mostResumes = 3

// underway reports whether parts of the value are there, and others are not.
func (f *fetch) underway() bool {
	return f.value != nil && len(f.value.parts) > 0 && f.stage != stageJudged
}

// pinned reports whether the fetch goes on with one peer.
func (f *fetch) pinned() bool { return f.value != nil && f.value.pin != nil }

// awaitsPin reports whether it waits for this peer. When that is late it waits for
// another.
func (f *fetch) awaitsPin() bool { return f.pinned() && f.stage == stageQueued }

func (s *state) pin(f *fetch, p *remote) {
	f.value.pin = &link{fetch: f, peer: p, place: -1}
	p.pins.add(f.value.pin)
}

// unpin lets a fetch that does not wait for it go on without its peer.
func (s *state) unpin(f *fetch) {
	if f.pinned() {
		p := f.value.pin.peer
		p.pins.remove(f.value.pin)
		f.value.pin = nil
		s.forget(p)
	}
}

// startOver drops the value of a fetch whose peer was blocked.
func (s *state) startOver(f *fetch) {
	s.halt(f)
	s.drop(f)
	s.again(f)
}

// interrupt notes that a peer has not gone on with a value. Another that has the same
// list may.
func (s *state) interrupt(f *fetch) {
	if f.value == nil {
		return
	}
	s.unpin(f)
	if f.value.resumes++; len(f.value.parts) == 0 || f.value.resumes > mostResumes {
		s.drop(f)
	}
}

// takeWhole takes a value in one message.
func (s *state) takeWhole(f *fetch, r *request, a answer) {
	p := r.peer
	size := int64(len(a.data))
	switch {
	case size > min(int64(s.limits.Part), s.limits.MaxValue):
		s.violated(f, p, message.FaultBlockTooLarge)
	case !s.hasRoom(size):
		s.crowd(f, r, size)
	default:
		s.accept(f, r)
		s.hold(f, &value{parts: [][]byte{a.data}, suppliers: []peer.ID{p.id}}, size)
		s.judge(f)
	}
}

// takeFirst takes the first part of a value and the hashes of all.
func (s *state) takeFirst(f *fetch, r *request, a answer) {
	p := r.peer
	part := int64(s.limits.Part)
	switch {
	case a.size > s.limits.MaxValue:
		s.violated(f, p, message.FaultBlockTooLarge)
	case a.size <= part || int64(len(a.hashes)) != (a.size+part-1)/part*sha256.Size || int64(len(a.data)) != part:
		s.violated(f, p, message.FaultProtobuf)
	case !a.fits(a.hashes):
		s.lied(f, p)
	case !s.hasRoom(a.size) || !s.believes(p, a.size):
		s.crowd(f, r, a.size)
	default:
		s.accept(f, r)
		v := &value{parts: [][]byte{a.data}, hashes: a.hashes, list: sha256.Sum256(a.hashes), suppliers: []peer.ID{p.id}}
		v.claimed = a.size > p.largest
		s.hold(f, v, a.size)
		s.proceed(f, p)
	}
}

// takePart takes the next part of a value.
func (s *state) takePart(f *fetch, r *request, a answer) {
	p := r.peer
	v, part := f.value, int64(s.limits.Part)
	n := len(v.parts)
	switch {
	case a.size != 0 || len(a.hashes) > 0 || int64(len(a.data)) != min(part, v.size-int64(n)*part):
		s.violated(f, p, message.FaultProtobuf)
	case !a.fits(v.hashes[n*sha256.Size:]):
		s.lied(f, p)
	default:
		s.accept(f, r)
		v.parts, v.resumes = append(v.parts, a.data), 0
		if !slices.Contains(v.suppliers, p.id) {
			v.suppliers = append(v.suppliers, p.id)
		}
		s.proceed(f, p)
	}
}

// fits reports whether the data have the first of the hashes.
func (a *answer) fits(hashes []byte) bool {
	if !a.summed {
		a.hash()
	}
	return string(a.sum[:]) == string(hashes[:sha256.Size])
}

func (a *answer) hash() { a.sum, a.summed = sha256.Sum256(a.data), true }

// proceed asks the peer that has sent a part for the next one, or gives the value to
// the Consumer when it is whole.
func (s *state) proceed(f *fetch, p *remote) {
	v := f.value
	if len(v.parts)*sha256.Size == len(v.hashes) {
		s.judge(f)
		return
	}
	if s.unpin(f); p.eligible() {
		s.pin(f, p)
	}
	s.again(f)
}

// judge gives a value to the Consumer.
func (s *state) judge(f *fetch) {
	s.unpin(f)
	if planted.Is(planted.Unverified) && len(f.value.parts) > 1 {
		s.end(f, nil)
		return
	}
	for _, id := range f.value.suppliers {
		if p := s.remotes[id]; p != nil {
			f.value.tries = append(f.value.tries, p)
			p.tried++
			s.place(p)
		}
	}
	f.stage, f.excused = stageJudged, false
	s.out.jobs = append(s.out.jobs, job{f.key, f.value.parts})
}
