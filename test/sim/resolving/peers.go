//go:build simulation

package resolving

import (
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/resolver"
)

// Peer is somebody who is asked. The zero Nature is honest.
type Peer struct {
	ID      peer.ID
	Nature  Nature
	Latency time.Duration                 // one way
	Service time.Duration                 // that a request takes it, one after the other
	Has     func(resolver.Key) bool       // nil for everything
	Serving func(bytes int) time.Duration // in place of Service, for an answer of so many; may be nil
	Claims  int                           // bytes that what it forges is said to have, at least
	free    time.Time
	forged  map[int]*Value // by size
	life    int            // of its stream
}

// Nature is what a peer does with a request.
type Nature uint8

// The natures.
const (
	Honest    Nature = iota
	Empty            // has nothing
	Refusing         // gives nothing
	Busy             // has too much to do, always
	Mute             // never answers
	Liar             // sends invalid data, in one part
	Forger           // begins values that nobody else has, and goes on with them
	Quitter          // begins right values, and does not go on
	Tempter          // begins values that nobody else has, and does not go on
	Corrupt          // sends right first parts, and others that do not fit their hashes
	Fickle           // says each time that its value has changed
	Renumber         // answers with other numbers
	Impostor         // answers what others were asked
	Twice            // answers twice
	Oversize         // sends more than a part
	Malformed        // sends answers that contradict themselves
	Garbage          // sends what is no answer
	natures
)

func (n Nature) String() string {
	return [natures]string{
		"honest", "empty", "refusing", "busy", "mute", "liar", "forger", "quitter", "tempter", "corrupt",
		"fickle", "renumber", "impostor", "twice", "oversize", "malformed", "garbage",
	}[n]
}

// arrive takes a request in, and answers when those before it are.
func (p *Peer) arrive(n *Net, a resolver.Ask) {
	if p.free.Before(n.Now) {
		p.free = n.Now
	}
	takes := p.Service
	if v := n.Values(a.Key); v != nil && p.Serving != nil {
		takes = p.Serving(min(len(v.Data), v.part))
	}
	p.free = p.free.Add(takes)
	n.agenda.Push(p.free, func() { p.answer(n, a) })
}

func (p *Peer) answer(n *Net, a resolver.Ask) {
	says := func(x resolver.Answer) { n.reply(p, a.ID, x) }
	v := n.Values(a.Key)
	if v == nil || p.Has != nil && !p.Has(a.Key) {
		says(resolver.Answer{Refusal: resolver.SaysNone})
		return
	}
	switch p.Nature {
	case Honest:
		says(v.answer(a))
	case Empty:
		says(resolver.Answer{Refusal: resolver.SaysNone})
	case Refusing:
		says(resolver.Answer{Refusal: resolver.SaysRefused})
	case Busy:
		says(resolver.Answer{Refusal: resolver.SaysBusy})
	case Mute:
	default:
		p.cheat(n, a, v, says)
	}
}

// cheat answers as no honest peer does.
func (p *Peer) cheat(n *Net, a resolver.Ask, v *Value, says func(resolver.Answer)) {
	switch p.Nature {
	case Liar:
		says(resolver.Answer{Data: []byte("a lie of " + p.ID)})
	case Forger:
		says(p.forge(v).answer(a))
	case Quitter, Tempter:
		if p.Nature == Tempter {
			v = p.forge(v)
		}
		if a.Part == 0 {
			says(v.answer(a))
		}
	case Corrupt:
		x := v.answer(a)
		if a.Part > 0 && x.Refusal == 0 {
			x.Data, x.Sum = slices.Clone(x.Data), nil
			x.Data[0]++
		}
		says(x)
	case Fickle:
		says(resolver.Answer{Refusal: resolver.SaysChanged})
	case Renumber:
		n.reply(p, a.ID+uint64(1+n.Dice.IntN(1000)), v.answer(a))
	case Impostor:
		n.reply(p, n.another(p, a.ID), v.answer(a))
	case Twice:
		says(v.answer(a))
		says(v.answer(a))
	case Oversize:
		says(resolver.Answer{Data: make([]byte, v.part+1)})
	case Malformed:
		says(resolver.Answer{Data: v.Data[:min(1, len(v.Data))], Size: int64(v.part) + 1 + n.Dice.Int64N(100), Hashes: []byte("short")})
	case Garbage:
		n.After(n.way(p), func() { n.Faulted(n.Now, p.ID) })
	}
}

// forge makes a value of the peer's own in place of the right one: as large, and larger
// than a part.
func (p *Peer) forge(v *Value) *Value {
	size := max(len(v.Data), v.part+1, p.Claims)
	if p.forged[size] == nil {
		if p.forged == nil {
			p.forged = make(map[int]*Value)
		}
		data := make([]byte, size)
		copy(data, "forged by "+p.ID)
		p.forged[size] = NewValue(data, v.part)
	}
	return p.forged[size]
}
