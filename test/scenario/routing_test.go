package scenario

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	routedhost "github.com/libp2p/go-libp2p/p2p/host/routed"
	"github.com/stretchr/testify/require"

	soukx "github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/providers"
	"github.com/souk-p2p/souk/session"
	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/exchanges"
	"github.com/souk-p2p/souk/test/sim"
)

// A holder to which there is no connection is found and dialled within two
// seconds, and asked once for where everything is, not once for each block. So
// with content routing and with a list that was configured.
func TestUnconnectedHolderIsFoundAndDialled(t *testing.T) {
	data := corpus.Blocks(1, 10, kib)
	ways := map[string]func(r *sim.Routing, holder *sim.Node) exchanges.Option{
		"content routing": func(r *sim.Routing, holder *sim.Node) exchanges.Option {
			r.Announce(data, holder)
			return exchanges.WithRouting(r)
		},
		"configured": func(_ *sim.Routing, holder *sim.Node) exchanges.Option {
			return exchanges.WithSouk(soukx.WithProviders(peer.AddrInfo{ID: holder.ID(), Addrs: holder.Addrs()}))
		},
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			each(t, bothToSouk, func(w *sim.World, s sim.Sides) {
				routing := &sim.Routing{Pace: 100 * time.Millisecond}
				holder := w.Node(s.Seed, lan)
				client := w.Node(s.Client, lan, way(routing, holder))
				w.Put(holder, data...)
				w.Begin()
				w.Fetch(client, data)
				w.Within(2 * time.Second)
				w.Traffic(holder, data, nil)
				w.Check(func(t require.TestingT) { require.LessOrEqual(t, len(routing.Queries()), 1) })
			})
		})
	}
}

// Sessions that look for the same thing at the same time share one query, and
// those that look for different things have their own.
func TestEqualQueriesAreAskedOnce(t *testing.T) {
	data := corpus.Blocks(1, 2, kib)
	play(t, func(w *sim.World) {
		client, holder, routing := searcher(w, data)
		first, second := w.Call(client, corpus.CIDs(data[:1])), w.Call(client, corpus.CIDs(data[:1]))
		third := w.Call(client, corpus.CIDs(data[1:]))
		for _, c := range []*sim.Call{first, second} {
			c.Await(data[0])
		}
		third.Await(data[1])
		w.Check(func(t require.TestingT) { require.ElementsMatch(t, corpus.CIDs(data), routing.Queries()) })
		w.Traffic(holder, data, nil)
	})
}

// Of two sessions that share a query one gives up; the other finds what it looks
// for by the same query. With the last of them the query ends.
func TestCancelOfOneSearchKeepsTheOther(t *testing.T) {
	data := corpus.Blocks(1, 1, kib)
	play(t, func(w *sim.World) {
		client, _, routing := searcher(w, data)
		first, second := w.Call(client, corpus.CIDs(data)), w.Call(client, corpus.CIDs(data))
		w.Pass(routing.Pace / 2)
		first.Cancel()
		second.Await(data...)
		w.Check(func(t require.TestingT) {
			require.Empty(t, first.Got())
			require.Len(t, routing.Queries(), 1)
		})
	})
}

// With the last session that waits for it a query ends, at once.
func TestSearchEndsWithItsLastCaller(t *testing.T) {
	data := corpus.Blocks(1, 1, kib)
	ends := map[string]func(w *sim.World, n *sim.Node, c *sim.Call){
		"cancelled":           func(_ *sim.World, _ *sim.Node, c *sim.Call) { c.Cancel() },
		"found":               func(w *sim.World, n *sim.Node, c *sim.Call) { w.Put(n, data...); c.Await(data...) },
		"the exchange closes": func(w *sim.World, n *sim.Node, _ *sim.Call) { w.Shut(n) },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			play(t, func(w *sim.World) {
				routing := &sim.Routing{Stuck: true}
				client := w.Node(souk, lan, exchanges.WithRouting(routing))
				call := w.Call(client, corpus.CIDs(data))
				w.Pass(time.Second)
				running(w, routing, 1)
				end(w, client, call)
				w.Pass(time.Second)
				running(w, routing, 0)
			})
		})
	}
}

func running(w *sim.World, r *sim.Routing, want int) {
	w.Check(func(t require.TestingT) {
		now, _ := r.Running()
		require.Equal(t, want, now)
	})
}

