package engine

import (
	"math"
	"slices"
	"strings"
	"testing"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multihash"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/message"
)

// parse reads wants in short form: "b:a" is a want-block for block a, "h:" a
// want-have, "B:" and "H:" the same with a DONT_HAVE asked for, "c:" a cancel.
func parse(text string) []message.Entry {
	var entries []message.Entry
	for _, word := range strings.Fields(text) {
		kind, n, _ := strings.Cut(word, ":")
		b := letter(n)
		entries = append(entries, map[string]message.Entry{
			"b": wantBlock(b), "h": wantHave(b), "B": orDontHave(wantBlock(b)), "H": orDontHave(wantHave(b)), "c": cancel(b),
		}[kind])
	}
	return entries
}

// What a partner is sent for wants that come one after the other, when nothing
// was sent yet by the time of the last. Blocks a to e are there.
func TestWantsBeforeAnswers(t *testing.T) {
	for _, c := range []struct{ name, wants, said, left string }{
		{"want-block", "b:a", "block a", ""},
		{"want-have", "h:a", "have a", ""},
		{"absent, silent", "b:x h:y", "", "x y"},
		{"absent, asked", "B:x H:y", "dont-have x,dont-have y", "x y"},
		{"mixed", "B:a H:b B:x H:y", "block a,dont-have x,dont-have y,have b", "x y"},
		{"want-have, then want-block", "h:a b:b | b:a", "block a,block b", ""},
		{"want-block, then want-have", "b:a | h:a", "block a", ""},
		{"the same twice", "b:a h:b | b:a h:b", "block a,have b", ""},
		{"upgrade of something absent", "H:x | B:x", "dont-have x", "x"},
		{"DONT_HAVE asked for in one of two", "b:x | B:x | b:x", "dont-have x", "x"},
		{"cancel", "b:a h:b b:x | c:a c:b c:x", "", ""},
		{"cancel of one", "b:a b:b b:c | c:b", "block a,block c", ""},
		{"cancel of what was not wanted", "c:a", "", ""},
		{"cancel, then want", "b:a | c:a | b:a", "block a", ""},
		{"cancel wins in a message", "b:a c:a", "block a", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, Limits{})
			r.shelf.put(letter("a"), letter("b"), letter("c"), letter("d"), letter("e"))
			for part := range strings.SplitSeq(c.wants, "|") {
				r.want(alice, parse(part)...)
			}
			r.run()
			require.Equal(t, c.said, strings.Join(sortedWords(r.heard(alice)...), ","))
			require.Equal(t, c.left, strings.Join(r.list(alice), " "))
		})
	}
}

// The same, when everything was answered between one message and the next.
func TestWantsAfterAnswers(t *testing.T) {
	for _, c := range []struct{ name, wants, said, left string }{
		{"want-have, then want-block", "h:a | b:a", "have a,block a", ""},
		{"want-block, then want-have", "b:a | h:a", "block a,have a", ""},
		{"the same twice", "b:a | b:a", "block a,block a", ""},
		{"absent, asked again", "B:x | B:x", "dont-have x,dont-have x", "x"},
		{"absent, asked again in silence", "B:x | b:x", "dont-have x", "x"},
		{"absent, upgraded", "H:x | B:x", "dont-have x,dont-have x", "x"},
		{"absent, cancelled", "B:x | c:x", "dont-have x", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, Limits{})
			r.shelf.put(letter("a"))
			for part := range strings.SplitSeq(c.wants, "|") {
				r.want(alice, parse(part)...)
				r.run()
			}
			require.Equal(t, c.said, strings.Join(r.heard(alice), ","))
			require.Equal(t, c.left, strings.Join(r.list(alice), " "))
		})
	}
}

func TestUpgradeWhileTheHaveIsOnItsWaySendsTheBlock(t *testing.T) {
	r := newRig(t, Limits{})
	r.shelf.put(letter("a"))
	r.want(alice, parse("h:a")...)
	for r.collect(); len(r.inFlight) == 0; r.collect() {
		r.work(0)
	}
	r.want(alice, parse("b:a")...)
	r.run()
	require.Equal(t, []string{"have a", "block a"}, presencesFirst(r.heard(alice)))
	require.Empty(t, r.list(alice))
}

// presencesFirst puts presences before blocks, which go on another lane.
func presencesFirst(words []string) []string {
	slices.SortStableFunc(words, func(a, b string) int { return strings.Compare(b[:1], a[:1]) })
	return words
}

