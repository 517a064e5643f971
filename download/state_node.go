package download

import (
	"maps"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/planted"
)

// node is a peer that somebody has named.
type node struct {
	id      peer.ID
	phase   linkPhase
	latency time.Duration // until it begins to answer; unknownLatency before it did
	lot     uint64
	hinted  time.Time // last
	failed  int       // times in a row: as often as it was not reached, or what it sent was wrong
	rest    time.Time // until when it is left alone
	why     Reason    // of the last of these failures
	since   time.Time // when it had something to do last
	reason  *resource // for which it is being dialled

	own    lane                   // resources that it has, as far as they wait
	views  []view                 // of its groups
	has    map[*resource]struct{} // those that name it: never walked to decide anything
	seats  []*seat                // in the order in which it took them
	timing timing
}

// linkPhase is whether a node is connected for downloads.
type linkPhase uint8

const (
	away    linkPhase = iota // or connected for something else
	dialled                  // asked for, and not there yet
	linked
)

// unknownLatency is that of a node that has not answered yet: it comes after near
// nodes and before far ones.
const unknownLatency = 100 * time.Millisecond

// group is a label and who has it.
type group struct {
	name      Group
	nodes     []*node // in the order in which they came
	line      line    // resources that wait
	resources int     // that have the label
	wanted    int     // those of them with an intent
}

// idle reports whether a connected node does nothing.
func (n *node) idle() bool { return len(n.seats) == 0 }

// able reports whether a node may be given something, if it has room.
func (n *node) able(now time.Time) bool { return !n.rest.After(now) }

// addNode takes hints about a node. It returns ErrFull when the node is new and there
// are as many as there may be, or when not all that it has could be noted.
func (s *state) addNode(now time.Time, id peer.ID, h NodeHints) error {
	n := s.node(now, id)
	if n == nil {
		return ErrFull
	}
	for _, g := range h.Groups {
		s.enrol(n, g)
	}
	var full error
	for _, c := range h.Has {
		if r := s.resource(now, c); r == nil {
			full = ErrFull
		} else if s.connect(r, n) {
			s.encourage(now, r)
		}
	}
	for _, c := range h.HasNot {
		if r := s.resource(now, c); r == nil {
			full = ErrFull
		} else {
			r.refuse(id, now.Add(s.limits.Skip))
			s.refused(now, r)
		}
	}
	s.settle(now)
	return full
}

// node returns the node with an ID, of which a hint has come, or nil when there is
// no room for one more.
func (s *state) node(now time.Time, id peer.ID) *node {
	n := s.nodes[id]
	if n == nil {
		if len(s.nodes) == s.limits.Nodes {
			return nil
		}
		n = &node{id: id, latency: unknownLatency, lot: s.rng.Uint64(), has: make(map[*resource]struct{})}
		s.nodes[id] = n
		s.order = sorted(s.order, n)
	}
	n.hinted = now
	if n.timing.in == nil {
		s.ages.set(n, now.Add(s.limits.Age))
	}
	return n
}

// enrol puts a node into a group. From then on it looks at all that waits there.
func (s *state) enrol(n *node, name Group) {
	g := s.group(name)
	if slices.ContainsFunc(n.views, func(v view) bool { return v.group == g }) {
		return
	}
	g.nodes = append(g.nodes, n)
	v := view{group: g}
	if planted.Is(planted.GroupHintUnseen) && n.phase == linked {
		v.seen = [...]uint64{s.queued, s.queued}
	}
	n.views = append(n.views, v)
}

// group returns the group of a name.
func (s *state) group(name Group) *group {
	g := s.groups[name]
	if g == nil {
		g = &group{name: name}
		s.groups[name] = g
	}
	return g
}

// connected notes that a node is connected. The round trip is 0 when it is not
// known. One that was not asked for may be dialled again at once.
func (s *state) connected(now time.Time, id peer.ID, roundTrip time.Duration) {
	n := s.nodes[id]
	if n == nil {
		return
	}
	n.rest = time.Time{}
	if n.phase == dialled {
		s.dialEnded(n)
		n.phase, n.since = linked, now
		s.linked = sorted(s.linked, n)
	}
	if roundTrip > 0 {
		s.answered(n, roundTrip)
	}
	s.settle(now)
}

