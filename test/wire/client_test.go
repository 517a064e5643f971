package wire

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ipfs/boxo/bitswap/message"
	pb "github.com/ipfs/boxo/bitswap/message/pb"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/session"
	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/exchanges"
	"github.com/souk-p2p/souk/test/sim"
)

// holders returns those of the peers at which a want for the block stands.
func holders(c cid.Cid, peers ...*sim.Recorder) []*sim.Recorder {
	var at []*sim.Recorder
	for _, p := range peers {
		if p.Wants()[c] == sim.WantBlock {
			at = append(at, p)
		}
	}
	return at
}

// other returns the one of two peers that is not p.
func other(p *sim.Recorder, a, b *sim.Recorder) *sim.Recorder {
	if p == a {
		return b
	}
	return a
}

// connected adds peers without scripts that are connected to the client.
func connected(w *sim.World, client *sim.Node, count int, script sim.Script) []*sim.Recorder {
	peers := make([]*sim.Recorder, count)
	for i := range peers {
		peers[i] = w.Recorder(lan, script)
		w.Connect(client, peers[i].Node)
	}
	w.Settle()
	return peers
}

// While the peers are silent, each block is asked of one of them and no more.
func TestABlockIsAskedOfOnePeerOnly(t *testing.T) {
	play(t, func(t *testing.T, w *sim.World) {
		client := w.Node(exchanges.MakeSouk, lan)
		peers := connected(w, client, 3, nil)
		w.Call(client, cids("abc"), peers[0].Node, peers[1].Node, peers[2].Node)
		w.Pass(time.Second)
		var asked string
		for _, p := range peers {
			asked += spell(p.Heard(), sim.WantBlock)
			require.Equal(t, "abc", sorted(spell(p.Heard(), sim.WantBlock, sim.WantHave)), "the others are asked whether they have it")
		}
		require.Equal(t, "abc", sorted(asked))
	})
}

// The first question of a session goes to all connected peers of the first wave
// at once: one is asked for the block, the others whether they have it. A peer
// that is left out would be asked only when the others have been silent for long.
func TestTheFirstQuestionGoesToEveryConnectedPeer(t *testing.T) {
	repeat(t, 10, func(t *testing.T, w *sim.World) {
		client := w.Node(exchanges.MakeSouk, lan)
		peers := connected(w, client, 4, nil)
		w.Call(client, cids("abc"))
		w.Pass(lan.RoundTrip)
		var blocks, haves string
		for _, p := range peers {
			blocks += spell(p.Heard(), sim.WantBlock)
			haves += spell(p.Heard(), sim.WantHave)
		}
		require.Len(t, blocks, 1)
		require.Equal(t, strings.Repeat(blocks, 3), haves)
	})
}

// Peers that are alike are asked for their share and left in peace: the sizes of
// the blocks are not known at first, and nothing may be taken from a peer because
// of a guess. That an answer and the decision to ask another cross may happen now
// and then: at the end of a fetch, of one block in six at most.
func TestPeersThatAreAlikeShareWithoutDuplicates(t *testing.T) {
	for _, m := range both {
		t.Run(string(m), func(t *testing.T) {
			var asked, duplicates int
			repeat(t, 5, func(t *testing.T, w *sim.World) {
				client := w.Node(m, lan)
				peers := connected(w, client, 3, sim.Serve(letters(alphabet)))
				w.Fetch(client, letters(alphabet), peers[0].Node, peers[1].Node, peers[2].Node)
				w.Pass(5 * time.Second)
				for _, p := range peers {
					asked += len(spell(p.Heard(), sim.WantBlock))
					require.Empty(t, p.Wants(), "nothing is left at a peer")
				}
				duplicates += int(client.Exchange.Counters().DupBlocks)
			})
			require.InDelta(t, 5*len(alphabet), asked, 5*float64(len(alphabet))/6)
			require.LessOrEqual(t, duplicates, 5*4, "of blocks of a byte, that come together")
		})
	}
}

