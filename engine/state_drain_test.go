package engine

import (
	"math/rand/v2"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/souk-p2p/souk/message"
)

// drain begins a drain.
func (r *rig) drain() { r.state.drain(r.now) }

func TestADrainFinishesBlocksThatWereWanted(t *testing.T) {
	r := newRig(t, Limits{})
	r.shelf.put(letter("a"), letter("b"))
	r.want(alice, wantBlock(letter("a")), orDontHave(wantBlock(letter("b"))))
	r.collect() // The look-up is out.
	r.drain()
	r.collect()
	require.False(t, r.drained)
	r.run()
	require.Equal(t, []string{"block a", "block b"}, sortedWords(r.heard(alice)...))
	require.True(t, r.drained)
}

func TestADrainDeclinesWhatIsNew(t *testing.T) {
	r := newRig(t, Limits{})
	r.shelf.put(letter("a"), letter("b"))
	r.drain()
	ticket := r.want(alice, orDontHave(wantBlock(letter("a"))), orDontHave(wantHave(letter("b"))), wantBlock(letter("c")))
	r.run()
	require.Equal(t, []string{"dont-have a", "dont-have b"}, sortedWords(r.heard(alice)...))
	require.Contains(t, r.admitted, ticket, "the stream is read on")
	require.Empty(t, r.list(alice))
	require.EqualValues(t, 3, r.state.stat.Declined)
	require.Empty(t, r.faults, "who asks has done nothing wrong")
	require.True(t, r.drained)
}

func TestADrainWaitsForWhoWasToldHave(t *testing.T) {
	r := newRig(t, Limits{})
	r.shelf.put(letter("a"), letter("b"))
	r.want(alice, wantHave(letter("a")))
	r.run()
	require.Equal(t, []string{"have a"}, r.heard(alice))
	r.drain()
	r.advance(promiseFor / 2)
	require.False(t, r.drained)
	r.want(alice, wantBlock(letter("a")), orDontHave(wantBlock(letter("b"))))
	r.want(bob, orDontHave(wantBlock(letter("a")))) // Nobody has promised it to him.
	r.run()
	require.Equal(t, []string{"block a", "dont-have b"}, sortedWords(r.heard(alice)...))
	require.Equal(t, []string{"dont-have a"}, r.heard(bob))
	require.True(t, r.drained)
}

func TestADrainDoesNotWaitForeverForWhoWasToldHave(t *testing.T) {
	r := newRig(t, Limits{})
	r.shelf.put(letter("a"))
	r.want(alice, wantHave(letter("a")))
	r.run()
	r.drain()
	r.advance(promiseFor - 1)
	require.False(t, r.drained)
	r.advance(1)
	require.True(t, r.drained)
}

// A HAVE that was not said yet would be one more promise.
func TestADrainPromisesNothingMore(t *testing.T) {
	r := newRig(t, Limits{})
	r.shelf.put(letter("a"), letter("b"))
	r.want(alice, orDontHave(wantHave(letter("a"))))
	r.collect()
	r.work(0) // HAVE is in line,
	r.want(bob, orDontHave(wantHave(letter("b"))))
	r.collect() // and another is looked up.
	require.Len(t, r.inFlight, 1, "HAVE is with the network")
	r.drain()
	r.run()
	require.Equal(t, []string{"have a"}, r.heard(alice))
	require.Equal(t, []string{"dont-have b"}, r.heard(bob))
}

func TestADrainLetsGoOfWhatWaits(t *testing.T) {
	r := newRig(t, Limits{Tasks: 1})
	r.shelf.put(letter("a"), letter("b"))
	r.shelf.broken[message.Multihash(letter("d").Cid())] = true
	r.want(bob, orDontHave(wantBlock(letter("d")))) // The store fails.
	r.want(carol, orDontHave(wantBlock(letter("c"))))
	r.run()
	require.Equal(t, []string{"dont-have c"}, r.heard(carol))
	ticket := r.want(alice, wantBlock(letter("a")), orDontHave(wantBlock(letter("b"))))
	r.collect()
	r.drain()
	r.run()
	require.Equal(t, []string{"block a", "dont-have b"}, sortedWords(r.heard(alice)...))
	require.Contains(t, r.admitted, ticket)
	require.Equal(t, []string{"dont-have d"}, r.heard(bob))
	require.Empty(t, r.heard(carol), "she knows")
	r.put(letter("c"), letter("d"))
	r.run()
	require.Empty(t, r.heard(bob))
	require.Empty(t, r.heard(carol))
	require.True(t, r.drained)
}