// answered takes in how long a node took to answer.
func (s *state) answered(n *node, took time.Duration) {
	s.order = without(s.order, n)
	isLinked := n.phase == linked
	if isLinked {
		s.linked = without(s.linked, n)
	}
	if n.latency == unknownLatency {
		n.latency = took
	}
	n.latency += (took - n.latency) / 4 // One slow answer of four makes a node no slow one.
	s.order = sorted(s.order, n)
	if isLinked {
		s.linked = sorted(s.linked, n)
	}
}

// dialEnded notes that a node is not being dialled any more, and returns for what it
// was.
func (s *state) dialEnded(n *node) *resource {
	r := n.reason
	n.phase, n.reason = away, nil
	s.dialling--
	r.dials--
	s.abandon(r)
	return r
}

// failedToConnect notes that a node cannot be reached.
func (s *state) failedToConnect(now time.Time, id peer.ID, err error) {
	n := s.nodes[id]
	if n == nil || n.phase != dialled {
		return
	}
	r := s.dialEnded(n)
	s.tire(now, n)
	if len(r.intents) > 0 {
		s.event(Event{Kind: Retry, CID: r.cid, Node: id, Reason: Unreachable, Err: err})
	}
	if r.phase == queued {
		r.err = err
		s.reconsider(now, r)
	}
	s.settle(now)
}

// tire lets a node that was not reached rest, longer each time.
func (s *state) tire(now time.Time, n *node) {
	n.failed++
	n.why = Unreachable
	n.rest = now.Add(s.limits.pause(n.failed))
}

// gone notes that a node is not connected any more.
func (s *state) gone(now time.Time, id peer.ID) {
	n := s.nodes[id]
	if n == nil || n.phase == away {
		return
	}
	if n.phase == dialled {
		s.failedToConnect(now, id, nil)
		return
	}
	s.tire(now, n)
	s.leaveAll(now, n, Unreachable)
	s.part(n)
	s.settle(now)
}

// part takes a node without transfers out of those that are connected.
func (s *state) part(n *node) {
	s.linked = without(s.linked, n)
	n.phase = away
}

// removeNode forgets a node. What it had begun to serve is tried elsewhere.
func (s *state) removeNode(now time.Time, id peer.ID) {
	n := s.nodes[id]
	if n == nil {
		return
	}
	switch n.phase {
	case linked:
		s.leaveAll(now, n, Unreachable)
		s.dismiss(n)
	case dialled:
		s.dialEnded(n)
		s.out.disconnect = append(s.out.disconnect, id)
	}
	s.forgetNode(n)
	s.settle(now)
}

// forgetNode takes a node out of everything. What it has refused stays known.
func (s *state) forgetNode(n *node) {
	for r := range maps.Keys(n.has) {
		r.from = slices.DeleteFunc(r.from, func(o *node) bool { return o == n })
	}
	for _, v := range n.views {
		v.group.nodes = slices.DeleteFunc(v.group.nodes, func(o *node) bool { return o == n })
		s.release(v.group)
	}
	stop(n)
	s.order = without(s.order, n)
	delete(s.nodes, n.id)
	s.out.forgot = append(s.out.forgot, n.id)
}

// release forgets a group without members.
func (s *state) release(g *group) {
	if g.resources == 0 && len(g.nodes) == 0 {
		delete(s.groups, g.name)
	}
}

// rang looks whether a node is still of use, once in an age.
func (n *node) rang(s *state, now time.Time) {
	expires := n.hinted.Add(s.limits.Age)
	if n.phase == away && !expires.After(now) && !n.needed() {
		s.forgetNode(n)
		return
	}
	if !expires.After(now) {
		expires = now.Add(s.limits.Age)
	}
	s.ages.set(n, expires)
}

// needed reports whether a node may still serve what somebody wants.
func (n *node) needed() bool {
	if slices.ContainsFunc(n.views, func(v view) bool { return v.group.wanted > 0 }) {
		return true
	}
	for r := range n.has {
		if len(r.intents) > 0 {
			return true
		}
	}
	return false
}

func (n *node) timer() *timing { return &n.timing }
