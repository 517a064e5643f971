package blockrouter

import (
	"cmp"
	"iter"
	"slices"

	"github.com/ipfs/go-cid"

	"github.com/souk-p2p/souk/internal/table"
)

// wish says that a link wants some CIDs, those of one request.
type wish struct {
	link  linkID
	asked uint64 // the value of state.asked when it was wanted
}

// wishes are the wants of all links. Nearly every CID is wanted by one link, which
// costs a pointer to the wish of its request: a slice for each CID, and a map for
// each link beside this one, would cost three times as much.
type wishes struct {
	first table.Table[wanted] // of the first link
	more  map[cid.Cid][]*wish // those of other links, which are in ascending order
}

// wanted is what the table of wishes has of a CID.
type wanted struct {
	cid  cid.Cid
	wish *wish
}

func newWishes() wishes {
	return wishes{
		first: table.New(func(w wanted) cid.Cid { return w.cid }),
		more:  make(map[cid.Cid][]*wish),
	}
}

// add notes a wish, unless the link has it already, and reports whether it was new.
func (t *wishes) add(c cid.Cid, w *wish) bool {
	first, found := t.first.Get(c)
	if !found {
		t.first.Put(wanted{c, w})
		return true
	}
	switch cmp.Compare(w.link, first.wish.link) {
	case 0:
		return false
	case -1:
		t.first.Put(wanted{c, w})
		w = first.wish
	}
	at, twice := slices.BinarySearchFunc(t.more[c], w.link, func(o *wish, l linkID) int { return cmp.Compare(o.link, l) })
	if !twice {
		t.more[c] = slices.Insert(t.more[c], at, w)
	}
	return !twice
}

// by returns the wish of one link, or nil.
func (t *wishes) by(c cid.Cid, l linkID) *wish {
	for w := range t.of(c) {
		if w.link == l {
			return w
		}
	}
	return nil
}

// of are the wishes for a CID, in the order of the links.
func (t *wishes) of(c cid.Cid) iter.Seq[*wish] {
	return func(yield func(*wish) bool) {
		first, found := t.first.Get(c)
		if !found || !yield(first.wish) {
			return
		}
		for _, w := range t.more[c] {
			if !yield(w) {
				return
			}
		}
	}
}

// take removes the wishes for a CID and returns the first of them, or nil, and the
// others.
func (t *wishes) take(c cid.Cid) (first *wish, more []*wish) {
	taken, _ := t.first.Remove(c)
	more = t.more[c]
	delete(t.more, c)
	return taken.wish, more
}

// remove ends the wish of one link, and reports whether there was one.
func (t *wishes) remove(c cid.Cid, l linkID) bool {
	first, found := t.first.Get(c)
	more := t.more[c]
	switch {
	case !found:
		return false
	case first.wish.link != l:
		n := slices.IndexFunc(more, func(w *wish) bool { return w.link == l })
		if n < 0 {
			return false
		}
		t.setMore(c, slices.Delete(more, n, n+1))
	case len(more) > 0:
		t.first.Put(wanted{c, more[0]})
		t.setMore(c, more[1:])
	default:
		t.first.Remove(c)
	}
	return true
}

func (t *wishes) setMore(c cid.Cid, more []*wish) {
	if len(more) == 0 {
		delete(t.more, c)
	} else {
		t.more[c] = more
	}
}

// removeAll ends the wishes of one link, at the cost of looking at those of all.
func (t *wishes) removeAll(l linkID) {
	for _, w := range slices.Collect(t.first.All()) {
		t.remove(w.cid, l)
	}
}
