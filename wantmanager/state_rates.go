package wantmanager

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/souk-p2p/souk/internal/due"
	"github.com/souk-p2p/souk/rate"
)

// What comes in a second is decided when it is asked for. A want-block is charged for
// a block of the size that the peer's have on average; when it is answered, withdrawn
// or lost that is given back, and the bytes that have come are charged instead. So
// what is asked for comes at the rate however long the path is, and nothing waits
// unread.

const (
	leastHold = time.Millisecond // between two looks at a rate: a timer is hardly better
	// turnBytes is what is asked for in a turn at least, if there is as much to ask for:
	// wants for small blocks, one by one, would keep both sides busy with messages.
	turnBytes = 64 << 10
)

// rates are what bounds asking.
type rates struct {
	limits  rate.Limits
	on      bool // something is limited
	total   rate.Bucket
	classes map[string]*rate.Bucket // those with a rate of their own
	line    []*peerWants            // who would ask for more if a rate let it
	served  float64                 // what was asked of the peer whose turn was last
	wake    time.Time               // when there may be another turn, or zero
}

// allowance is a peer's part in the rates.
type allowance struct {
	known   bool // the rates of the peer's class
	own     rate.Bucket
	class   *rate.Bucket // nil when its class has no rate
	charged int          // for what it was asked and has not answered
	asked   float64      // bytes that it was asked for, against those of others in line
	inLine  bool
	granted int // bytes that may still be asked for in its turn
}

// setRates changes how much is asked for in a second, and asks anew who is in which
// class. What was asked for before there was a limit is not charged.
func (s *state) setRates(now time.Time, limits rate.Limits) {
	r := &s.rates
	r.limits, r.on, r.wake = limits, !limits.None(), time.Time{}
	r.total.Set(now, limits.Total)
	before := r.classes
	r.classes = make(map[string]*rate.Bucket)
	for name, c := range limits.Classes {
		if c.Total <= 0 {
			continue
		}
		r.classes[name] = cmp.Or(before[name], new(rate.Bucket))
		r.classes[name].Set(now, c.Total)
	}
	r.line = nil
	for _, id := range slices.Sorted(maps.Keys(s.peers)) {
		p := s.peers[id]
		if p.allowance.inLine = false; r.on {
			s.classify(now, p)
		} else {
			p.allowance = allowance{}
		}
		s.touch(p)
	}
}

// classify gives a peer the rates of its class.
func (s *state) classify(now time.Time, p *peerWants) {
	a, class := &p.allowance, rate.Default
	if len(s.rates.limits.Classes) > 0 {
		if name := s.classOf(p.id); s.rates.limits.Has(name) {
			class = name
		}
	}
	a.known, a.class, a.charged = true, s.rates.classes[class], p.asked()
	a.own.Set(now, s.rates.limits.Of(class))
}

// take charges a peer for bytes, or gives them back.
func (r *rates) take(a *allowance, bytes int) {
	for _, b := range [...]*rate.Bucket{&r.total, a.class, &a.own} {
		switch {
		case b == nil:
		case bytes >= 0:
			b.Take(bytes)
		default:
			b.GiveBack(-bytes)
		}
	}
}

// room is how many bytes a peer may be asked for now.
func (r *rates) room(now time.Time, a *allowance) int {
	room := min(r.total.Room(now), a.own.Room(now))
	if a.class != nil {
		room = min(room, a.class.Room(now))
	}
	return room
}

// may reports whether another want-block may be written to p. If it has to wait for a
// turn, it is in line for one.
func (s *state) may(now time.Time, p *peerWants) bool {
	a := &p.allowance
	if !s.rates.on || a.granted > 0 {
		return true
	}
	if !a.known {
		s.classify(now, p)
	}
	if !a.inLine {
		a.inLine = true
		a.asked = max(a.asked, s.rates.served) // Who asked for nothing has saved up nothing.
		s.rates.line = append(s.rates.line, p)
	}
	return false
}

// charge notes that a want-block is written to p.
func (s *state) charge(p *peerWants) {
	if !s.rates.on {
		return
	}
	a, bytes := &p.allowance, p.window.block
	s.rates.take(a, bytes)
	a.charged += bytes
	a.asked += float64(bytes)
	a.granted -= bytes
}

// refund gives back what was charged for wants that are not out any more.
func (s *state) refund(p *peerWants) {
	if a, due := &p.allowance, p.asked(); due < a.charged {
		s.rates.take(a, due-a.charged)
		a.charged = due
	}
}

// came charges for blocks that have come.
func (s *state) came(p *peerWants, n news) {
	if !s.rates.on {
		return
	}
	for _, b := range n.blocks {
		s.rates.take(&p.allowance, b.size)
	}
}

// turn lets the peer in line ask for more that was asked for least, and reports
// whether there was one. Nobody goes before who waits for a rate that they share, or
// peers with small blocks would leave nothing to the others.
func (s *state) turn(now time.Time) bool {
	r := &s.rates
	r.wake = time.Time{}
	r.line = slices.DeleteFunc(r.line, func(p *peerWants) bool { return !s.waits(p) })
	slices.SortFunc(r.line, func(a, b *peerWants) int {
		return cmp.Or(cmp.Compare(a.allowance.asked, b.allowance.asked), cmp.Compare(a.id, b.id))
	})
	var held []*rate.Bucket
	for i, p := range r.line {
		a := &p.allowance
		switch {
		case r.holds(now, &a.own, p):
		case a.class != nil && slices.Contains(held, a.class):
		case a.class != nil && r.holds(now, a.class, p):
			held = append(held, a.class)
		case r.holds(now, &r.total, p):
			return false
		default:
			r.line = slices.Delete(r.line, i, i+1)
			a.inLine, a.granted, r.served = false, max(r.room(now, a), 1), a.asked
			s.touch(p)
			return true
		}
	}
	return false
}

// waits reports whether p is still to be in line.
func (s *state) waits(p *peerWants) bool {
	stays := p.connected && p.waiting > 0 && s.peers[p.id] == p
	p.allowance.inLine = stays
	return stays
}

// holds reports whether a rate keeps p from asking for more, and notes until when.
func (r *rates) holds(now time.Time, b *rate.Bucket, p *peerWants) bool {
	at := b.When(now, max(p.window.block, min(p.waiting*p.window.block, turnBytes)))
	if at.IsZero() {
		return false
	}
	if earliest := now.Add(leastHold); at.Before(earliest) {
		at = earliest
	}
	r.wake = due.First(r.wake, at)
	return true
}

// capped is a peer's rate, as far as ours lets it have one.
func (a *allowance) capped(rate float64) float64 {
	if a.own.Limited() {
		return min(rate, a.own.Rate())
	}
	return rate
}