func TestCancelledWantsAreNotSentAndTheRestGoesByPriority(t *testing.T) {
	r := newRig(t, Limits{MessageBytes: 1})
	alphabet := "abcdefghijklmnopqrstuvwxyz"
	var wants, cancels []message.Entry
	for i, n := range strings.Split(alphabet, "") {
		r.shelf.put(letter(n))
		wants = append(wants, at(int32(math.MaxInt32-i), wantBlock(letter(n))))
		if !strings.Contains("aeiou", n) {
			cancels = append(cancels, cancel(letter(n)))
		}
	}
	slices.Reverse(wants)
	r.want(alice, wants...)
	r.want(alice, cancels...)
	r.run()
	require.Equal(t, []string{"block a", "block e", "block i", "block o", "block u"}, r.heard(alice))
}

func TestPriorityIsAnOrderOverAllIntegers(t *testing.T) {
	r := newRig(t, Limits{MessageBytes: 1})
	r.shelf.put(letter("a"), letter("b"), letter("c"), letter("d"))
	r.want(alice,
		at(math.MinInt32, wantBlock(letter("a"))), at(math.MaxInt32, wantBlock(letter("b"))),
		at(0, wantBlock(letter("c"))), at(-1, wantBlock(letter("d"))))
	r.run()
	require.Equal(t, []string{"block b", "block c", "block d", "block a"}, r.heard(alice))
}

func TestANewPriorityMovesAQueuedTask(t *testing.T) {
	r := newRig(t, Limits{MessageBytes: 1})
	bs := []blocks.Block{letter("a"), letter("b"), letter("c"), letter("d"), letter("e")}
	r.shelf.put(bs...)
	for i, b := range bs {
		r.want(alice, at(int32(100-i), wantBlock(b)))
	}
	for r.collect(); len(r.inFlight) < lane; r.collect() {
		r.work(0)
	}
	r.want(alice, at(1000, wantBlock(letter("e"))), at(1000, wantHave(letter("d"))))
	r.run()
	require.Equal(t, []string{"block a", "block b", "block e", "block c", "block d"}, r.heard(alice),
		"a want-have does not change the priority of a want-block")
}

func TestABlockThatArrivesAnswersEveryoneWhoWaits(t *testing.T) {
	r := newRig(t, Limits{})
	r.want(alice, parse("b:a")...)
	r.want(bob, parse("H:a")...)
	r.want(carol, parse("B:a")...)
	r.run()
	require.Empty(t, r.heard(alice))
	require.Equal(t, []string{"dont-have a"}, r.heard(bob))
	require.Equal(t, []string{"dont-have a"}, r.heard(carol))
	r.put(letter("a"))
	r.run()
	require.Equal(t, []string{"block a"}, r.heard(alice))
	require.Equal(t, []string{"have a"}, r.heard(bob))
	require.Equal(t, []string{"block a"}, r.heard(carol))
	r.put(letter("a"))
	r.run()
	for _, p := range []peer.ID{alice, bob, carol} {
		require.Empty(t, r.heard(p), "a want is answered once")
		require.Empty(t, r.list(p))
	}
}

func TestABlockThatArrivesDuringTheLookUpIsNotMissed(t *testing.T) {
	r := newRig(t, Limits{})
	r.want(alice, parse("B:a")...)
	r.collect()
	require.Len(t, r.jobs, 1)
	lookup := r.jobs[0].lookup
	r.worker.do(t.Context(), r.jobs[0]) // The store is asked before,
	r.put(letter("a"))                  // the block comes,
	r.jobs = nil
	r.state.looked(r.now, lookup) // and then the answer.
	r.run()
	require.Equal(t, []string{"block a"}, r.heard(alice))
}

func TestABlockThatArrivesBeforeTheDontHaveIsSentReplacesIt(t *testing.T) {
	r := newRig(t, Limits{})
	r.want(alice, parse("B:a")...)
	r.collect()
	r.work(0)
	r.put(letter("a"))
	r.run()
	require.Equal(t, []string{"block a"}, r.heard(alice))
}

func TestABlockDeletedBeforeItIsReadIsNotThere(t *testing.T) {
	r := newRig(t, Limits{})
	r.shelf.put(letter("a"), letter("b"))
	r.want(alice, parse("B:a B:b")...)
	r.collect()
	r.work(0) // the look-up
	delete(r.shelf.data, message.Multihash(letter("a").Cid()))
	r.run()
	require.Equal(t, []string{"block b", "dont-have a"}, sortedWords(r.heard(alice)...))
	r.put(letter("a"))
	r.run()
	require.Equal(t, []string{"block a"}, r.heard(alice))
}

