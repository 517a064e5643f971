package session

import (
	"cmp"
	"slices"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

// Activity is what a session waits for: one thing at a time.
type Activity uint8

// The activities.
const (
	Idle         Activity = iota // nothing is wanted
	Store                        // our store is asked
	Searching                    // the directory is asked, and nobody else can be
	Dialling                     // peers are dialled, and nobody else can be asked
	Answers                      // peers are asked that were of no use yet
	Transferring                 // wants are out at peers of which one was of use
	Unread                       // results take all the room until the caller takes them
	Nobody                       // there is nobody left to be asked
	NumActivities
)

func (a Activity) String() string {
	names := [...]string{"idle", "store", "searching", "dialling", "answers", "transferring", "caller", "nobody"}
	return names[a]
}

// Report is how a session is doing, for people to look at.
type Report struct {
	Namespace string
	Named     []peer.ID // at most mostNamed
	Only      bool      // it asks those that were named and nobody else

	Calls, Wants int
	Held, Budget int
	Peers        int
	Blocks       uint64 // from peers
	Bytes        uint64
	Local        uint64 // blocks that were here, or were put here
	Duplicates   uint64 // want-blocks that were out elsewhere when the block came
	Failed       uint64
	Doing        Activity
	Spent        [NumActivities]time.Duration

	Tried  []PeerReport // at most mostTriedTold
	Oldest []WantReport // at most mostOldest
}

// PeerReport is what became of a peer in a session.
type PeerReport struct {
	Peer      peer.ID
	Connected bool
	Named     bool
	Listed    bool // by the directory
	Outcome   Outcome
	Err       error // why it could not be reached

	Blocks, Bytes, Haves, DontHaves, Silences uint64

	Asked, AskedBytes int // want-blocks out
	Share             int
	Rate              float64
	RTT               time.Duration
	Late              bool
}

// WantReport is a want that has waited for long.
type WantReport struct {
	CID   cid.Cid
	Age   time.Duration
	Waits string
	Peers []peer.ID // that owe an answer, at most mostOwing
}

const (
	mostTriedTold = 256 // more than any fetch asks in earnest: a page of them is still read
	mostNamed     = 16  // who names more knows them
	mostOldest    = 16  // what a fetch hangs on is among the first
	mostOwing     = 8   // K
	mostPast      = 64  // peers that were forgotten of which is told what became of them

	// Where time went is noted at most so often: looking takes a microsecond for
	// a few hundred peers.
	diaryEvery = 10 * time.Millisecond
)

// diary is what a session remembers for nothing but to tell it.
type diary struct {
	blocks, bytes, local, duplicates, failed uint64

	spent [NumActivities]time.Duration
	until time.Time    // for so long spent is complete
	past  []PeerReport // that were forgotten, oldest first
}

// tally is what came of a peer.
type tally struct{ blocks, bytes, haves, dontHaves, silences uint64 }

// pass notes what the session did until now, when something is about to happen: it
// has done the same since the last thing did.
func (s *state) pass(now time.Time) {
	d := &s.diary
	if d.until.IsZero() {
		d.until = now
	}
	if gone := now.Sub(d.until); gone >= diaryEvery {
		d.spent[s.doing()] += gone
		d.until = now
	}
}

// doing is what the session waits for.
func (s *state) doing() Activity {
	if s.wants.Len() == 0 {
		return Idle
	}
	asked, useful, dialling := false, false, false
	for _, p := range s.peers {
		if p.connected && p.out > 0 {
			asked = true
			useful = useful || p.hits > 0
		}
		dialling = dialling || p.dialled() || p.named && !p.connected && p.err == nil
	}
	switch {
	case useful:
		return Transferring
	case asked || s.search.rounds > 0 || s.search.owed.live > 0:
		return Answers
	case s.search.waiting() == 0 && s.held >= s.budget && s.unconsumed():
		return Unread
	case s.search.waiting() == 0:
		return Store
	case dialling:
		return Dialling
	case s.search.finding:
		return Searching
	}
	return Nobody
}

// unconsumed reports whether a caller has results to take.
func (s *state) unconsumed() bool {
	for _, c := range s.calls {
		if c.ready > 0 {
			return true
		}
	}
	return false
}

// noteBlock counts a block that came from peer from, or from nobody if that is -1,
// before its want is forgotten.
func (s *state) noteBlock(w *wanted, from, size int) {
	d := &s.diary
	if from < 0 {
		d.local++
		return
	}
	d.blocks++
	d.bytes += uint64(size)
	t := &s.peers[from].tally
	t.blocks++
	t.bytes += uint64(size)
	for a := range w.assignments() {
		if int(a.peer) != from {
			d.duplicates++
		}
	}
}

// notePast keeps what became of a peer that is about to be forgotten.
func (s *state) notePast(p *sessionPeer) {
	if p.tally == (tally{}) && p.err == nil {
		return
	}
	d := &s.diary
	if len(d.past) >= mostPast {
		d.past = slices.Delete(d.past, 0, 1)
	}
	d.past = append(d.past, p.report())
}

// report tells how the session is doing, with its peers and oldest wants if asked for.
func (s *state) report(now time.Time, detail bool) Report {
	s.pass(now)
	d := &s.diary
	r := Report{
		Namespace: s.rules.namespace, Named: slices.Clone(s.rules.named[:min(mostNamed, len(s.rules.named))]), Only: s.rules.only,
		Calls: len(s.calls), Wants: s.wants.Len(), Held: s.held, Budget: s.budget, Peers: len(s.index),
		Blocks: d.blocks, Bytes: d.bytes, Local: d.local, Duplicates: d.duplicates, Failed: d.failed,
		Doing: s.doing(), Spent: d.spent,
	}
	if detail {
		r.Tried, r.Oldest = s.reportPeers(), s.reportOldest(now)
	}
	return r
}

// reportPeers tells of the peers that were asked or tried, those of most use first.
func (s *state) reportPeers() []PeerReport {
	all := slices.Clone(s.diary.past)
	for _, p := range s.peers {
		if p.id != "" && (p.inUse || p.named || p.candidate || p.tally != tally{} || p.err != nil) {
			all = append(all, p.report())
		}
	}
	slices.SortFunc(all, func(a, b PeerReport) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(b.Haves, a.Haves), cmp.Compare(b.DontHaves, a.DontHaves), cmp.Compare(a.Peer, b.Peer))
	})
	return all[:min(len(all), mostTriedTold)]
}

