package session

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/blockrouter"
	"github.com/souk-p2p/souk/internal/table"
	"github.com/souk-p2p/souk/providers"
	"github.com/souk-p2p/souk/providers/wire"
)

var errDial = errors.New("dial failed")

// world runs a session's state on virtual time against scripted actors and
// peers: what BlockRouter, PeerRouter, WantManager and Providers would do with
// its effects, reduced to what the session can see of it.
type world struct {
	t     *testing.T
	dice  *rand.Rand
	now   time.Time
	s     *state
	queue []scheduled
	seq   int

	blocks     map[cid.Cid]blocks.Block
	here       map[cid.Cid]bool // in the store
	registered map[cid.Cid]bool // at BlockRouter
	peers      map[peer.ID]*remote
	order      []peer.ID
	watching   bool
	interested map[peer.ID]bool
	directory  []peer.ID
	parts      []peer.ID     // of those, who say that they have a part only
	slowly     time.Duration // the directory answers after this
	dialling   time.Duration // how long that takes

	courses map[callID]*course
	results map[callID][]Result
	closed  map[callID]bool
	gone    map[callID]bool
	finds   int
	news    int // of them, those that want newcomers
	served  []peer.ID
	judged  []wire.Judgement
}

type scheduled struct {
	at  time.Time
	seq int
	do  func()
}

func newWorld(t *testing.T, seed uint64, r rules) *world {
	if r.k == 0 {
		r.k = 8
	}
	if r.budget == 0 {
		r.budget = 16 << 20
	}
	if r.score == nil {
		r.score = func(peer.ID) float64 { return 0 }
	}
	w := &world{
		t: t, dice: rand.New(rand.NewPCG(seed, 1)), now: time.Unix(1000, 0), s: newState(r),
		blocks: make(map[cid.Cid]blocks.Block), here: make(map[cid.Cid]bool), registered: make(map[cid.Cid]bool),
		peers: make(map[peer.ID]*remote), interested: make(map[peer.ID]bool),
		slowly: 30 * time.Millisecond, dialling: 40 * time.Millisecond,
		courses: make(map[callID]*course), results: make(map[callID][]Result), closed: make(map[callID]bool), gone: make(map[callID]bool),
	}
	for _, id := range r.named {
		w.peer(id)
	}
	w.s.start()
	w.settle()
	return w
}

// peer adds a peer that is not connected yet and can be reached.
func (w *world) peer(id peer.ID) *remote {
	if p := w.peers[id]; p != nil {
		return p
	}
	p := &remote{
		id: id, has: make(map[cid.Cid]bool), reachable: true, rtt: 20 * time.Millisecond, perBlock: time.Millisecond,
		wants: make(map[cid.Cid]*remoteWant), seen: make(map[cid.Cid]int),
	}
	w.peers[id] = p
	w.order = append(w.order, id)
	return p
}

// connected adds a connected peer that has the given blocks.
func (w *world) connected(id peer.ID, has ...cid.Cid) *remote {
	p := w.peer(id)
	for _, c := range has {
		p.has[c] = true
	}
	w.connect(p)
	return p
}

func (w *world) makeBlocks(n, size int) []cid.Cid {
	cids := make([]cid.Cid, n)
	for i := range cids {
		data := make([]byte, size)
		copy(data, fmt.Sprint(len(w.blocks), "/", size))
		b := blocks.NewBlock(data)
		cids[i] = b.Cid()
		w.blocks[b.Cid()] = b
	}
	return cids
}

func (w *world) after(d time.Duration, do func()) {
	w.seq++
	w.queue = append(w.queue, scheduled{w.now.Add(d), w.seq, do})
}

// run lets virtual time pass until nothing is left to do or d is over.
func (w *world) run(d time.Duration) {
	for end := w.now.Add(d); w.step(end); {
	}
}

