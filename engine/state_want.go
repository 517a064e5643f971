package engine

import (
	"encoding/binary"

	"github.com/ipfs/go-cid"

	"github.com/souk-p2p/souk/message"
)

// phase says where a want is. In every phase it is in exactly one container, or
// in none while a worker or the network has it.
type phase uint8

const (
	phaseGone      phase = iota // no longer in the table
	phaseAsked                  // in its partner's list of look-ups to start
	phaseLooking                // a worker asks the store for it
	phaseQueued                 // in its partner's task queue: the block will be sent
	phaseReading                // a worker reads the block
	phaseSending                // the network has the block
	phaseAnswer                 // in its partner's list of presences to send
	phaseAnswering              // the network has the presence
	phaseAbsent                 // a subscription: the block is not there
	phaseFailing                // a subscription: the store failed and is asked again later
)

// census is how many wants are in each phase.
type census [phaseFailing + 1]int

// isTask tells the phases in which a want costs us work from the two in which
// it only waits for a block.
func (p phase) isTask() bool { return p != phaseGone && p < phaseAbsent }

// want is one entry of a partner's wantlist. There may be many millions of
// them, so it is kept at 96 bytes.
type want struct {
	cid  cid.Cid
	from *partner

	prev, next         *want // neighbours in the list that its phase puts it in
	prevSame, nextSame *want // other wants for the same multihash, of any partner

	tie      uint64 // last resort of the order, different for each partner
	size     int32  // of the block; meaningful once it was found or seen
	priority int32
	list     uint32 // which of the partner's wantlists it came with
	copies   uint32 // how often the block had been sent when it was last ranked
	place    int32  // in the heap that its phase puts it in
	came     uint32 // when, in seconds since state.began

	kind     message.WantType
	phase    phase
	have     bool  // in phaseAnswer and phaseAnswering: HAVE, or DONT_HAVE
	owes     bool  // the partner asked for a DONT_HAVE and has not had it yet
	answered bool  // the partner knows that the block is not there
	seen     bool  // the block became available while the store was being asked
	failures uint8 // of the store, in a row
	tries    uint8 // failed sends
}

// entry is the want as its partner would write it.
func (w *want) entry() message.Entry {
	return message.Entry{CID: w.cid, Priority: w.priority, Type: w.kind, SendDontHave: w.owes}
}

// sooner orders the tasks of one partner: highest priority, then what was sent
// out least often, so that partners who want the same blocks get different ones
// and can pass them on, then what came first, so that none waits while others
// come, then by a hash that differs between partners.
func sooner(a, b *want) bool {
	switch {
	case a.priority != b.priority:
		return a.priority > b.priority
	case a.copies != b.copies:
		return a.copies < b.copies
	case a.list != b.list:
		return a.list < b.list
	case a.tie != b.tie:
		return a.tie < b.tie
	}
	return a.cid.KeyString() < b.cid.KeyString()
}

// tieBreak mixes the end of a digest with a partner's salt.
func tieBreak(salt uint64, c cid.Cid) uint64 {
	var tail [8]byte
	key := c.KeyString()
	copy(tail[:], key[max(0, len(key)-len(tail)):])
	return mix(salt ^ binary.LittleEndian.Uint64(tail[:]))
}

// mix is the finalizer of splitmix64: a bijection in which each bit of the
// input changes about half of those of the output.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// list is a queue of wants from which any can leave in constant time. A want is
// in at most one list.
type list struct {
	first, last *want
	n           int
}

func (l *list) push(w *want) {
	w.prev, w.next = l.last, nil
	if l.last == nil {
		l.first = w
	} else {
		l.last.next = w
	}
	l.last = w
	l.n++
}

func (l *list) remove(w *want) {
	if w.prev == nil {
		l.first = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		l.last = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.prev, w.next = nil, nil
	l.n--
}

// index finds the wants of all partners for a multihash: a block that is stored
// under one CID answers wants for the same bytes under another.
type index map[string]*want

func (x index) add(w *want) {
	key := message.Multihash(w.cid)
	if head := x[key]; head != nil {
		w.nextSame, head.prevSame = head, w
	}
	x[key] = w
}

func (x index) remove(w *want) {
	if w.nextSame != nil {
		w.nextSame.prevSame = w.prevSame
	}
	switch key := message.Multihash(w.cid); {
	case w.prevSame != nil:
		w.prevSame.nextSame = w.nextSame
	case w.nextSame != nil:
		x[key] = w.nextSame
	default:
		delete(x, key)
	}
	w.prevSame, w.nextSame = nil, nil
}

// copies counts how often each block was sent, for the blocks of late: two
// halves, of which the older is forgotten when the newer is full.
type copies struct {
	newer, older map[string]uint32
	half         int
}

func newCopies(most int) copies {
	return copies{newer: make(map[string]uint32), half: max(most/2, 1)}
}

func (c *copies) of(multihash string) uint32 {
	if n, ok := c.newer[multihash]; ok {
		return n
	}
	return c.older[multihash]
}

func (c *copies) add(multihash string) {
	n := c.of(multihash) + 1
	if _, ok := c.newer[multihash]; !ok && len(c.newer) >= c.half {
		c.older, c.newer = c.newer, make(map[string]uint32)
	}
	c.newer[multihash] = n
}
