package session

import (
	"slices"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/planted"
	"github.com/souk-p2p/souk/providers/wire"
	"github.com/souk-p2p/souk/wantmanager"
)

// sessionPeer is what a session knows of one peer.
type sessionPeer struct {
	id        peer.ID
	connected bool
	named     bool  // by the caller
	candidate bool  // by the directory, or of use and lost
	listed    bool  // by the directory, before it was of use
	partial   bool  // and has announced that it holds a part only
	inUse     bool  // may be asked; a connected peer is in use once its wave came
	left      bool  // was connected
	err       error // why it could not be connected to, or is not to be asked

	view   wantmanager.View
	asked  []*wanted // those with a want-block out, in the order of asking, and some that no longer have one
	out    int       // want-blocks out
	load   int       // bytes of those
	hits   int       // blocks and HAVEs
	misses int       // DONT_HAVEs
	streak int       // of those, since the last hit

	promises []promise // of late, oldest first

	watch    stopwatch
	sounded  bool      // was asked for what shows how long an answer takes that is no block
	sounding *wanted   // about this one, which may come as a small block
	crowded  bool      // a block takes so long that others must be asking it, too
	getting  bool      // it got what it had not: it wants the same as we
	offers   []*wanted // what it has said that it has, and may be asked for

	evidence evidence
	tally    tally
}

// firstShare is how much a peer is asked for before WantManager has said how
// much of its window is ours; the manager holds back what is too much.
const firstShare = 256 << 10

// mostMisses in a row make a peer no likelier than any other, as boxo does.
const mostMisses = 16

// take notes a want-block at the peer, whose index is i, that counts size in the
// load.
func (p *sessionPeer) take(w *wanted, i, size int) {
	if len(p.asked) > 64 && len(p.asked) > 2*p.out {
		p.asked = slices.DeleteFunc(p.asked, func(w *wanted) bool { return !w.assignedTo(i) })
	}
	p.asked = append(p.asked, w)
	p.out++
	p.load += size
}

// give notes that a want-block is answered or taken back.
func (p *sessionPeer) give(size int) {
	p.load -= size
	if p.out--; p.out == 0 {
		p.asked = nil
	}
}

// eligible reports whether the peer, which said bits about a CID, may be asked
// for the block.
func (p *sessionPeer) eligible(bits uint8) bool {
	return p.connected && bits&(refused|silent) == 0 && (p.likely() || bits&has != 0)
}

// likely reports whether the peer may be asked for the block itself. One that
// refuses more than twice as often as it has something, as a downloader does that
// has just begun, and one that has announced a part and had nothing yet, is asked
// whether it has it first: a want-block that it refuses stands there, and would
// bring a duplicate later.
func (p *sessionPeer) likely() bool {
	return p.named || p.promising() && (!p.partial && p.candidate || p.hits > 0 && p.misses <= 2*p.hits)
}

// promising reports whether the peer is likely to have something.
func (p *sessionPeer) promising() bool {
	return p.inUse && !p.getting && p.streak < mostMisses && (p.candidate || p.hits > 0)
}

// stranger reports whether nothing speaks for peer i but its connection. Strangers
// are not asked while the directory has somebody. To a flood nobody is one.
func (s *state) stranger(i int) bool {
	p := s.peers[i]
	return !p.named && !p.candidate && p.hits == 0 && !s.rules.flood
}

// dialled reports whether the directory has named the peer and nothing has become
// of it yet.
func (p *sessionPeer) dialled() bool {
	return p.candidate && !p.connected && !p.left && p.err == nil
}

// provenHits is how many blocks a peer has to have sent before anything is made of it:
// those that were asked of it before it was known.
const provenHits = 4

// proven reports whether the peer has had nearly all that it was asked for.
func (p *sessionPeer) proven() bool {
	return p.hits >= provenHits && p.misses*8 <= p.hits && !p.getting
}

