package document

// watchID is the number of one who watches.
type watchID uint64

// watched is what somebody wants to know of: changes of any document, or
type watched struct {
	one       *ID  // its removal; or
	deletions bool // that blocks were deleted
}

// watches are who wants to know of changes.
type watches struct {
	all       []watchID        // of those of any document, in order
	of        map[ID][]watchID // of the removal of one
	one       map[watchID]ID   // which that is
	deletions []watchID        // of deletions, in order
}

func newWatches() watches {
	return watches{of: make(map[ID][]watchID), one: make(map[watchID]ID)}
}

// watch adds one who watches something.
func (s *state) watch(w watchID, what watched) {
	ws := &s.watches
	switch {
	case what.deletions:
		ws.deletions = append(ws.deletions, w)
	case what.one == nil:
		ws.all = append(ws.all, w)
	default:
		ws.one[w] = *what.one
		ws.of[*what.one] = append(ws.of[*what.one], w)
	}
}

// unwatch takes one out who is not gone, and has it end.
func (s *state) unwatch(w watchID) {
	ws := &s.watches
	s.out.end = append(s.out.end, w)
	id, one := ws.one[w]
	if !one {
		ws.all, ws.deletions = without(ws.all, w), without(ws.deletions, w)
		return
	}
	delete(ws.one, w)
	if ws.of[id] = without(ws.of[id], w); len(ws.of[id]) == 0 {
		delete(ws.of, id)
	}
}

// happened tells who watches what somebody did with a document.
func (s *state) happened(id ID, did change) {
	if did == unchanged {
		return
	}
	s.out.tell = append(s.out.tell, s.watches.all...)
	if did != removed {
		return
	}
	for _, w := range s.watches.of[id] {
		delete(s.watches.one, w)
		s.out.end = append(s.out.end, w)
	}
	delete(s.watches.of, id)
}
