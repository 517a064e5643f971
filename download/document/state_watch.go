package document

// watchID is the number of one who watches.
type watchID uint64

// watches are who wants to know of changes.
type watches struct {
	all []watchID        // of those of any document, in order
	of  map[ID][]watchID // of the removal of one
	one map[watchID]ID   // which that is
}

func newWatches() watches {
	return watches{of: make(map[ID][]watchID), one: make(map[watchID]ID)}
}

// watch adds one who watches all documents, or one for its removal.
func (s *state) watch(w watchID, one *ID) {
	if one == nil {
		s.watches.all = append(s.watches.all, w)
		return
	}
	s.watches.one[w] = *one
	s.watches.of[*one] = append(s.watches.of[*one], w)
}

// unwatch takes one out who is not gone, and has it end.
func (s *state) unwatch(w watchID) {
	ws := &s.watches
	s.out.end = append(s.out.end, w)
	id, one := ws.one[w]
	if !one {
		ws.all = without(ws.all, w)
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
