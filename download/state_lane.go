package download

import (
	"cmp"
	"iter"
	"slices"
)

// lane is resources in line. A place counts as long as the resource has not left it,
// so nobody has to look for it when it leaves.
type lane struct {
	places []place
	room   int // up to this many nothing is thrown out
}

type place struct {
	at       uint64
	resource *resource
}

// counts reports whether the resource still waits at this place.
func (p place) counts() bool { return p.resource.place == p.at }

// smallestLane is how many places a lane has before it is swept.
const smallestLane = 16

// push puts a resource at the end. Places that count no more are thrown out as
// often as the lane has doubled, so that a push takes the same time on average
// however long the lane is.
func (l *lane) push(r *resource) {
	if len(l.places) >= max(l.room, smallestLane) {
		l.places = slices.DeleteFunc(l.places, func(p place) bool { return !p.counts() })
		l.room = 2 * len(l.places)
	}
	l.places = append(l.places, place{r.place, r})
}

// line is what waits in a group. What others have not got, or have failed with, goes
// first: there are fewer left who may have it, and those that are left last, at a node
// that is slow, are what all is waited for.
type line [2]lane

// push puts a resource at the end of what waits as it does.
func (l *line) push(r *resource) {
	if len(r.marks) > 0 {
		l[0].push(r)
	} else {
		l[1].push(r)
	}
}

// view is how far a node has looked at the line of one of its groups.
type view struct {
	group *group
	seen  [len(line{})]uint64 // places up to these are nothing for the node
}

// after is the first place of a lane behind one that was looked at.
func (l *lane) after(seen uint64) int {
	at, _ := slices.BinarySearchFunc(l.places, seen+1, func(p place, at uint64) int { return cmp.Compare(p.at, at) })
	return at
}

// offers are the resources that a node may take: those that it has, then those of its
// groups, each with the group; a group at which it was served last comes last. What is
// passed before the first offer is not looked at again: a resource that the node may
// be asked for later gets another place then.
func (n *node) offers() iter.Seq2[*resource, *group] {
	return func(yield func(*resource, *group) bool) {
		first := true
		for i, p := range n.own.places {
			if !p.counts() || p.resource.marked(n.id) {
				continue
			}
			if first {
				n.own.places = n.own.places[i:]
			}
			first = false
			if !yield(p.resource, nil) {
				return
			}
		}
		if first {
			n.own.places = n.own.places[:0]
		}
		for i := range n.views {
			if !n.views[i].offers(n, yield) {
				return
			}
		}
	}
}

// offers yields what waits in the group and the node may be asked for. It returns
// false when no more is wanted.
func (v *view) offers(n *node, yield func(*resource, *group) bool) bool {
	for i := range v.group.line {
		first, lane := true, &v.group.line[i]
		for _, p := range lane.places[lane.after(v.seen[i]):] {
			if p.counts() && !p.resource.marked(n.id) {
				first = false
				if !yield(p.resource, v.group) {
					return false
				}
			} else if first {
				v.seen[i] = p.at
			}
		}
	}
	return true
}

// served notes from which of its groups a node was served, so that the others
// come first the next time.
func (n *node) served(g *group) {
	if g == nil || len(n.views) == 1 {
		return
	}
	at := slices.IndexFunc(n.views, func(v view) bool { return v.group == g })
	v := n.views[at]
	n.views = append(slices.Delete(n.views, at, at+1), v)
}
