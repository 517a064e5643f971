package download

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/due"
)

// state is what the actor owns. Its methods take what happened and add what is to
// be done to its effects.
type state struct {
	limits Limits
	rng    *rand.Rand

	resources map[cid.Cid]*resource
	nodes     map[peer.ID]*node
	groups    map[Group]*group
	intents   map[IntentID]*intent

	order   []*node     // all, in the order in which they are put to work
	linked  []*node     // those that are connected for downloads, likewise
	running []*transfer // in the order in which they began

	dialling int    // nodes
	seats    int    // of all transfers
	waiting  int    // resources that a node may take
	queued   uint64 // the last place in line that was given out
	began    TransferID

	timers *timers   // of resources that somebody wants
	spare  *timers   // of the others: when they are forgotten
	ages   *timers   // of nodes: likewise
	again  time.Time // when there may be something to do that no timer stands for
	out    effects
}

// effects is what the shell does after an event, in the order of the fields.
type effects struct {
	cancel     []TransferID // is of no use any more: what it still says is ignored
	leave      []Seat       // a node that the transfer goes on without
	start      []Start
	join       []Seat // another node of which the transfer may ask
	disconnect []peer.ID
	connect    []peer.ID
	forgot     []peer.ID // nodes of which nothing is known any more
	finished   []Outcome
	events     []Event
}

// Start is a transfer that begins.
type Start struct {
	ID   TransferID
	CID  cid.Cid
	Node peer.ID
}

// Seat is a node in a transfer.
type Seat struct {
	Transfer TransferID
	Node     peer.ID
}

// Outcome is the end of intents: all of it is here, or Err, a *[FailedError], says
// why not.
type Outcome struct {
	CID     cid.Cid
	Intents []IntentID
	Err     error
}

// newState returns a state without anything in it. The limits have their defaults.
func newState(l Limits, seed uint64) *state {
	return &state{
		limits: l, rng: rand.New(rand.NewPCG(seed, 0x646f776e)),
		resources: make(map[cid.Cid]*resource), nodes: make(map[peer.ID]*node),
		groups: make(map[Group]*group), intents: make(map[IntentID]*intent),
		timers: newTimers(), spare: newTimers(), ages: newTimers(),
	}
}

// take returns the effects gathered since the last call.
func (s *state) take() effects {
	out := s.out
	s.out = effects{}
	return out
}

// wake is when tick has to be called, or the zero time.
func (s *state) wake() time.Time {
	return due.First(s.timers.next(), s.again, s.spare.next(), s.ages.next())
}

// tick lets happen what is due.
func (s *state) tick(now time.Time) {
	s.timers.ring(s, now)
	s.spare.ring(s, now)
	s.ages.ring(s, now)
	s.settle(now)
}

// settle puts nodes to work, until each is busy or there is nothing for it.
func (s *state) settle(now time.Time) {
	s.again = time.Time{}
	s.fill(now)
	s.unlink(now)
	s.link(now)
}

// fill gives transfers to connected nodes. A node with fewer is given one before a
// node with more, or the nearest would have all of what is little.
func (s *state) fill(now time.Time) {
	for level := range s.limits.PerNode {
		for _, n := range s.linked {
			if s.seats == s.limits.Transfers {
				return
			}
			switch {
			case !n.able(now):
				s.look(n.rest)
			case len(n.seats) == level:
				s.employ(now, n)
			}
		}
	}
}

// employ gives a node a resource that waits, or else a part in one that is large.
func (s *state) employ(now time.Time, n *node) {
	for r, v := range n.offers() {
		n.served(v)
		s.begin(now, r, n)
		return
	}
	for t := range s.helps(now, n) {
		s.join(now, t, n)
		return
	}
}

// look makes sure that settle is called at a time.
func (s *state) look(at time.Time) { s.again = due.First(s.again, at) }