// until runs until the condition holds, and returns how long that took.
func (w *world) until(d time.Duration, holds func() bool) time.Duration {
	w.t.Helper()
	begin := w.now
	for end := w.now.Add(d); !holds(); {
		if !w.step(end) {
			require.Fail(w.t, "did not come to pass", "within %s; left are\n%s", d, w.left())
		}
	}
	return w.now.Sub(begin)
}

// left describes the wants that did not end, and the search.
func (w *world) left() string {
	f := &w.s.search
	text := fmt.Sprintf("search: %d fresh, %d owed, %d spent, %d rounds, finding %v, wake in %s\n",
		f.fresh.live, f.owed.live, f.spent.live, f.rounds, f.finding, w.s.wake().Sub(w.now))
	for _, p := range w.s.peers {
		text += fmt.Sprintf("peer %q: connected %v, in use %v, load %d, late %v\n", p.id, p.connected, p.inUse, p.load, p.view.Late)
	}
	for in := range w.s.wants.All() {
		k := in.cid
		text += fmt.Sprintf("%s: stage %d, at %v, known %v\n", k, in.stage, in.at, in.known)
	}
	return text
}

// step does what is due next, and reports false when that is after the end.
func (w *world) step(end time.Time) bool {
	next := -1
	for i, e := range w.queue {
		if next < 0 || e.at.Before(w.queue[next].at) || (e.at.Equal(w.queue[next].at) && e.seq < w.queue[next].seq) {
			next = i
		}
	}
	wake := w.s.wake()
	if !wake.IsZero() && (next < 0 || wake.Before(w.queue[next].at)) {
		if wake.After(end) {
			w.now = end
			return false
		}
		if wake.After(w.now) {
			w.now = wake
		}
		w.s.tick(w.now)
		w.settle()
		return true
	}
	if next < 0 || w.queue[next].at.After(end) {
		w.now = end
		return false
	}
	e := w.queue[next]
	w.queue = slices.Delete(w.queue, next, next+1)
	if e.at.After(w.now) {
		w.now = e.at
	}
	e.do()
	w.settle()
	return true
}

// settle performs the effects of an event and checks the state.
func (w *world) settle() {
	w.t.Helper()
	w.perform(w.s.take(w.now))
	require.NoError(w.t, w.s.audit())
	for id, p := range w.peers {
		i := w.s.index[id]
		for k := range p.wants {
			in := w.s.wantFor(k)
			if in == nil || in.knows(i)&told == 0 {
				require.FailNow(w.t, "a want is left at a peer", "%s at %s", k, id)
			}
		}
	}
}

func (w *world) perform(out effects) {
	for _, o := range out.courses {
		w.courses[o.call] = o.course
	}
	for _, r := range out.results {
		require.False(w.t, w.closed[r.call], "no result comes behind the end")
		w.results[r.call] = append(w.results[r.call], r.result)
	}
	for _, id := range out.closed {
		require.False(w.t, w.closed[id], "a call is closed once")
		w.closed[id] = true
	}
	for _, id := range out.gone {
		w.gone[id] = true
	}
	for _, c := range out.cancelWants {
		require.True(w.t, w.registered[c])
		delete(w.registered, c)
	}
	for _, c := range out.cancelAsks {
		for _, id := range w.order {
			w.withdraw(w.peers[id], c)
		}
	}
	for _, id := range out.drop {
		clear(w.peers[id].wants)
	}
	for id, cids := range out.cancelAt {
		for _, c := range cids {
			w.withdraw(w.peers[id], c)
		}
	}
	w.locate(out)
	w.route(out)
	for _, id := range w.order {
		for _, a := range out.asks[id] {
			w.ask(w.peers[id], a)
		}
	}
}

func (w *world) withdraw(p *remote, c cid.Cid) {
	if p.wants[c] != nil {
		delete(p.wants, c)
		p.seen[c]++
	}
}

// locate is BlockRouter.
func (w *world) locate(out effects) {
	for _, c := range out.wants {
		require.False(w.t, w.registered[c], "a want is registered once")
		w.registered[c] = true
		w.after(time.Millisecond/10, func() {
			switch {
			case !w.registered[c]:
			case w.here[c]:
				w.s.located([]cid.Cid{c}, nil)
			default:
				w.s.located(nil, []cid.Cid{c})
			}
		})
	}
	for _, c := range out.loads {
		w.after(time.Millisecond, func() { w.deliver("", c) })
	}
}