// While a peer owes the block nobody else is asked for it. When it refuses, the
// other is, at once, and for that block alone.
func TestARefusalMovesTheWantToTheOtherPeer(t *testing.T) {
	play(t, func(t *testing.T, w *sim.World) {
		client := w.Node(exchanges.MakeSouk, lan)
		peers := connected(w, client, 2, nil)
		w.Call(client, cids("ab"), peers[0].Node, peers[1].Node)
		w.Pass(200 * time.Millisecond)
		first := holders(letter('a').Cid(), peers...)
		require.Len(t, first, 1)
		require.Len(t, holders(letter('b').Cid(), peers...), 1)
		second := other(first[0], peers[0], peers[1])
		first[0].Tell(client, answer{dontHaves: "a"}.message())
		w.Pass(2 * lan.RoundTrip)
		require.Equal(t, sim.WantBlock, second.Wants()[letter('a').Cid()])
		require.Len(t, holders(letter('b').Cid(), peers...), 1)
	})
}

// A peer that sends one block and refuses another, and one that says that it has
// both: only what is missing is asked of the second.
func TestWhatHasComeIsNotAskedOfOthers(t *testing.T) {
	play(t, func(t *testing.T, w *sim.World) {
		client := w.Node(exchanges.MakeSouk, lan)
		peers := connected(w, client, 2, nil)
		call := w.Call(client, cids("a"), peers[0].Node, peers[1].Node)
		w.Pass(200 * time.Millisecond)
		first := holders(letter('a').Cid(), peers...)[0]
		second := other(first, peers[0], peers[1])
		first.Tell(client, answer{blocks: "a"}.message())
		second.Tell(client, answer{haves: "a"}.message())
		w.Pass(time.Second)
		require.Equal(t, cids("a"), call.Got())
		require.Empty(t, spell(second.Heard(), sim.WantBlock))
		require.Empty(t, second.Wants())
	})
}

// Giving a call up withdraws each want once, at every peer that was told of it,
// and closes the channel at once; what comes then is dropped and nobody's fault.
func TestACancelledCallWithdrawsEveryWantOnce(t *testing.T) {
	each(t, both, func(t *testing.T, w *sim.World, m exchanges.Make) {
		client := w.Node(m, lan)
		peers := connected(w, client, 3, nil)
		call := w.Call(client, cids(alphabet))
		w.Pass(300 * time.Millisecond)
		cancelled := time.Now()
		call.Cancel()
		w.Pass(10 * time.Second)
		require.WithinDuration(t, cancelled, call.Ended(), 0)
		for _, p := range peers {
			told := distinct(spell(p.Heard(), sim.WantBlock, sim.WantHave))
			require.NotEmpty(t, told)
			require.Equal(t, told, sorted(spell(p.Heard(), sim.Cancel)))
		}
		peers[0].Tell(client, answer{blocks: distinct(spell(peers[0].Heard(), sim.WantBlock, sim.WantHave))}.message())
		w.Pass(time.Second)
		for _, b := range letters(alphabet) {
			has, err := client.Exchange.Has(t.Context(), b.Cid())
			require.NoError(t, err)
			require.False(t, has)
		}
		require.Empty(t, call.Got())
	})
}

// distinct puts the letters of a word in order, each once.
func distinct(s string) string {
	var once []byte
	for _, c := range []byte(sorted(s)) {
		if len(once) == 0 || once[len(once)-1] != c {
			once = append(once, c)
		}
	}
	return string(once)
}

// Two calls for the same blocks are one want on the wire, and the first to be
// given up takes only what is its own.
func TestWantsOfSeveralSessionsAreMerged(t *testing.T) {
	each(t, both, func(t *testing.T, w *sim.World, m exchanges.Make) {
		client := w.Node(m, lan)
		peer := connected(w, client, 1, nil)[0]
		one := w.Call(client, cids("ab"), peer.Node)
		w.Call(client, cids("bc"), peer.Node)
		w.Pass(400 * time.Millisecond)
		heard := spell(peer.Heard(), sim.WantBlock, sim.WantHave)
		require.Equal(t, distinct(heard), sorted(heard), "each once")
		before := len(peer.Wants())
		one.Cancel()
		w.Pass(400 * time.Millisecond)
		cancelled := spell(peer.Heard(), sim.Cancel)
		if m == exchanges.MakeSouk {
			require.Equal(t, 3, before)
			require.Equal(t, "a", cancelled)
		}
		require.NotContains(t, cancelled, "b")
		require.NotContains(t, cancelled, "c")
	})
}

