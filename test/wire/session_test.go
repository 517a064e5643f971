package wire

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ipfs/boxo/bitswap/message"
	pb "github.com/ipfs/boxo/bitswap/message/pb"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/exchanges"
	"github.com/souk-p2p/souk/test/sim"
)

// directory is content routing that names the same peers for every CID.
type directory struct {
	mu    sync.Mutex
	peers []peer.AddrInfo
	asked []time.Time
}

// FindProvidersAsync names the peers.
func (d *directory) FindProvidersAsync(context.Context, cid.Cid, int) <-chan peer.AddrInfo {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, time.Now())
	ch := make(chan peer.AddrInfo, len(d.peers))
	for _, p := range d.peers {
		ch <- p
	}
	close(ch)
	return ch
}

func (d *directory) add(r *sim.Recorder) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.peers = append(d.peers, peer.AddrInfo{ID: r.ID(), Addrs: r.Addrs()})
}

func (d *directory) queries() []time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.asked)
}

// When every connected peer has refused, or has refused or left, or has left,
// the directory is asked again and whoever it names by then is dialled. The call
// waits for that.
func TestWhenEverybodyHasRefusedTheDirectoryIsAskedAgain(t *testing.T) {
	refuse := func(peers ...*sim.Recorder) func(client *sim.Node) {
		return func(client *sim.Node) {
			for _, p := range peers {
				p.Tell(client, answer{dontHaves: "a"}.message())
			}
		}
	}
	for name, end := range map[string]func(client *sim.Node, a, b *sim.Recorder){
		"both have refused": func(client *sim.Node, a, b *sim.Recorder) { refuse(a, b)(client) },
		"one has refused and one left": func(client *sim.Node, a, b *sim.Recorder) {
			refuse(a)(client)
			b.Leave()
		},
		"both have left": func(_ *sim.Node, a, b *sim.Recorder) {
			a.Leave()
			b.Leave()
		},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(t *testing.T, w *sim.World) {
				var routing directory
				client, holder := soukWith(t, w, souk.WithRouting(&routing)), w.Recorder(lan, sim.Serve(letters("a")))
				peers := connected(w, client, 2, nil)
				call := w.Call(client, cids("a"))
				w.Pass(100 * time.Millisecond)
				require.Len(t, routing.queries(), 1)
				end(client, peers[0], peers[1])
				w.Pass(100 * time.Millisecond)
				routing.add(holder)
				w.Pass(5 * time.Second)
				require.Equal(t, cids("a"), call.Got())
				require.GreaterOrEqual(t, len(routing.queries()), 2)
			})
		})
	}
}

// As long as nobody has the block the directory is asked now and then: at first
// after a second, ever more rarely, at least twice a minute.
func TestTheSearchGoesOnAndSlowsDown(t *testing.T) {
	play(t, func(t *testing.T, w *sim.World) {
		var routing directory
		client := soukWith(t, w, souk.WithRouting(&routing))
		connected(w, client, 2, sim.Serve(nil))
		w.Call(client, cids("a"))
		w.Pass(10 * time.Minute)
		asked := routing.queries()
		require.Less(t, asked[1].Sub(asked[0]), 3*time.Second)
		require.Less(t, len(asked), 40)
		for i := 2; i < len(asked); i++ {
			pause, before := asked[i].Sub(asked[i-1]), asked[i-1].Sub(asked[i-2])
			require.GreaterOrEqual(t, pause+time.Second, before)
			require.Less(t, pause, 35*time.Second)
		}
		require.Less(t, time.Since(asked[len(asked)-1]), 35*time.Second)
	})
}

// The end of a session's context closes the channels of its calls, and that of a
// call's context closes its own.
func TestAnEndedContextClosesTheChannel(t *testing.T) {
	each(t, both, func(t *testing.T, w *sim.World, m exchanges.Make) {
		client := w.Node(m, lan)
		connected(w, client, 1, nil)
		life, end := context.WithCancel(t.Context())
		defer end()
		session := client.Exchange.Fetcher(life)
		short, giveUp := context.WithTimeout(t.Context(), time.Second)
		defer giveUp()
		one, err := session.GetBlocks(short, cids("a"))
		require.NoError(t, err)
		other, err := session.GetBlocks(t.Context(), cids("b"))
		require.NoError(t, err)
		begun := time.Now()
		_, open := <-one
		require.False(t, open)
		require.WithinDuration(t, begun.Add(time.Second), time.Now(), 0)
		end()
		_, open = <-other
		require.False(t, open)
		require.WithinDuration(t, begun.Add(time.Second), time.Now(), 0)
	})
}

// A peer that leaves takes nothing with it: what it was asked for is asked of
// the other at once.
func TestAPeerThatLeavesIsReplaced(t *testing.T) {
	play(t, func(t *testing.T, w *sim.World) {
		client := w.Node(exchanges.MakeSouk, lan)
		peers := connected(w, client, 2, nil)
		w.Call(client, cids("abc"), peers[0].Node, peers[1].Node)
		w.Pass(200 * time.Millisecond)
		peers[0].Leave()
		w.Pass(2 * lan.RoundTrip)
		for _, c := range cids("abc") {
			require.Equal(t, sim.WantBlock, peers[1].Wants()[c])
		}
	})
}

