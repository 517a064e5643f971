package message

import (
	"slices"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
)

// Builder collects the elements of one message and keeps one of each kind for
// a CID, compared exactly: CIDv0 and CIDv1 of the same data are two. The
// elements stay in the order in which their CIDs first came. The merge rules
// are those of boxo's message package, which peers rely on. The zero Builder
// is empty and ready to use.
type Builder struct {
	Full         bool  // see [Message.Full]
	PendingBytes int32 // see [Message.PendingBytes]

	entries   elements[Entry]
	presences elements[Presence]
	blocks    elements[blocks.Block]
}

// AddEntry adds e, or merges it with the entry for its CID: a cancel sticks, so
// does the wish for a DONT_HAVE, want-block beats want-have, and the priority
// becomes that of e if both are of one type. It reports whether the CID is new.
func (b *Builder) AddEntry(e Entry) bool {
	old, added := b.entries.put(e.CID, e)
	if added {
		return true
	}
	if old.Type == e.Type {
		old.Priority = e.Priority
	}
	old.Cancel = old.Cancel || e.Cancel
	old.SendDontHave = old.SendDontHave || e.SendDontHave
	if e.Type == WantBlock {
		old.Type = WantBlock
	}
	return false
}

// Cancel adds the withdrawal of every want for c. It reports whether the CID is
// new.
func (b *Builder) Cancel(c cid.Cid) bool {
	return b.AddEntry(Entry{CID: c, Type: WantBlock, Cancel: true})
}

// AddPresence adds p, in place of an earlier presence for its CID. A block for
// that CID says more, before or after: the presence is left out then. It
// reports whether the message has grown.
func (b *Builder) AddPresence(p Presence) bool {
	if b.blocks.has(p.CID) {
		return false
	}
	old, added := b.presences.put(p.CID, p)
	*old = p
	return added
}

// AddBlock adds blk, in place of an earlier block with its CID, and drops the
// presence for it. It reports whether the CID is new among the blocks.
func (b *Builder) AddBlock(blk blocks.Block) bool {
	b.presences.drop(blk.Cid())
	old, added := b.blocks.put(blk.Cid(), blk)
	*old = blk
	return added
}

// Message returns the message, which belongs to the caller, and empties the
// builder.
func (b *Builder) Message() *Message {
	m := &Message{
		Wantlist:     b.entries.take(),
		Full:         b.Full,
		Blocks:       b.blocks.take(),
		Presences:    undropped(b.presences.take()),
		PendingBytes: b.PendingBytes,
	}
	b.Full, b.PendingBytes = false, 0
	return m
}

// undropped removes in place the presences that were dropped.
func undropped(ps []Presence) []Presence {
	ps = slices.DeleteFunc(ps, func(p Presence) bool { return !p.CID.Defined() })
	if len(ps) == 0 {
		return nil
	}
	return ps
}

// keptIndex is the number of elements up to which an index is cleared and used
// again; beyond it, a new map is cheaper than the memory.
const keptIndex = 1024

// elements has at most one T for a CID, in the order in which the CIDs first
// came.
type elements[T any] struct {
	items []T
	index map[cid.Cid]int
}

// put returns the element for c, which is item if there was none. The pointer
// is valid until the next put.
func (e *elements[T]) put(c cid.Cid, item T) (*T, bool) {
	if i, ok := e.index[c]; ok {
		return &e.items[i], false
	}
	if e.index == nil {
		e.index = make(map[cid.Cid]int)
	}
	e.index[c] = len(e.items)
	if len(e.items) == cap(e.items) {
		// Twice the size leaves half the garbage of append's own growth.
		e.items = slices.Grow(e.items, max(1, len(e.items)))
	}
	e.items = append(e.items, item)
	return &e.items[len(e.items)-1], true
}

func (e *elements[T]) has(c cid.Cid) bool {
	_, ok := e.index[c]
	return ok
}

// drop leaves a zero T in the place of the element for c.
func (e *elements[T]) drop(c cid.Cid) {
	if i, ok := e.index[c]; ok {
		clear(e.items[i : i+1])
		delete(e.index, c)
	}
}

// take returns the items and forgets them.
func (e *elements[T]) take() []T {
	items := e.items
	e.items = nil
	if len(items) > keptIndex {
		e.index = nil
	}
	clear(e.index)
	return items
}