func (w *world) deliver(from peer.ID, c cid.Cid) {
	if w.registered[c] {
		delete(w.registered, c)
		var came time.Duration
		if p := w.peers[from]; p != nil {
			came = p.perBlock
		}
		w.s.received(blockrouter.Received{Block: w.blocks[c], From: from, At: w.now, Came: came})
	}
}

// route is PeerRouter and Providers.
func (w *world) route(out effects) {
	if out.watch {
		require.False(w.t, w.watching)
		w.watching = true
		for _, id := range w.order {
			if w.peers[id].connected {
				w.after(0, func() { w.announce(w.peers[id]) })
			}
		}
	}
	for _, info := range out.interest {
		w.interested[info.ID] = true
		p := w.peer(info.ID)
		if p.connected || p.denied {
			w.after(0, func() { w.announce(p) })
		} else {
			w.dial(p)
		}
	}
	for _, id := range out.bored {
		delete(w.interested, id)
	}
	w.served = append(w.served, out.served...)
	w.judged = append(w.judged, out.judged...)
	if out.find != nil {
		w.finds++
		if out.news {
			w.news++
		}
		w.after(w.slowly, func() {
			found := providers.Candidates{Peers: make([]peer.AddrInfo, len(w.directory)), Parts: w.parts, Done: true}
			for i, id := range w.directory {
				found.Peers[i].ID = id
			}
			w.s.candidates(w.now, found)
		})
	}
}

func (w *world) dial(p *remote) {
	w.after(w.dialling, func() {
		switch {
		case p.connected || p.denied || !w.interested[p.id]:
		case p.reachable:
			w.connect(p)
		default:
			w.s.unreachable(p.id, errDial)
			w.after(time.Second, func() { w.dial(p) })
		}
	})
}

func (w *world) announce(p *remote) {
	switch {
	case !w.interested[p.id] && !(w.watching && p.connected):
	case p.denied:
		w.s.denied(p.id)
	case p.connected:
		w.s.available(p.id)
	}
}

// deny is a rule that comes or goes.
func (w *world) deny(p *remote, denied bool) {
	p.denied = denied
	w.announce(p)
	w.settle()
}

func (w *world) connect(p *remote) {
	if p.connected {
		return
	}
	p.connected = true
	p.life++
	w.after(0, func() { w.announce(p) })
	for _, c := range table.Sorted(p.wants) { // WantManager writes them again.
		w.write(p, c)
	}
}

func (w *world) disconnect(p *remote) {
	if !p.connected {
		return
	}
	p.connected = false
	p.life++
	p.busyUntil = time.Time{}
	w.after(0, func() {
		if (w.watching || w.interested[p.id]) && !p.connected {
			w.s.gone(p.id)
		}
	})
	if w.interested[p.id] {
		w.dial(p)
	}
}

// call starts a call for the CIDs.
func (w *world) call(id callID, cids ...cid.Cid) {
	w.s.want(w.now, id, cids, false)
	w.s.finish(id, false)
	w.settle()
}

// consume takes the results of a call as its caller would.
func (w *world) consume(id callID) []Result {
	rs := w.results[id]
	w.results[id] = nil
	bytes := 0
	for _, r := range rs {
		if r.Block != nil {
			bytes += len(r.Block.RawData())
		}
	}
	if len(rs) > 0 {
		w.s.consumed(id, len(rs), bytes)
		w.settle()
	}
	return rs
}

// drain consumes until the call has ended, and returns what came and how long
// that took.
func (w *world) drain(id callID, d time.Duration) ([]Result, time.Duration) {
	w.t.Helper()
	var all []Result
	took := w.until(d, func() bool {
		all = append(all, w.consume(id)...)
		return w.closed[id]
	})
	return append(all, w.consume(id)...), took
}
