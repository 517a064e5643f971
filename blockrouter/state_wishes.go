package blockrouter

import (
	"cmp"
	"iter"
	"slices"

	"github.com/ipfs/go-cid"
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
	first map[cid.Cid]*wish   // of the first link
	most  int                 // the most that first has held
	more  map[cid.Cid][]*wish // those of other links, which are in ascending order
}

func newWishes() wishes {
	return wishes{first: make(map[cid.Cid]*wish), more: make(map[cid.Cid][]*wish)}
}

// add notes a wish, unless the link has it already, and reports whether it was new.
func (t *wishes) add(c cid.Cid, w *wish) bool {
	first, wanted := t.first[c]
	if !wanted {
		t.first[c] = w
		t.most = max(t.most, len(t.first))
		return true
	}
	switch cmp.Compare(w.link, first.link) {
	case 0:
		return false
	case -1:
		t.first[c], w = w, first
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
		first, wanted := t.first[c]
		if !wanted || !yield(first) {
			return
		}
		for _, w := range t.more[c] {
			if !yield(w) {
				return
			}
		}
	}
}

// take removes the wishes for a CID and returns them, and whether there are any.
func (t *wishes) take(c cid.Cid) (first *wish, more []*wish, wanted bool) {
	if first, wanted = t.first[c]; !wanted {
		return nil, nil, false
	}
	more = t.more[c]
	delete(t.more, c)
	t.forget(c)
	return first, more, true
}

// forget removes a CID. The map, which keeps the size that it once had, is let go
// with the last.
func (t *wishes) forget(c cid.Cid) {
	if delete(t.first, c); len(t.first) == 0 && t.most > keptSize {
		*t = newWishes()
	}
}

// keptSize is how many wishes a map may have had that is kept for those to come.
const keptSize = 1024

// remove ends the wish of one link, and reports whether there was one.
func (t *wishes) remove(c cid.Cid, l linkID) bool {
	first, wanted := t.first[c]
	more := t.more[c]
	switch {
	case !wanted:
		return false
	case first.link != l:
		n := slices.IndexFunc(more, func(w *wish) bool { return w.link == l })
		if n < 0 {
			return false
		}
		t.setMore(c, slices.Delete(more, n, n+1))
	case len(more) > 0:
		t.first[c] = more[0]
		t.setMore(c, more[1:])
	default:
		t.forget(c)
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
	for c := range t.first {
		t.remove(c, l)
	}
}