func TestABlockDeletedAndStoredAgainWhileReadIsSent(t *testing.T) {
	r := newRig(t, Limits{})
	r.shelf.put(letter("a"))
	r.want(alice, parse("B:a")...)
	r.collect()
	r.work(0)
	r.collect()
	delete(r.shelf.data, message.Multihash(letter("a").Cid()))
	read := r.jobs[0]
	r.jobs = nil
	r.worker.do(t.Context(), read)
	r.put(letter("a"))
	r.state.read(r.now, read.read)
	r.run()
	require.Equal(t, []string{"block a"}, r.heard(alice))
}

func TestFullReplacesTheWantlist(t *testing.T) {
	r := newRig(t, Limits{})
	r.wantOnly(alice, parse("b:a h:b")...)
	r.run()
	r.wantOnly(alice, parse("b:c h:b")...)
	r.run()
	require.Equal(t, []string{"b", "c"}, r.list(alice))
	r.put(letter("a"))
	r.run()
	require.Empty(t, r.heard(alice))
	r.put(letter("b"), letter("c"))
	r.run()
	require.Equal(t, []string{"block c", "have b"}, sortedWords(r.heard(alice)...))
	r.want(alice, parse("b:x")...)
	r.wantOnly(alice)
	r.run()
	require.Empty(t, r.list(alice))
}

func TestFullTurnsAWantBlockIntoAWantHave(t *testing.T) {
	r := newRig(t, Limits{})
	r.want(alice, parse("b:a")...)
	r.run()
	r.wantOnly(alice, parse("h:a")...)
	r.run()
	r.put(letter("a"))
	r.run()
	require.Equal(t, []string{"have a"}, r.heard(alice))
}

func TestAccessIsDecidedPerPeerAndMayChange(t *testing.T) {
	r := newRig(t, Limits{})
	allowed := map[peer.ID]bool{alice: true}
	r.guard(func(p peer.ID, _ cid.Cid) bool { return allowed[p] })
	r.shelf.put(letter("a"), letter("b"))
	r.want(alice, parse("B:a H:b B:x")...)
	r.want(bob, parse("B:a H:b B:x")...)
	r.run()
	require.Equal(t, []string{"block a", "dont-have x", "have b"}, sortedWords(r.heard(alice)...))
	require.Equal(t, []string{"dont-have a", "dont-have b", "dont-have x"}, sortedWords(r.heard(bob)...))
	require.EqualValues(t, 3, r.state.stat.RefusedAccess)

	r.put(letter("x"))
	r.run()
	require.Equal(t, []string{"block x"}, r.heard(alice))
	require.Empty(t, r.heard(bob), "what arrives is refused as well")

	allowed[alice], allowed[bob] = false, true
	r.want(alice, parse("B:a")...)
	r.want(bob, parse("B:a")...)
	r.run()
	require.Equal(t, []string{"dont-have a"}, r.heard(alice))
	require.Equal(t, []string{"block a"}, r.heard(bob))
}

func TestAccessWithdrawnWhileQueuedIsRefused(t *testing.T) {
	r := newRig(t, Limits{})
	allowed := true
	r.guard(func(peer.ID, cid.Cid) bool { return allowed })
	r.shelf.put(letter("a"))
	r.want(alice, parse("B:a")...)
	r.collect()
	r.work(0)
	allowed = false
	r.run()
	require.Equal(t, []string{"dont-have a"}, r.heard(alice))
}

func TestSmallBlocksAnswerAWantHave(t *testing.T) {
	r := newRig(t, Limits{})
	small, large := sized("small", 1024), sized("large", 1025)
	r.shelf.put(small, large)
	r.want(alice, wantHave(small), wantHave(large))
	r.run()
	require.Equal(t, []string{"block small", "have large"}, sortedWords(r.heard(alice)...))
}

func TestAPeerThatExploresIsNotSentSmallBlocks(t *testing.T) {
	r := newRig(t, Limits{})
	small := sized("small", 10)
	r.shelf.put(small)
	r.want(alice, parse("b:1 b:2 b:3 b:4 b:5 b:6 b:7")...)
	r.run()
	r.want(alice, wantHave(small))
	r.run()
	require.Equal(t, []string{"have small"}, r.heard(alice))
}

func TestTheEmptyBlockIsServed(t *testing.T) {
	r := newRig(t, Limits{})
	empty := raw(nil)
	names.Store(empty.Cid(), "empty")
	r.shelf.put(empty)
	r.want(alice, orDontHave(wantBlock(empty)))
	r.run()
	require.Equal(t, []string{"block empty"}, r.heard(alice))
}

func TestBlocksUpToTheLimitAreServed(t *testing.T) {
	r := newRig(t, Limits{})
	largest, tooLarge := sized("largest", 2<<20), sized("too large", 2<<20+1)
	r.shelf.put(largest, tooLarge)
	r.want(alice, orDontHave(wantBlock(largest)), orDontHave(wantBlock(tooLarge)))
	r.run()
	require.Equal(t, []string{"block largest", "dont-have too large"}, sortedWords(r.heard(alice)...))
	require.EqualValues(t, 1, r.state.stat.RefusedSize)
}

