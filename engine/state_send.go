package engine

import (
	"fmt"
	"math"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/planted"
	"github.com/souk-p2p/souk/message"
)

const (
	maxTries   = 8   // to send a want's answer; with the pauses in between, about 20 s
	blockBytes = 256 // that sending a block costs beside its data: even empty ones are not free
)

// readJob is the blocks of one message to one peer, to be read by a worker,
// which fills in blocks and verdicts.
type readJob struct {
	Peer  peer.ID
	Items []readItem
	Bytes int // that the blocks have as far as known

	from *partner
}

// readItem is one block of a job.
type readItem struct {
	CID cid.Cid

	Verdict verdict
	Block   blocks.Block // when found: under the CID that was asked for
	Err     error        // when failed

	want *want // not for the worker
	size int   // bytes reserved
}

// shipment is a message for the network to send.
type shipment struct {
	Peer      peer.ID
	Presences bool // the message goes on the lane for presences, or on that for blocks
	Message   *message.Message

	from  *partner
	wants []*want
	bytes int // of blocks, reserved
}

// dispatch gives work to the workers. Reads and look-ups alternate, so that
// neither waits for all of the other.
func (s *state) dispatch(now time.Time) {
	for {
		read := s.jobsOut < s.jobs && s.startRead(now)
		look := s.jobsOut < s.jobs && s.startLookup()
		if !read && !look {
			return
		}
	}
}

// owedMore orders the partners who could be sent blocks: first who got the
// least, as in fair queueing by virtual time.
func owedMore(a, b *partner) bool {
	switch {
	case a.work != b.work:
		return a.work < b.work
	case a.salt != b.salt:
		return a.salt < b.salt
	}
	return a.id < b.id
}

// rank puts p among the partners who could be sent blocks, or takes it out.
func (s *state) rank(now time.Time, p *partner) {
	var to *heap[*partner]
	if s.sendable(now, p) {
		to = &s.ready[min(p.ahead, 1)]
	}
	if p.ready == to {
		return
	}
	if p.ready != nil {
		p.ready.remove(p.place)
	}
	if p.ready = to; to != nil {
		p.work = max(p.work, s.work) // Who wanted nothing has saved up nothing.
		to.push(p)
	}
}

// sendable reports whether the next block of p could be read as far as p is
// concerned.
func (s *state) sendable(now time.Time, p *partner) bool {
	return p.tasks.len() > 0 && p.ahead < lane && !p.paused.After(now) &&
		(p.inFlight == 0 || p.inFlight+int(s.nextTask(p).size) <= s.limits.PeerBytes)
}

// affords reports whether more bytes may be in flight to p. Half of what the
// node has is for those who have nothing in flight yet, so that many peers who
// do not read cannot keep the others from being served.
func (s *state) affords(p *partner, bytes int) bool {
	budget := s.limits.NodeBytes
	if p.ahead > 0 {
		budget /= 2
	}
	return (p.inFlight == 0 || p.inFlight+bytes <= s.limits.PeerBytes) &&
		(s.inFlight == 0 || s.inFlight+bytes <= budget)
}

// nextTask returns the first task of p, which must have one. How often a block
// was sent only grows, so a task whose number is old sinks when it comes up.
func (s *state) nextTask(p *partner) *want {
	for {
		w := p.tasks.top()
		n := s.copies.of(message.Multihash(w.cid))
		if n == w.copies {
			return w
		}
		w.copies = n
		p.tasks.fix(0)
	}
}

// nextPartner returns who is to be served next, or nil.
func (s *state) nextPartner() *partner {
	var next *partner
	if s.slots.full() {
		return nil
	}
	for i := range s.ready {
		if s.ready[i].len() == 0 {
			continue
		}
		p := s.leastSent(&s.ready[i])
		if s.affords(p, int(s.nextTask(p).size)) && (next == nil || owedMore(p, next)) {
			next = p
		}
	}
	return next
}

const (
	// How much more than the one that is owed most a partner may have got who is served
	// first because it wants what nobody got: a block of the usual sizes or a few.
	// Fairness is off by no more than this.
	rareSlack = 1 << 20
	rareScan  = 64 // partners looked at for that: those at the top of the heap are owed most
)

// leastSent returns who is to be served next of those who are ready: of partners who are
// owed about the same, one who wants what was sent least often. Many who download the same
// from here have it then soon, between them, and get the rest from each other.
func (s *state) leastSent(ready *heap[*partner]) *partner {
	first := ready.top()
	best, fewest := first, s.nextTask(first).copies
	for _, p := range ready.items[:min(ready.len(), rareScan)] {
		if fewest == 0 {
			break
		}
		if p.work > first.work+rareSlack {
			continue
		}
		if n := s.nextTask(p).copies; n < fewest || n == fewest && owedMore(p, best) {
			best, fewest = p, n
		}
	}
	return best
}

// startRead makes the next message of the partner that is owed most.
func (s *state) startRead(now time.Time) bool {
	p := s.nextPartner()
	if p == nil {
		return false
	}
	job := s.newRead(p)
	s.work = p.work
	p.work += float64(job.Bytes+blockBytes*len(job.Items)) / s.weight(p)
	s.occupy(now, p)
	p.ahead++
	s.reserve(p, job.Bytes)
	s.jobsOut++
	s.out.Reads = append(s.out.Reads, job)
	p.ready.remove(p.place)
	p.ready = nil
	s.rank(now, p)
	return true
}

