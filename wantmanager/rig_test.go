package wantmanager

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/message"
)

var errWrite = errors.New("write failed")

const trip = 100 * time.Millisecond

// rig drives a state with one link open, and plays the senders: a message stays
// in hand until it is reported as written or lost.
type rig struct {
	*state
	t      *testing.T
	now    time.Time
	hands  map[peer.ID][]*message.Message
	views  map[linkID]map[peer.ID]View
	passed map[linkID][]cid.Cid
	budget map[linkID]int
	words  int // notices of any kind
	held   map[peer.ID]bool
	faults int // of all kinds
	blamed blame
	closed []linkID
	moved  time.Time // last byte from any peer
	read   map[peer.ID]int64
	steps  int
}

func newRig(t *testing.T) *rig {
	r := &rig{
		state: newState(16<<20, 64<<20), t: t, now: time.Unix(1000, 0),
		hands: make(map[peer.ID][]*message.Message), views: make(map[linkID]map[peer.ID]View),
		passed: make(map[linkID][]cid.Cid), budget: make(map[linkID]int), held: make(map[peer.ID]bool),
		blamed: make(blame), read: make(map[peer.ID]int64),
	}
	r.open(1)
	r.open(2)
	return r
}

func (r *rig) connect(p peer.ID) {
	r.peerState(r.now, p, true, message.V120, 1, 1)
	r.settle()
}

// settle takes the effects of an event, and checks every count.
func (r *rig) settle() {
	r.t.Helper()
	out := r.take(r.now)
	for _, m := range out.messages {
		require.Empty(r.t, r.hands[m.peer], "one message at a time")
		r.hands[m.peer] = append(r.hands[m.peer], m.message)
	}
	r.words += len(out.notices)
	for _, n := range out.notices {
		if r.views[n.link] == nil {
			r.views[n.link] = make(map[peer.ID]View)
		}
		for p, v := range n.notice.Peers {
			r.views[n.link][p] = v
		}
		for _, cids := range n.notice.Unanswered {
			r.passed[n.link] = append(r.passed[n.link], cids...)
		}
		if n.notice.Budget != 0 {
			r.budget[n.link] = n.notice.Budget
		}
	}
	for _, p := range out.hold {
		require.False(r.t, r.held[p])
		r.held[p] = true
	}
	for _, p := range out.release {
		require.True(r.t, r.held[p])
		delete(r.held, p)
	}
	for _, m := range out.measured {
		for f, n := range m.faults {
			r.faults += int(n)
			r.blamed[f] += n
		}
	}
	r.closed = append(r.closed, out.closed...)
	r.check()
}

// check audits the state after every step where there are few wants, else now and
// then.
func (r *rig) check() {
	r.t.Helper()
	r.steps++
	wants := 0
	for id, p := range r.peers {
		wants = max(wants, len(p.wants))
		require.Equal(r.t, len(p.wants) > 0, r.held[id], "the connection to %s is held while there are wants", id)
	}
	if wants < 100 || r.steps%64 == 0 {
		require.NoError(r.t, r.audit())
	}
}

func (r *rig) block(l linkID, p peer.ID, cids ...cid.Cid) {
	r.want(l, p, message.WantBlock, 0, cids...)
}
func (r *rig) have(l linkID, p peer.ID, cids ...cid.Cid) { r.want(l, p, message.WantHave, 0, cids...) }

func (r *rig) want(l linkID, p peer.ID, kind message.WantType, priority int32, cids ...cid.Cid) {
	asks := make([]Ask, len(cids))
	for i, c := range cids {
		asks[i] = Ask{CID: c, Type: kind, Priority: priority}
	}
	r.send(l, map[peer.ID][]Ask{p: asks})
	r.settle()
}

// hand is the message that the peer's sender has, which is reported as written.
func (r *rig) hand(p peer.ID) []message.Entry { return r.report(p, nil) }

// lose reports the message that the peer's sender has as lost.
func (r *rig) lose(p peer.ID) []message.Entry { return r.report(p, errWrite) }

func (r *rig) report(p peer.ID, err error) []message.Entry {
	r.t.Helper()
	if len(r.hands[p]) == 0 {
		return nil
	}
	m := r.hands[p][0]
	r.hands[p] = nil
	r.written(r.now, p, r.now, err)
	r.settle()
	return m.Wantlist
}

// drainHands reports messages as written until there are no more, and returns
// their entries.
func (r *rig) drainHands(p peer.ID) []message.Entry {
	var all []message.Entry
	for len(r.hands[p]) > 0 {
		all = append(all, r.hand(p)...)
	}
	return all
}

func (r *rig) hear(p peer.ID, bs []sized, haves, dontHaves []cid.Cid) {
	r.moved = r.now
	for _, b := range bs {
		r.read[p] += int64(b.size)
	}
	r.heard(r.now, p, news{at: r.now, began: r.now, read: r.read[p], blocks: bs, haves: haves, dontHaves: dontHaves})
	r.settle()
}

func (r *rig) sends(p peer.ID, size int, cids ...cid.Cid) {
	for _, c := range cids {
		r.hear(p, []sized{{c, size}}, nil, nil)
	}
}

func (r *rig) refuses(p peer.ID, cids ...cid.Cid) { r.hear(p, nil, nil, cids) }

// pass lets virtual time pass, with its deadlines.
func (r *rig) pass(d time.Duration) {
	r.t.Helper()
	end := r.now.Add(d)
	for n := 0; ; n++ {
		require.Less(r.t, n, 10000, "the clock spins")
		at := r.wake()
		if at.IsZero() || at.After(end) {
			break
		}
		if at.After(r.now) {
			r.now = at
		}
		r.tick(r.now, func(peer.ID) time.Time { return r.moved })
		r.settle()
	}
	r.now = end
}

func cidsOf(from, n int) []cid.Cid {
	cids := make([]cid.Cid, n)
	for i := range cids {
		cids[i] = blocks.NewBlock([]byte(fmt.Sprint(from + i))).Cid()
	}
	return cids
}

// told renders entries: "B" and "H" for wants, "-" for a cancel, and the index of
// the CID.
func told(cids []cid.Cid, entries []message.Entry) []string {
	names := make([]string, len(entries))
	for i, e := range entries {
		kind := "B"
		if e.Type == message.WantHave {
			kind = "H"
		}
		if e.Cancel {
			kind = "-"
		}
		names[i] = fmt.Sprint(kind, slices.Index(cids, e.CID))
	}
	return names
}
