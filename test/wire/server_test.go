package wire

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ipfs/boxo/bitswap/message"
	pb "github.com/ipfs/boxo/bitswap/message/pb"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/exchanges"
	"github.com/souk-p2p/souk/test/sim"
)

const alphabet = "abcdefghijklmnopqrstuvwxyz"

// What is withdrawn before it was read is not sent, and the rest goes by
// priority. boxo has its eight workers send side by side, in no order.
func TestCancelledWantsAreNotSentAndTheRestGoesByPriority(t *testing.T) {
	for _, cancels := range []string{"", "aeiou", "bcdfghjklmnpqrstvwxyz", alphabet} {
		t.Run("without "+cancels, func(t *testing.T) {
			play(t, func(t *testing.T, w *sim.World) {
				server, g := gated(t, w, exchanges.MakeSouk)
				partner := w.Recorder(lan, nil)
				w.Put(server, letters(alphabet)...)
				w.Connect(partner.Node, server)
				w.Settle()
				g.hold(&g.sizes)
				partner.Tell(server, ask{blocks: alphabet, dontHave: true}.message())
				w.Pass(time.Second)
				partner.Tell(server, ask{cancels: cancels}.message())
				w.Pass(time.Second)
				g.release(&g.sizes)
				w.Pass(time.Second)
				kept := strings.Map(func(r rune) rune {
					if strings.ContainsRune(cancels, r) {
						return -1
					}
					return r
				}, alphabet)
				require.Equal(t, kept, spell(partner.Heard(), sim.Block, sim.DontHave))
			})
		})
	}
}

// Priorities are an order over all integers of 32 bits.
func TestTheHighestPriorityComesFirst(t *testing.T) {
	play(t, func(t *testing.T, w *sim.World) {
		server, g := gated(t, w, exchanges.MakeSouk)
		partner := w.Recorder(lan, nil)
		w.Put(server, letters("abcde")...)
		w.Connect(partner.Node, server)
		w.Settle()
		g.hold(&g.sizes)
		m := message.New(false)
		for r, priority := range map[rune]int32{'c': 0, 'a': 1<<31 - 1, 'e': -1 << 31, 'b': 1, 'd': -1} {
			m.AddEntry(letter(r).Cid(), priority, pb.Message_Wantlist_Block, false)
		}
		partner.Tell(server, m)
		w.Pass(time.Second)
		g.release(&g.sizes)
		w.Pass(time.Second)
		require.Equal(t, "abcde", spell(partner.Heard(), sim.Block))
	})
}

// A want stays until its block comes: who asked is answered then, with the block
// or with HAVE as it asked, and what is not there is answered DONT_HAVE once if
// that was asked for.
func TestBlocksThatComeLaterAnswerWhoWaits(t *testing.T) {
	each(t, both, func(t *testing.T, w *sim.World, m exchanges.Make) {
		server, partner, other := w.Node(m, lan), w.Recorder(lan, nil), w.Recorder(lan, nil)
		w.Connect(partner.Node, server)
		w.Connect(other.Node, server)
		w.Settle()
		partner.Tell(server, ask{haves: "a", blocks: "b"}.message(), ask{haves: "c", blocks: "d", dontHave: true}.message())
		w.Pass(time.Second)
		require.Equal(t, answer{dontHaves: "cd"}, answered(partner.Take()))
		w.Put(server, letters("abcdz")...)
		w.Pass(time.Second)
		require.Equal(t, answer{blocks: "bd", haves: "ac"}, answered(partner.Take()))
		require.Empty(t, other.Heard())
	})
}

// A want is answered by the block once, and is gone with it: putting the block
// again tells nobody.
func TestAnAnsweredWantIsGone(t *testing.T) {
	each(t, both, func(t *testing.T, w *sim.World, m exchanges.Make) {
		server, partner := opposite(w, m)
		partner.Tell(server, ask{haves: "a", blocks: "b"}.message())
		w.Pass(time.Second)
		for range 3 {
			w.Put(server, letters("ab")...)
			w.Pass(time.Second)
		}
		require.Equal(t, answer{blocks: "b", haves: "a"}, answered(partner.Heard()))
		require.Empty(t, server.Exchange.WantsOf(partner.ID()))
	})
}

// A want-have for what is wanted as a block already changes nothing: the block
// comes once, and no HAVE.
func TestAWantHaveDoesNotReplaceAWantBlock(t *testing.T) {
	each(t, both, func(t *testing.T, w *sim.World, m exchanges.Make) {
		server, partner := opposite(w, m)
		partner.Open(server).Say(ask{blocks: "a"}.message(), ask{haves: "a"}.message())
		w.Pass(time.Second)
		w.Put(server, letters("a")...)
		w.Pass(time.Second)
		want := answer{blocks: "a"}
		if m == exchanges.MakeBoxo {
			want = answer{haves: "a"} // It keeps the last kind that was asked.
		}
		require.Equal(t, want, answered(partner.Heard()))
	})
}

