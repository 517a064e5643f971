package session

import (
	"maps"
	"slices"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/blockrouter"
	"github.com/souk-p2p/souk/internal/planted"
	"github.com/souk-p2p/souk/internal/table"
	"github.com/souk-p2p/souk/providers/wire"
	"github.com/souk-p2p/souk/wantmanager"
)

// rules is what a session was told when it was made.
type rules struct {
	self      peer.ID // seeds the order in which unordered wants are asked for
	named     []peer.ID
	only      bool // ask the named peers and nobody else
	wait      bool // and keep waiting when all of them have refused
	flood     bool // ask every connected peer at once
	namespace string
	priority  int32
	k         int // peers asked for one want in a round
	budget    int // bytes in flight or undelivered until WantManager says otherwise; it lends some at once

	followed bool // a hook is told how calls went

	progress func(peer.ID) time.Time // when the last byte from a peer was read; nil if nobody knows
	score    func(peer.ID) float64   // of a peer, 0 to 1, from the ledger's snapshot
}

// state is what the actor owns. Its methods take what happened and add what is
// to be done to its effects.
type state struct {
	rules rules

	root  cid.Cid   // what was wanted first
	began time.Time // times inside the state count from here

	wants  table.Table[*wanted]
	unread map[cid.Cid]error // of those wants that the store failed for, why
	calls  map[callID]*callState
	turns  turns

	mostCalls int // at once, since the map of them is new

	peers []*sessionPeer // by index, which stays while there are wants
	index map[peer.ID]int
	free  []int    // indexes of peers that were forgotten
	used  []int    // indexes of the peers that are connected and in use
	stale bool     // and used is not up to date
	tried []Answer // candidates that could not be reached and were given up for others, for failures to tell
	rate  float64

	judged judged

	budget int // bytes in flight or undelivered
	owed   int // of an earlier budget, as WantManager was told; 0 when all of it is returned
	held   int
	mean   int // size of blocks, running
	sizes  sizes
	shed   bool // blocks have become larger: more may be in flight than the budget allows

	search  search
	scouted time.Time // when others were asked about it last
	scoutAt time.Time // when others are asked about what comes next; zero while there is no need
	doubts  []doubt   // DONT_HAVEs that came so soon after a HAVE that they may be older
	resting bool      // there were no wants the last time
	diary   diary
	out     effects
}

// effects is what the shell does after an event, in this order.
type effects struct {
	cancelWants []cid.Cid // at BlockRouter
	cancelAsks  []cid.Cid // at WantManager, at every peer
	cancelAt    map[peer.ID][]cid.Cid
	drop        []peer.ID

	wants    []cid.Cid // at BlockRouter
	loads    []cid.Cid
	watch    bool
	interest []peer.AddrInfo
	bored    []peer.ID // interest ends
	asks     map[peer.ID][]wantmanager.Ask
	enough   bool      // Providers need not go on
	find     []cid.Cid // ask Providers; a sample of what is wanted, or nil
	most     int       // candidates that are wanted
	news     bool      // those announced just now, too
	served   []peer.ID // were useful for the first time
	judged   []wire.Judgement

	returned bool // WantManager is told what is held, and with which budget
	held     int
	budget   int

	courses []courseOf // of calls that have ended
	results []callResult
	closed  []callID // after their last result
	gone    []callID // nothing follows about these
}

func newState(r rules) *state {
	s := &state{
		rules: r, wants: table.New(func(w *wanted) cid.Cid { return w.cid }), calls: make(map[callID]*callState), index: make(map[peer.ID]int),
		budget: r.budget, mean: unknownMean, rate: unknownRate, search: newSearch(), unread: make(map[cid.Cid]error),
	}
	return s
}

const (
	orderSpread = 2 * scoutWants // blocks over which an order of our own is spread, in which others look for the next

	unknownMean = 64 << 10  // a block counts this much in a peer's load before any was seen
	unknownSize = 256 << 10 // and this much in the budget: the usual largest size
	always      = 2         // blocks that a call may have in flight or undelivered whatever others hold
)

// take returns the effects gathered since the last call, after asking for all
// that there is room for.
func (s *state) take(now time.Time) effects {
	if s.wants.Len() > 0 {
		s.assign(now)
		s.seek(now)
		s.greet()
		s.scout(now)
		s.resting = false
	}
	if s.wants.Len() == 0 && !s.resting {
		s.scoutAt = time.Time{}
		s.rest()
		s.resting = true
	}
	s.giveBack()
	out := s.out
	s.out = effects{}
	return out
}

