package tracker

import (
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	noticeRows = 64   // changes in one notice
	topicPeers = 1024 // watches of one place
	watchBytes = 640  // memory of a watch: itself, and its places in two maps and two slices
	topicBytes = 4096 // memory of a watched place, with a full notice
	watchShare = 16   // watches take at most this part of the table's memory
)

// WatchID is the number of a watch, which whoever makes it chooses.
type WatchID uint64

// watch is who wants to hear of what.
type watch struct {
	about Query
}

// topic is a place that somebody watches.
type topic struct {
	name    string
	watches []WatchID
	changes []peer.ID // whose rows came, changed or went
	more    bool
}

// Watch lets the peer of a query hear of rows that would be in its answer, as
// they come. The number must be one that no other watch has.
func (t *Table) Watch(now time.Time, id WatchID, q Query) Verdict {
	if !rightName(q.Namespace) || !rightPeer(q.Peer) || len(q.Key) > mostName {
		return t.refuse(Verdict{Refusal: RefusedSize})
	}
	if v := t.charge(now, q.Peer, q.Origin, cost{queries: 1, bytes: float64(max(q.Size, 0))}); v.Refusal != Accepted {
		return t.refuse(v)
	}
	if t.watchers[q.Peer] >= t.limits.Watches {
		return t.refuse(Verdict{Refusal: RefusedWatches})
	}
	need := watchBytes
	for p := range q.places() {
		to := t.topics[p.name()]
		if to == nil {
			need += topicBytes
		} else if len(to.watches) >= topicPeers {
			return t.refuse(Verdict{Refusal: RefusedCrowd})
		}
	}
	if t.watching()+need > t.limits.TableBytes/watchShare || t.used()+need > t.budget() {
		return t.refuse(Verdict{Refusal: RefusedCrowd})
	}
	t.addWatch(id, q)
	return Verdict{}
}

func (t *Table) addWatch(id WatchID, q Query) {
	q.Peer, q.Namespace, q.Key = peer.ID(clone(string(q.Peer))), clone(q.Namespace), clone(q.Key)
	for p := range q.places() {
		to := t.topics[p.name()]
		if to == nil {
			to = &topic{name: p.name()}
			t.topics[to.name] = to
			t.loose += topicBytes
		}
		to.watches = append(to.watches, id)
	}
	t.watches[id] = &watch{q}
	t.watchers[q.Peer]++
	t.stat.Watches++
	t.loose += watchBytes
}

// watching is the memory of all watches.
func (t *Table) watching() int { return t.stat.Watches*watchBytes + len(t.topics)*topicBytes }

// Unwatch ends a watch.
func (t *Table) Unwatch(id WatchID) Verdict {
	w := t.watches[id]
	if w == nil {
		return t.refuse(Verdict{Refusal: RefusedUnknown})
	}
	for p := range w.about.places() {
		t.leaveTopic(t.topics[p.name()], id)
	}
	delete(t.watches, id)
	if t.watchers[w.about.Peer]--; t.watchers[w.about.Peer] == 0 {
		delete(t.watchers, w.about.Peer)
	}
	t.stat.Watches--
	t.loose -= watchBytes
	return Verdict{}
}

func (t *Table) leaveTopic(to *topic, id WatchID) {
	to.watches = slices.DeleteFunc(to.watches, func(o WatchID) bool { return o == id })
	if len(to.watches) == 0 {
		delete(t.topics, to.name)
		t.changed = slices.DeleteFunc(t.changed, func(o *topic) bool { return o == to })
		t.loose -= topicBytes
	}
}

// note keeps that a row came, changed or went, for those who watch.
func (t *Table) note(h handle) {
	if len(t.topics) == 0 {
		return
	}
	r := t.rows.at(h)
	to := t.topics[t.spaces.at(r.space).name]
	if to == nil {
		return
	}
	if !to.more && len(to.changes) == 0 {
		t.changed = append(t.changed, to)
	}
	id := t.announcers.at(r.announcer).peer()
	switch {
	case slices.Contains(to.changes, id):
	case len(to.changes) < noticeRows:
		to.changes = append(to.changes, id)
	default:
		to.more = true
	}
}

// Notices returns what is new since the last call: one notice for a watch and a
// place, in the order of the first changes. It is for every second or so: what
// changed back in between is not told.
func (t *Table) Notices(now time.Time) []Notice {
	var notices []Notice
	for _, to := range t.changed {
		fresh := t.fresh(now, to)
		for _, id := range to.watches {
			n := Notice{Watch: id, Rows: t.newTo(t.watches[id], now, fresh), More: to.more}
			if len(n.Rows) > 0 || n.More {
				notices = append(notices, n)
			}
		}
		to.changes, to.more = nil, false
	}
	t.changed = nil
	return notices
}

// fresh are the rows of a place that have changed and are still there.
func (t *Table) fresh(now time.Time, to *topic) []handle {
	var rows []handle
	sp := t.spaceOf(to.name)
	for _, id := range to.changes {
		h := t.rowOf(t.announcerOf(id), sp)
		if h != 0 && !t.rows.at(h).withdrawn() && t.rows.at(h).expires > second(now) {
			rows = append(rows, h)
		}
	}
	return rows
}

func (t *Table) newTo(w *watch, now time.Time, fresh []handle) []Candidate {
	var rows []Candidate
	asker := t.announcerOf(w.about.Peer)
	for _, h := range fresh {
		if t.rows.at(h).answers(&w.about, asker, second(now)) {
			rows = append(rows, t.candidate(second(now), h))
		}
	}
	return rows
}
