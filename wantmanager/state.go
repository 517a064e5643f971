package wantmanager

import (
	"maps"
	"slices"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/due"
	"github.com/souk-p2p/souk/internal/planted"
	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/rate"
)

const (
	// boxo's servers keep 1,024 wants of a peer and drop what is over without a
	// word, so all that a peer knows of stays below: what it has not answered, what it
	// answered DONT_HAVE, and what it has not been told to forget yet.
	maxKnown    = 960
	maxStanding = 256 // of those, answered DONT_HAVE
	// However many answers a server loses, it is asked for as many as boxo's
	// eight workers have under way.
	leastUnanswered = 16

	maxEntries = 2048 // of one message: about 100 KiB
	maxRecent  = 1024 // CIDs remembered a peer

	resendCancels = 30 * time.Second // cancels that young are written again on a fresh stream
	asked         = 60 * time.Second // a block asked for that recently is late, not unasked

	unknownPatience = 2 * time.Second        // with a peer that was never measured
	leastPatience   = 500 * time.Millisecond // shorter would call a garbage collection a stall
	mostPatience    = 10 * time.Second

	// A server's answers can be lost without a trace: boxo's opens a stream for
	// each message, and streams beyond the limit of our host's resource manager
	// are reset after boxo has counted them as sent. So a want that is late, or
	// was overtaken for this long, is written again, a few times.
	retellAfter = time.Second
	orderSlack  = 16 // answers by which a server may be out of order without having lost any
	maxTellings = 4

	// How often in a row a peer may be late with blocks that it said it has: an
	// honest one that many ask at once is, too, but now and then sends one.
	patientWithPromises = 4

	firstRetry = 50 * time.Millisecond // after a failed write; doubles up to longRetry
	longRetry  = 5 * time.Second
)

// linkID stands for a link inside the state. Links are numbered in the order in
// which they were opened.
type linkID uint64

// state is what the actor owns. Its methods take what happened and add what is
// to be done to its effects.
type state struct {
	linkBytes int // the most that one link may have in flight or undelivered
	nodeBytes int // the most that all links together may

	peers map[peer.ID]*peerWants
	links map[linkID]*link
	order []*link // the same, as they were opened
	busy  int     // links with wants

	lent      int  // bytes, to all links
	short     bool // some link could not be lent its share, or has it not yet
	shared    int  // the share of a link when all were last lent theirs
	all       traffic
	turns     uint64 // how often a link came or went, or came to have wants or none
	reclaimed uint64 // turns when bytes were last asked back

	rates   rates
	classOf func(peer.ID) string // see Config.Class

	dirty  []*peerWants // whose views or messages are due
	wakeAt time.Time    // never later than the first deadline of any peer
	out    effects
}

type link struct {
	id    linkID
	peers []*peerWants // where the link has wants, in the order in which it came to have them
	loan  loan
}

// effects is what the shell does after an event.
type effects struct {
	messages []outgoing
	notices  []linkNotice
	closed   []linkID
	measured []measured
	hold     []peer.ID // that wants are live at, to keep their connections
	release  []peer.ID
}

type outgoing struct {
	peer    peer.ID
	message *message.Message
}

type linkNotice struct {
	link   linkID
	notice Notice
}

// measured is what the ledger is told.
type measured struct {
	peer   peer.ID
	wants  uint64
	rtt    time.Duration
	rate   float64
	faults blame
}

// blame is what a peer did wrong, and how often.
type blame map[message.Fault]uint64

func (b *blame) add(f message.Fault) {
	if *b == nil {
		*b = make(blame)
	}
	(*b)[f]++
}

func newState(linkBytes, nodeBytes int) *state {
	return &state{
		linkBytes: linkBytes, nodeBytes: nodeBytes,
		peers: make(map[peer.ID]*peerWants),
		links: make(map[linkID]*link),

		classOf: func(peer.ID) string { return rate.Default },
	}
}

// take returns the effects gathered since the last call, after writing to every
// peer that something happened to.
func (s *state) take(now time.Time) effects {
	s.settle(now)
	for s.rates.on && s.turn(now) {
		s.settle(now)
	}
	s.wakeAt = due.First(s.wakeAt, s.rates.wake)
	s.relend()
	if s.short {
		s.reclaim()
	}
	out := s.out
	s.out = effects{}
	return out
}

// settle writes to the peers that something happened to.
func (s *state) settle(now time.Time) {
	for _, p := range s.dirty {
		p.dirty = false
		s.refund(p)
		s.pump(now, p)
		p.allowance.granted = 0
		s.holdOrRelease(p)
		s.countTraffic(p)
		s.tellViews(p)
		s.wakeAt = due.First(s.wakeAt, p.due())
		if p.idle() {
			delete(s.peers, p.id)
		}
	}
	clear(s.dirty)
	s.dirty = s.dirty[:0]
}

// countTraffic notes whether the peer owes us blocks.
func (s *state) countTraffic(p *peerWants) {
	owes := p.blocks > 0
	if !owes {
		p.window.flow(0, &s.all)
	}
	if owes == p.owes {
		return
	}
	p.owes = owes
	if owes {
		s.all.peers++
	} else {
		s.all.peers--
	}
}

