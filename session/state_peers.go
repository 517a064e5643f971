package session

import (
	"slices"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/wantmanager"
)

// sessionPeer is what a session knows of one peer.
type sessionPeer struct {
	id        peer.ID
	connected bool
	named     bool  // by the caller
	candidate bool  // by the directory
	inUse     bool  // may be asked; a connected peer is in use once its wave came
	left      bool  // was connected
	err       error // why it could not be connected to

	view   wantmanager.View
	load   int // bytes of want-blocks out
	hits   int // blocks and HAVEs
	misses int // DONT_HAVEs
	streak int // of those, since the last hit
}

// firstShare is how much a peer is asked for before WantManager has said how
// much of its window is ours; the manager holds back what is too much.
const firstShare = 256 << 10

// mostMisses in a row make a peer no likelier than any other, as boxo does.
const mostMisses = 16

// likely reports whether the peer may be asked for the block itself.
func (p *sessionPeer) likely() bool {
	return p.named || (p.inUse && p.streak < mostMisses && (p.candidate || p.hits > 0))
}

// proven reports whether the peer has had nearly all that it was asked for.
func (p *sessionPeer) proven() bool { return p.hits >= 4 && p.misses*8 <= p.hits }

// room reports whether one more want-block may be queued at the peer.
func (p *sessionPeer) room(size int) bool {
	if p.load == 0 {
		return true
	}
	share := p.view.Share
	if share == 0 {
		share = firstShare
	}
	// A little more than the window, so that the manager always has the next.
	return !p.view.Late && p.load+size <= share+share/4+size
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

// knowledge is what one peer said about one CID.
type knowledge struct {
	peer int32
	bits uint8
}

const (
	told     uint8 = 1 << iota // it may keep a want of ours
	wasAsked                   // in the present round of asking
	awaited                    // and owes the answer
	has                        // said HAVE
	refused                    // said DONT_HAVE
	silent                     // did not answer in time
)

// knows returns what peer i said about w, or 0.
func (w *wanted) knows(i int) uint8 {
	for _, k := range w.known {
		if int(k.peer) == i {
			return k.bits
		}
	}
	return 0
}

// learn sets and clears bits of what peer i said about w.
func (w *wanted) learn(i int, set, cleared uint8) {
	for n := range w.known {
		if int(w.known[n].peer) == i {
			w.known[n].bits = w.known[n].bits&^cleared | set
			return
		}
	}
	w.known = append(w.known, knowledge{int32(i), set})
}

// awaiting reports whether a peer still owes an answer about w.
func (w *wanted) awaiting() bool {
	return slices.ContainsFunc(w.known, func(k knowledge) bool { return k.bits&awaited != 0 })
}

func (w *wanted) assignedTo(i int) bool {
	return slices.ContainsFunc(w.at, func(a assignment) bool { return a.peer == i })
}

// peer returns the index of a peer, which is made known if it was not.
func (s *state) peer(id peer.ID) int {
	i, known := s.index[id]
	if !known {
		i = len(s.peers)
		s.index[id] = i
		s.peers = append(s.peers, &sessionPeer{id: id})
	}
	return i
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
	p := s.peers[s.peer(id)]
	p.connected, p.err = true, nil
	p.inUse = p.inUse || s.rules.flood
	s.reopen(func(*wanted) bool { return p.likely() })
}

// gone notes that a peer is no longer connected: what was asked of it goes to
// others, and what it said is forgotten.
func (s *state) gone(id peer.ID) {
	i, known := s.index[id]
	if !known {
		return
	}
	p := s.peers[i]
	p.connected, p.left = false, true
	p.view = wantmanager.View{}
	for _, k := range sortedCIDs(s.wants) {
		w := s.wants[k]
		w.known = slices.DeleteFunc(w.known, func(k knowledge) bool { return int(k.peer) == i })
		s.unassign(w, i)
	}
	s.out.drop = append(s.out.drop, id)
	if p.likely() && !p.named && !p.candidate {
		p.candidate = true // Dialled again while the session has a use for it.
		s.out.interest = append(s.out.interest, peer.AddrInfo{ID: id})
	}
}

// unreachable notes that a peer could not be connected to.
func (s *state) unreachable(id peer.ID, err error) {
	s.peers[s.peer(id)].err = err
}

// view takes WantManager's word on a peer.
func (s *state) view(id peer.ID, v wantmanager.View) {
	i, known := s.index[id]
	if !known {
		return
	}
	p := s.peers[i]
	p.view = v
	if v.Late {
		s.late(i)
	}
}

// late moves the wants of a peer that has gone silent to others. Where there is
// nobody else among the peers that may be asked, they stay.
func (s *state) late(i int) {
	for _, k := range sortedCIDs(s.wants) {
		w := s.wants[k]
		if !w.assignedTo(i) || (s.rules.only && !s.other(w, i)) {
			continue
		}
		w.learn(i, silent, awaited)
		s.unassign(w, i)
	}
}

// other reports whether a peer beside i is left to be asked for w.
func (s *state) other(w *wanted, i int) bool {
	for j, p := range s.peers {
		if j != i && s.eligible(p, w.knows(j)) {
			return true
		}
	}
	return false
}

// eligible reports whether a peer that said bits about a CID may be asked for
// the block.
func (s *state) eligible(p *sessionPeer, bits uint8) bool {
	return p.connected && bits&(refused|silent) == 0 && (p.likely() || bits&has != 0)
}

// unassign takes a want-block back from peer i; the want waits to be asked of
// another.
func (s *state) unassign(w *wanted, i int) {
	at := slices.IndexFunc(w.at, func(a assignment) bool { return a.peer == i })
	if at < 0 {
		return
	}
	s.peers[i].load -= w.at[at].size
	w.at = slices.Delete(w.at, at, at+1)
	if len(w.at) == 0 && w.stage == asked {
		s.discharge(w)
		s.enqueue(w, open)
	}
}

// useful notes that a peer has served a block, and returns its index.
func (s *state) useful(id peer.ID) int {
	i := s.peer(id)
	s.hit(i)
	return i
}

func (s *state) hit(i int) {
	p := s.peers[i]
	p.hits++
	p.streak = 0
	if p.hits > 1 {
		return
	}
	p.inUse = true
	s.search.sampled = true
	s.out.served = append(s.out.served, p.id)
	s.reopen(func(*wanted) bool { return true })
}

// presence takes a HAVE or DONT_HAVE. What was not asked is ignored.
func (s *state) presence(now time.Time, id peer.ID, c cid.Cid, have bool) {
	w := s.wants[c]
	i, known := s.index[id]
	if w == nil && known && have && s.peers[i].inUse && s.peers[i].hits == 0 {
		s.hit(i) // A HAVE that came just after the block, from another peer that has it.
	}
	if w == nil || !known || w.knows(i)&wasAsked == 0 {
		return
	}
	if have {
		s.have(now, w, i)
	} else {
		s.dontHave(now, w, i)
	}
}

func (s *state) have(now time.Time, w *wanted, i int) {
	news := w.knows(i)&has == 0
	w.learn(i, has, awaited|refused|silent)
	w.haveAt = now
	if !news {
		return
	}
	s.hit(i)
	s.reopen(func(o *wanted) bool { return o == w })
}

func (s *state) dontHave(now time.Time, w *wanted, i int) {
	p := s.peers[i]
	bits := w.knows(i)
	if bits&has != 0 && now.Sub(w.haveAt) < 2*p.view.RTT {
		return // boxo opens a stream for each message: this one was overtaken.
	}
	if bits&refused == 0 {
		p.misses++
		p.streak++
	}
	w.learn(i, refused, awaited|has|silent)
	s.unassign(w, i)
}

// failure says what became of asking for w.
func (s *state) failure(w *wanted, cause error) *FetchError {
	err := &FetchError{CID: w.cid, Err: cause}
	for i, p := range s.peers {
		bits := w.knows(i)
		if bits == 0 && !p.named && p.err == nil {
			continue
		}
		err.Answers = append(err.Answers, Answer{Peer: p.id, Outcome: p.outcome(bits), Err: p.err})
	}
	slices.SortFunc(err.Answers, func(a, b Answer) int { return cmpPeers(a.Peer, b.Peer) })
	return err
}

func (p *sessionPeer) outcome(bits uint8) Outcome {
	switch {
	case p.err != nil:
		return Unreachable
	case bits&refused != 0:
		return DontHave
	case bits&has != 0:
		return Have
	case !p.connected && p.left:
		return Left
	case bits&wasAsked != 0, p.named && !p.connected:
		return NoAnswer
	}
	return NotAsked
}