// weight is the share of p when there is not enough for all: 2 for a peer that
// owes us nothing, falling towards 1 with its debt. Nobody is locked out, and
// newcomers have no debt.
func (s *state) weight(p *partner) float64 { return 1 + 1/(1+max(s.debt(p.id), 0)) }

// newRead takes the first task of p and as many after it as fit into a message.
func (s *state) newRead(p *partner) *readJob {
	job := &readJob{Peer: p.id, from: p}
	for p.tasks.len() > 0 && len(job.Items) < messageBlocks {
		w := s.nextTask(p)
		total := job.Bytes + int(w.size)
		if len(job.Items) > 0 && (total > s.limits.MessageBytes || !s.affords(p, total)) {
			break
		}
		s.place(w, phaseReading)
		w.seen = false
		s.copies.add(message.Multihash(w.cid))
		job.Items = append(job.Items, readItem{CID: w.cid, want: w, size: int(w.size)})
		job.Bytes = total
	}
	return job
}

// reserve changes the bytes in flight.
func (s *state) reserve(p *partner, bytes int) {
	p.inFlight += bytes
	s.inFlight += bytes
	if p.inFlight < 0 || s.inFlight < 0 {
		panic(fmt.Sprintf("engine: %d bytes in flight to a peer, %d to all, after %d", p.inFlight, s.inFlight, bytes))
	}
}

// read takes back a job and sends what could be read.
func (s *state) read(now time.Time, job *readJob) {
	s.jobDone()
	p := job.from
	s.touch(p)
	ship := &shipment{Peer: p.id, from: p, Message: new(message.Message)}
	for i := range job.Items {
		s.load(now, ship, &job.Items[i])
	}
	s.reserve(p, ship.bytes-job.Bytes)
	if len(ship.wants) == 0 {
		p.ahead--
		s.vacate(now, p, 0)
		return
	}
	ship.Message.PendingBytes = p.pendingBytes()
	s.out.Messages = append(s.out.Messages, ship)
}

// load puts a block that was read into a shipment, if it is still wanted.
func (s *state) load(now time.Time, ship *shipment, it *readItem) {
	w := it.want
	if w.phase != phaseReading {
		return
	}
	switch it.Verdict {
	case found:
		if len(it.Block.RawData()) > blockLimit {
			s.stat.RefusedSize++
			s.missing(w)
			return
		}
		s.place(w, phaseSending)
		ship.wants = append(ship.wants, w)
		ship.Message.Blocks = append(ship.Message.Blocks, it.Block)
		ship.bytes += len(it.Block.RawData())
	case absent:
		if w.seen {
			s.ask(w)
		} else {
			s.missing(w)
		}
	case denied:
		s.stat.RefusedAccess++
		s.missing(w)
	case failed:
		s.complain(now, it.Err)
		s.fail(now, w)
	}
}

// pendingBytes is what p has still to expect.
func (p *partner) pendingBytes() int32 { return int32(min(p.taskBytes, math.MaxInt32)) }

// sent takes back a shipment that a stream accepted, or failed to.
func (s *state) sent(now time.Time, ship *shipment, err error) {
	p := ship.from
	s.touch(p)
	if ship.Presences {
		p.saying = false
	} else {
		p.ahead--
		s.reserve(p, -ship.bytes)
		if err == nil {
			s.vacate(now, p, ship.bytes)
		} else {
			s.vacate(now, p, 0)
		}
	}
	if err != nil {
		if planted.Is(planted.FinishedTwice) && !ship.Presences {
			p.ahead--
		}
		s.stat.SendErrors++
		p.pause(now)
		for _, w := range ship.wants {
			if ship.answers(w) {
				s.sendAgain(w)
			}
		}
		return
	}
	p.failures = 0
	s.credit(ship)
	for _, w := range ship.wants {
		if ship.answers(w) {
			p.learn(now, w)
			s.finish(w)
		}
	}
}

// answers reports whether w still waits for what the shipment brings. A want that
// is told DONT_HAVE may be on its way as a block by now, in another shipment.
func (ship *shipment) answers(w *want) bool {
	if ship.Presences {
		return w.phase == phaseAnswering
	}
	return w.phase == phaseSending
}

// finish ends a want whose answer was sent. Who was told that the block is not here
// still waits for it.
func (s *state) finish(w *want) {
	if w.phase == phaseSending || w.have {
		s.remove(w)
		return
	}
	w.owes, w.tries = false, 0
	s.subscribe(w, true)
}

// sendAgain puts back a want whose answer was not sent. After maxTries its
// owner has to ask again.
func (s *state) sendAgain(w *want) {
	w.tries++
	switch {
	case w.tries >= maxTries:
		s.stat.Unsent++
		s.remove(w)
	case w.phase == phaseSending:
		s.place(w, phaseQueued)
	default:
		s.place(w, phaseAnswer)
	}
}

// credit counts what a shipment brought to its peer.
func (s *state) credit(ship *shipment) {
	n := uint64(len(ship.Message.Blocks))
	d := &ship.from.delta
	s.stat.BlocksSent += n
	s.stat.DataSent += uint64(ship.bytes)
	d.BlocksSent += n
	d.BytesSent += uint64(ship.bytes)
	for _, p := range ship.Message.Presences {
		if p.Have {
			s.stat.HavesSent++
			d.HavesSent++
		} else {
			s.stat.DontHavesSent++
			d.DontHavesSent++
		}
	}
}
