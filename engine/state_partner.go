package engine

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/due"
	"github.com/souk-p2p/souk/internal/table"
	"github.com/souk-p2p/souk/ledger"
	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/rate"
)

// A peer to which sending fails is left alone for pauseFirst, twice as long
// after each further failure, at most pauseMost: long enough for a stream to be
// opened anew, short enough that a peer that is back does not notice.
const (
	pauseFirst = 100 * time.Millisecond
	pauseMost  = 5 * time.Second
)

// partner is what the engine keeps of a peer that wants something.
type partner struct {
	id      peer.ID
	salt    uint64
	lists   uint32          // wantlists that it has sent
	version message.Version // zero while not known: taken for the newest

	connected  bool
	generation uint64    // of the connection; zero while not known
	epoch      uint64    // of what it was told
	expires    time.Time // when a peer that is not known to be connected is forgotten

	wants         map[cid.Cid]*want
	asked         list    // phaseAsked
	answers       list    // phaseAnswer
	absent        [2]list // phaseAbsent: not answered, answered
	tasks         table.Heap[*want]
	taskBytes     int // of the blocks in tasks
	working       int // wants in a phase that is a task
	subscriptions int // wants in the others

	parcels []*parcel                  // what found no room, first come first
	waiting map[cid.Cid]*message.Entry // the entries of parcels
	memory  int                        // bytes of table
	aside   []message.Presence         // to be said beside answers: refusals, and what may have been lost
	said    []saying                   // of late, oldest first

	work     float64 // bytes sent, weighed: see weight
	handed   int     // block messages in the network's hands
	saying   bool    // a presence message is in the network's hands
	inFlight int     // bytes of blocks being read or sent

	reads  []*readJob // being read, or read and not yet sent: in the order that they were chosen
	loaded int        // of them, read
	unsent int        // bytes of reads
	rate   float64    // bytes a second that messages are sent with
	next   uint64     // of reads, to be sent next; zero when there is none or no room
	berth  int        // place in state.laden

	counted int       // block messages that have a slot
	since   time.Time // when the first of these was handed over, or the one before it ended
	slow    bool      // or not

	paused   time.Time // nothing is sent before
	failures int       // to send, in a row

	class  *class
	bucket rate.Bucket

	delta ledger.Delta // not yet given to the ledger

	touched bool
	turn    bool                  // in state.asking
	ready   *table.Heap[*partner] // that it is in
	place   int                   // in ready
	wake    time.Time
	sleeper int // place in state.sleepers
}

// partner returns what is kept of a peer, to which it adds an empty entry if
// there is none.
func (s *state) partner(now time.Time, id peer.ID) *partner {
	if p := s.partners[id]; p != nil {
		return p
	}
	p := &partner{id: id, salt: s.salt(id), wants: make(map[cid.Cid]*want), sleeper: -1}
	p.tasks = table.NewHeap(sooner, func(w *want, place int) { w.place = int32(place) })
	s.partners[id] = p
	s.classify(now, p)
	return p
}

func (s *state) salt(id peer.ID) uint64 {
	h := sha256.New()
	var seed [8]byte
	binary.LittleEndian.PutUint64(seed[:], s.seed)
	h.Write(seed[:])
	h.Write([]byte(id))
	return binary.LittleEndian.Uint64(h.Sum(nil))
}

// size is the number of wants of p, of which those that wait for room are part.
func (p *partner) size() int { return len(p.wants) + len(p.waiting) }

// idle reports that nothing would be lost with p.
func (p *partner) idle() bool {
	return !p.touched && !p.connected && p.size() == 0 && len(p.aside) == 0 && p.busy() == 0 && !p.saying
}

// presences reports whether p understands HAVE and DONT_HAVE.
func (p *partner) presences() bool { return p.version == 0 || p.version >= message.V120 }

// peerState is what is known of the connection to a peer.
type peerState struct {
	id         peer.ID
	connected  bool
	version    message.Version
	generation uint64 // grows each time when the peer connects
	epoch      uint64 // grows when presences that were sent may be lost
}

// peer notes the latest state of a peer. Nothing is kept of one that is not
// connected, nor of what one wanted before it was gone for a moment.
func (s *state) peer(now time.Time, st peerState) {
	p := s.partners[st.id]
	if p == nil {
		if !st.connected {
			return
		}
		p = s.partner(now, st.id)
	} else if s.rates.on && p.generation != st.generation {
		s.classify(now, p) // It may have another address.
	}
	s.touch(p)
	switch {
	case !st.connected, p.generation != 0 && p.generation != st.generation:
		s.forget(p)
	case p.connected && p.epoch != st.epoch:
		p.repeat(now)
	}
	p.connected, p.version, p.generation, p.epoch = st.connected, st.version, st.generation, st.epoch
	p.expires, p.paused, p.failures = time.Time{}, time.Time{}, 0
}

