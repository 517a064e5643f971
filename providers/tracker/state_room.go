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
func (t *Table) couldFit(namespace string, id peer.ID, p prefix, blob int) bool {
	sp := t.spaceOf(namespace)
	if t.rowOf(t.announcerOf(id), sp) != 0 {
		return true
	}
	short := t.shortage(sp, blob)
	return short == enough || t.loser(short, sp, id, p) != 0
}

// makeRoom lets rows of the largest group go until one more fits, and tells
// whether it does. A row in place of an older one of the same peer takes its room.
func (t *Table) makeRoom(namespace string, id peer.ID, p prefix, blob int) bool {
	for range evictAtOnce + 1 {
		sp := t.spaceOf(namespace) // it may have gone with its last row
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
