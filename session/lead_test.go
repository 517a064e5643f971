package session

import (
	"fmt"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/providers"
)

// strangers connects so many peers, which have the given blocks and are not known
// to the directory.
func (w *world) strangers(n int, has ...cid.Cid) []*remote {
	all := make([]*remote, n)
	for i := range all {
		all[i] = w.connected(peer.ID(fmt.Sprintf("stranger %03d", i)), has...)
	}
	return all
}

// askedOf is how many of the peers have seen anything.
func askedOf(peers []*remote) int {
	n := 0
	for _, p := range peers {
		if len(p.seen) > 0 {
			n++
		}
	}
	return n
}

// While the directory has somebody, strangers hear nothing, however long that takes
// within its time and however many of its candidates fail.
func TestStrangersHearNothingWhileTheDirectoryHasSomebody(t *testing.T) {
	ways := map[string]func(w *world, ks []cid.Cid){
		"it is slow": func(w *world, _ []cid.Cid) { w.slowly = directoryPatience - time.Millisecond },
		"it is slow, and so is dialling": func(w *world, _ []cid.Cid) {
			w.slowly, w.dialling = directoryPatience-time.Millisecond, directoryPatience-time.Millisecond
		},
		"one refuses":        func(w *world, _ []cid.Cid) { w.connect(w.list("empty")) },
		"one is silent":      func(w *world, _ []cid.Cid) { w.list("mute").mute = true },
		"one has some of it": func(w *world, ks []cid.Cid) { w.connect(w.list("partial", ks[:1]...)) },
		"some cannot be reached": func(w *world, _ []cid.Cid) {
			w.list("dead").reachable = false
			w.list("dead too").reachable = false
		},
		"the first answer is of no use": func(w *world, ks []cid.Cid) {
			w.connect(w.list("empty"))
			w.after(w.slowly+time.Millisecond, func() { w.list("holder", ks...) })
		},
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1, spaced)
			ks := w.makeBlocks(60, 9000)
			others := w.strangers(100)
			way(w, ks)
			if name != "the first answer is of no use" {
				w.list("holder", ks...)
			}
			w.call(1, ks...)
			rs, _ := w.drain(1, 10*time.Second)
			require.Len(t, rs, len(ks))
			w.run(time.Minute)
			require.Zero(t, askedOf(others))
		})
	}
}

// Where the directory has nobody who has it, strangers are asked after it was asked
// once more, and after two seconds where it is stuck or its candidates are.
func TestStrangersAreAskedWhenTheDirectoryIsOfNoUse(t *testing.T) {
	soon, patience := 300*time.Millisecond, directoryPatience+300*time.Millisecond
	ways := map[string]struct {
		set   func(w *world)
		took  time.Duration
		finds int
	}{
		"it names nobody":                {func(*world) {}, soon, 1},
		"its candidates have nothing":    {func(w *world) { w.connect(w.list("a")); w.list("b") }, soon, 2},
		"they cannot be reached":         {func(w *world) { w.list("a").reachable = false }, soon, 2},
		"it does not answer":             {func(w *world) { w.slowly = time.Hour }, patience, 1},
		"nobody knows whether they live": {func(w *world) { w.dialling = time.Hour; w.list("a") }, patience, 2},
		"it takes all the time that it has, twice": {func(w *world) {
			w.slowly, w.dialling = directoryPatience-time.Millisecond, time.Hour
			w.list("a")
		}, leadPatience + leastPatience + 300*time.Millisecond, 2},
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1, spaced)
			ks := w.makeBlocks(20, 9000)
			others := w.strangers(30, ks...)
			way.set(w)
			w.call(1, ks...)
			rs, took := w.drain(1, time.Minute)
			require.Len(t, rs, len(ks))
			require.Less(t, took, way.took)
			require.Equal(t, way.finds, w.finds)
			require.LessOrEqual(t, askedOf(others), w.s.rules.k, "a wave")
		})
	}
}

// A directory that names ever more peers which have nothing costs ten dials until
// strangers are asked.
func TestADirectoryThatLiesCostsTenDials(t *testing.T) {
	w := newWorld(t, 1, spaced)
	ks := w.makeBlocks(20, 9000)
	w.strangers(5, ks...)
	for i := range 40 {
		w.list(peer.ID(fmt.Sprint("liar ", i)))
	}
	w.call(1, ks...)
	rs, _ := w.drain(1, time.Minute)
	require.Len(t, rs, len(ks))
	require.LessOrEqual(t, len(w.interested), mostDials)
	require.Greater(t, len(w.interested), w.s.rules.k, "it was asked for others")
}

// Whoever answers or not, no more than K peers have a want of ours that they have
// not answered.
func TestNoMoreThanKHaveAWantToAnswer(t *testing.T) {
	w := newWorld(t, 1, spaced)
	ks := w.makeBlocks(40, 9000)
	others := w.strangers(20)
	for i := range 10 {
		w.list(peer.ID(fmt.Sprint("mute ", i))).mute = true
	}
	w.after(100*time.Millisecond, func() {
		for i := range 10 {
			c := w.list(peer.ID(fmt.Sprint("candidate ", i)))
			c.noDontHave = i%2 == 0
			w.connect(c)
		}
		w.connect(w.list("holder", ks...))
	})
	w.call(1, ks...)
	w.until(time.Minute, func() bool {
		for _, k := range ks {
			require.LessOrEqual(t, w.pendingAt(k), w.s.rules.k)
		}
		return len(w.consume(1)) >= 0 && w.closed[1]
	})
	require.Zero(t, askedOf(others))
}