// forget drops all wants of p. What the network has in hand is accounted for
// when it comes back.
func (s *state) forget(p *partner) {
	for _, w := range p.wants {
		s.remove(w)
	}
	s.unpark(p)
	p.aside, p.said, p.expires = nil, nil, time.Time{}
	s.touch(p)
}

// sleep sets when tick should look at p again.
func (s *state) sleep(now time.Time, p *partner) {
	wake := due.First(p.expires, s.slowAt(p), s.restedAt(now, p))
	if p.paused.After(now) {
		wake = due.First(wake, p.paused)
	}
	if len(p.said) > 0 {
		wake = due.First(wake, p.said[0].at.Add(repeatFor))
	}
	if wake.Equal(p.wake) && (p.sleeper >= 0) == !wake.IsZero() {
		return
	}
	if p.sleeper >= 0 {
		s.sleepers.Remove(p.sleeper)
	}
	p.wake = wake
	if !wake.IsZero() {
		s.sleepers.Push(p)
	}
}

// pause leaves p alone for a while after a failure to send.
func (p *partner) pause(now time.Time) {
	p.paused = now.Add(min(pauseFirst<<min(p.failures, 10), pauseMost))
	p.failures++
}

// enter puts a new want of p into the table.
func (s *state) enter(p *partner, e message.Entry) *want {
	w := &want{
		cid: e.CID, from: p, kind: e.Type, priority: e.Priority, owes: e.SendDontHave,
		list: p.lists, tie: tieBreak(p.salt, e.CID), place: -1, came: s.clock,
	}
	p.wants[w.cid] = w
	s.index.add(w)
	s.account(p, w.cid, 1)
	return w
}

// account charges p for the memory of n wants.
func (s *state) account(p *partner, c cid.Cid, n int) {
	bytes := n * cost(c)
	p.memory += bytes
	s.table += bytes
	s.live += n
}

func cost(c cid.Cid) int { return wantBytes + c.ByteLen() }

// remove takes a want out of the table. What a worker or the network has of it
// comes to nothing.
func (s *state) remove(w *want) {
	reading := w.phase == phaseReading
	s.place(w, phaseGone)
	if reading {
		s.unread(w)
	}
	delete(w.from.wants, w.cid)
	s.index.remove(w)
	s.account(w.from, w.cid, -1)
}

// place moves a want from the container of its phase to that of another. A
// want in phaseFailing is put into its container by fail.
func (s *state) place(w *want, to phase) {
	p := w.from
	switch w.phase {
	case phaseAsked:
		p.asked.remove(w)
	case phaseQueued:
		p.tasks.Remove(int(w.place))
		p.taskBytes -= int(w.size)
	case phaseAnswer:
		p.answers.remove(w)
	case phaseAbsent:
		p.absentList(w).remove(w)
	case phaseFailing:
		s.retries.Remove(int(w.place))
	}
	p.count(w.phase, -1)
	s.phases[w.phase]--
	w.phase = to
	p.count(to, 1)
	s.phases[to]++
	switch to {
	case phaseAsked:
		p.asked.push(w)
	case phaseQueued:
		w.copies = s.copies.of(message.Multihash(w.cid))
		p.tasks.Push(w)
		p.taskBytes += int(w.size)
	case phaseAnswer:
		p.answers.push(w)
	case phaseAbsent:
		p.absentList(w).push(w)
	}
	s.touch(p)
}

func (p *partner) count(ph phase, n int) {
	switch {
	case ph == phaseGone:
	case ph.isTask():
		p.working += n
	default:
		p.subscriptions += n
	}
}

func (p *partner) absentList(w *want) *list {
	if w.answered {
		return &p.absent[1]
	}
	return &p.absent[0]
}

// sorted lists the wants of p in the order of their CIDs.
func (p *partner) sorted() []*want {
	all := make([]*want, 0, len(p.wants))
	for _, w := range p.wants {
		all = append(all, w)
	}
	slices.SortFunc(all, func(a, b *want) int { return table.Compare(a.cid, b.cid) })
	return all
}

// sorted lists the partners in the order of their ids.
func (s *state) sorted() []*partner {
	all := make([]*partner, 0, len(s.partners))
	for _, p := range s.partners {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *partner) int {
		if a.id < b.id {
			return -1
		}
		return 1
	})
	return all
}
