package session

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
)

var seeds = flag.Int("seeds", 40, "how many random runs to play")

// TestEveryWantEndsWhateverHappens plays random runs of a session among peers
// that refuse, lie, are silent or slow, and come and go, while calls begin and
// are cancelled at any moment. After every step the counts must be right, and
// when the faults stop every want must end.
func TestEveryWantEndsWhateverHappens(t *testing.T) {
	for seed := range uint64(*seeds) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { newPlay(t, seed).run() })
	}
}

type play struct {
	*world
	cids  []cid.Cid
	open  []callID
	last  callID
	wants map[callID]map[cid.Cid]bool
}

func newPlay(t *testing.T, seed uint64) *play {
	dice := rand.New(rand.NewPCG(seed, 7))
	r := rules{self: "self", k: 1 + dice.IntN(8), budget: []int{1 << 10, 1 << 20, 16 << 20}[dice.IntN(3)]}
	if dice.IntN(3) == 0 {
		r.only, r.named = true, []peer.ID{"p0", "p1", "p2"}
		r.wait = true // Otherwise what all refuse may fail.
	}
	w := newWorld(t, seed, r)
	p := &play{world: w, wants: make(map[callID]map[cid.Cid]bool)}
	p.cids = append(w.makeBlocks(60, 300), w.makeBlocks(60, 20<<10)...)
	for i := range 3 + dice.IntN(12) {
		p.addPeer(peer.ID(fmt.Sprint("p", i)))
	}
	for range dice.IntN(4) {
		w.directory = append(w.directory, w.order[dice.IntN(len(w.order))])
	}
	for _, c := range p.cids {
		w.here[c] = dice.IntN(10) == 0
	}
	return p
}

func (p *play) addPeer(id peer.ID) {
	r := p.peer(id)
	r.rtt = time.Duration(1+p.dice.IntN(200)) * time.Millisecond
	r.perBlock = time.Duration(1+p.dice.IntN(50)) * time.Millisecond
	p.temper(r)
	share := p.dice.IntN(3)
	for _, c := range p.cids {
		r.has[c] = p.dice.IntN(3) < share
	}
	if p.dice.IntN(2) == 0 {
		p.connect(r)
	}
}

func (p *play) temper(r *remote) {
	r.mute, r.liar, r.noDontHave, r.reachable = p.dice.IntN(5) == 0, p.dice.IntN(5) == 0, p.dice.IntN(4) == 0, p.dice.IntN(4) > 0
}

func (p *play) run() {
	for range 60 {
		p.event()
		p.settle()
		p.world.run(time.Duration(p.dice.IntN(400)) * time.Millisecond)
	}
	p.calm()
	p.until(10*time.Minute, func() bool {
		for _, id := range p.open {
			p.took(id)
		}
		return p.s.wants.Len() == 0
	})
	for _, id := range p.open {
		p.took(id)
		require.Empty(p.t, p.wants[id], "call %d", id)
		require.True(p.t, p.closed[id])
		require.True(p.t, p.gone[id])
	}
	require.Zero(p.t, p.s.held)
	for _, r := range p.peers {
		require.Empty(p.t, r.wants, "wants left at %s", r.id)
	}
	require.Empty(p.t, p.s.calls)
	require.Empty(p.t, p.registered)
}

// event is something that happens at random.
func (p *play) event() {
	r := p.peers[p.order[p.dice.IntN(len(p.order))]]
	switch p.dice.IntN(8) {
	case 0, 1:
		p.begin()
	case 2:
		p.cancelSome()
	case 3:
		p.disconnect(r)
	case 4, 5:
		p.connect(r)
	case 6:
		p.temper(r)
	default:
		if len(p.open) > 0 {
			p.took(p.open[p.dice.IntN(len(p.open))])
		}
	}
}

func (p *play) begin() {
	p.last++
	p.open = append(p.open, p.last)
	p.wants[p.last] = make(map[cid.Cid]bool)
	ordered := p.dice.IntN(2) == 0
	for range 1 + p.dice.IntN(3) {
		var cids []cid.Cid
		for range 1 + p.dice.IntN(30) {
			if c := p.cids[p.dice.IntN(len(p.cids))]; !p.wants[p.last][c] {
				p.wants[p.last][c] = true
				cids = append(cids, c, c)
			}
		}
		p.s.want(p.now, p.last, cids, ordered)
	}
	p.s.finish(p.last, false)
}

func (p *play) cancelSome() {
	if len(p.open) == 0 {
		return
	}
	at := p.dice.IntN(len(p.open))
	id := p.open[at]
	p.open = append(p.open[:at], p.open[at+1:]...)
	p.took(id)
	failed := p.s.cancel(id, errDial)
	require.Len(p.t, failed, len(p.wants[id]))
	p.settle()
	require.True(p.t, p.closed[id])
	require.True(p.t, p.gone[id])
}

// took consumes what a call was given; each CID comes once.
func (p *play) took(id callID) {
	for _, r := range p.consume(id) {
		require.NoError(p.t, r.Err)
		require.True(p.t, p.wants[id][r.CID], "each CID that was asked for comes once")
		require.Equal(p.t, r.CID, r.Block.Cid())
		delete(p.wants[id], r.CID)
	}
}

// calm ends all faults: every peer that can be asked is honest, and the first
// has everything.
func (p *play) calm() {
	for _, id := range p.order {
		r := p.peers[id]
		r.mute, r.liar, r.noDontHave, r.reachable = false, false, false, true
	}
	first := p.peers[p.order[0]]
	for _, c := range p.cids {
		first.has[c] = true
	}
	p.connect(first)
	p.settle()
}