// What a peer wants is listed by priority, for that peer alone, and forgotten
// when it leaves.
func TestTheWantlistOfAPeer(t *testing.T) {
	each(t, both, func(t *testing.T, w *sim.World, m exchanges.Make) {
		server, partner, other := w.Node(m, lan), w.Recorder(lan, nil), w.Recorder(lan, nil)
		w.Connect(partner.Node, server)
		w.Connect(other.Node, server)
		w.Settle()
		list := message.New(false)
		list.AddEntry(letter('b').Cid(), 2, pb.Message_Wantlist_Have, false)
		list.AddEntry(letter('c').Cid(), 3, pb.Message_Wantlist_Have, false)
		more := message.New(false)
		more.AddEntry(letter('a').Cid(), -1, pb.Message_Wantlist_Block, false)
		more.AddEntry(letter('d').Cid(), 4, pb.Message_Wantlist_Block, false)
		partner.Tell(server, list, more)
		w.Pass(time.Second)
		require.Empty(t, server.Exchange.WantsOf(other.ID()))
		wants := server.Exchange.WantsOf(partner.ID())
		if m == exchanges.MakeSouk {
			require.Equal(t, cids("dcba"), wants)
		}
		require.ElementsMatch(t, cids("dcba"), wants)
		w.Disconnect(partner.Node, server)
		w.Pass(5 * time.Second)
		require.Empty(t, server.Exchange.WantsOf(partner.ID()))
	})
}

// permits is who may have what, and may change.
type permits struct {
	mu      sync.Mutex
	allowed map[peer.ID]string
}

func (a *permits) set(p peer.ID, s string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.allowed == nil {
		a.allowed = make(map[peer.ID]string)
	}
	a.allowed[p] = s
}

func (a *permits) allow(p peer.ID, c cid.Cid) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return strings.Contains(a.allowed[p], names[c])
}

// A refusal looks exactly like a block that is not there, decided for each peer
// and each CID. The steps are one peer's, and its permits may change between them.
func TestAccessIsDecidedPerPeerAndMayChange(t *testing.T) {
	type step struct {
		permits string
		ask     ask
		answer  answer
	}
	for name, steps := range map[string][]step{
		"everything, want-block": {{"abcd", ask{blocks: "a"}, answer{blocks: "a"}}},
		"everything, want-have":  {{"abcd", ask{haves: "b1"}, answer{haves: "b", dontHaves: "1"}}},
		"some, want-have":        {{"cd", ask{haves: "ac"}, answer{haves: "c", dontHaves: "a"}}},
		"some, want-block":       {{"cd", ask{blocks: "bd"}, answer{blocks: "d", dontHaves: "b"}}},
		"one":                    {{"d", ask{haves: "a", blocks: "bcd1"}, answer{blocks: "d", dontHaves: "1abc"}}},
		"nothing and then a block": {
			{"", ask{blocks: "a"}, answer{dontHaves: "a"}},
			{"a", ask{blocks: "a"}, answer{blocks: "a"}},
		},
		"less than before": {
			{"bc", ask{haves: "bc"}, answer{haves: "bc"}},
			{"c", ask{blocks: "bc"}, answer{blocks: "c", dontHaves: "b"}},
		},
		"nothing and then a HAVE": {
			{"", ask{haves: "d"}, answer{dontHaves: "d"}},
			{"d", ask{haves: "d"}, answer{haves: "d"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(t *testing.T, w *sim.World) {
				var permits permits
				server := soukWith(t, w, souk.WithAccess(permits.allow))
				partner, friend := w.Recorder(lan, nil), w.Recorder(lan, nil)
				permits.set(friend.ID(), alphabet)
				w.Put(server, letters("abcd")...)
				w.Connect(partner.Node, server)
				w.Connect(friend.Node, server)
				w.Settle()
				for _, s := range steps {
					permits.set(partner.ID(), s.permits)
					s.ask.dontHave = true
					partner.Tell(server, s.ask.message())
					w.Pass(time.Second)
					require.Equal(t, s.answer, answered(partner.Take()))
				}
				friend.Tell(server, ask{blocks: "abcd"}.message())
				w.Pass(time.Second)
				require.Equal(t, answer{blocks: "abcd"}, answered(friend.Heard()))
			})
		})
	}
}

// A peer with one small want is served beside peers who want much: it waits for
// a few blocks and not for all of theirs.
func TestAPeerWithOneWantIsServedBesideHeavyOnes(t *testing.T) {
	each(t, both, func(t *testing.T, w *sim.World, m exchanges.Make) {
		server := w.Node(m, sim.Link{RoundTrip: lan.RoundTrip, Bandwidth: 5 * mbs})
		heavy, light := make([]*sim.Recorder, 10), w.Recorder(lan, nil)
		data := corpus.Blocks(1, 50, 16*kib)
		w.Put(server, data...)
		w.Put(server, letters("a")...)
		for i := range heavy {
			heavy[i] = w.Recorder(lan, nil)
			w.Connect(heavy[i].Node, server)
		}
		w.Connect(light.Node, server)
		w.Settle()
		for _, h := range heavy {
			h.Tell(server, wants(data))
		}
		w.Pass(2 * time.Second)
		before := heard(heavy)
		light.Tell(server, ask{blocks: "a"}.message())
		for range 1000 {
			if len(light.Heard()) > 0 {
				break
			}
			w.Pass(10 * time.Millisecond)
		}
		require.Len(t, light.Heard(), 1)
		require.LessOrEqual(t, heard(heavy)-before, 4*len(heavy), "blocks went before it")
		w.Pass(2 * time.Minute)
		require.Equal(t, len(heavy)*len(data), heard(heavy), "and are served all the same")
	})
}

func heard(rs []*sim.Recorder) int {
	var n int
	for _, r := range rs {
		n += len(kinds(r.Heard(), sim.Block))
	}
	return n
}
