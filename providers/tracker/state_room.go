package tracker

import (
	"unsafe"

	"github.com/libp2p/go-libp2p/core/peer"
)

// rowBytes is what a row takes beside its record.
const rowBytes = int(unsafe.Sizeof(row{}) + unsafe.Sizeof(handle(0)))

// shortage tells what has no room for so many bytes more in a namespace.
type shortage uint8

const (
	enough shortage = iota
	namespaceFull
	tableFull
)

func (t *Table) shortage(sp handle, blob int) shortage {
	switch {
	case sp != 0 && t.spaces.at(sp).bytes+rowBytes+blob > t.limits.NamespaceBytes:
		return namespaceFull
	case t.used()+rowBytes+blob > t.budget():
		return tableFull
	}
	return enough
}

// loser is the row that would go for one more from a prefix, or none.
func (t *Table) loser(short shortage, sp handle, id peer.ID, p prefix) handle {
	if short == namespaceFull {
		return t.victimIn(sp, id, p)
	}
	return t.victim(p)
}

// couldFit tells whether makeRoom would find somebody to go, without a change.
// It is enough when that is so for one shard.
func (t *Table) couldFit(c Claim) bool {
	if len(t.kin(c.Peer, c.Namespace)) > 0 {
		return true
	}
	for p := range placesOf(c.Namespace, c.Ranges) {
		sp := t.spaceOf(p.name())
		short := t.shortage(sp, min(c.Size, mostRecord))
		if short == enough || t.loser(short, sp, c.Peer, prefixOf(c.Origin)) != 0 {
			return true
		}
	}
	return false
}

// makeRoom lets rows of the largest group go until one more fits, and tells
// whether it does. A row in place of an older one of the same peer takes its room.
func (t *Table) makeRoom(place string, id peer.ID, p prefix, blob int) bool {
	for range evictAtOnce + 1 {
		sp := t.spaceOf(place) // it may have gone with its last row
		need := blob
		if h := t.rowOf(t.announcerOf(id), sp); h != 0 && !t.rows.at(h).withdrawn() {
			need -= rowBytes + cap(t.rows.at(h).blob)
		}
		short := t.shortage(sp, need)
		if short == enough {
			return true
		}
		h := t.loser(short, sp, id, p)
		if h == 0 {
			return false
		}
		t.stat.Evicted++
		t.note(h)
		t.forget(h)
	}
	return false
}
