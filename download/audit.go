package download

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// audit looks for what contradicts itself in the state after an event, and returns
// what is wrong.
func (s *state) audit(now time.Time) error {
	return errors.Join(s.auditBounds(), s.auditResources(), s.auditNodes(), s.auditGroups(), s.auditIdle(now), s.auditWake(now))
}

// auditBounds recounts what is kept as a number.
func (s *state) auditBounds() error {
	seats, dialling, waiting := 0, 0, 0
	for _, t := range s.running {
		seats += len(t.seats)
	}
	for _, n := range s.order {
		if n.phase == dialled {
			dialling++
		}
		if len(n.seats) > s.limits.PerNode {
			return fmt.Errorf("%s has %d transfers", n.id, len(n.seats))
		}
	}
	for _, r := range s.resources {
		if r.place != 0 {
			waiting++
		}
	}
	switch l := s.limits; {
	case seats != s.seats || dialling != s.dialling || waiting != s.waiting:
		return fmt.Errorf("%d transfers, %d dials and %d waiting were counted as %d, %d and %d",
			seats, dialling, waiting, s.seats, s.dialling, s.waiting)
	case seats > l.Transfers || len(s.linked)+dialling > l.Connections || len(s.nodes) > l.Nodes || len(s.resources) > l.Resources:
		return fmt.Errorf("%d transfers, %d connections, %d nodes, %d resources: more than there may be",
			seats, len(s.linked)+dialling, len(s.nodes), len(s.resources))
	}
	return nil
}

func (s *state) auditResources() error {
	for c, r := range s.resources {
		dials := count(s.order, func(n *node) bool { return n.reason == r })
		if r.cid != c || r.dials != dials || r.dials > s.limits.Dials {
			return fmt.Errorf("%s: known as %s, with %d dials that are %d", c, r.cid, r.dials, dials)
		}
		if err := errors.Join(s.auditPhase(r), r.auditIndices(), r.auditMarks()); err != nil {
			return fmt.Errorf("%s: %w", c, err)
		}
	}
	for id, i := range s.intents {
		if i.id != id || !slices.Contains(i.resource.intents, i) || s.resources[i.resource.cid] != i.resource {
			return fmt.Errorf("intent %d is not with its resource", id)
		}
	}
	return nil
}

// auditPhase looks whether a resource is where it belongs: it has an intent and is
// active, waits for a node, or for a timer.
func (s *state) auditPhase(r *resource) error {
	switch {
	case (len(r.intents) == 0) != (r.phase == unwanted):
		return fmt.Errorf("%d intents in phase %d", len(r.intents), r.phase)
	case (r.phase == active) != (r.transfer != nil):
		return fmt.Errorf("phase %d with transfer %v", r.phase, r.transfer)
	case r.phase == active && s.transfer(r.transfer.id) != r.transfer:
		return errors.New("its transfer is not among those that run")
	case r.phase == queued && r.place == 0 || (r.phase == unwanted || r.phase == active) && r.place != 0:
		return fmt.Errorf("phase %d at place %d", r.phase, r.place)
	}
	in := s.timers
	if r.phase == unwanted {
		in = s.spare
	}
	if r.timing.in != in || in.waiting.Items()[r.timing.place] != timed(r) {
		return fmt.Errorf("no timer in phase %d", r.phase)
	}
	return nil
}

// auditIndices looks whether a resource and those that name it agree.
func (r *resource) auditIndices() error {
	for _, n := range r.from {
		if _, named := n.has[r]; !named {
			return fmt.Errorf("%s does not know that it has it", n.id)
		}
		if r.place != 0 && !r.marked(n.id) && !n.own.holds(r) {
			return fmt.Errorf("it waits, and not at %s, which has it", n.id)
		}
	}
	for _, g := range r.groups {
		if r.place != 0 && !g.line[0].holds(r) && !g.line[1].holds(r) {
			return fmt.Errorf("it waits, and not in group %q", g.name)
		}
	}
	return nil
}

func (r *resource) auditMarks() error {
	for i, m := range r.marks {
		if i > 0 && m.node <= r.marks[i-1].node {
			return errors.New("marks are not in order")
		}
		if m.why != HasNot && (m.round != r.round || !m.until.IsZero()) {
			return fmt.Errorf("%s is marked of round %d in round %d", m.node, m.round, r.round)
		}
	}
	return nil
}

// holds reports whether a resource waits in a lane.
func (l *lane) holds(r *resource) bool {
	return slices.ContainsFunc(l.places, func(p place) bool { return p.resource == r && p.counts() })
}