// A connection with live wants is protected from the connection manager, and no
// longer.
func TestAConnectionIsProtectedWhileWantsAreLive(t *testing.T) {
	play(t, func(t *testing.T, w *sim.World) {
		client := w.Node(exchanges.MakeSouk, lan)
		peers := connected(w, client, 2, nil)
		protected := func(p *sim.Recorder) bool { return client.ConnManager().IsProtected(p.ID(), "") }
		require.False(t, protected(peers[0]))
		w.Call(client, cids("a"), peers[0].Node)
		given := w.Call(client, cids("b"), peers[0].Node)
		w.Pass(time.Second)
		require.True(t, protected(peers[0]))
		require.False(t, protected(peers[1]))
		given.Cancel()
		w.Pass(time.Second)
		require.True(t, protected(peers[0]))
		peers[0].Tell(client, answer{blocks: "a"}.message())
		w.Pass(time.Second)
		require.False(t, protected(peers[0]))
	})
}

// How long the silence of a peer is borne follows from its round trip, once that
// is known: four of them and the time of two blocks, which take one each here, at
// least half a second, and two seconds before. Then the other peer is asked, and
// the silent one told so.
func TestPatienceFollowsTheRoundTrip(t *testing.T) {
	for _, row := range []struct {
		roundTrip time.Duration
		measured  bool
		patience  time.Duration
	}{
		{20 * time.Millisecond, true, 500 * time.Millisecond},
		{200 * time.Millisecond, true, 1200 * time.Millisecond},
		{800 * time.Millisecond, true, 4800 * time.Millisecond},
		{20 * time.Millisecond, false, 2 * time.Second},
	} {
		t.Run(fmt.Sprintf("%s measured %t", row.roundTrip, row.measured), func(t *testing.T) {
			play(t, func(t *testing.T, w *sim.World) {
				link := sim.Link{RoundTrip: row.roundTrip, Bandwidth: 100 * mbs}
				client := w.Node(exchanges.MakeSouk, link)
				silent, other := w.Recorder(link, only("a", sim.Serve(letters("a")))), w.Recorder(link, sim.Serve(letters("b")))
				w.Connect(client, silent.Node, other.Node)
				w.Settle()
				s := w.Session(client, silent.Node, other.Node)
				if row.measured {
					s.Fetch(letters("a"))
					w.Pass(time.Minute)
				}
				call := s.Call(cids("b"))
				w.Pass(row.patience + 4*row.roundTrip)
				require.Equal(t, cids("b"), call.Got())
				told, moved := kindAt(silent, sim.WantBlock, 'b'), kindAt(other, sim.WantBlock, 'b')
				require.InDelta(t, row.patience.Seconds(), moved.Sub(told).Seconds(), row.roundTrip.Seconds())
				require.WithinDuration(t, moved, kindAt(silent, sim.Cancel, 'b'), time.Millisecond)
			})
		})
	}
}

// kindAt returns when an element was heard.
func kindAt(p *sim.Recorder, kind sim.Kind, r rune) time.Time {
	for _, e := range p.Heard() {
		if e.Kind == kind && e.CID == letter(r).Cid() {
			return e.At
		}
	}
	return time.Time{}
}

// only runs a script for some letters and is silent about the others.
func only(some string, script sim.Script) sim.Script {
	return func(e message.Entry, a message.BitSwapMessage) {
		if slices.Contains(cids(some), e.Cid) {
			script(e, a)
		}
	}
}

// refusals lets one peer serve many blocks and then refuse others, one after
// the other, beside a second that has nothing. It returns for each refused block
// whether the second peer was asked together with the first, or only when that
// had refused.
func refusals(w *sim.World, count int, has func(i int) bool) []bool {
	client := w.Node(exchanges.MakeSouk, lan)
	first, later := corpus.Blocks(1, 20, 8*kib), corpus.Blocks(2, count, 8*kib)
	data := slices.Clone(first)
	for i, b := range later {
		if has(i) {
			data = append(data, b)
		}
	}
	useful, useless := w.Recorder(lan, sim.Serve(data)), w.Recorder(lan, sim.Serve(nil))
	w.Connect(client, useful.Node, useless.Node)
	w.Settle()
	s := w.Session(client)
	s.Fetch(first)
	together := make([]bool, count)
	for i := range later {
		call := s.Call(corpus.CIDs(later[i : i+1]))
		w.Pass(200 * time.Millisecond)
		call.Cancel()
		one, other := asked(useful, later[i]), asked(useless, later[i])
		together[i] = !other.IsZero() && other.Sub(one) < lan.RoundTrip/2
	}
	return together
}

// asked returns when a peer was first asked about a block.
func asked(p *sim.Recorder, b blocks.Block) time.Time {
	for _, e := range p.Heard() {
		if e.CID == b.Cid() {
			return e.At
		}
	}
	return time.Time{}
}

