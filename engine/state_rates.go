package engine

import (
	"maps"
	"slices"
	"time"

	"github.com/souk-p2p/souk/internal/due"
	"github.com/souk-p2p/souk/internal/table"
	"github.com/souk-p2p/souk/rate"
)

// What may be sent in a second is decided when a block is chosen to be read, so that
// nothing is read that has to wait, and no slot is taken by it: slots that stay free
// for want of reads say nothing of the paths. Who is over the rate is not among those
// who could be sent blocks. What turns out smaller or is withdrawn is given back.

// leastHold is between two looks at a rate that holds up somebody: a timer is hardly
// better, and what has come together meanwhile goes out at once.
const leastHold = time.Millisecond

// rates are what bounds sending.
type rates struct {
	limits rate.Limits
	on     bool // something is limited
	total  rate.Bucket
	wake   time.Time // when the total or a class lets more pass, if one of them holds up anybody
}

// class is partners that have a rate in common, and those of them who could be sent
// blocks: with nothing in flight, and with something.
type class struct {
	name   string
	bucket rate.Bucket
	ready  [2]table.Heap[*partner]
}

func newClass(name string) *class {
	c := &class{name: name}
	for i := range c.ready {
		c.ready[i] = table.NewHeap(owedMore, func(p *partner, place int) { p.place = place })
	}
	return c
}

// setRates changes what may be sent in a second, and asks anew who is in which class.
func (s *state) setRates(now time.Time, limits rate.Limits) {
	s.rates.limits, s.rates.on, s.rates.wake = limits, !limits.None(), time.Time{}
	s.rates.total.Set(now, limits.Total)
	before := s.classes
	s.classes = []*class{newClass(rate.Default)}
	for _, name := range slices.Sorted(maps.Keys(limits.Classes)) {
		if name != rate.Default {
			s.classes = append(s.classes, newClass(name))
		}
	}
	for _, c := range s.classes {
		if i := slices.IndexFunc(before, func(o *class) bool { return o.name == c.name }); i >= 0 {
			c.bucket = before[i].bucket
		}
		c.bucket.Set(now, limits.Classes[c.name].Total)
	}
	for _, p := range s.sorted() {
		s.classify(now, p)
		s.touch(p)
	}
}

// classify puts p into its class.
func (s *state) classify(now time.Time, p *partner) {
	if p.ready != nil {
		p.ready.Remove(p.place)
		p.ready = nil
	}
	p.class = s.classes[0]
	if len(s.classes) > 1 {
		name := s.classOf(p.id)
		for _, c := range s.classes {
			if c.name == name {
				p.class = c
			}
		}
	}
	p.bucket.Set(now, s.rates.limits.Of(p.class.name))
}

// batch is how many bytes are to be sent to p at once: with less, small blocks would
// go out one by one as fast as the rate lets them.
func (s *state) batch(p *partner) int {
	return max(int(s.nextTask(p).size), min(p.taskBytes, s.limits.MessageBytes))
}

// restedAt is when the rate of p lets more be sent to it, or zero when it does now or
// nothing is to be sent.
func (s *state) restedAt(now time.Time, p *partner) time.Time {
	if !p.bucket.Limited() || p.tasks.Len() == 0 {
		return time.Time{}
	}
	return s.when(now, &p.bucket, p)
}

// when is when a bucket lets more be sent to p, or zero when it does now.
func (s *state) when(now time.Time, b *rate.Bucket, p *partner) time.Time {
	at := b.When(now, s.batch(p))
	if earliest := now.Add(leastHold); !at.IsZero() && at.Before(earliest) {
		return earliest
	}
	return at
}

// passes reports whether a rate lets p be sent more. Nobody goes before who waits for
// it, or those with small blocks would leave nothing to the others.
func (s *state) passes(now time.Time, b *rate.Bucket, p *partner) bool {
	if !b.Limited() {
		return true
	}
	at := s.when(now, b, p)
	if at.IsZero() {
		return true
	}
	s.rates.wake = due.First(s.rates.wake, at)
	return false
}

// allowance is how many bytes may be sent to p now.
func (s *state) allowance(now time.Time, p *partner) int {
	return min(s.rates.total.Room(now), p.class.bucket.Room(now), p.bucket.Room(now))
}

// charge notes that so many bytes more are sent to p, or fewer.
func (s *state) charge(p *partner, bytes int) {
	if !s.rates.on {
		return
	}
	for _, b := range []*rate.Bucket{&s.rates.total, &p.class.bucket, &p.bucket} {
		if bytes >= 0 {
			b.Take(bytes)
		} else {
			b.GiveBack(-bytes)
		}
	}
}