func TestADrainCountsCancels(t *testing.T) {
	r := newRig(t, Limits{})
	r.shelf.put(letter("a"))
	r.want(alice, wantBlock(letter("a")))
	r.collect()
	r.drain()
	r.want(alice, cancel(letter("a")))
	r.run()
	require.Empty(t, r.heard(alice))
	require.True(t, r.drained)
}

func TestADrainAnswersWhoAsksAgainWhileToldDontHave(t *testing.T) {
	r := newRig(t, Limits{})
	r.want(alice, orDontHave(wantHave(letter("a"))))
	r.collect()
	r.work(0)
	r.collect()
	r.drain()
	r.put(letter("a"))
	r.want(alice, orDontHave(wantHave(letter("a"))))
	r.run()
	require.Contains(t, r.heard(alice), "dont-have a")
	require.Empty(t, r.list(alice))
}

// Whatever was under way when a drain begins, and whatever comes after that: each
// block that was wanted and is there is sent, nothing else is begun, and the drain
// ends.
func TestADrainEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRig(t, Limits{Tasks: rapid.SampledFrom([]int{1, 3, 100}).Draw(t, "tasks")})
		m := newModel()
		r.noted = m.sent
		random := rand.New(rand.NewPCG(1, rapid.Uint64().Draw(t, "seed")))
		for range rapid.IntRange(1, 100).Draw(t, "steps before") {
			modelStep(r, m, random)
			r.collect()
		}
		r.refuse = nil
		clear(r.shelf.broken)
		owed := owedBlocks(r)
		r.drain()
		r.collect()
		for range rapid.IntRange(0, 50).Draw(t, "wants after") {
			r.state.wants(r.now, everybody[random.IntN(3)], 0, declinable(randomWants(random)), false, 0)
			r.collect()
		}
		r.advance(2 * retryMost)
		require.True(t, r.drained)
		for _, p := range everybody {
			require.Empty(t, r.list(p))
			require.Subset(t, r.heard(p), owed[p])
		}
		require.Zero(t, r.state.inFlight+r.state.jobsOut+r.state.live)
	})
}

// owedBlocks are the answers that each peer is due when a drain begins.
func owedBlocks(r *rig) map[peer.ID][]string {
	owed := make(map[peer.ID][]string)
	for id, p := range r.state.partners {
		for _, w := range p.wants {
			_, err := r.shelf.get(w.cid)
			if err == nil && w.kind == message.WantBlock && w.promised() && !w.answersAbsence() {
				owed[id] = append(owed[id], "block "+name(w.cid))
			}
		}
	}
	return owed
}

// answersAbsence reports whether w is being told that the block is not there.
func (w *want) answersAbsence() bool {
	return (w.phase == phaseAnswer || w.phase == phaseAnswering) && !w.have
}

// declinable leaves out cancels, so that what is owed stays owed.
func declinable(entries []message.Entry) []message.Entry {
	var wants []message.Entry
	for _, e := range entries {
		if !e.Cancel {
			wants = append(wants, e)
		}
	}
	return wants
}

// A block that is promised is sent once, however often it is asked for.
func TestADrainKeepsAPromiseOnce(t *testing.T) {
	r := newRig(t, Limits{})
	r.shelf.put(letter("a"))
	r.want(alice, wantHave(letter("a")))
	r.run()
	r.drain()
	for range 3 {
		r.want(alice, orDontHave(wantBlock(letter("a"))))
		r.run()
	}
	require.Equal(t, []string{"have a", "block a", "dont-have a", "dont-have a"}, r.heard(alice))
}