// holdOrRelease keeps the connection of a peer while wants are live at it.
func (s *state) holdOrRelease(p *peerWants) {
	live := len(p.wants) > 0
	if live == p.held {
		return
	}
	p.held = live
	if live {
		s.out.hold = append(s.out.hold, p.id)
	} else {
		s.out.release = append(s.out.release, p.id)
	}
}

func (s *state) touch(p *peerWants) {
	if !p.dirty {
		p.dirty = true
		s.dirty = append(s.dirty, p)
	}
}

func (s *state) open(l linkID) {
	lk := &link{id: l}
	s.links[l] = lk
	s.order = append(s.order, lk)
	s.turns++
	s.lend(lk)
}

func (s *state) send(l linkID, asks map[peer.ID][]Ask) {
	lk := s.links[l]
	if lk == nil {
		return
	}
	for _, id := range slices.Sorted(maps.Keys(asks)) {
		p := s.peer(id)
		for _, a := range asks[id] {
			s.ask(l, lk, p, a)
		}
		s.touch(p)
	}
}

func (s *state) ask(l linkID, lk *link, p *peerWants, a Ask) {
	w := p.wants[a.CID]
	if w == nil {
		w = &want{cid: a.CID, kind: a.Type, priority: a.Priority, rewrite: p.cancels.remove(a.CID)}
		p.wants[a.CID] = w
		p.enqueue(w)
	} else if again(w, a) {
		w = p.replace(w, a)
		p.enqueue(w)
	}
	s.join(l, lk, p, w)
}

// again reports whether an ask for a want that is there already has to be
// written anew.
func again(w *want, a Ask) bool {
	upgrade := a.Type == message.WantBlock && w.kind == message.WantHave
	return upgrade || w.phase == standing
}

func (s *state) join(l linkID, lk *link, p *peerWants, w *want) {
	if !w.askers.add(l) {
		return
	}
	u := p.user(l)
	if u.wants++; u.wants > 1 {
		return
	}
	if lk.peers = append(lk.peers, p); len(lk.peers) == 1 {
		s.busy++
		s.turns++
		s.lend(lk)
	}
}

func (s *state) leave(l linkID, p *peerWants) {
	u := p.user(l)
	if u.wants--; u.wants > 0 {
		return
	}
	p.users = slices.DeleteFunc(p.users, func(u user) bool { return u.link == l })
	lk := s.links[l]
	lk.peers = slices.DeleteFunc(lk.peers, func(o *peerWants) bool { return o == p })
	if len(lk.peers) == 0 {
		s.busy--
		s.turns++
	}
}

func (s *state) cancel(now time.Time, l linkID, cids []cid.Cid) {
	lk := s.links[l]
	if lk == nil {
		return
	}
	for _, c := range cids {
		for i := len(lk.peers) - 1; i >= 0; i-- { // Backwards, because a peer may go from the list.
			s.withdraw(now, l, lk.peers[i], c)
		}
	}
}

func (s *state) cancelAt(now time.Time, l linkID, id peer.ID, cids []cid.Cid) {
	if p := s.peers[id]; p != nil {
		for _, c := range cids {
			s.withdraw(now, l, p, c)
		}
	}
}

func (s *state) drop(now time.Time, l linkID, id peer.ID) {
	if p := s.peers[id]; p != nil {
		for _, c := range p.wantedBy(l) {
			s.withdraw(now, l, p, c)
		}
	}
}

func (s *state) cancelAll(now time.Time, l linkID) {
	lk := s.links[l]
	if lk == nil {
		return
	}
	for _, p := range slices.Clone(lk.peers) {
		s.drop(now, l, p.id)
	}
	s.lent -= lk.loan.size()
	s.turns++
	delete(s.links, l)
	s.order = slices.DeleteFunc(s.order, func(o *link) bool { return o == lk })
	s.out.closed = append(s.out.closed, l)
	s.lendOn()
}

// withdraw takes one link from a want, and the want from the peer with the last.
func (s *state) withdraw(now time.Time, l linkID, p *peerWants, c cid.Cid) {
	w := p.wants[c]
	if w == nil || !w.askers.remove(l) {
		return
	}
	s.leave(l, p)
	if w.askers.none() {
		s.retire(now, p, w)
	}
	s.touch(p)
}

// retire removes a want that nobody is behind any more; the peer is told if it
// may know of it.
func (s *state) retire(now time.Time, p *peerWants, w *want) {
	if known := w.phase != queued || w.rewrite; known && !(planted.Is(planted.LostCancel) && w.phase == inHand) {
		p.cancels.add(w.cid)
		p.withdrawn.add(now, w.cid)
	}
	s.remove(p, w)
}

// remove takes a want out of every table. Its links have left or are about to
// be told by others.
func (s *state) remove(p *peerWants, w *want) {
	for l := range w.askers.all {
		s.leave(l, p)
	}
	w.askers = askers{}
	p.account(w, dropped)
	delete(p.wants, w.cid)
}
