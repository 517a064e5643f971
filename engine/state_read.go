package engine

import (
	"fmt"
	"slices"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/message"
)

// Blocks are read ahead of what is sent: as many as are sent while a read takes. Then
// a slow store costs its delay once, and a fast one has almost nothing read that may
// still be withdrawn.

const (
	jobTime = 5 * time.Millisecond // of a job: long against two channel hops, short against most round trips
	// readAhead is how many times what is sent during a read is read ahead: reads and
	// paths are not always equally fast.
	readAhead = 2
	leastSend = time.Millisecond // a message that took less went into buffers, which says nothing of the path
	smoothing = 4                // measurements that an average is over: it follows within a few messages
)

// readJob is blocks for one peer, to be read by a worker, which fills in blocks and
// verdicts.
type readJob struct {
	Peer  peer.ID
	Items []readItem
	Bytes int // that the blocks have as far as known

	from  *partner
	nth   uint64 // grows with each job
	began time.Time
	done  bool // read, and not yet sent
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

// pace is what was measured of the store and of the network.
type pace struct {
	lookup time.Duration // of one block
	read   time.Duration // of one block
	job    time.Duration // of all blocks of a job
	rate   float64       // bytes a second of one message
}

// average moves an average towards what was measured, or begins it.
func average[T time.Duration | float64](old, measured T) T {
	if old == 0 {
		return measured
	}
	return old + (measured-old)/smoothing
}

// portion is how many of at most so many calls of the store that take this long make a
// job.
func portion(most int, each time.Duration) int {
	if each <= jobTime/time.Duration(most) {
		return most
	}
	return max(1, int(jobTime/each))
}

// ahead is how many bytes are to be read before they can be sent at a rate.
func (s *state) ahead(rate float64) int { return int(readAhead * rate * s.pace.job.Seconds()) }

// unsent is what is read, or being read, and is not on its way.
type unsent struct{ jobs, bytes int }

// hungry reports whether more should be read for anybody: so much that no slot stays
// free.
func (s *state) hungry() bool {
	return s.slots.out+s.unsent.jobs < s.slots.most ||
		s.unsent.bytes < s.slots.most*s.ahead(s.pace.rate)
}

// busy is how many messages and reads are under way for p.
func (p *partner) busy() int { return p.handed + len(p.reads) }

// startRead reads the next blocks of the partner that is owed most.
func (s *state) startRead(now time.Time) bool {
	p := s.nextPartner(now)
	if p == nil {
		return false
	}
	job := s.newRead(now, p)
	s.work = p.work
	p.work += float64(job.Bytes+blockBytes*len(job.Items)) / s.weight(p)
	p.reads = append(p.reads, job)
	s.hold(p, 1, job.Bytes)
	s.charge(p, job.Bytes)
	s.jobsOut++
	s.out.Reads = append(s.out.Reads, job)
	p.ready.Remove(p.place)
	p.ready = nil
	s.rank(now, p)
	s.sleep(now, p)
	return true
}

// newRead takes the first task of p and as many after it as fit into a message.
func (s *state) newRead(now time.Time, p *partner) *readJob {
	s.reads++
	job := &readJob{Peer: p.id, from: p, nth: s.reads, began: now}
	most, room := portion(messageBlocks, s.pace.read), s.allowance(now, p)
	for p.tasks.Len() > 0 && len(job.Items) < most {
		w := s.nextTask(p)
		total := job.Bytes + int(w.size)
		if len(job.Items) > 0 && (total > min(s.limits.MessageBytes, room) || !s.affords(p, total)) {
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

// hold changes what is read for p and is not on its way.
func (s *state) hold(p *partner, jobs, bytes int) {
	p.unsent += bytes
	s.reserve(p, bytes)
	if !p.slow {
		s.unsent.jobs += jobs
		s.unsent.bytes += bytes
	}
}

// read takes back a job. What could be read and is still wanted is kept to be sent.
func (s *state) read(now time.Time, job *readJob) {
	s.jobDone()
	p := job.from
	s.touch(p)
	s.pace.job = average(s.pace.job, now.Sub(job.began))
	s.pace.read = average(s.pace.read, now.Sub(job.began)/time.Duration(len(job.Items)))
	job.done = true
	p.loaded++
	bytes := 0
	job.Items = slices.DeleteFunc(job.Items, func(it readItem) bool { return !s.keep(now, &it) })
	for i := range job.Items {
		it := &job.Items[i]
		it.size = len(it.Block.RawData())
		bytes += it.size
	}
	s.hold(p, 0, bytes-job.Bytes)
	s.charge(p, bytes-job.Bytes)
	job.Bytes = bytes
	if len(job.Items) == 0 {
		s.unload(job)
	}
}

// keep reports whether a block was read that is still wanted.
func (s *state) keep(now time.Time, it *readItem) bool {
	w := it.want
	if w.phase != phaseReading {
		return false
	}
	switch it.Verdict {
	case found:
		if len(it.Block.RawData()) <= blockLimit {
			return true
		}
		s.stat.RefusedSize++
		s.missing(w)
	case absent:
		if w.seen {
			s.ask(w)
		} else {
			s.missing(w)
		}
	default:
		s.notServed(now, w, it.Verdict, it.Err)
	}
	return false
}

// unread drops the block of a want that was read for nothing.
func (s *state) unread(w *want) {
	for _, job := range w.from.reads {
		if !job.done {
			continue
		}
		i := slices.IndexFunc(job.Items, func(it readItem) bool { return it.want == w })
		if i < 0 {
			continue
		}
		size := job.Items[i].size
		job.Items = slices.Delete(job.Items, i, i+1)
		job.Bytes -= size
		s.hold(w.from, 0, -size)
		s.charge(w.from, -size)
		if len(job.Items) == 0 {
			s.unload(job)
		}
		return
	}
}

// unload takes out a job that was done.
func (s *state) unload(job *readJob) {
	p := job.from
	i := slices.Index(p.reads, job)
	p.reads = slices.Delete(p.reads, i, i+1)
	p.loaded--
	s.hold(p, -1, -job.Bytes)
}

// nextLoaded returns what was read of p and is to be sent next, or nil. What is not
// read yet holds up nothing: the store may hang.
func (p *partner) nextLoaded() *readJob {
	if p.loaded == 0 {
		return nil
	}
	return p.reads[slices.IndexFunc(p.reads, func(j *readJob) bool { return j.done })]
}

// overdueAt is when a read of p has taken so long that others are to be served
// meanwhile, or zero.
func (p *partner) overdueAt() time.Time {
	i := slices.IndexFunc(p.reads, func(j *readJob) bool { return !j.done })
	if i < 0 || p.slow {
		return time.Time{}
	}
	return p.reads[i].began.Add(promptness)
}
