package blockrouter

import (
	"slices"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/planted"
)

// linkID stands for a link inside the state. Links are numbered in the order in
// which they were opened.
type linkID uint64

// state is what the actor owns. Its methods take what happened and add what is
// to be done to its effects.
type state struct {
	limits limits
	wishes wishes
	// interested are the links that got the CID from a peer not long ago.
	interested map[cid.Cid][]linkID
	listening  map[PeerCID][]linkID // ascending; the links that only want to hear
	links      map[linkID]*link

	asked   uint64   // wants and loads so far; tells an answer from one to an earlier want
	turns   []linkID // the links whose lookups wait for a worker, in the order of their turns
	looking int      // lookups that workers have

	unstored []stored // received, in order, and not yet given to the writer
	writing  []stored // what the writer has now
	backlog  int      // bytes of both
	stat     Stat

	out effects
}

// link is what one session waits for. Of the last CIDs that it got, it still
// hears who has them: answers that were under way tell it which peers are of
// use.
type link struct {
	wants int       // CIDs
	got   []cid.Cid // at most mostInterest, oldest first
	finds []lookup  // not begun, oldest first
	loads []lookup  // not begun, oldest first
	hears []PeerCID // what it listens to
	news  int       // its place in effects.info, counted from 1; 0 for none
}

type limits struct {
	storeBytes int  // received and not stored
	batchBytes int  // of one write
	lookupCIDs int  // of one look-up
	loadCIDs   int  // of one load, which brings the blocks' bytes
	workers    int  // look-ups at once
	keep       bool // received blocks are stored
	weigh      bool // somebody is told of each block's size
}

// effects is what the shell does after an event.
type effects struct {
	info      []linkInfo // one for each link that is told something
	closed    []linkID
	lookups   []lookup       // jobs for workers that are free
	write     []stored       // a job for the writer, when not empty
	staged    []blocks.Block // wait to be stored from now on
	unstaged  []blocks.Block // no longer
	available []blocks.Block
	received  []receipt
	weighed   []weighed // one for each block that came, where that is told
	release   []func()
}

// weighed is the size of a block that came from a peer.
type weighed struct {
	bytes uint64
	dup   bool // nobody here waited for it any more
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
	return &state{
		limits: l, wishes: newWishes(), interested: make(map[cid.Cid][]linkID),
		listening: make(map[PeerCID][]linkID), links: make(map[linkID]*link),
	}
}

// take returns the effects gathered since the last call.
func (s *state) take() effects {
	out := s.out
	s.out = effects{}
	for _, i := range out.info {
		if mine := s.links[i.link]; mine != nil {
			mine.news = 0
		}
	}
	return out
}

// news is what a link is told after this event; it gets one batch an event.
func (s *state) news(l linkID, mine *link) *Info {
	if mine.news == 0 {
		s.out.info = append(s.out.info, linkInfo{link: l})
		mine.news = len(s.out.info)
	}
	return &s.out.info[mine.news-1].info
}

func (s *state) open(l linkID) { s.links[l] = &link{} }

// want registers before it looks, so that a block stored in between is not
// missed.
func (s *state) want(l linkID, cids []cid.Cid) {
	mine, open := s.links[l]
	if !open {
		return
	}
	s.asked++
	w := &wish{l, s.asked}
	s.wishes.first.Reserve(len(cids))
	for _, c := range cids {
		if s.wishes.add(c, w) {
			mine.wants++
		}
	}
	s.find(l, mine, cids)
}

func (s *state) cancel(l linkID, cids []cid.Cid) {
	mine, open := s.links[l]
	if !open {
		return
	}
	for _, c := range cids {
		s.unregister(l, mine, c)
	}
}

func (s *state) cancelAll(l linkID) {
	mine, open := s.links[l]
	if !open {
		return
	}
	if mine.wants > 0 { // A session cancels what it wants before, unless it broke.
		s.wishes.removeAll(l)
	}
	for _, c := range mine.got {
		if !planted.Is(planted.LeakedReference) {
			s.loseInterest(l, c)
		}
	}
	for _, to := range mine.hears {
		s.unlisten(l, to)
	}
	s.turns = without(s.turns, l)
	delete(s.links, l)
	if planted.Is(planted.UnclosedChannel) && len(mine.finds) > 0 {
		return
	}
	s.out.closed = append(s.out.closed, l)
}

// unregister ends a want, and reports whether there was one.
func (s *state) unregister(l linkID, mine *link, c cid.Cid) bool {
	had := s.wishes.remove(c, l)
	if had {
		mine.wants--
	}
	return had
}

// mostInterest is how many CIDs that it got a link stays interested in: as many
// as a session asks several peers about at once.
const mostInterest = 32

// keepInterest lets a link hear who else has a CID that it got.
func (s *state) keepInterest(l linkID, mine *link, c cid.Cid) {
	if slices.Contains(s.interested[c], l) {
		return
	}
	if len(mine.got) == mostInterest {
		s.loseInterest(l, mine.got[0])
		mine.got = slices.Delete(mine.got, 0, 1)
	}
	mine.got = append(mine.got, c)
	s.interested[c] = with(s.interested[c], l)
}