// room reports whether one more want-block may be queued at the peer.
func (p *sessionPeer) room(size int) bool {
	if p.load == 0 {
		return true
	}
	share := p.view.Share
	if share == 0 {
		share = firstShare
	}
	if p.crowded {
		return !p.view.Late && p.load+size <= max(crowdedDepth*size, crowdedBytes)
	}
	// A little more than the window, so that the manager always has the next; and when it is
	// known how the peer delivers, more than the block that is coming, all of which counts
	// until its last byte. Before that it may be crowded, and what waits there comes late.
	most := share + share/4 + size
	if p.hits >= provenHits {
		most += size
	}
	return !p.view.Late && p.load+size <= most
}

// cost is the time after which a block asked for now can be expected, longer
// the less sure it is that the peer has it. Rates that are not known count as
// the given one.
func (p *sessionPeer) cost(size int, rate float64, has bool) float64 {
	if p.view.Rate > 0 {
		rate = p.view.Rate
	}
	seconds := p.view.RTT.Seconds() + float64(p.load+size)/rate
	if !has {
		seconds *= float64(p.hits+p.misses+2) / float64(p.hits+1)
	}
	if p.view.Late {
		seconds *= 16
	}
	return seconds
}

// peer returns the index of a peer, which is made known if it was not.
func (s *state) peer(id peer.ID) int {
	if i, known := s.index[id]; known {
		return i
	}
	i := len(s.peers)
	if n := len(s.free); n > 0 {
		i, s.free = s.free[n-1], s.free[:n-1]
		s.peers[i] = &sessionPeer{id: id}
	} else {
		s.peers = append(s.peers, &sessionPeer{id: id})
	}
	s.index[id] = i
	return i
}

// forgetPeer makes the index of a peer free. Nothing may be known of it.
func (s *state) forgetPeer(i int) {
	s.notePast(s.peers[i])
	delete(s.index, s.peers[i].id)
	s.peers[i] = &sessionPeer{}
	s.free = append(s.free, i)
	s.stale = true
}

// start makes the named peers known and asks to hear of them.
func (s *state) start() {
	for _, id := range s.rules.named {
		p := s.peers[s.peer(id)]
		if p.named {
			continue
		}
		p.named, p.inUse = true, true
		s.out.interest = append(s.out.interest, peer.AddrInfo{ID: id})
	}
}

// available notes that a peer is connected.
func (s *state) available(id peer.ID) {
	if s.rules.only && !s.named(id) {
		return
	}
	i := s.peer(id)
	p := s.peers[i]
	p.connected, p.err = true, nil
	s.tried = slices.DeleteFunc(s.tried, func(a Answer) bool { return a.Peer == id })
	p.inUse = p.inUse || s.rules.flood
	s.stale, s.search.arrived = true, true
	switch {
	case p.likely():
		s.reopen()
	case p.inUse:
		s.search.renew()
	}
	if p.named || p.listed && p.promising() {
		s.askToo(i)
	}
}

func (s *state) named(id peer.ID) bool {
	i, known := s.index[id]
	return known && s.peers[i].named
}

// gone notes that a peer is no longer connected: what was asked of it goes to
// others, and what it said is forgotten.
func (s *state) gone(id peer.ID) {
	i, known := s.index[id]
	if !known {
		return
	}
	p := s.peers[i]
	p.left = true
	s.lose(i)
	switch {
	case s.wants.Len() == 0:
		s.resting = false // There is a peer to be forgotten.
	case p.likely() && !p.named && !p.candidate:
		p.candidate = true // Dialled again while the session has a use for it.
		s.out.interest = append(s.out.interest, peer.AddrInfo{ID: id})
	case !p.named && !p.candidate:
		s.forgetPeer(i)
	}
}

// lose takes back what peer i was asked, and forgets what it said.
func (s *state) lose(i int) {
	p := s.peers[i]
	p.connected, p.view, s.stale = false, wantmanager.View{}, true
	if p.inUse {
		s.out.drop = append(s.out.drop, p.id)
		s.unlearn(i)
	}
}

// unlearn forgets what peer i was asked and what it said.
func (s *state) unlearn(i int) {
	for _, w := range slices.Clone(s.peers[i].asked) {
		s.unassign(w, i)
	}
	s.peers[i].promises = nil
	var owed []*wanted
	for w := range s.wants.All() {
		if w.knows(i)&awaited != 0 {
			owed = append(owed, w)
		}
		s.spare(i, w.knows(i))
		w.unlearn(i)
	}
	slices.SortFunc(owed, byCID)
	for _, w := range owed {
		s.settle(w)
	}
}