// A want that did not go out yet is withdrawn without a word.
func TestAWantThatWasNotWrittenIsNotCancelled(t *testing.T) {
	play(t, func(t *testing.T, w *sim.World) {
		client := w.Node(exchanges.MakeSouk, lan)
		peer := connected(w, client, 1, nil)[0]
		call := w.Call(client, corpus.CIDs(corpus.Blocks(1, 1000, kib)), peer.Node)
		w.Pass(300 * time.Millisecond)
		wanted := kinds(peer.Heard(), sim.WantBlock)
		require.Less(t, len(wanted), 1000)
		call.Cancel()
		w.Pass(5 * time.Second)
		require.ElementsMatch(t, wanted, kinds(peer.Heard(), sim.Cancel))
		require.ElementsMatch(t, wanted, kinds(peer.Heard(), sim.WantBlock))
	})
}

// A want that follows its cancel counts, whichever of the two is written.
func TestAWantAfterItsCancelCounts(t *testing.T) {
	each(t, both, func(t *testing.T, w *sim.World, m exchanges.Make) {
		client := w.Node(m, lan)
		peer := connected(w, client, 1, nil)[0]
		for range 5 {
			call := w.Call(client, cids("abc"), peer.Node)
			w.Pass(50 * time.Millisecond)
			call.Cancel()
		}
		again := w.Call(client, cids("abc"), peer.Node)
		w.Pass(time.Second)
		require.Len(t, peer.Wants(), 3)
		peer.Tell(client, answer{blocks: "abc"}.message())
		w.Pass(time.Second)
		require.ElementsMatch(t, cids("abc"), again.Got())
		require.Empty(t, peer.Wants())
	})
}

// The priority of a session is that of its wants on the wire, and the higher goes
// out first.
func TestThePriorityOfASessionIsOnTheWire(t *testing.T) {
	play(t, func(t *testing.T, w *sim.World) {
		client := w.Node(exchanges.MakeSouk, lan)
		peer := connected(w, client, 1, nil)[0]
		x := client.Exchange.(*exchanges.Souk)
		for r, priority := range map[string]int32{"a": 7, "b": 0, "c": -3} {
			s := x.NewSession(t.Context(), session.WithPeers(peer.ID()), session.WithPriority(priority))
			_, err := s.GetBlocks(t.Context(), cids(r))
			require.NoError(t, err)
		}
		w.Pass(300 * time.Millisecond)
		priorities := make(map[string]int32)
		for _, e := range peer.Heard() {
			priorities[names[e.CID]] = e.Priority
		}
		require.Equal(t, map[string]int32{"a": 7, "b": 0, "c": -3}, priorities)
	})
}

// When the stream that carried the wants is reset, all that still stand are
// written again, with the cancels of late, and nothing else.
func TestWhatALostStreamCarriedIsWrittenAgain(t *testing.T) {
	play(t, func(t *testing.T, w *sim.World) {
		client := w.Node(exchanges.MakeSouk, lan)
		peer := connected(w, client, 1, nil)[0]
		kept, given := w.Call(client, cids("ab"), peer.Node), w.Call(client, cids("cd"), peer.Node)
		w.Pass(300 * time.Millisecond)
		peer.Tell(client, answer{blocks: "b"}.message())
		w.Pass(100 * time.Millisecond) // The fourth want had no room in the first window.
		given.Cancel()
		w.Pass(100 * time.Millisecond)
		require.Equal(t, "abcd", sorted(spell(peer.Take(), sim.WantBlock)))
		peer.Cut()
		w.Pass(300 * time.Millisecond)
		again := peer.Take()
		require.Equal(t, "a", spell(again, sim.WantBlock))
		require.Equal(t, "cd", sorted(spell(again, sim.Cancel)))
		require.Len(t, again, 3)
		require.Equal(t, 2, peer.Streams())
		peer.Tell(client, answer{blocks: "a"}.message())
		w.Pass(time.Second)
		require.ElementsMatch(t, cids("ab"), kept.Got())
	})
}