func (s *state) loseInterest(l linkID, c cid.Cid) {
	if left := without(s.interested[c], l); len(left) > 0 {
		s.interested[c] = left
	} else {
		delete(s.interested, c)
	}
}

// listen lets a link hear what one peer says about one CID.
func (s *state) listen(l linkID, to PeerCID) {
	mine, open := s.links[l]
	if !open || slices.Contains(mine.hears, to) {
		return
	}
	mine.hears = append(mine.hears, to)
	s.listening[to] = with(s.listening[to], l)
}

func (s *state) unlisten(l linkID, to PeerCID) {
	if left := without(s.listening[to], l); len(left) > 0 {
		s.listening[to] = left
	} else {
		delete(s.listening, to)
	}
}

// put takes blocks that are stored already.
func (s *state) put(now time.Time, bs []blocks.Block) {
	s.out.available = append(s.out.available, bs...)
	for _, b := range bs {
		s.deliver(Received{Block: b, At: now})
	}
}

// message takes what one reader decoded. Only blocks that somebody waits for
// are kept.
func (s *state) message(from peer.ID, began, at time.Time, bs []blocks.Block, haves, dontHaves []cid.Cid, release func()) {
	r := receipt{peer: from, haves: uint64(len(haves)), dontHaves: uint64(len(dontHaves))}
	var kept []blocks.Block
	came := at.Sub(began)
	for _, b := range bs {
		size := uint64(len(b.RawData()))
		r.blocks++
		r.bytes += size
		heard := s.tellListeners(PeerCID{from, b.Cid()}, true)
		switch {
		case s.deliver(Received{Block: b, From: from, At: at, Came: came}):
			kept = append(kept, b)
			s.weigh(size, false)
		case !heard:
			r.dupBlocks++
			r.dupBytes += size
			s.weigh(size, true)
		default: // The answer to a question.
			s.weigh(size, false)
		}
	}
	s.count(r)
	s.presences(from, haves, true)
	s.presences(from, dontHaves, false)
	s.store(kept, release)
}

// ignored takes what a peer sent that is not listened to: its blocks count as those
// that nobody waits for.
func (s *state) ignored(from peer.ID, bs []blocks.Block, release func()) {
	r := receipt{peer: from}
	for _, b := range bs {
		size := uint64(len(b.RawData()))
		r.blocks++
		r.bytes += size
		s.weigh(size, true)
	}
	r.dupBlocks, r.dupBytes = r.blocks, r.bytes
	s.count(r)
	s.store(nil, release)
}

// weigh tells of a block that came from a peer, if anybody wants to know.
func (s *state) weigh(bytes uint64, dup bool) {
	if s.limits.weigh {
		s.out.weighed = append(s.out.weighed, weighed{bytes, dup})
	}
}

func (s *state) count(r receipt) {
	if r == (receipt{peer: r.peer}) {
		return // The ledger has no account of who sent nothing.
	}
	s.stat.BlocksReceived += r.blocks
	s.stat.DataReceived += r.bytes
	s.stat.DupBlksReceived += r.dupBlocks
	s.stat.DupDataReceived += r.dupBytes
	s.out.received = append(s.out.received, r)
}

// deliver gives a block to every link that wants it and reports whether any did.
func (s *state) deliver(r Received) bool {
	first, more := s.wishes.take(r.Block.Cid())
	if first == nil {
		return false
	}
	s.give(first.link, r)
	for _, w := range more {
		s.give(w.link, r)
	}
	return true
}

// give tells a link of a block that it wanted until now.
func (s *state) give(l linkID, r Received) {
	mine := s.links[l]
	mine.wants--
	info := s.news(l, mine)
	info.Blocks = append(info.Blocks, r)
	if r.From != "" {
		s.keepInterest(l, mine, r.Block.Cid())
	}
}

// presences tells who has what to the links that want it, and who has it to
// those that are still interested.
func (s *state) presences(from peer.ID, cids []cid.Cid, have bool) {
	for _, c := range cids {
		s.tellListeners(PeerCID{from, c}, have)
		for w := range s.wishes.of(c) {
			s.presence(w.link, PeerCID{from, c}, have)
		}
		if !have {
			continue
		}
		for _, l := range s.interested[c] {
			s.presence(l, PeerCID{from, c}, have)
		}
	}
}

// tellListeners tells the links that listen whether a peer has a CID, and reports
// whether there are any.
func (s *state) tellListeners(who PeerCID, have bool) bool {
	for _, l := range s.listening[who] {
		s.presence(l, who, have)
	}
	return len(s.listening[who]) > 0
}

func (s *state) presence(l linkID, who PeerCID, have bool) {
	info := s.news(l, s.links[l])
	if info.Presences == nil {
		info.Presences = make(map[PeerCID]bool)
	}
	info.Presences[who] = have
}

// with adds a link to an ascending list.
func with(links []linkID, l linkID) []linkID {
	at, twice := slices.BinarySearch(links, l)
	if twice {
		return links
	}
	return slices.Insert(links, at, l)
}

func without(links []linkID, l linkID) []linkID {
	return slices.DeleteFunc(links, func(other linkID) bool { return other == l })
}
