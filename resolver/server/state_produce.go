package server

import (
	"bytes"
	"container/list"
	"errors"
	"slices"
	"time"

	"github.com/souk-p2p/souk/resolver/wire"
)

// production is a call of Produce.
type production struct {
	id    productionID
	key   string
	owner *client // on whose account it is
	asks  []*ask  // that wait for it; none of one that is late or deserted
	began time.Time
	due   *list.Element // in due; nil when nobody waits any more
}

// value is what was produced.
type value struct {
	data  []byte
	parts wire.Parts // of a value larger than a part
	list  wire.List
}

// begin answers a request from what is kept, lets it wait for what is being produced,
// or has it produced.
func (s *state) begin(now time.Time, a *ask) {
	if v, there := s.kept.get(now, a.key, a.list); there {
		s.stat.Hits++
		s.give(now, a, v)
		return
	}
	p := s.byKey[a.key]
	switch {
	case p == nil && s.kept.another(a.key, a.list):
		s.fail(now, a, wire.CodeChanged, OutcomeChanged)
		return
	case p == nil:
		p = s.produce(now, a)
	case p.due == nil: // It is late: another call would hardly be faster.
		s.fail(now, a, wire.CodeBusy, OutcomeLate)
		return
	default:
		s.stat.Merged++
	}
	p.asks = append(p.asks, a)
	a.stream.client.asking++
	s.asking++
}

func (s *state) produce(now time.Time, a *ask) *production {
	s.last++
	p := &production{id: s.last, key: a.key, owner: a.stream.client, began: now}
	p.owner.running++
	p.due = s.due.PushBack(p)
	s.runs[p.id], s.byKey[p.key] = p, p
	s.out.produces = append(s.out.produces, job{p.id, p.key})
	return p
}

// produced takes in what has become of a call.
func (s *state) produced(now time.Time, id productionID, v value, err error) {
	p := s.runs[id]
	delete(s.runs, id)
	if s.byKey[p.key] == p {
		delete(s.byKey, p.key)
	}
	p.owner.running--
	if errors.Is(err, errOversize) {
		s.stat.Oversize++
	}
	s.charge(p.owner, v)
	asks := s.release(p)
	if err == nil && len(asks) > 0 && v.parts.Size > 0 {
		s.kept.put(now, p.key, v)
	}
	for _, a := range asks {
		s.settle(now, a, v, err)
	}
	s.offer(p.owner)
	s.moreFor(now, asks)
}

// largestCharge is which part of a second's requests a value costs its asker at most, so
// that one of 1 GiB leaves it enough to ask for the parts.
const largestCharge = 8

// charge counts a value of several parts as that many requests of who had it produced: a
// short request, for one part of it or a list that it has not got, has all of it read
// and hashed.
func (s *state) charge(c *client, v value) {
	n := min(v.parts.Count()-1, max(int(s.limits.PeerRate)/largestCharge, 1))
	c.bucket.Take(n)
	s.total.Take(n)
}

// moreFor goes on with those whose asks have an answer.
func (s *state) moreFor(now time.Time, asks []*ask) {
	for _, a := range asks {
		s.offer(a.stream.client)
	}
	s.relieve()
	s.serve(now)
}

// release takes from a call those who wait for it, and returns them.
func (s *state) release(p *production) []*ask {
	asks := p.asks
	p.asks = nil
	for _, a := range asks {
		s.leave(a)
	}
	if p.due != nil {
		s.due.Remove(p.due)
		p.due = nil
	}
	return asks
}

func (s *state) leave(a *ask) {
	a.stream.client.asking--
	s.asking--
}

// settle answers a request with what has become of its call.
func (s *state) settle(now time.Time, a *ask, v value, err error) {
	switch {
	case err == nil:
		s.give(now, a, v)
	case errors.Is(err, ErrNone), errors.Is(err, errOversize):
		s.fail(now, a, wire.CodeNone, OutcomeNone)
	default:
		s.fail(now, a, wire.CodeBusy, OutcomeFailed)
	}
}

// give answers a request with a value, or with the part of it that it is for. Of a
// value that is larger it takes a copy, which does not keep the rest of it.
func (s *state) give(now time.Time, a *ask, v value) {
	from, to := v.parts.Range(a.part)
	switch {
	case a.list == wire.List{} && v.parts.Size == 0:
		s.answer(now, a, &wire.Response{ID: a.id, Data: v.data}, OutcomeValue)
	case a.list == wire.List{}:
		s.answer(now, a, &wire.Response{ID: a.id, Data: bytes.Clone(v.data[from:to]), Parts: v.parts}, OutcomeValue)
	case a.list != v.list:
		s.fail(now, a, wire.CodeChanged, OutcomeChanged)
	case to == 0: // Who has the list knows how many parts there are.
		s.blame(a.stream, wire.FaultPart)
		s.fail(now, a, wire.CodeMalformed, OutcomeMalformed)
	default:
		s.answer(now, a, &wire.Response{ID: a.id, Data: bytes.Clone(v.data[from:to])}, OutcomePart)
	}
}

// late gives up a call that takes too long. It keeps its place among the calls until
// it returns or is given up.
func (s *state) late(now time.Time, p *production) {
	s.out.cancels = append(s.out.cancels, p.id)
	asks := s.release(p)
	for _, a := range asks {
		s.fail(now, a, wire.CodeBusy, OutcomeLate)
	}
	s.moreFor(now, asks)
}

// desert takes the asks of a stream that has ended from the calls, and gives up
// those for which nobody waits.
func (s *state) desert(now time.Time, st *stream) {
	for e := s.due.Front(); e != nil; {
		p := e.Value.(*production)
		e = e.Next()
		before := len(p.asks)
		p.asks = slices.DeleteFunc(p.asks, func(a *ask) bool {
			if a.stream != st {
				return false
			}
			s.leave(a)
			s.went(now, a, OutcomeGone)
			return true
		})
		if len(p.asks) == 0 && before > 0 {
			s.release(p)
			delete(s.byKey, p.key) // Who asks next does not suffer for who has gone.
			s.out.cancels = append(s.out.cancels, p.id)
		}
	}
}
