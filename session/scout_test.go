package session

import (
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/internal/table"
	"github.com/souk-p2p/souk/wantmanager"
)

// standing is how many wants of ours a peer keeps that it has answered DONT_HAVE.
func (p *remote) standing() int {
	n := 0
	for _, want := range p.wants {
		if want.standing {
			n++
		}
	}
	return n
}

// gets gives a peer the blocks that we wait for there; it says so, as peers do.
func (w *world) gets(p *remote) {
	for _, c := range table.Sorted(p.wants) {
		if want := p.wants[c]; want.standing && !p.has[c] {
			p.has[c] = true
			w.presence(p, c, true)
		}
	}
}

// While the one peer that has it is busy, another is asked about what comes next;
// what it gets meanwhile is fetched there.
func TestAnotherDownloaderSparesABusySource(t *testing.T) {
	w := newWorld(t, 1, rules{self: "self"})
	ks := w.makeBlocks(60, 64<<10)
	source := w.connected("a", ks...)
	source.perBlock = 400 * time.Millisecond
	other := w.connected("b")
	w.call(1, ks...)
	w.until(5*time.Second, func() bool { return other.standing() >= 20 })
	w.gets(other)
	rs, took := w.drain(1, time.Minute)
	require.Len(t, rs, 60)
	require.Less(t, took, 48*source.perBlock, "the source alone takes 60")
	require.GreaterOrEqual(t, other.blocksSent, 15)
	from := make(map[peer.ID]int)
	for _, r := range rs {
		from[r.From]++
	}
	require.LessOrEqual(t, source.blocksSent, from["a"]+1, "the source sent what the other had")
}

// Of whom nothing is known yet is neither nearer nor farther than others, and who has
// only just been asked is not late.
func TestWhoIsNotKnownIsNotSooner(t *testing.T) {
	w := newWorld(t, 1, rules{self: "self"})
	ks := w.makeBlocks(2, 8000)
	w.connected("a", ks...)
	w.connected("b", ks...)
	w.call(1, ks...)
	w.drain(1, time.Minute)
	s, i, from := w.s, w.s.index["b"], w.s.index["a"]
	s.mean, s.rate = 8000, 1e6
	for _, c := range []struct {
		from, to wantmanager.View
		load     int // of who was asked
		sooner   bool
	}{
		{wantmanager.View{Rate: 15e6, RTT: 20 * time.Millisecond}, wantmanager.View{}, 64000, false},
		{wantmanager.View{RTT: 20 * time.Millisecond}, wantmanager.View{RTT: 20 * time.Millisecond}, 300000, false},
		{wantmanager.View{Rate: 1e5, RTT: 20 * time.Millisecond}, wantmanager.View{}, 300000, true},
		{wantmanager.View{Late: true}, wantmanager.View{RTT: 20 * time.Millisecond}, 300000, true},
	} {
		s.peers[from].view, s.peers[i].view, s.peers[from].load, s.peers[i].load = c.from, c.to, c.load, 0
		require.Equal(t, c.sooner, s.sooner(i, from), "%+v", c)
	}
}

// A source that keeps up is not helped: peers that have nothing see one want.
func TestNobodyIsScoutedWhileTheSourceKeepsUp(t *testing.T) {
	w := newWorld(t, 1, rules{self: "self"})
	ks := w.makeBlocks(200, 8<<10)
	w.connected("a", ks...)
	other := w.connected("b")
	w.call(1, ks...)
	rs, took := w.drain(1, time.Minute)
	require.Len(t, rs, 200)
	require.Less(t, took, 500*time.Millisecond)
	require.LessOrEqual(t, len(other.seen), 1)
}

// Peers that the caller has named are asked, and nobody else, however busy.
func TestNobodyIsScoutedBesideNamedPeers(t *testing.T) {
	w := newWorld(t, 1, named("a"))
	ks := w.makeBlocks(30, 64<<10)
	w.connected("a", ks...).perBlock = 400 * time.Millisecond
	other := w.connected("b")
	w.call(1, ks...)
	rs, _ := w.drain(1, time.Minute)
	require.Len(t, rs, 30)
	require.Empty(t, other.seen)
}