// A search whose context has ended asks nobody and returns at once.
func TestSearchThatIsCancelledBefore(t *testing.T) {
	play(t, func(w *sim.World) {
		routing := &sim.Routing{Stuck: true}
		client := w.Node(souk, lan, exchanges.WithRouting(routing))
		w.Begin()
		w.Check(func(t require.TestingT) {
			ended, end := context.WithCancel(context.Background())
			end()
			_, err := client.Exchange.(*exchanges.Souk).Find(ended, "dataset", 8)
			require.ErrorIs(t, err, context.Canceled)
			_, err = client.Exchange.Fetcher(context.Background()).GetBlock(ended, corpus.Blocks(1, 1, 1)[0].Cid())
			require.ErrorIs(t, err, context.Canceled)
		})
		w.Within(0)
		running(w, routing, 0)
	})
}

// Many searches at once reach the directory sixteen at a time, and all of them in
// the end.
func TestSearchesAtOnceAreBounded(t *testing.T) {
	data := corpus.Blocks(1, 40, kib)
	play(t, func(w *sim.World) {
		client, _, routing := searcher(w, data)
		routing.Pace = 200 * time.Millisecond
		calls := make([]*sim.Call, len(data))
		for i := range data {
			calls[i] = w.Call(client, corpus.CIDs(data[i:i+1]))
		}
		for i, c := range calls {
			c.Await(data[i])
		}
		w.Check(func(t require.TestingT) {
			_, most := routing.Running()
			require.Equal(t, 16, most)
			require.ElementsMatch(t, corpus.CIDs(data), routing.Queries())
		})
	})
}

// A directory that never answers is given up after half a minute, with what is
// known until then.
func TestDirectoryThatIsStuckIsGivenUp(t *testing.T) {
	play(t, func(w *sim.World) {
		client := w.Node(souk, lan, exchanges.WithRouting(&sim.Routing{Stuck: true}))
		w.Begin()
		w.Try(func(ctx context.Context) error {
			found, err := client.Exchange.(*exchanges.Souk).Find(ctx, "dataset", 8)
			return errors.Join(err, when(len(found) > 0, "nobody was to be found"))
		})
		w.Within(30*time.Second + time.Millisecond)
	})
}

// A fetch does not wait long for a directory that never answers, nor for a
// candidate that nobody can reach, where a connected peer has the block.
func TestDirectoryHoldsNoFetchUp(t *testing.T) {
	data := corpus.Blocks(1, 20, kib)
	ways := map[string]func(r *sim.Routing, gone *sim.Node){
		"never answers":             func(r *sim.Routing, _ *sim.Node) { r.Stuck = true },
		"names who is cut off":      func(r *sim.Routing, gone *sim.Node) { r.Announce(data, gone) },
		"finds one after very long": func(r *sim.Routing, gone *sim.Node) { r.Announce(data, gone); r.Pace = time.Minute },
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			each(t, bothToSouk, func(w *sim.World, s sim.Sides) {
				routing := &sim.Routing{}
				gone, holder := w.Node(s.Seed, lan), w.Node(s.Seed, lan)
				client := w.Node(s.Client, lan, exchanges.WithRouting(routing))
				way(routing, gone)
				w.Cut(gone)
				w.Put(holder, data...)
				w.Connect(client, holder)
				w.Settle()
				w.Begin()
				w.Fetch(client, data)
				w.Within(3 * time.Second)
			})
		})
	}
}

// However many have it, as many are found as were asked for, at most 32, and a
// fetch asks no more than eight.
func TestProvidersAreBounded(t *testing.T) {
	data := corpus.Blocks(1, 1, kib)
	play(t, func(w *sim.World) {
		routing := &sim.Routing{}
		holders, client := w.Nodes(50, souk, lan), w.Node(souk, lan, exchanges.WithRouting(routing))
		for _, h := range holders {
			w.Put(h, data...)
		}
		routing.Announce(data, holders...)
		announceNamespace(w, routing, "dataset", holders)
		for k, want := range map[int]int{5: 5, 32: 32, 100: 32, 0: 0} {
			w.Try(func(ctx context.Context) error {
				found, err := client.Exchange.(*exchanges.Souk).Find(ctx, "dataset", k)
				return errors.Join(err, when(len(found) != want, "another number of peers was found"))
			})
		}
		w.Fetch(client, data)
		w.Settle()
		asked := w.Asked(holders, nil)
		w.Check(func(t require.TestingT) {
			require.Positive(t, asked)
			require.LessOrEqual(t, asked, 8)
		})
	})
}