// A peer that was useful is asked before others, until it has refused sixteen
// times in a row; whatever it has in between counts from the beginning, also
// after it had become one among others.
func TestSixteenRefusalsInARowMakeAPeerOneAmongOthers(t *testing.T) {
	for name, row := range map[string]struct {
		has  []int // what it has after all
		from []int // of a run of refusals: until when it is asked first, and until when together
	}{
		"refuses":                      {nil, []int{16, 24}},
		"has one in between":           {[]int{10}, []int{27, 30}},
		"has one after it was demoted": {[]int{20}, []int{16, 21, 37, 40}},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(t *testing.T, w *sim.World) {
				want := make([]bool, row.from[len(row.from)-1])
				for i := range want {
					n := 0
					for i >= row.from[n] {
						n++
					}
					want[i] = n%2 == 1
				}
				require.Equal(t, want, refusals(w, len(want), func(i int) bool { return slices.Contains(row.has, i) }))
			})
		})
	}
}

// A peer that has said that it has a block is waited for, however much else it
// refuses.
func TestRefusalsDoNotDoubtAnEarlierHave(t *testing.T) {
	play(t, func(t *testing.T, w *sim.World) {
		client := w.Node(exchanges.MakeSouk, lan)
		promise := func(e message.Entry, a message.BitSwapMessage) {
			switch {
			case e.Cid != letter('a').Cid():
				a.AddDontHave(e.Cid)
			case e.WantType == pb.Message_Wantlist_Have:
				a.AddHave(e.Cid)
			}
		}
		peer := connected(w, client, 1, promise)[0]
		s := w.Session(client)
		call := s.Call(cids("a"))
		w.Pass(200 * time.Millisecond)
		peer.Tell(client, answer{haves: "a"}.message())
		s.Call(corpus.CIDs(corpus.Blocks(1, 40, kib)))
		w.Pass(time.Second)
		require.Equal(t, sim.WantBlock, peer.Wants()[letter('a').Cid()])
		peer.Tell(client, answer{blocks: "a"}.message())
		w.Pass(time.Second)
		require.Equal(t, cids("a"), call.Got())
	})
}

// A DONT_HAVE that comes close behind a HAVE may be the older of the two, because
// streams have no order: the fetch goes on, and takes the block when it comes.
func TestADontHaveCloseBehindAHaveIsNoRefusal(t *testing.T) {
	play(t, func(t *testing.T, w *sim.World) {
		client := w.Node(exchanges.MakeSouk, lan)
		peer := connected(w, client, 1, only("z", sim.Serve(letters("z"))))[0]
		s := w.Session(client, peer.Node)
		s.Fetch(letters("z"))
		call := s.Call(cids("a"))
		w.Pass(100 * time.Millisecond)
		peer.Tell(client, answer{haves: "a"}.message())
		w.Pass(lan.RoundTrip / 2)
		peer.Tell(client, answer{dontHaves: "a"}.message())
		w.Pass(lan.RoundTrip)
		require.Zero(t, call.Ended())
		peer.Tell(client, answer{blocks: "a"}.message())
		w.Pass(lan.RoundTrip)
		require.Equal(t, cids("a"), call.Got())
	})
}

// A want that was refused stays with the peer as long as its call does, and a
// block that the peer gets later counts as asked for.
func TestARefusedWantIsASubscription(t *testing.T) {
	play(t, func(t *testing.T, w *sim.World) {
		client := w.Node(exchanges.MakeSouk, lan)
		peer := connected(w, client, 1, nil)[0]
		ch, err := client.Exchange.Subscribe(t.Context(), cids("a"), peer.ID())
		require.NoError(t, err)
		w.Pass(100 * time.Millisecond)
		peer.Tell(client, answer{dontHaves: "a"}.message())
		w.Pass(10 * time.Minute)
		require.Equal(t, sim.WantBlock, peer.Wants()[letter('a').Cid()])
		asked := len(spell(peer.Heard(), sim.WantBlock))
		require.Greater(t, asked, 10, "at least twice a minute")
		require.Less(t, asked, 50)
		peer.Tell(client, answer{blocks: "a"}.message())
		require.Equal(t, letter('a').Cid(), (<-ch).Cid())
		receipt, _ := client.Exchange.(*exchanges.Souk).Ledger(peer.ID())
		require.Zero(t, receipt.Faults)
	})
}

// A peer that is silent, and the only one, hears a want a few times in ten
// minutes, not never and not all the time.
func TestASilentPeerIsToldAFewTimes(t *testing.T) {
	play(t, func(t *testing.T, w *sim.World) {
		client := w.Node(exchanges.MakeSouk, lan)
		peer := connected(w, client, 1, nil)[0]
		call := w.Call(client, cids("a"), peer.Node)
		w.Pass(10 * time.Minute)
		asked := len(spell(peer.Heard(), sim.WantBlock))
		require.Greater(t, asked, 3)
		require.Less(t, asked, 80)
		peer.Tell(client, answer{blocks: "a"}.message())
		w.Pass(time.Second)
		require.Equal(t, cids("a"), call.Got())
	})
}