// want adds CIDs to a call, which becomes known with its first want.
func (s *state) want(now time.Time, id callID, cids []cid.Cid, ordered bool) {
	c := s.call(id)
	s.follow(now, c)
	if !s.root.Defined() && len(cids) > 0 {
		s.root = cids[0]
	}
	s.wants.Reserve(len(cids))
	c.wants = slices.Grow(c.wants, len(cids))
	for _, k := range cids {
		w := s.wantFor(k)
		switch {
		case w == nil:
			w = &wanted{cid: k, stage: locating, since: s.clock(now), order: s.order(c, k, len(cids), ordered)}
			s.wants.Put(w)
			s.out.wants = append(s.out.wants, k)
		case c.waits(w):
			continue
		}
		c.add(w)
	}
}

// wantFor returns the want for a CID, or nil.
func (s *state) wantFor(c cid.Cid) *wanted {
	w, _ := s.wants.Get(c)
	return w
}

// clock is the time since the state's first event.
func (s *state) clock(now time.Time) time.Duration {
	if s.began.IsZero() {
		s.began = now
	}
	return now.Sub(s.began)
}

// withdraw gives up a want that nobody waits for any more.
func (s *state) withdraw(w *wanted) {
	s.out.cancelWants = append(s.out.cancelWants, w.cid)
	s.forget(w, -1)
}

// forget removes a want. It is withdrawn from every peer that was asked, except
// the one that has just sent the block.
func (s *state) forget(w *wanted, from int) {
	for i := w.at; i.size > 0; i = w.at {
		s.release(w, int(i.peer))
	}
	s.discharge(w)
	if slices.ContainsFunc(w.known, func(k knowledge) bool { return k.bits()&told != 0 && k.peer() != from }) {
		s.out.cancelAsks = append(s.out.cancelAsks, w.cid)
	}
	s.search.forget(w)
	for _, k := range w.known {
		if k.peer() != from {
			s.spare(k.peer(), k.bits())
		}
	}
	w.stage = 0
	s.wants.Remove(w.cid)
	delete(s.unread, w.cid)
}

// located takes BlockRouter's word on what is here and what is not.
func (s *state) located(here, missing []cid.Cid) {
	for _, k := range here {
		if w := s.wantFor(k); w != nil && w.stage == locating {
			s.enqueue(w, local)
		}
	}
	for _, k := range missing {
		if w := s.wantFor(k); w != nil && (w.stage == locating || w.stage == loading) {
			s.discharge(w)
			s.enqueue(w, open)
		}
	}
}

// unreadable notes that the store could not say whether it has a block, or not
// read it. Peers are asked for it, and if they do not have it either, that does
// not mean that the block is nowhere.
func (s *state) unreadable(c cid.Cid, err error) {
	if s.wantFor(c) == nil {
		return
	}
	s.unread[c] = err
	s.located(nil, []cid.Cid{c})
}

// received takes a block on its way to the calls that wait for it.
func (s *state) received(r blockrouter.Received) {
	w := s.wantFor(r.Block.Cid())
	if w == nil {
		return
	}
	from := -1
	if r.From != "" {
		if from = s.useful(r.From); from >= 0 {
			s.peers[from].watch.stop(s.clock(r.At), w)
			s.noteServed(from, w.cid)
		}
	}
	s.learnSize(len(r.Block.RawData()))
	s.noteBlock(w, from, len(r.Block.RawData()))
	s.noteCame(r, w, from)
	s.forget(w, from)
	if more := w.others(); planted.Is(planted.DoubleDelivery) && len(more) > 0 {
		more[0] = w.call
	}
	s.deliver(w, Result{CID: w.cid, Block: r.Block, From: r.From, Took: max(s.clock(r.At)-w.since, 0)})
}

// deliver gives every call that waits for w its result.
func (s *state) deliver(w *wanted, r Result) {
	s.give(s.calls[w.call], r)
	for _, id := range w.others() {
		s.give(s.calls[id], r)
	}
}

func (s *state) give(c *callState, r Result) {
	c.left--
	c.ready++
	if r.Block != nil {
		c.bytes += len(r.Block.RawData())
		s.held += len(r.Block.RawData())
	}
	s.out.results = append(s.out.results, callResult{c.id, r})
	s.endIfDone(c)
}

// fail gives up a want that cannot be had.
func (s *state) fail(w *wanted, cause error) {
	err := s.failure(w, cause)
	s.diary.failed++
	s.withdraw(w)
	s.deliver(w, Result{CID: w.cid, Err: err})
}

// closing fails everything that is open.
func (s *state) closing(cause error) {
	for _, w := range slices.SortedFunc(s.wants.All(), byCID) {
		s.fail(w, cause)
	}
	for _, id := range slices.Sorted(maps.Keys(s.calls)) {
		c := s.calls[id]
		c.finished, c.single = true, true
		s.endIfDone(c)
	}
}

func byCID(a, b *wanted) int { return table.Compare(a.cid, b.cid) }
