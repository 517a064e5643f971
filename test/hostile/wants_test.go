package hostile

import (
	"flag"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/test/internal/corpus"
)

var full = flag.Bool("full", false, "use the largest numbers")

// size returns the largest number when it is asked for, and one that takes a
// moment otherwise.
func size(moment, largest int) int {
	if *full {
		return largest
	}
	return moment
}

// mostWants is how many a peer may have here: tasks, subscriptions, and what one
// message may hold.
const mostWants = 16_384 + 16_384 + 65_536

// A wantlist takes a bounded place, whatever is in it, and does not keep its sender
// from being served.
func TestLargeWantlists(t *testing.T) {
	list := func(n int, more ...[]byte) []byte {
		return frame(wantlist(append(more, each(n, func(i int) []byte { return entry(absent(i).Bytes()) }))...))
	}
	runAll(t, []badInput{
		{
			name: "full, of 65,000", attack: sending(list(65_000, number(listFull, 1))),
			then: func(x *attacker) { x.wantsAtMost(mostWants) },
		},
		{
			name: "full, of 100,000", attack: sending(list(100_000, number(listFull, 1))),
			then:   func(x *attacker) { require.Zero(x.t, len(x.node.WantsOf(x.host.ID()))) },
			faults: faults(message.FaultTooMany), once: true,
		},
	})
}

// wantsAtMost checks how many wants the node keeps of the peer, which it serves all
// the same.
func (x *attacker) wantsAtMost(n int) {
	x.t.Helper()
	time.Sleep(time.Second)
	kept := len(x.node.WantsOf(x.host.ID()))
	require.Positive(x.t, kept)
	require.LessOrEqual(x.t, kept, n)
	require.True(x.t, x.served())
}

// What the last message says is what counts.
func TestWantsThatChange(t *testing.T) {
	first, second := corpus.Blocks(11, 1, 1000)[0], corpus.Blocks(12, 1, 1000)[0]
	putBoth := func(x *attacker) {
		time.Sleep(time.Second)
		require.NoError(x.t, x.node.Put(x.t.Context(), first, second))
		time.Sleep(time.Second)
	}
	comes := func(want ...blocks.Block) func(x *attacker) {
		return func(x *attacker) {
			putBoth(x)
			bytes := []string{}
			for _, b := range want {
				bytes = append(bytes, string(b.RawData()))
			}
			require.ElementsMatch(x.t, bytes, x.heard().order)
			require.Zero(x.t, len(x.node.WantsOf(x.host.ID())))
		}
	}
	e := func(b blocks.Block, more ...[]byte) []byte { return entry(b.Cid().Bytes(), more...) }
	withdrawn := number(entryCancel, 1)
	runAll(t, []badInput{
		{
			name:   "a full list replaces the one before",
			attack: sending(frame(wantlist(e(first), number(listFull, 1))), frame(wantlist(e(second), number(listFull, 1)))),
			then:   comes(second),
		},
		{name: "an empty full list", attack: sending(frame(wantlist(e(first))), frame(wantlist(number(listFull, 1)))), then: comes()},
		{name: "the same want three times", attack: sending(frame(wantlist(e(first), e(first), e(first)))), then: comes(first)},
		{name: "want-have, then want-block", attack: sending(frame(wantlist(e(first, number(entryType, 1)), e(first)))), then: comes(first)},
		{name: "want, then cancel in one message", attack: sending(frame(wantlist(e(first), e(first, withdrawn)))), then: comes()},
		{name: "cancel, then want in one message", attack: sending(frame(wantlist(e(first, withdrawn), e(first)))), then: comes()},
		{name: "want, then cancel in two", attack: sending(frame(wants(first.Cid(), second.Cid())), frame(cancels(first.Cid()))), then: comes(second)},
		{name: "cancel of what was never wanted", attack: sending(frame(cancels(absents(60_000)...))), then: comes()},
		{
			name:   "types of versions to come",
			attack: sending(frame(wantlist(e(first, number(entryType, 2)), e(first, number(entryType, 1<<31)), e(second)))),
			then:   comes(second),
		},
	})
}

func TestPriorities(t *testing.T) {
	priorities := []int32{math.MinInt32, -1, 0, 1, math.MaxInt32}
	runAll(t, []badInput{
		{
			name: "all there are",
			attack: func(x *attacker) {
				x.sends(frame(wantlist(each(len(priorities), func(i int) []byte {
					return entry(x.data[i].Cid().Bytes(), signed(entryPriority, priorities[i]))
				}))))
			},
			then: func(x *attacker) {
				x.expect("all are served", func(g got) bool { return len(g.order) == len(priorities) })
				for i, b := range x.heard().order {
					require.Equal(x.t, string(x.data[len(priorities)-1-i].RawData()), b, "the highest first")
				}
			},
		},
		{
			name: "all the same",
			attack: func(x *attacker) {
				x.sends(frame(wantlist(each(len(x.data), func(i int) []byte {
					return entry(x.data[i].Cid().Bytes(), signed(entryPriority, math.MaxInt32))
				}))))
			},
			then: func(x *attacker) {
				x.expect("all are served", func(g got) bool { return len(g.order) == len(x.data) })
			},
		},
	})
}

// Ten thousand wants and as many cancels a second leave nothing behind, and what is
// withdrawn stays so.
func TestChurn(t *testing.T) {
	runAll(t, []badInput{{
		name: "want and cancel of the same",
		attack: func(x *attacker) {
			cs := append(corpus.CIDs(x.data), absents(36)...)
			var frames [][]byte
			for range 100 {
				frames = append(frames, frame(wants(cs...)), frame(cancels(cs...)))
			}
			x.sends(frames...)
		},
		then: func(x *attacker) {
			time.Sleep(time.Second)
			require.Zero(x.t, len(x.node.WantsOf(x.host.ID())))
			require.Zero(x.t, x.metric("souk_held_bytes wants"))
			sent := len(x.heard().order)
			require.NoError(x.t, x.node.Put(x.t.Context(), x.data...))
			time.Sleep(time.Second)
			require.Len(x.t, x.heard().order, sent)
		},
	}})
}

// A want and the Put of its block may cross in every way.
func TestWantsThatCrossAPut(t *testing.T) {
	runAll(t, []badInput{{
		name: "within a round trip",
		attack: func(x *attacker) {
			dice := rand.New(rand.NewPCG(3, 3))
			trials := size(400, 10_000)
			s := x.open()
			for _, b := range corpus.Blocks(13, trials, 100) {
				_, err := s.Write(frame(wants(b.Cid())))
				require.NoError(x.t, err)
				time.Sleep(time.Duration(dice.Int64N(int64(link.RoundTrip))))
				require.NoError(x.t, x.node.Put(x.t.Context(), b))
			}
			time.Sleep(time.Second)
			require.Len(x.t, x.heard().blocks, trials)
			require.Len(x.t, x.heard().order, trials, "each once")
			require.NoError(x.t, s.Close())
		},
	}})
}