// A peer that comes back is asked again for all that it was asked, and not for
// what was withdrawn in between.
func TestAPeerThatReconnectsIsAskedAgain(t *testing.T) {
	each(t, both, func(t *testing.T, w *sim.World, m exchanges.Make) {
		client := w.Node(m, lan)
		peer := connected(w, client, 1, nil)[0]
		kept, given := w.Call(client, cids("ab"), peer.Node), w.Call(client, cids("cd"), peer.Node)
		w.Pass(500 * time.Millisecond)
		w.Disconnect(client, peer.Node)
		w.Pass(500 * time.Millisecond)
		given.Cancel()
		peer.Take()
		w.Connect(client, peer.Node)
		w.Pass(5 * time.Second)
		require.Equal(t, "ab", distinct(spell(peer.Take(), sim.WantBlock, sim.WantHave)))
		peer.Tell(client, answer{blocks: "ab"}.message())
		w.Pass(time.Second)
		require.ElementsMatch(t, cids("ab"), kept.Got())
	})
}

// However much is wanted, at most 512 wants of one peer are unanswered and 256
// stand answered, no message has more than 2,048 entries or 2 MiB, and every want
// is asked.
func TestALongWantlistIsSplit(t *testing.T) {
	play(t, func(t *testing.T, w *sim.World) {
		client, peer := w.Node(exchanges.MakeSouk, lan), w.Recorder(lan, sim.Serve(nil))
		w.Connect(client, peer.Node)
		w.Settle()
		absent := corpus.CIDs(corpus.Blocks(1, 5000, 8))
		call := w.Call(client, absent, peer.Node)
		w.Pass(time.Minute)
		require.NotZero(t, call.Ended())
		for _, f := range peer.Frames() {
			require.LessOrEqual(t, len(f.Message.GetWantlist().GetEntries()), 2048)
			require.Less(t, len(f.Bytes), 2<<20)
		}
		require.Equal(t, keys(absent), keys(kinds(peer.Heard(), sim.WantBlock)), "each once")
		unanswered, standing := most(peer)
		require.LessOrEqual(t, unanswered, 512)
		require.LessOrEqual(t, standing, 512+256)
		require.Empty(t, peer.Wants())
	})
}

// most returns how many wants of a peer stood unanswered at most, and how many
// stood at all.
func most(p *sim.Recorder) (unanswered, standing int) {
	open, all := make(map[cid.Cid]bool), make(map[cid.Cid]bool)
	for _, e := range p.Log() {
		switch {
		case !e.Said && e.Kind == sim.WantBlock:
			open[e.CID], all[e.CID] = true, true
		case !e.Said && e.Kind == sim.Cancel:
			delete(open, e.CID)
			delete(all, e.CID)
		case e.Said:
			delete(open, e.CID)
		}
		unanswered, standing = max(unanswered, len(open)), max(standing, len(all))
	}
	return unanswered, standing
}

// keys puts CIDs in an order of their own.
func keys(cs []cid.Cid) []string {
	all := make([]string, len(cs))
	for i, c := range cs {
		all[i] = c.KeyString()
	}
	slices.Sort(all)
	return all
}

// A peer of an old version is asked for blocks alone, without a word of
// DONT_HAVE, and its silence stands for it: another is asked.
func TestAPeerOfAnOldVersionIsAskedForBlocksAlone(t *testing.T) {
	for _, version := range []string{"/ipfs/bitswap/1.1.0", "/ipfs/bitswap/1.0.0", "/ipfs/bitswap"} {
		t.Run(version, func(t *testing.T) {
			each(t, both, func(t *testing.T, w *sim.World, m exchanges.Make) {
				client := w.Node(m, lan)
				data := corpus.V0(1, 10, kib)
				serve := sim.Serve(data)
				old := w.Recorder(lan, func(e message.Entry, a message.BitSwapMessage) {
					if e.WantType == pb.Message_Wantlist_Block {
						serve(e, a)
					}
				}, protocol.ID(version))
				w.Connect(client, old.Node)
				w.Settle()
				w.Fetch(client, data)
				require.Empty(t, kinds(old.Heard(), sim.WantHave))
				if m == exchanges.MakeSouk {
					for _, e := range old.Heard() {
						require.False(t, e.SendDontHave)
					}
				}
			})
		})
	}
}
