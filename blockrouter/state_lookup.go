package blockrouter

import (
	"slices"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
)

// lookup is a job for the workers that read the store.
type lookup struct {
	link  linkID
	asked uint64 // wants that are younger than this are not meant
	cids  []cid.Cid
	load  bool // read the blocks instead of asking whether they are there
}

// looked is the result of a lookup.
type looked struct {
	lookup
	here   []cid.Cid
	gone   []cid.Cid
	blocks []blocks.Block
	failed map[cid.Cid]error
}

// find looks which of the CIDs are in the store.
func (s *state) find(l linkID, mine *link, cids []cid.Cid) {
	for part := range slices.Chunk(cids, s.limits.lookupCIDs) {
		s.takeTurn(l, mine)
		mine.finds = append(mine.finds, lookup{l, s.asked, part, false})
	}
	s.startLookups()
}

// load reads blocks from the store.
func (s *state) load(l linkID, cids []cid.Cid) {
	mine, open := s.links[l]
	if !open {
		return
	}
	s.asked++
	for part := range slices.Chunk(cids, s.limits.loadCIDs) {
		s.takeTurn(l, mine)
		mine.loads = append(mine.loads, lookup{l, s.asked, part, true})
	}
	s.startLookups()
}

// takeTurn lines a link up unless it is in the line already.
func (s *state) takeTurn(l linkID, mine *link) {
	if len(mine.finds)+len(mine.loads) == 0 {
		s.turns = append(s.turns, l)
	}
}

// startLookups gives free workers something to do: the links take turns, so that
// one that wants very much does not hold up the others.
func (s *state) startLookups() {
	for s.looking < s.limits.workers && len(s.turns) > 0 {
		l := s.turns[0]
		s.turns = s.turns[1:]
		mine := s.links[l]
		j := mine.nextLookup()
		if len(mine.finds)+len(mine.loads) > 0 {
			s.turns = append(s.turns, l)
		}
		if j.cids = s.stillWanted(j, j.cids); len(j.cids) > 0 {
			s.looking++
			s.out.lookups = append(s.out.lookups, j)
		}
	}
	if len(s.turns) == 0 {
		s.turns = nil
	}
}

// nextLookup is a load, for which somebody waits, before it is anything else.
func (k *link) nextLookup() lookup {
	if len(k.loads) > 0 {
		return shift(&k.loads)
	}
	return shift(&k.finds)
}

// shift takes the first of a queue, and lets go of the queue with the last.
func shift[T any](queue *[]T) T {
	first := (*queue)[0]
	if *queue = (*queue)[1:]; len(*queue) == 0 {
		*queue = nil
	}
	return first
}

// stillWanted leaves out what is not wanted any more, and what was cancelled and
// wanted anew since, for which a younger lookup answers. It changes cids only by
// making another slice.
func (s *state) stillWanted(j lookup, cids []cid.Cid) []cid.Cid {
	stale := func(c cid.Cid) bool {
		w := s.wishes.by(c, j.link)
		return w == nil || w.asked > j.asked
	}
	if !slices.ContainsFunc(cids, stale) {
		return cids
	}
	return slices.DeleteFunc(slices.Clone(cids), stale)
}

// looked takes the result of a lookup. What the link no longer wants is dropped.
func (s *state) looked(now time.Time, r looked) {
	s.looking--
	if mine := s.links[r.link]; mine != nil {
		s.answer(now, r, mine)
	}
	s.startLookups()
}

func (s *state) answer(now time.Time, r looked, mine *link) {
	for _, b := range r.blocks {
		if s.unregister(r.link, mine, b.Cid()) {
			info := s.news(r.link, mine)
			info.Blocks = append(info.Blocks, Received{Block: b, At: now})
		}
	}
	if here := s.stillWanted(r.lookup, r.here); len(here) > 0 {
		info := s.news(r.link, mine)
		info.Local = append(info.Local, here...)
	}
	if gone := s.stillWanted(r.lookup, r.gone); len(gone) > 0 {
		info := s.news(r.link, mine)
		info.Missing = append(info.Missing, gone...)
	}
	for _, c := range s.stillWanted(r.lookup, r.cids) {
		if err := r.failed[c]; err != nil {
			info := s.news(r.link, mine)
			if info.Failed == nil {
				info.Failed = make(map[cid.Cid]error)
			}
			info.Failed[c] = err
		}
	}
}
