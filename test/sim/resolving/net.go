//go:build simulation

package resolving

import (
	"math/rand/v2"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/due"
	"github.com/souk-p2p/souk/resolver"
	"github.com/souk-p2p/souk/test/internal/replay"
)

// Net is a resolver, peers, and what is between them. It plays the requests; the rest
// of what the resolver wants is for who embeds it.
type Net struct {
	*resolver.Steps
	Now     time.Time
	Dice    *rand.Rand
	Limits  resolver.Limits
	Peers   map[peer.ID]*Peer
	ByOrder []*Peer
	Values  func(resolver.Key) *Value // what is right; nil when there is none
	Loss    float64                   // of requests, and of answers
	Jitter  time.Duration             // of each way
	Check   func()                    // after each event; may be nil
	Heard   func(peer.ID, uint64)     // before an answer is; may be nil

	agenda replay.Agenda
	lately [64]peer.ID // who was asked, by the number of the request
}

// Began is the time at which every world begins.
var Began = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Self is the resolver's own name.
const Self = peer.ID("self")

// NewNet returns a network without peers.
func NewNet(seed uint64, l resolver.Limits, on resolver.Stage) (*Net, error) {
	steps, err := resolver.NewSteps(Began, l, Self, seed, on)
	if err != nil {
		return nil, err
	}
	return &Net{
		Steps: steps, Now: Began, Limits: l, Dice: rand.New(rand.NewPCG(seed, 0x5e_50_1e)), Peers: make(map[peer.ID]*Peer),
	}, nil
}

// Add adds a peer, which is not a member by that.
func (n *Net) Add(p *Peer) *Peer {
	n.Peers[p.ID] = p
	n.ByOrder = append(n.ByOrder, p)
	return p
}

// Everybody makes all peers members.
func (n *Net) Everybody() { n.Members(n.Now, n.IDs()) }

// IDs are those of all peers.
func (n *Net) IDs() []peer.ID {
	ids := make([]peer.ID, len(n.ByOrder))
	for i, p := range n.ByOrder {
		ids[i] = p.ID
	}
	return ids
}

// After has something happen later.
func (n *Net) After(d time.Duration, do func()) { n.agenda.Push(n.Now.Add(d), do) }

// Until runs the world until the condition holds, and reports whether that was within d.
func (n *Net) Until(d time.Duration, condition func() bool) bool {
	for end := n.Now.Add(d); !condition(); {
		if !n.step(end) {
			return condition()
		}
	}
	return true
}

// Run lets time pass.
func (n *Net) Run(d time.Duration) { n.Until(d, func() bool { return false }) }

// step does the next thing, and reports false when that is after the end. What is due at
// the same time happens in an order that the dice decide.
func (n *Net) step(end time.Time) bool {
	wake, next := n.Wake(n.Now), n.agenda.Next()
	at := due.First(wake, next)
	if at.IsZero() || at.After(end) {
		n.Now = end
		return false
	}
	if at.After(n.Now) {
		n.Now = at
	}
	turn := !wake.IsZero() && !wake.After(n.Now)
	if turn && n.agenda.Due(n.Now) {
		turn = n.Dice.IntN(2) == 0
	}
	if turn {
		n.Turn(n.Now)
	} else {
		n.agenda.Pop()()
	}
	if n.Check != nil {
		n.Check()
	}
	return true
}

// Part ends the stream to a peer, with what is under way.
func (n *Net) Part(p *Peer) {
	p.life++
	n.Parted(n.Now, p.ID)
}

// Send takes a request of the resolver to its peer.
func (n *Net) Send(a resolver.Ask) {
	n.lately[a.ID%uint64(len(n.lately))] = a.To
	if p := n.Peers[a.To]; !n.lost() {
		n.After(n.way(p), func() { p.arrive(n, a) })
	}
}

// another is the number of a request of late that somebody else was sent, or one that
// was not given yet.
func (n *Net) another(p *Peer, id uint64) uint64 {
	for other := id - 1; other > 0 && other+uint64(len(n.lately)) > id; other-- {
		if n.lately[other%uint64(len(n.lately))] != p.ID {
			return other
		}
	}
	return id + uint64(len(n.lately))
}

// reply takes an answer back.
func (n *Net) reply(p *Peer, id uint64, a resolver.Answer) {
	if n.lost() {
		return
	}
	life := p.life
	n.After(n.way(p), func() {
		if p.life != life {
			return // The stream has ended.
		}
		if n.Heard != nil {
			n.Heard(p.ID, id)
		}
		n.Answered(n.Now, p.ID, id, a)
	})
}

func (n *Net) lost() bool { return n.Loss > 0 && n.Dice.Float64() < n.Loss }

func (n *Net) way(p *Peer) time.Duration {
	d := p.Latency
	if n.Jitter > 0 {
		d += time.Duration(n.Dice.Int64N(int64(n.Jitter)))
	}
	return d
}

// Between returns a duration in a range.
func (n *Net) Between(least, most time.Duration) time.Duration {
	return least + time.Duration(n.Dice.Int64N(int64(most-least)+1))
}

// Some chooses each with a chance of one in so many.
func (n *Net) Some(many int) bool { return n.Dice.IntN(many) == 0 }
