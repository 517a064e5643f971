package blockrouter

import (
	"slices"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

// linkID stands for a link inside the state. Links are numbered in the order in
// which they were opened.
type linkID uint64

// state is what the actor owns. Its methods take what happened and add what is
// to be done to its effects.
type state struct {
	limits limits
	wanted map[cid.Cid][]linkID // ascending
	// interested are the links that got the CID not long ago.
	interested map[cid.Cid][]linkID
	links      map[linkID]*link
	lookups    []lookup // waiting for a worker
	looking    int

	unstored []stored // received, in order, and not yet given to the writer
	writing  []stored // what the writer has now
	backlog  int      // bytes of both
	// pending are the same by CID: who wants one meanwhile need not ask a peer.
	pending map[cid.Cid]blocks.Block
	stat    Stat

	out effects
}

// link is what one session waits for. Of the last CIDs that it got, it still
// hears who has them: answers that were under way tell it which peers are of
// use.
type link struct {
	wants map[cid.Cid]struct{}
	got   []cid.Cid // a ring, oldest first
}

type limits struct {
	storeBytes int  // received and not stored
	batchBytes int  // of one write
	lookupCIDs int  // of one look-up
	loadCIDs   int  // of one load, which brings the blocks' bytes
	workers    int  // look-ups at once
	keep       bool // received blocks are stored
}

// lookup is a job for the workers that read the store.
type lookup struct {
	link linkID
	cids []cid.Cid
	load bool // read the blocks instead of asking whether they are there
}

// looked is the result of a lookup.
type looked struct {
	lookup
	here   []cid.Cid
	gone   []cid.Cid
	blocks []blocks.Block
	failed map[cid.Cid]error
}

// stored is a received block on its way into the store. release gives back what
// its bytes took of the receive budget.
type stored struct {
	block   blocks.Block
	release func()
}

// effects is what the shell does after an event.
type effects struct {
	info      []linkInfo
	closed    []linkID
	lookups   []lookup
	write     []stored // a job for the writer, when not empty
	available []blocks.Block
	received  []receipt
	release   []func()
}

type linkInfo struct {
	link linkID
	info Info
}

// receipt is what the ledger is told of one message.
type receipt struct {
	peer                peer.ID
	blocks, bytes       uint64
	dupBlocks, dupBytes uint64
	haves, dontHaves    uint64
}

func newState(l limits) *state {
	return &state{limits: l, wanted: make(map[cid.Cid][]linkID), interested: make(map[cid.Cid][]linkID),
		pending: make(map[cid.Cid]blocks.Block), links: make(map[linkID]*link)}
}

// take returns the effects gathered since the last call.
func (s *state) take() effects {
	out := s.out
	s.out = effects{}
	return out
}

// full reports whether inbound messages must wait for the store.
func (s *state) full() bool { return s.backlog >= s.limits.storeBytes }

func (s *state) open(l linkID) { s.links[l] = &link{wants: make(map[cid.Cid]struct{})} }

// want registers before it looks, so that a block stored in between is not
// missed.
func (s *state) want(now time.Time, l linkID, cids []cid.Cid) {
	mine, open := s.links[l]
	if !open {
		return
	}
	for _, c := range cids {
		if _, twice := mine.wants[c]; twice {
			continue
		}
		mine.wants[c] = struct{}{}
		s.wanted[c] = append(s.wanted[c], l)
		slices.Sort(s.wanted[c])
	}
	unknown := slices.DeleteFunc(cids, func(c cid.Cid) bool { return s.deliverPending(now, l, c) })
	s.look(l, unknown, false, s.limits.lookupCIDs)
}

// deliverPending gives the link a block that is on its way into the store.
func (s *state) deliverPending(now time.Time, l linkID, c cid.Cid) bool {
	b, pending := s.pending[c]
	if pending {
		s.unregister(l, c)
		s.inform(l, Info{Blocks: []Received{{Block: b, At: now}}})
	}
	return pending
}

func (s *state) load(l linkID, cids []cid.Cid) { s.look(l, cids, true, s.limits.loadCIDs) }

func (s *state) look(l linkID, cids []cid.Cid, load bool, most int) {
	for part := range slices.Chunk(cids, most) {
		s.lookups = append(s.lookups, lookup{l, part, load})
	}
	s.startLookups()
}

func (s *state) startLookups() {
	for s.looking < s.limits.workers && len(s.lookups) > 0 {
		s.looking++
		s.out.lookups = append(s.out.lookups, s.lookups[0])
		s.lookups = s.lookups[1:]
	}
}

// looked takes the result of a lookup. What the link no longer wants is dropped.
func (s *state) looked(now time.Time, r looked) {
	s.looking--
	s.startLookups()
	mine, open := s.links[r.link]
	if !open {
		return
	}
	wanted := func(cids []cid.Cid) []cid.Cid {
		return slices.DeleteFunc(cids, func(c cid.Cid) bool { _, ok := mine.wants[c]; return !ok })
	}
	info := Info{Local: wanted(r.here), Missing: wanted(r.gone), Failed: r.failed}
	for _, b := range r.blocks {
		if _, ok := mine.wants[b.Cid()]; ok {
			info.Blocks = append(info.Blocks, Received{Block: b, At: now})
			s.unregister(r.link, b.Cid())
		}
	}
	s.inform(r.link, info)
}

func (s *state) cancel(l linkID, cids []cid.Cid) {
	for _, c := range cids {
		s.unregister(l, c)
	}
}

func (s *state) cancelAll(l linkID) {
	mine, open := s.links[l]
	if !open {
		return
	}
	for c := range mine.wants {
		s.unregister(l, c)
	}
	for _, c := range mine.got {
		s.interested[c] = without(s.interested[c], l)
		s.prune(c)
	}
	delete(s.links, l)
	s.lookups = slices.DeleteFunc(s.lookups, func(j lookup) bool { return j.link == l })
	s.out.closed = append(s.out.closed, l)
}

func (s *state) unregister(l linkID, c cid.Cid) {
	mine := s.links[l]
	if mine == nil {
		return
	}
	if _, ok := mine.wants[c]; !ok {
		return
	}
	delete(mine.wants, c)
	s.wanted[c] = without(s.wanted[c], l)
	s.prune(c)
}

// prune forgets a CID that no link wants or is interested in.
func (s *state) prune(c cid.Cid) {
	if len(s.wanted[c]) == 0 {
		delete(s.wanted, c)
	}
	if len(s.interested[c]) == 0 {
		delete(s.interested, c)
	}
}

func without(links []linkID, l linkID) []linkID {
	return slices.DeleteFunc(links, func(other linkID) bool { return other == l })
}

// got keeps the interest of a link in a CID that it got from a peer.
func (s *state) got(l linkID, c cid.Cid) {
	mine := s.links[l]
	if len(mine.got) == mostInterest {
		oldest := mine.got[0]
		mine.got = append(mine.got[:0], mine.got[1:]...)
		s.interested[oldest] = without(s.interested[oldest], l)
		s.prune(oldest)
	}
	if !slices.Contains(s.interested[c], l) {
		mine.got = append(mine.got, c)
		s.interested[c] = append(s.interested[c], l)
	}
}

// mostInterest is how many CIDs that it got a link stays interested in: as many
// as a session asks several peers about at once.
const mostInterest = 32

// put takes blocks that are stored already.
func (s *state) put(now time.Time, bs []blocks.Block) {
	s.out.available = append(s.out.available, bs...)
	for _, b := range bs {
		s.deliver(Received{Block: b, At: now})
	}
}

// message takes what one reader decoded. Only blocks that somebody waits for
// are kept.
func (s *state) message(from peer.ID, at time.Time, bs []blocks.Block, haves, dontHaves []cid.Cid, release func()) {
	r := receipt{peer: from, haves: uint64(len(haves)), dontHaves: uint64(len(dontHaves))}
	var kept []blocks.Block
	for _, b := range bs {
		size := uint64(len(b.RawData()))
		r.blocks++
		r.bytes += size
		if s.deliver(Received{Block: b, From: from, At: at}) {
			kept = append(kept, b)
			continue
		}
		r.dupBlocks++
		r.dupBytes += size
	}
	s.count(r)
	s.presences(from, haves, true)
	s.presences(from, dontHaves, false)
	s.store(kept, release)
}

func (s *state) count(r receipt) {
	s.stat.BlocksReceived += r.blocks
	s.stat.DataReceived += r.bytes
	s.stat.DupBlksReceived += r.dupBlocks
	s.stat.DupDataReceived += r.dupBytes
	s.out.received = append(s.out.received, r)
}

// deliver gives a block to every link that wants it and reports whether any did.
func (s *state) deliver(r Received) bool {
	c := r.Block.Cid()
	links := s.wanted[c]
	for _, l := range links {
		delete(s.links[l].wants, c)
		s.inform(l, Info{Blocks: []Received{r}})
		if r.From != "" {
			s.got(l, c)
		}
	}
	delete(s.wanted, c)
	return len(links) > 0
}

func (s *state) presences(from peer.ID, cids []cid.Cid, have bool) {
	for _, c := range cids {
		for _, l := range s.wanted[c] {
			s.inform(l, Info{Presences: map[PeerCID]bool{{from, c}: have}})
		}
		for _, l := range s.interested[c] {
			if have && !slices.Contains(s.wanted[c], l) {
				s.inform(l, Info{Presences: map[PeerCID]bool{{from, c}: have}})
			}
		}
	}
}

// inform gathers what a link is told, so that it gets one batch an event.
func (s *state) inform(l linkID, i Info) {
	for n := range s.out.info {
		if s.out.info[n].link == l {
			s.out.info[n].info = merge(s.out.info[n].info, i)
			return
		}
	}
	s.out.info = append(s.out.info, linkInfo{l, i})
}

// store queues blocks for the writer; release is called once, when the last of
// them is stored or dropped.
func (s *state) store(bs []blocks.Block, release func()) {
	if !s.limits.keep || len(bs) == 0 {
		s.out.release = append(s.out.release, release)
		return
	}
	for i, b := range bs {
		last := func() {}
		if i == len(bs)-1 {
			last = release
		}
		s.unstored = append(s.unstored, stored{b, last})
		s.pending[b.Cid()] = b
		s.backlog += len(b.RawData())
	}
	s.startWrite()
}

func (s *state) startWrite() {
	if len(s.writing) > 0 || len(s.unstored) == 0 {
		return
	}
	n, bytes := 0, 0
	for n < len(s.unstored) && (n == 0 || bytes < s.limits.batchBytes) {
		bytes += len(s.unstored[n].block.RawData())
		n++
	}
	s.writing, s.unstored = s.unstored[:n:n], s.unstored[n:]
	if len(s.unstored) == 0 {
		s.unstored = nil // Lets go of the written ones.
	}
	s.out.write = s.writing
}

// wrote takes the result of the write under way. Blocks that the store refused
// were delivered all the same; they are not announced.
func (s *state) wrote(err error) {
	for _, w := range s.writing {
		s.backlog -= len(w.block.RawData())
		delete(s.pending, w.block.Cid())
		s.out.release = append(s.out.release, w.release)
		if err == nil {
			s.out.available = append(s.out.available, w.block)
		} else {
			s.stat.StoreErrors++
		}
	}
	s.writing = nil
	s.startWrite()
}

// merge joins two pieces of news for one link, older first.
func merge(older, newer Info) Info {
	older.Blocks = append(older.Blocks, newer.Blocks...)
	older.Local = append(older.Local, newer.Local...)
	older.Missing = append(older.Missing, newer.Missing...)
	if older.Presences == nil {
		older.Presences = newer.Presences
	} else {
		for k, have := range newer.Presences {
			older.Presences[k] = have
		}
	}
	if older.Failed == nil {
		older.Failed = newer.Failed
	} else {
		for c, err := range newer.Failed {
			older.Failed[c] = err
		}
	}
	return older
}