func (s *state) auditNodes() error {
	linkedOnes := 0
	for _, n := range s.order {
		id := n.id
		if n.phase == linked {
			linkedOnes++
		}
		_, inOrder := slices.BinarySearchFunc(s.order, n, (*node).compare)
		_, inLinked := slices.BinarySearchFunc(s.linked, n, (*node).compare)
		if s.nodes[id] != n || !inOrder || inLinked != (n.phase == linked) || (n.reason != nil) != (n.phase == dialled) {
			return fmt.Errorf("%s is not where phase %d belongs", id, n.phase)
		}
		if n.timing.in != s.ages {
			return fmt.Errorf("%s would be known for ever", id)
		}
		for r := range n.has {
			if s.resources[r.cid] != r || !slices.Contains(r.from, n) {
				return fmt.Errorf("%s has %s, which does not know it", id, r.cid)
			}
		}
		for _, seat := range n.seats {
			if n.phase != linked || s.transfer(seat.transfer.id) != seat.transfer || seat.transfer.of(id) != seat {
				return fmt.Errorf("%s serves %s, which does not know it", id, seat.transfer.resource.cid)
			}
		}
	}
	if len(s.order) != len(s.nodes) || len(s.linked) != linkedOnes {
		return fmt.Errorf("%d nodes are %d in order, %d of %d connected", len(s.nodes), len(s.order), len(s.linked), linkedOnes)
	}
	for _, t := range s.running {
		for _, seat := range t.seats {
			if s.nodes[seat.node.id] != seat.node || !slices.Contains(seat.node.seats, seat) {
				return fmt.Errorf("%s is served by %s, which does not know it", t.resource.cid, seat.node.id)
			}
		}
		if len(t.seats) == 0 || t.resource.transfer != t {
			return fmt.Errorf("transfer %d serves nothing", t.id)
		}
	}
	return nil
}

func (s *state) auditGroups() error {
	for name, g := range s.groups {
		resources, wanted := 0, 0
		for _, r := range s.resources {
			if slices.Contains(r.groups, g) {
				resources++
				wanted += min(len(r.intents), 1)
			}
		}
		nodes := count(s.order, func(n *node) bool {
			return slices.ContainsFunc(n.views, func(v view) bool { return v.group == g }) && slices.Contains(g.nodes, n)
		})
		if g.name != name || g.resources != resources || g.wanted != wanted || len(g.nodes) != nodes {
			return fmt.Errorf("group %q has %d resources, %d wanted, %d nodes; recounted %d, %d, %d",
				name, g.resources, g.wanted, len(g.nodes), resources, wanted, nodes)
		}
		if g.resources+len(g.nodes) == 0 {
			return fmt.Errorf("group %q is kept for nothing", name)
		}
	}
	for _, n := range s.order {
		for _, v := range n.views {
			if s.groups[v.group.name] != v.group || !slices.Contains(v.group.nodes, n) {
				return fmt.Errorf("%s is in group %q, which does not know it", n.id, v.group.name)
			}
		}
	}
	return nil
}

func count(nodes []*node, which func(*node) bool) (sum int) {
	for _, n := range nodes {
		if which(n) {
			sum++
		}
	}
	return sum
}

// auditIdle looks for nodes that could do something and do not, without the books
// by which they are found.
func (s *state) auditIdle(now time.Time) error {
	for _, n := range s.order {
		if !n.able(now) {
			continue
		}
		for _, r := range s.resources {
			if why := s.forgone(now, n, r); why != "" {
				return fmt.Errorf("%s could %s %s", n.id, why, r.cid)
			}
		}
	}
	return nil
}

// forgone is what a node could do for a resource and does not.
func (s *state) forgone(now time.Time, n *node, r *resource) string {
	takes := r.place != 0
	joins := r.transfer != nil && s.mayJoin(r.transfer, n) && !r.transfer.joinAt.After(now)
	if !takes && !joins || r.marked(n.id) || !r.knows(n) {
		return ""
	}
	full := len(s.linked)+s.dialling == s.limits.Connections
	switch {
	case n.phase == linked && len(n.seats) < s.limits.PerNode && s.seats < s.limits.Transfers:
		return "serve"
	case n.phase != away || r.dials == s.limits.Dials || r.dialAt.After(now) || !s.worksWithMore():
		return ""
	case !full && (takes || len(r.transfer.seats)+r.dials < s.limits.Sources):
		return "be dialled for"
	case full && takes && s.roomForMore() && slices.ContainsFunc(s.linked, (*node).idle):
		return "be connected in place of an idle one for"
	}
	return ""
}

// auditWake looks whether somebody wakes when something is due.
func (s *state) auditWake(now time.Time) error {
	wake := s.wake()
	for _, r := range s.resources {
		if r.timing.at.Before(wake) || wake.IsZero() {
			return fmt.Errorf("%s is due at %s, and nobody wakes before %s", r.cid, r.timing.at, wake)
		}
	}
	for _, n := range s.linked {
		if n.idle() && n.since.Add(s.limits.Idle).Before(wake) {
			return fmt.Errorf("%s is idle, and nobody wakes before %s", n.id, wake)
		}
		if n.idle() && !n.since.Add(s.limits.Idle).After(now) {
			return fmt.Errorf("%s has been idle since %s", n.id, n.since)
		}
	}
	return nil
}