// That the directory names ourselves is no hindrance.
func TestWeAreNotOurOwnProvider(t *testing.T) {
	data, absent := corpus.Blocks(1, 5, kib), corpus.Blocks(2, 1, kib)
	play(t, func(w *sim.World) {
		routing := &sim.Routing{}
		holder, client := w.Node(souk, lan), w.Node(souk, lan, exchanges.WithRouting(routing))
		w.Put(holder, data...)
		routing.Announce(data, client, holder)
		routing.Announce(absent, client)
		err := w.Miss(client, absent[0].Cid(), time.Second)
		w.Check(func(t require.TestingT) { require.ErrorIs(t, err, session.ErrNoProviders) })
		w.Begin()
		w.Fetch(client, data)
		w.Within(time.Second)
	})
}

// Candidates that cannot be reached do not hold up the fetch from one that can,
// and a failure names all of them.
func TestCandidatesThatCannotBeReached(t *testing.T) {
	data, absent := corpus.Blocks(1, 5, kib), corpus.Blocks(2, 1, kib)
	play(t, func(w *sim.World) {
		routing := &sim.Routing{}
		gone, holder := w.Nodes(5, souk, lan), w.Node(souk, lan)
		client := w.Node(souk, lan, exchanges.WithRouting(routing))
		for _, n := range gone {
			w.Close(n)
		}
		w.Put(holder, data...)
		routing.Announce(data, append(slices.Clone(gone), holder)...)
		routing.Announce(absent, gone...)
		w.Begin()
		w.Fetch(client, data)
		w.Within(2 * time.Second)
		err := w.Miss(client, absent[0].Cid(), 30*time.Second)
		w.Check(func(t require.TestingT) {
			answered := answers(failure(t, err))
			for _, n := range gone {
				require.Equal(t, session.Unreachable, answered[n.ID()])
			}
			require.Equal(t, session.DontHave, answered[holder.ID()]) // It is connected by now.
		})
	})
}

// A provider that has moved is reached at the addresses that the host's own
// routing knows, when those of its announcement are of no use.
func TestProviderThatHasMovedIsFound(t *testing.T) {
	data := corpus.Blocks(1, 5, kib)
	old := map[string]bool{"no address": false, "an old one": true}
	for name, stale := range old {
		t.Run(name, func(t *testing.T) {
			play(t, func(w *sim.World) {
				routing := &sim.Routing{}
				holder, client, nobody := w.Node(souk, lan), w.Host(lan), w.Host(lan)
				announced := peer.AddrInfo{ID: holder.ID()}
				if stale {
					announced.Addrs = nobody.Addrs()
				}
				w.Try(func(context.Context) error { return nobody.Host.Close() })
				routing.AnnounceAt(corpus.CIDs(data), announced)
				client.Host = routedhost.Wrap(client.Host, whereabouts{holder})
				w.Open(client, souk, exchanges.WithRouting(routing))
				w.Put(holder, data...)
				w.Begin()
				w.Fetch(client, data)
				w.Within(10 * time.Second) // A dial to an address where nobody is takes five.
			})
		})
	}
}

// whereabouts knows where one peer is.
type whereabouts struct{ *sim.Node }

func (n whereabouts) FindPeer(_ context.Context, p peer.ID) (peer.AddrInfo, error) {
	if p != n.ID() {
		return peer.AddrInfo{}, errors.New("not known")
	}
	return peer.AddrInfo{ID: p, Addrs: n.Addrs()}, nil
}

// searcher adds a node that has no connection and may ask a directory, and a
// holder of the data that the directory knows.
func searcher(w *sim.World, data []blocks.Block) (client, holder *sim.Node, r *sim.Routing) {
	r = &sim.Routing{Pace: 100 * time.Millisecond}
	holder, client = w.Node(souk, lan), w.Node(souk, lan, exchanges.WithRouting(r))
	w.Put(holder, data...)
	r.Announce(data, holder)
	return client, holder, r
}

// announceNamespace says that the nodes have what is in a namespace.
func announceNamespace(w *sim.World, r *sim.Routing, namespace string, nodes []*sim.Node) {
	w.Try(func(context.Context) error {
		key, err := providers.NamespaceCID(namespace)
		for _, n := range nodes {
			r.AnnounceAt([]cid.Cid{key}, peer.AddrInfo{ID: n.ID(), Addrs: n.Addrs()})
		}
		return err
	})
}

func when(failed bool, what string) error {
	if failed {
		return errors.New(what)
	}
	return nil
}
