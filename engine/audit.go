package engine

import (
	"fmt"

	"github.com/souk-p2p/souk/message"
)

// audit recounts what the state keeps twice, and returns what is wrong. It is for
// the time after [state.effects].
func (s *state) audit() error {
	total, memory, inFlight, indexed, counted := 0, 0, 0, 0, 0
	var read unsent
	phases := census{phaseGone: s.phases[phaseGone]}
	for id, p := range s.partners {
		if id != p.id {
			return fmt.Errorf("partner %s is listed as %s", p.id, id)
		}
		if err := s.auditPartner(p); err != nil {
			return fmt.Errorf("partner %s: %w", id, err)
		}
		total += p.size()
		memory += p.memory
		inFlight += p.inFlight
		indexed += len(p.waiting)
		counted += p.counted
		for _, w := range p.wants {
			phases[w.phase]++
		}
		if !p.slow {
			read.jobs += len(p.reads)
			read.bytes += p.unsent
		}
	}
	named, err := s.index.audit()
	switch {
	case err != nil:
		return err
	case total != s.live || total != indexed+named:
		return fmt.Errorf("%d wants, counted %d, %d in the index or waiting", total, s.live, indexed+named)
	case phases != s.phases:
		return fmt.Errorf("wants by phase %v, counted %v", phases, s.phases)
	case memory != s.table || memory > s.limits.TableBytes:
		return fmt.Errorf("the table has %d bytes, counted %d, may have %d", memory, s.table, s.limits.TableBytes)
	case inFlight > s.inFlight || s.inFlight > max(s.limits.NodeBytes, blockLimit):
		return fmt.Errorf("%d bytes in flight, counted %d, may be %d", inFlight, s.inFlight, s.limits.NodeBytes)
	case counted > s.slots.out: // Partners that were forgotten have slots, too.
		return fmt.Errorf("%d slots are taken, counted %d", s.slots.out, counted)
	case read.jobs > s.unsent.jobs || read.bytes > s.unsent.bytes:
		return fmt.Errorf("reads of %+v, counted %+v", read, s.unsent)
	case s.jobsOut < 0 || s.jobsOut > s.jobs:
		return fmt.Errorf("%d jobs are out, may be %d", s.jobsOut, s.jobs)
	}
	return nil
}

func (x index) audit() (wants int, err error) {
	for key, head := range x {
		if head.prevSame != nil {
			return 0, fmt.Errorf("the first want for %x is not the first", key)
		}
		for w := head; w != nil; w = w.nextSame {
			if message.Multihash(w.cid) != key || w.phase == phaseGone {
				return 0, fmt.Errorf("%s in phase %d is in the index", w.cid, w.phase)
			}
			wants++
		}
	}
	return wants, nil
}

func (s *state) auditPartner(p *partner) error {
	var phases census
	taskBytes, memory := 0, 0
	for c, w := range p.wants {
		phases[w.phase]++
		memory += cost(c)
		if w.phase == phaseQueued {
			taskBytes += int(w.size)
		}
		if w.cid != c || w.phase == phaseGone || w.phase == phaseQueued && p.tasks.Items()[w.place] != w {
			return fmt.Errorf("%s in phase %d is not where it belongs", c, w.phase)
		}
	}
	for c := range p.waiting {
		memory += cost(c)
	}
	subscriptions := phases[phaseAbsent] + phases[phaseFailing]
	switch {
	case memory != p.memory || taskBytes != p.taskBytes:
		return fmt.Errorf("memory %d, counted %d; tasks of %d bytes, counted %d", memory, p.memory, taskBytes, p.taskBytes)
	case phases[phaseQueued] != p.tasks.Len() || phases[phaseAsked] != p.asked.n || phases[phaseAnswer] != p.answers.n,
		phases[phaseAbsent] != p.absent[0].n+p.absent[1].n:
		return fmt.Errorf("wants by phase %v; %d tasks, %d asked, %d answers, %d absent",
			phases, p.tasks.Len(), p.asked.n, p.answers.n, p.absent[0].n+p.absent[1].n)
	case subscriptions != p.subscriptions || len(p.wants)-subscriptions != p.working:
		return fmt.Errorf("%d subscriptions, counted %d; %d work, counted %d", subscriptions, p.subscriptions, len(p.wants)-subscriptions, p.working)
	case p.subscriptions > s.limits.Subscriptions || p.working > s.limits.Tasks+s.limits.Subscriptions:
		return fmt.Errorf("%d subscriptions and %d tasks are too many", p.subscriptions, p.working)
	}
	return s.auditReads(p)
}

// auditReads looks at what is on its way to p or will be.
func (s *state) auditReads(p *partner) error {
	bytes, loaded := 0, 0
	for _, job := range p.reads {
		bytes += job.Bytes
		if job.done {
			loaded++
		}
		for i := range job.Items {
			if job.done && job.Items[i].want.phase != phaseReading {
				return fmt.Errorf("%s was read and is not wanted", job.Items[i].CID)
			}
		}
	}
	switch {
	case bytes != p.unsent || loaded != p.loaded:
		return fmt.Errorf("%d bytes are read, counted %d; %d jobs done, counted %d", bytes, p.unsent, loaded, p.loaded)
	case p.handed < 0 || p.handed > lane || p.inFlight < p.unsent || p.inFlight > max(s.limits.PeerBytes, blockLimit):
		return fmt.Errorf("%d messages handed over, %d bytes in flight, %d unsent", p.handed, p.inFlight, p.unsent)
	case p.busy() == 0 && p.inFlight > 0:
		return fmt.Errorf("%d bytes in flight in no message", p.inFlight)
	}
	return nil
}
