package session

import (
	"iter"
	"slices"
	"time"

	"github.com/ipfs/go-cid"
)

// stage is where a want stands.
type stage uint8

const (
	locating stage = iota + 1 // BlockRouter looks whether it is here
	local                     // it is, and waits for room to be loaded
	loading                   // BlockRouter reads it
	open                      // waits to be asked for, in its call's queue
	asked                     // a want-block is at a peer
	seeking                   // no peer in use is left to be asked
)

// wanted is one CID that calls wait for. There are very many of them, so that what
// few have is kept apart: it fits into 96 bytes, a size of which the allocator
// wastes nothing.
type wanted struct {
	cid   cid.Cid
	order uint64        // in its call's queue: lower first
	since time.Duration // when it was first wanted

	call callID // the first that waits for it, on whose account it is charged
	rare *rare  // nil for nearly all

	known  []knowledge // what peers said, by their index
	at     assignment  // the first want-block out
	charge int32       // bytes that it counts in the budget, while in flight

	ticket  uint32 // in the search: in the list that it is in
	round   uint32 // the last one in which peers were asked about it
	place   list   // in the search
	stage   stage
	probed  bool // several peers were asked about it
	inRound bool // the search waits for answers about it
}

// rare is what few wants have.
type rare struct {
	calls []callID     // those that wait for it after the first
	at    []assignment // want-blocks out beside the first
}

// few returns what few wants have, to be changed.
func (w *wanted) few() *rare {
	if w.rare == nil {
		w.rare = new(rare)
	}
	return w.rare
}

// tidy lets go of what the want has no more.
func (w *wanted) tidy() {
	if r := w.rare; r != nil && len(r.calls) == 0 && len(r.at) == 0 {
		w.rare = nil
	}
}

// join adds a call to those that wait.
func (w *wanted) join(id callID) {
	if w.call == 0 {
		w.call = id
		return
	}
	r := w.few()
	r.calls = append(r.calls, id)
}

// part removes a call from those that wait.
func (w *wanted) part(id callID) {
	others := w.others()
	switch {
	case w.call != id:
		w.few().calls = slices.DeleteFunc(others, func(o callID) bool { return o == id })
	case len(others) > 0:
		w.call, w.few().calls = others[0], others[1:]
	default:
		w.call = 0
	}
	w.tidy()
}

// others are the calls that wait after the first.
func (w *wanted) others() []callID {
	if w.rare == nil {
		return nil
	}
	return w.rare.calls
}

// assignment is one want-block out; the zero one is none.
type assignment struct {
	peer int32
	size int32 // that it counts in the peer's load, at least 1
}

// assign notes a want-block at peer i.
func (w *wanted) assign(i, size int) {
	a := assignment{int32(i), int32(size)}
	if w.at == (assignment{}) {
		w.at = a
		return
	}
	r := w.few()
	r.at = append(r.at, a)
}

// withdrawn removes the want-block at peer i, and returns what it counted there and
// whether there was one.
func (w *wanted) withdrawn(i int) (size int, was bool) {
	var more []assignment
	if w.rare != nil {
		more = w.rare.at
	}
	n := slices.IndexFunc(more, func(a assignment) bool { return int(a.peer) == i })
	switch {
	case n >= 0:
		size = int(more[n].size)
		w.rare.at = slices.Delete(more, n, n+1)
	case w.at.size == 0 || int(w.at.peer) != i:
		return 0, false
	default:
		size, w.at = int(w.at.size), assignment{}
		if len(more) > 0 {
			w.at, w.rare.at = more[0], more[1:]
		}
	}
	w.tidy()
	return size, true
}

// assignments are the want-blocks out.
func (w *wanted) assignments() iter.Seq[*assignment] {
	return func(yield func(*assignment) bool) {
		if w.at.size == 0 || !yield(&w.at) || w.rare == nil {
			return
		}
		for n := range w.rare.at {
			if !yield(&w.rare.at[n]) {
				return
			}
		}
	}
}

// assignedTo reports whether a want-block is out at peer i.
func (w *wanted) assignedTo(i int) bool {
	for a := range w.assignments() {
		if int(a.peer) == i {
			return true
		}
	}
	return false
}

// alone returns the peer at which the only want-block is out, or -1.
func (w *wanted) alone() int {
	if w.at.size == 0 || w.rare != nil && len(w.rare.at) > 0 {
		return -1
	}
	return int(w.at.peer)
}

// knowledge is what one peer said about one CID: the peer's index, and below it in
// the lowest byte what it said.
type knowledge uint32

func (k knowledge) peer() int   { return int(k >> 8) }
func (k knowledge) bits() uint8 { return uint8(k) }

const (
	told     uint8 = 1 << iota // it may keep a want of ours
	wasAsked                   // in the present round of asking
	awaited                    // and owes the answer
	has                        // said HAVE
	refused                    // said DONT_HAVE
	silent                     // did not answer in time
	whole                      // was asked for the block itself
)

// with returns the knowledge with some bits set and others cleared.
func (k knowledge) with(set, cleared uint8) knowledge {
	return k&^knowledge(cleared) | knowledge(set)
}

// knows returns what peer i said about w, or 0.
func (w *wanted) knows(i int) uint8 {
	if n, known := w.find(i); known {
		return w.known[n].bits()
	}
	return 0
}

// find returns where what peer i said about w is or belongs, and whether it is there.
// There may be thousands of peers, when every one that is connected is asked.
func (w *wanted) find(i int) (n int, known bool) {
	n, _ = slices.BinarySearch(w.known, knowledge(i)<<8)
	return n, n < len(w.known) && w.known[n].peer() == i
}

// learn sets and clears bits of what peer i said about w.
func (w *wanted) learn(i int, set, cleared uint8) {
	n, known := w.find(i)
	if known {
		w.known[n] = w.known[n].with(set, cleared)
		return
	}
	w.known = slices.Insert(w.known, n, knowledge(i)<<8|knowledge(set))
}

// unlearn forgets what peer i said about w.
func (w *wanted) unlearn(i int) {
	if n, known := w.find(i); known {
		w.known = slices.Delete(w.known, n, n+1)
	}
}

// awaiting reports whether a peer still owes an answer about w.
func (w *wanted) awaiting() bool {
	return slices.ContainsFunc(w.known, func(k knowledge) bool { return k.bits()&awaited != 0 })
}

// pending is how many peers have w and have not answered.
func (w *wanted) pending() int {
	n := 0
	for _, k := range w.known {
		if k.bits()&told != 0 && k.bits()&(awaited|silent) != 0 {
			n++
		}
	}
	return n
}