// link has nodes connected for which there is something to do. When as many are as
// there may be, one without anything to do makes room.
func (s *state) link(now time.Time) {
	if s.waiting == 0 && len(s.running) == 0 {
		return
	}
	for _, n := range s.order {
		full := len(s.linked)+s.dialling >= s.limits.Connections
		idle := slices.IndexFunc(s.linked, (*node).idle)
		if full && (idle < 0 || !s.roomForMore()) || !s.worksWithMore() {
			return
		}
		if n.phase != away {
			continue
		}
		if r := s.worthDialling(now, n, full); r != nil {
			if full {
				s.dismiss(s.linked[idle])
			}
			s.dial(now, n, r)
		}
	}
}

// roomForMore reports whether there may be a transfer with one more node.
func (s *state) roomForMore() bool { return s.seats+s.dialling < s.limits.Transfers }

// worksWithMore reports whether one more node would have something to do: at once, or
// soon, as one of several transfers with the same node would go to it.
func (s *state) worksWithMore() bool {
	crowded := func(n *node) bool { return len(n.seats) > 1 }
	return s.roomForMore() || len(s.linked)+s.dialling < s.limits.Transfers && slices.ContainsFunc(s.linked, crowded)
}

// mostLooked is how many resources are looked at to find one for which a node may be
// dialled: those before it are the ones for which enough are being dialled, of which
// there are fewer than nodes being dialled.
const mostLooked = 64

// worthDialling is a resource for which a node is dialled now, or nil.
func (s *state) worthDialling(now time.Time, n *node, waitingOnly bool) *resource {
	if !n.able(now) {
		s.look(n.rest)
		return nil
	}
	looked := 0
	for r := range n.offers() {
		if s.mayDial(now, r) {
			return r
		}
		if looked++; looked == mostLooked {
			return nil
		}
	}
	if waitingOnly {
		return nil
	}
	for t := range s.helps(now, n) {
		if len(t.seats)+t.resource.dials < s.limits.Sources && s.mayDial(now, t.resource) {
			return t.resource
		}
	}
	return nil
}

// mayDial reports whether one more node may be dialled for a resource.
func (s *state) mayDial(now time.Time, r *resource) bool {
	if r.dials >= s.limits.Dials {
		return false
	}
	if r.dialAt.After(now) {
		s.look(r.dialAt)
		return false
	}
	return true
}

// dial has a node connected for the sake of a resource.
func (s *state) dial(now time.Time, n *node, r *resource) {
	n.phase, n.reason = dialled, r
	r.dials++
	r.dialAt = now.Add(s.limits.Stagger)
	s.dialling++
	s.out.connect = append(s.out.connect, n.id)
}

// unlink lets go of nodes that have had nothing to do for a while.
func (s *state) unlink(now time.Time) {
	for i := len(s.linked) - 1; i >= 0; i-- {
		n := s.linked[i]
		switch until := n.since.Add(s.limits.Idle); {
		case !n.idle():
		case until.After(now):
			s.look(until)
		default:
			s.dismiss(n)
		}
	}
}

// dismiss lets go of a node.
func (s *state) dismiss(n *node) {
	s.part(n)
	s.out.disconnect = append(s.out.disconnect, n.id)
}

// sorted puts a node where it belongs in the order of nodes.
func sorted(nodes []*node, n *node) []*node {
	at, _ := slices.BinarySearchFunc(nodes, n, (*node).compare)
	return slices.Insert(nodes, at, n)
}

// without takes a node out of those in order.
func without(nodes []*node, n *node) []*node {
	if at, found := slices.BinarySearchFunc(nodes, n, (*node).compare); found {
		return slices.Delete(nodes, at, at+1)
	}
	return nodes
}

// compare is the order in which nodes are put to work: who answers first comes
// first, and those of whom that is the same, or not known, by lot.
func (n *node) compare(o *node) int {
	return cmp.Or(cmp.Compare(n.latency, o.latency), cmp.Compare(n.lot, o.lot), cmp.Compare(n.id, o.id))
}

func (s *state) event(e Event) { s.out.events = append(s.out.events, e) }