func (p *sessionPeer) report() PeerReport {
	t := &p.tally
	return PeerReport{
		Peer: p.id, Connected: p.connected, Named: p.named, Listed: p.listed, Outcome: p.standing(), Err: p.err,
		Blocks: t.blocks, Bytes: t.bytes, Haves: t.haves, DontHaves: t.dontHaves, Silences: t.silences,
		Asked: p.out, AskedBytes: p.load, Share: p.view.Share, Rate: p.view.Rate, RTT: p.view.RTT, Late: p.view.Late,
	}
}

// standing is the best that became of the peer, of all that it was asked.
func (p *sessionPeer) standing() Outcome {
	t := &p.tally
	switch {
	case p.err == ErrDenied:
		return Denied
	case p.err != nil && !p.connected && t.blocks+t.haves+t.dontHaves == 0:
		return Unreachable
	case t.blocks+t.haves > 0:
		return Have
	case t.dontHaves > 0:
		return DontHave
	case t.silences > 0 || p.out > 0:
		return NoAnswer
	case p.left && !p.connected:
		return Left
	}
	return NotAsked
}

// reportOldest tells of the wants that have waited longest.
func (s *state) reportOldest(now time.Time) []WantReport {
	var old []*wanted
	older := func(a, b *wanted) int { return cmp.Or(cmp.Compare(a.since, b.since), byCID(a, b)) }
	for w := range s.wants.All() {
		if len(old) == mostOldest && older(w, old[mostOldest-1]) >= 0 {
			continue
		}
		at, _ := slices.BinarySearchFunc(old, w, older)
		old = slices.Insert(old, at, w)
		old = old[:min(len(old), mostOldest)]
	}
	reports := make([]WantReport, len(old))
	for i, w := range old {
		reports[i] = WantReport{CID: w.cid, Age: s.clock(now) - w.since, Waits: s.waitsFor(w), Peers: s.owing(w)}
	}
	return reports
}

// waitsFor says what a want waits for, to people.
func (s *state) waitsFor(w *wanted) string {
	switch w.stage {
	case locating, local, loading:
		return "our store"
	case open:
		return "room to be asked for"
	case asked:
		return "the block"
	}
	switch {
	case w.awaiting():
		return "who has it"
	case s.search.finding:
		return "the directory"
	case s.hoping():
		return "peers to be dialled"
	case w.place == spent:
		return "anybody to get it: all that are known do not have it"
	}
	return "its turn to be searched for"
}

// owing are the peers from which an answer about w is to come.
func (s *state) owing(w *wanted) []peer.ID {
	var owing []peer.ID
	for _, k := range w.known {
		if (w.assignedTo(k.peer()) || k.bits()&awaited != 0) && len(owing) < mostOwing {
			owing = append(owing, s.peers[k.peer()].id)
		}
	}
	return owing
}