// WIRE.md edge cases 1 and 13: each CID is answered as it was asked, from one
// stored block.
func TestEveryCIDOfTheSameBytesIsAnswered(t *testing.T) {
	stored := letter("a")
	digest := stored.Cid().Hash()
	asked := []cid.Cid{cid.NewCidV0(digest)}
	for codec := range uint64(100) {
		asked = append(asked, cid.NewCidV1(codec+0x50, digest))
	}
	for _, when := range []string{"stored before", "stored after"} {
		t.Run(when, func(t *testing.T) {
			r := newRig(t, Limits{})
			if when == "stored before" {
				r.shelf.put(stored)
			}
			for _, c := range asked {
				r.want(alice, message.Entry{CID: c})
			}
			r.run()
			if when == "stored after" {
				r.put(stored)
				r.run()
			}
			var got []cid.Cid
			for _, m := range r.messages {
				for _, b := range m.Blocks {
					got = append(got, b.Cid())
				}
			}
			require.ElementsMatch(t, asked, got)
		})
	}
}

func TestWhatCannotBeServedIsIgnored(t *testing.T) {
	long, err := multihash.Encode(make([]byte, 160), multihash.SHA2_512)
	require.NoError(t, err)
	identity, err := multihash.Sum([]byte("inlined"), multihash.IDENTITY, -1)
	require.NoError(t, err)
	unknown, err := multihash.Encode(make([]byte, 32), 0x300000)
	require.NoError(t, err)
	for _, c := range []struct {
		name  string
		entry message.Entry
	}{
		{"undefined", message.Entry{}},
		{"too long", message.Entry{CID: cid.NewCidV1(cid.Raw, long)}},
		{"identity", message.Entry{CID: cid.NewCidV1(cid.Raw, identity)}},
		{"unknown hash", message.Entry{CID: cid.NewCidV1(cid.Raw, unknown)}},
		{"unknown kind", message.Entry{CID: letter("z").Cid(), Type: 2}},
	} {
		for _, kind := range []message.WantType{message.WantBlock, message.WantHave} {
			t.Run(c.name, func(t *testing.T) {
				r := newRig(t, Limits{})
				r.shelf.put(letter("a"), letter("z"))
				bad := orDontHave(c.entry)
				bad.Type = max(bad.Type, kind)
				gone := bad
				gone.Cancel = true
				r.want(alice, bad, wantBlock(letter("a")))
				r.want(alice, gone)
				r.run()
				require.Equal(t, []string{"block a"}, r.heard(alice), "its neighbour is served")
				require.EqualValues(t, 1, r.state.stat.RefusedCID)
				require.Empty(t, r.list(alice))
			})
		}
	}
}

func TestOldPeersGetBlocksAndNothingElse(t *testing.T) {
	for _, v := range []message.Version{message.Unversioned, message.V100, message.V110} {
		r := newRig(t, Limits{})
		r.state.peer(r.now, peerState{id: alice, connected: true, version: v, generation: 1})
		r.shelf.put(letter("a"), letter("b"), sized("small", 10))
		r.want(alice, parse("b:a H:b B:x")...)
		r.want(alice, wantHave(sized("small", 10)))
		r.run()
		require.Equal(t, []string{"block a"}, r.heard(alice))
		r.put(letter("x"))
		r.run()
		require.Equal(t, []string{"block x"}, r.heard(alice))
	}
}

func TestAPeerThatTurnsOutToBeOldIsOwedNothingItCannotRead(t *testing.T) {
	r := newRig(t, Limits{})
	r.shelf.put(letter("a"))
	r.want(alice, parse("h:a B:x")...)
	r.collect()
	r.work(0)
	r.state.peer(r.now, peerState{id: alice, connected: true, version: message.V110, generation: 1})
	r.run()
	require.Empty(t, r.heard(alice))
	require.Equal(t, []string{"x"}, r.list(alice))
}

func TestTheLedgerIsToldWhatWasSent(t *testing.T) {
	r := newRig(t, Limits{})
	r.shelf.put(letter("a"), letter("b"))
	r.want(alice, parse("b:a b:b")...)
	r.run()
	require.EqualValues(t, 2*4096, r.sent[alice])
	stat := r.state.snapshot()
	require.EqualValues(t, 2, stat.BlocksSent)
	require.EqualValues(t, 2*4096, stat.DataSent)
	require.Zero(t, stat.InFlightBytes)
}