// unreachable notes that a peer could not be connected to.
func (s *state) unreachable(id peer.ID, err error) {
	if i, known := s.index[id]; known {
		s.peers[i].err = err
		s.judge(s.peers[i], wire.OutcomeDead, nil)
		if s.rules.only {
			s.search.renew() // All that were named may have refused now.
		}
	}
}

// denied notes that a peer is not to be asked for anything: what it was asked goes
// to others. It is no fault of the peer, so the directory hears nothing of it.
func (s *state) denied(id peer.ID) {
	i, known := s.index[id]
	if !known {
		return // Nobody has named it, and it was asked nothing.
	}
	p := s.peers[i]
	p.err = ErrDenied
	if p.connected {
		s.lose(i)
	}
	switch {
	case s.wants.Len() == 0:
		s.resting = false
	case !p.named && !p.candidate:
		s.noteTried(p.answer(0))
		s.forgetPeer(i)
	}
	if s.rules.only {
		s.search.renew()
	}
}

// view takes WantManager's word on a peer.
func (s *state) view(now time.Time, id peer.ID, v wantmanager.View) {
	i, known := s.index[id]
	if !known || !s.peers[i].connected {
		return
	}
	s.rated(s.peers[i], v.Rate)
	s.peers[i].view = v
	if v.Late {
		s.late(now, i, s.peers[i].asked)
	}
}

// rated notes the rate of a peer where that is, or was, the highest.
func (s *state) rated(p *sessionPeer, rate float64) {
	switch {
	case rate > s.rate && p.inUse:
		s.rate = rate
	case rate < p.view.Rate && p.view.Rate >= s.rate:
		s.stale = true
	}
}

// unanswered takes WantManager's word that a peer has passed over some wants.
func (s *state) unanswered(now time.Time, id peer.ID, cids []cid.Cid) {
	i, known := s.index[id]
	if !known {
		return
	}
	for _, k := range cids {
		w := s.wantFor(k)
		if w == nil {
			continue
		}
		s.late(now, i, []*wanted{w})
		if w.knows(i)&awaited != 0 && !w.assignedTo(i) {
			w.learn(i, silent, awaited)
			s.settle(w)
		}
	}
}

// late moves wants of a peer that has gone silent to others. Where there is
// nobody else to be asked the subscription is left.
func (s *state) late(now time.Time, i int, wants []*wanted) {
	for _, w := range slices.Clone(wants) {
		if !w.assignedTo(i) || planted.Is(planted.EternalHave) && w.knows(i)&has != 0 {
			continue
		}
		s.peers[i].tally.silences++
		if s.other(w, i) {
			s.takeBack(w, i)
		} else {
			w.learn(i, silent, awaited)
		}
		s.bringBack(now, w, i)
	}
}

// bringBack takes a want-block back from peer i. Others that were asked whether they
// have it are about to say so, and are not asked for it before.
func (s *state) bringBack(now time.Time, w *wanted, i int) {
	assigned := w.assignedTo(i)
	s.unassign(w, i)
	s.settle(w)
	if assigned && w.stage == open && w.awaiting() && !s.rules.only {
		s.search.beginRound(w)
		s.search.await(w, now.Add(s.pause()))
	}
}

// other reports whether a peer beside i is left to be asked for w.
func (s *state) other(w *wanted, i int) bool {
	return slices.ContainsFunc(s.used, func(j int) bool { return j != i && s.peers[j].eligible(w.knows(j)) })
}

// useful notes that a peer has served a block, and returns its index. One that
// nobody has told us of has got the wish elsewhere: it may have more.
func (s *state) useful(id peer.ID) int {
	i, known := s.index[id]
	if !known {
		if s.rules.only {
			return -1
		}
		i = s.peer(id)
		s.peers[i].candidate = true
		s.out.interest = append(s.out.interest, peer.AddrInfo{ID: id})
	}
	s.hit(i)
	return i
}
