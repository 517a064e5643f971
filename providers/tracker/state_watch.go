package tracker

import (
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	noticeRows = 64   // changes in one notice
	topicPeers = 1024 // that watch one namespace
	watchBytes = 256  // memory of a watch: its places in two maps and a slice
	topicBytes = 4096 // memory of a watched namespace, with a full notice
	watchShare = 16   // watches take at most this part of the table's memory
)

// topic is a namespace that somebody watches.
type topic struct {
	name    string
	peers   []peer.ID
	changes []peer.ID // whose rows came, changed or went
	more    bool
}

// Watch lets a peer hear what changes in a namespace. Watching twice is watching.
func (t *Table) Watch(id peer.ID, namespace string) Verdict {
	if !rightName(namespace) || !rightPeer(id) {
		return t.refuse(Verdict{Refusal: RefusedSize})
	}
	to := t.topics[namespace]
	if to != nil && slices.Contains(to.peers, id) {
		return Verdict{}
	}
	watching := t.watchers[id]
	if watching >= t.limits.Watches {
		return t.refuse(Verdict{Refusal: RefusedNamespaces})
	}
	if to != nil && len(to.peers) >= topicPeers || t.watching()+watchBytes+topicBytes > t.limits.TableBytes/watchShare ||
		t.used()+watchBytes+topicBytes > t.budget() {
		return t.refuse(Verdict{Refusal: RefusedFull})
	}
	if to == nil {
		to = &topic{name: clone(namespace)}
		t.topics[to.name] = to
		t.loose += topicBytes
	}
	id = peer.ID(clone(string(id)))
	to.peers = append(to.peers, id)
	t.watchers[id] = watching + 1
	t.stat.Watches++
	t.loose += watchBytes
	return Verdict{}
}

// watching is the memory of all watches.
func (t *Table) watching() int { return t.stat.Watches*watchBytes + len(t.topics)*topicBytes }

// Unwatch ends one watch of a peer.
func (t *Table) Unwatch(id peer.ID, namespace string) Verdict {
	to := t.topics[namespace]
	if to == nil || !slices.Contains(to.peers, id) {
		return t.refuse(Verdict{Refusal: RefusedUnknown})
	}
	to.peers = slices.DeleteFunc(to.peers, func(p peer.ID) bool { return p == id })
	if t.watchers[id]--; t.watchers[id] == 0 {
		delete(t.watchers, id)
	}
	t.stat.Watches--
	t.loose -= watchBytes
	if len(to.peers) == 0 {
		delete(t.topics, namespace)
		t.changed = slices.DeleteFunc(t.changed, func(o *topic) bool { return o == to })
		t.loose -= topicBytes
	}
	return Verdict{}
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
	id := t.announcers.at(r.announcer).id
	switch {
	case slices.Contains(to.changes, id):
	case len(to.changes) < noticeRows:
		to.changes = append(to.changes, id)
	default:
		to.more = true
	}
}

// Notices returns what has changed since the last call, one notice for each
// namespace in the order of their first changes. It is for every second or so:
// what changed back in between is told as it is now.
func (t *Table) Notices(now time.Time) []Notice {
	var notices []Notice
	for _, to := range t.changed {
		n := Notice{Namespace: to.name, Watchers: slices.Clone(to.peers), More: to.more}
		sp := t.spaceOf(to.name)
		for _, id := range to.changes {
			h := t.rowOf(t.announcerOf(id), sp)
			if h == 0 || t.rows.at(h).withdrawn() {
				n.Gone = append(n.Gone, id)
				continue
			}
			d := drawn{row: h, verified: t.rows.at(h).flags&flagVerified != 0}
			n.Rows = append(n.Rows, t.candidate(second(now), d))
		}
		to.changes, to.more = nil, false
		notices = append(notices, n)
	}
	t.changed = nil
	return notices
}