// Peers that never say DONT_HAVE make room for a candidate that comes later.
func TestSilentPeersMakeRoomForANewCandidate(t *testing.T) {
	w := newWorld(t, 1, rules{self: "self", namespace: "n", k: 3})
	ks := w.makeBlocks(1, 9000)
	for _, id := range []peer.ID{"a", "b", "c"} {
		p := w.list(id)
		p.noDontHave = true
		w.connect(p)
	}
	w.call(1, ks...)
	w.run(time.Second)
	require.Equal(t, 3, w.pendingAt(ks[0]))
	first := w.s.peers[w.s.wantFor(ks[0]).at.peer].id
	for _, id := range []peer.ID{"a", "b", "c"} {
		if id != first {
			w.s.unanswered(w.now, id, ks)
		}
	}
	w.s.unanswered(w.now, first, ks)
	w.settle()
	w.peer("holder").has[ks[0]] = true
	w.s.candidates(w.now, providers.Candidates{Peers: []peer.AddrInfo{{ID: "holder"}}})
	w.settle()
	w.until(time.Second, func() bool {
		require.LessOrEqual(t, w.pendingAt(ks[0]), 3)
		return w.closed[1]
	})
}

// pendingAt is how many peers have a want that they have not answered.
func (w *world) pendingAt(c cid.Cid) int {
	n := 0
	for _, p := range w.peers {
		if want := p.wants[c]; want != nil && !want.standing {
			n++
		}
	}
	return n
}

// The HAVE of a peer from which the want was withdrawn while it was silent counts
// all the same: it is asked next.
func TestALateHaveCountsAfterItWasWithdrawn(t *testing.T) {
	w := newWorld(t, 1, rules{self: "self", namespace: "n", k: 1})
	ks := w.makeBlocks(1, 9000)
	for _, id := range []peer.ID{"a", "b"} {
		w.list(id, ks...).mute = true
	}
	w.call(1, ks...)
	var slow *remote
	w.until(time.Minute, func() bool {
		for _, p := range w.peers {
			if p.seen[ks[0]] == 2 {
				slow = p
			}
		}
		return slow != nil
	})
	slow.mute = false
	w.s.presence(w.now, slow.id, ks[0], true)
	w.settle()
	rs, took := w.drain(1, time.Minute)
	require.Equal(t, slow.id, rs[0].From)
	require.Less(t, took, 2*time.Second+2*rtt, "as soon as the other is late")
}

// While a candidate is busy other candidates are asked about what comes next, and
// strangers are not.
func TestOnlyCandidatesAreScoutedWhereThereAreAny(t *testing.T) {
	w := newWorld(t, 1, spaced)
	ks := w.makeBlocks(60, 64<<10)
	others := w.strangers(10)
	w.list("source", ks...).perBlock = 400 * time.Millisecond
	w.call(1, ks...)
	w.run(4 * time.Second)
	other := w.peer("other downloader")
	w.s.candidates(w.now, providers.Candidates{Peers: []peer.AddrInfo{{ID: other.id}}})
	w.settle()
	w.until(5*time.Second, func() bool { return other.standing() >= 20 })
	late := w.connected("late")
	w.drain(1, time.Minute)
	require.Zero(t, askedOf(others))
	require.Empty(t, late.seen, "nor is who connects later")
}

// A candidate was asked about what comes next, for which nobody waits, when the
// source goes that was asked for the block: now its answer is waited for, and no
// stranger is asked.
func TestAnAnswerIsWaitedForOnceItMatters(t *testing.T) {
	w := newWorld(t, 1, spaced)
	ks := w.makeBlocks(1, 9000)
	others := w.strangers(10)
	source, other := w.list("source"), w.list("other", ks...)
	source.mute, other.rtt = true, 300*time.Millisecond
	w.connect(source)
	w.connect(other)
	w.call(1, ks...)
	w.run(60 * time.Millisecond)
	i := w.s.index["other"]
	w.s.wantFor(ks[0]).learn(i, told|wasAsked, awaited) // As a question does.
	w.s.peers[i].streak = mostMisses                    // Of a part that others have.
	w.disconnect(source)
	rs, _ := w.drain(1, time.Minute)
	require.Equal(t, peer.ID("other"), rs[0].From)
	require.Zero(t, askedOf(others))
}

// Strangers that were asked because the directory had nobody are not asked again
// while it is asked again.
func TestTheDirectoryGoesFirstEachTime(t *testing.T) {
	w := newWorld(t, 1, spaced)
	ks := w.makeBlocks(60, 64<<10)
	others := w.strangers(5)
	w.call(1, ks...)
	w.run(firstRotation - 100*time.Millisecond)
	require.Equal(t, 5, askedOf(others))
	before := others[0].askedFor
	w.slowly = time.Second
	w.list("holder", ks...).perBlock = 400 * time.Millisecond
	rs, _ := w.drain(1, time.Minute)
	require.Len(t, rs, len(ks))
	require.Equal(t, before, others[0].askedFor, "nor while the holder is busy")
}

// A flood asks everybody for everything, whatever the directory knows.
func TestAFloodAsksEverybody(t *testing.T) {
	r := spaced
	r.flood = true
	w := newWorld(t, 1, r)
	ks := w.makeBlocks(20, 9000)
	others := w.strangers(100)
	w.connect(w.list("holder", ks...))
	w.call(1, ks...)
	w.drain(1, time.Minute)
	for _, p := range others {
		require.Len(t, p.seen, len(ks))
	}
}
