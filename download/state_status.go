package download

import (
	"slices"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/table"
)

var phases = [...]string{unwanted: "unknown", queued: "waiting", parked: "paused", active: "active"}

// statuses says how resources are doing.
func (s *state) statuses(now time.Time, cids []cid.Cid) []Status {
	all := make([]Status, len(cids))
	for i, c := range cids {
		all[i] = Status{CID: c, State: phases[unwanted]}
		if r := s.resources[c]; r != nil {
			all[i] = r.status(now)
		}
	}
	return all
}

func (r *resource) status(now time.Time) Status {
	st := Status{CID: r.cid, State: phases[r.phase], Intents: len(r.intents), Bytes: r.bytes, Size: r.size, Err: r.err}
	if r.transfer != nil {
		st.Nodes = r.transfer.nodes()
	}
	if r.phase == parked {
		st.Next = r.timing.at
	}
	for _, m := range r.marks[:min(len(r.marks), mostFailures)] {
		st.Failed = append(st.Failed, NodeFailure{m.node, m.why})
	}
	if known := r.addResting(&st, now); !known && r.place != 0 && len(r.marks) == 0 && r.err == nil {
		st.Err = ErrNoNodes
	}
	return st
}

// addResting adds nodes that rest to those that are not asked at present, as far as they
// are among the first that may have the resource, and reports whether there is any of these.
func (r *resource) addResting(st *Status, now time.Time) (known bool) {
	looked := 0
	for n := range r.candidates() {
		if known = true; looked == mostFailures || len(st.Failed) == mostFailures {
			break
		}
		looked++
		if !n.able(now) && !slices.ContainsFunc(st.Failed, func(f NodeFailure) bool { return f.Node == n.id }) {
			st.Failed = append(st.Failed, NodeFailure{n.id, n.why})
		}
	}
	return known
}

// nodes are those that take part in a transfer, in the order in which they joined.
func (t *transfer) nodes() []peer.ID {
	all := make([]peer.ID, len(t.seats))
	for i, seat := range t.seats {
		all[i] = seat.node.id
	}
	return all
}

// wanted are the first of the resources with an intent, behind one, in the order of their
// CIDs.
func (s *state) wanted(after cid.Cid, most int) []cid.Cid {
	return table.Next(func(yield func(cid.Cid) bool) {
		for c, r := range s.resources {
			if len(r.intents) > 0 && !yield(c) {
				return
			}
		}
	}, after, most)
}
