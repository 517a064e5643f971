package scenario

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/stretchr/testify/require"

	soukx "github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/resolver"
	"github.com/souk-p2p/souk/resolver/wire"
	"github.com/souk-p2p/souk/test/internal/exchanges"
	"github.com/souk-p2p/souk/test/sim"
)

// Eight values are with the Consumer at a time, for a second each; meanwhile the resolver
// answers at once and goes on asking.
func TestASlowConsumerHoldsUpNobody(t *testing.T) {
	play(t, func(w *sim.World) {
		app := newApplication()
		keys := app.has(33, kib)
		c := client(w, lan, []*party{server(w, lan, app)})
		c.fetches(w, keys[:1]) // Of a peer that has never sent what is good little is asked.
		c.app.slow = time.Second
		w.Begin()
		w.Try(func(ctx context.Context) error { return c.FetchAll(ctx, keys[1:]) })
		w.Pass(900 * time.Millisecond)
		before := time.Now()
		stat := c.stat(w)
		w.Check(func(t require.TestingT) {
			require.Equal(t, before, time.Now(), "the actor waits for nobody")
			require.Equal(t, 32, stat.Judged, "all of them were fetched in the first second")
			require.Equal(t, 1, c.app.count())
		})
		c.awaits(w, keys)
		w.Within(4*time.Second + 500*time.Millisecond)
		w.Check(func(t require.TestingT) { require.Equal(t, 8, c.app.seen().most) })
		c.idle(w)
	})
}

// What the Consumer has counts: a stuck one does not let the resolver fill memory, and
// Close names what it left behind.
func TestAStuckConsumerStopsWhatItCannotTake(t *testing.T) {
	play(t, func(w *sim.World) {
		app := newApplication()
		keys := app.has(64, 256*kib)
		c := client(w, lan, []*party{server(w, lan, app)}, func(c *resolver.Config) {
			c.Limits = resolver.Limits{MaxValue: 256 * kib, Undelivered: mib}
		})
		c.fetches(w, keys[:1]) // The peer is known to be honest then.
		c.app.stuck = make(chan struct{})
		w.Try(func(ctx context.Context) error { return c.FetchAll(ctx, keys[1:]) })
		w.Pass(time.Minute)
		stat := c.stat(w)
		w.Check(func(t require.TestingT) {
			require.LessOrEqual(t, stat.Undelivered, int64(mib))
			require.GreaterOrEqual(t, stat.Undelivered, int64(mib-256*kib))
			require.Equal(t, 63, stat.Pending)
		})
		w.Try(func(ctx context.Context) error { return c.Cancel(ctx, keys...) })
		w.Pass(time.Second)
		begun := time.Now()
		err := c.Close()
		w.Check(func(t require.TestingT) {
			require.ErrorContains(t, err, "consumer: ")
			require.NotContains(t, err.Error(), "streams", "the rest has ended")
			require.LessOrEqual(t, time.Since(begun), 2*time.Second)
			close(c.app.stuck)
		})
	})
}

// panicky is a Consumer that panics the first few times.
type panicky struct {
	*application
	left int
}

func (p *panicky) Deliver(ctx context.Context, k resolver.Key, value []byte) bool {
	p.mu.Lock()
	p.left--
	left := p.left
	p.mu.Unlock()
	if left >= 0 {
		panic("a bug of the application")
	}
	return p.application.Deliver(ctx, k, value)
}

func TestAConsumerThatPanicsBlamesNobody(t *testing.T) {
	play(t, func(w *sim.World) {
		app := newApplication()
		keys := app.has(4, kib)
		s := server(w, lan, app)
		consumer := &panicky{newApplication(), 3}
		c := client(w, lan, []*party{s}, func(c *resolver.Config) { c.Consumer = consumer })
		c.app = consumer.application
		c.fetches(w, keys)
		c.idle(w)
		w.Check(func(t require.TestingT) {
			require.Empty(t, c.faults(s))
			require.Len(t, c.Exchange.(*exchanges.Souk).Logged(), 1, "once a minute")
		})
		stat := c.stat(w)
		w.Check(func(t require.TestingT) { require.Zero(t, stat.Blocked) })
	})
}

func TestAProducerThatNeverAnswersIsOneThatIsBusy(t *testing.T) {
	play(t, func(w *sim.World) {
		app, mute := newApplication(), newApplication()
		keys := app.has(20, kib)
		mute.mute = true
		never := server(w, lan, mute)
		c := client(w, lan, []*party{never, server(w, sim.Link{RoundTrip: 400 * time.Millisecond, Bandwidth: mbs}, app)})
		w.Begin()
		c.fetches(w, keys)
		w.Within(time.Minute)
		w.Check(func(t require.TestingT) { require.Empty(t, c.faults(never)) })

		alone := client(w, lan, []*party{never})
		_, err := alone.gets(w, keys[0], resolver.WithAttempts(2)).await(w)
		w.Check(func(t require.TestingT) { require.ErrorIs(t, err, resolver.ErrAttempts) })
		alone.idle(w)
	})
}

func TestSeveralResolversShareAHost(t *testing.T) {
	play(t, func(w *sim.World) {
		a, b := w.Node(souk, lan), w.Node(souk, lan)
		suffix := func(s string) func(*resolver.Config) { return func(c *resolver.Config) { c.Suffix = s } }
		var clients []*party
		for n, s := range []string{"", "logs", "certificates"} {
			app := newApplication()
			app.values[keyOf(0, []byte(s))] = []byte(s)
			resolves(w, a, app, nil, suffix(s))
			clients = append(clients, resolves(w, b, newApplication(), []*sim.Node{a}, suffix(s)))
			clients[n].fetches(w, []resolver.Key{keyOf(0, []byte(s))})
		}
		_, err := resolver.New(context.Background(), b.Souk(), resolver.Config{KeySize: 1, Consumer: newApplication(), Suffix: "logs"})
		w.Check(func(t require.TestingT) { require.ErrorContains(t, err, `"resolver/logs" is in use`) })
		_, err = clients[1].gets(w, keyOf(0, []byte("certificates")), resolver.WithAttempts(1)).await(w)
		w.Check(func(t require.TestingT) {
			require.ErrorIs(t, err, resolver.ErrAttempts, "they know nothing of each other")
			var names []string
			for _, s := range a.Souk().Actors() {
				if strings.HasPrefix(s.Name, "resolver") {
					names = append(names, s.Name)
				}
			}
			require.Equal(t, []string{
				"resolver", "resolver server", "resolver/certificates", "resolver/certificates server", "resolver/logs", "resolver/logs server",
			}, names)
			require.Len(t, a.Souk().Services(), 3)
			require.NoError(t, a.Souk().Live())
		})
		w.Do(clients[0].Close)
		w.Check(func(t require.TestingT) { require.Len(t, b.Souk().Services(), 2) })
		resolves(w, b, newApplication(), nil)
	})
}

func TestPeersWithoutTheProtocolAreLeftAlone(t *testing.T) {
	play(t, func(w *sim.World) {
		app := newApplication()
		keys := app.has(10, kib)
		without := &party{Node: w.Node(souk, lan)}
		with := server(w, sim.Link{RoundTrip: 200 * time.Millisecond, Bandwidth: 100 * mbs}, app)
		c := client(w, lan, []*party{without, with})
		w.Begin()
		c.fetches(w, keys)
		w.Within(10 * time.Second)
		w.Check(func(t require.TestingT) { require.Empty(t, c.faults(without)) })
		alone := client(w, lan, []*party{without})
		_, err := alone.gets(w, keys[0], resolver.WithDeadline(time.Now().Add(time.Minute))).await(w)
		stat := alone.stat(w)
		w.Check(func(t require.TestingT) {
			require.ErrorIs(t, err, resolver.ErrDeadline)
			require.LessOrEqual(t, stat.Counts.Asked, uint64(16), "ever more seldom")
		})
	})
}

// A rule that comes while there is a stream to a peer counts at once.
func TestADeniedPeerIsNeitherAskedNorServed(t *testing.T) {
	play(t, func(w *sim.World) {
		app := newApplication()
		keys := app.has(3, kib)
		s := server(w, lan, app)
		c := client(w, lan, []*party{s})
		c.fetches(w, keys[:1])
		deny(w, c.Node, s.Node)
		w.Try(func(ctx context.Context) error { return c.Fetch(ctx, keys[1]) })
		w.Pass(time.Minute)
		w.Check(func(t require.TestingT) { require.Equal(t, 1, app.seen().produced) })
		deny(w, c.Node)
		c.awaits(w, keys[:2])

		deny(w, s.Node, c.Node)
		w.Try(func(ctx context.Context) error { return c.Fetch(ctx, keys[2]) })
		w.Pass(time.Minute)
		w.Check(func(t require.TestingT) {
			require.Equal(t, 2, app.seen().produced)
			require.Empty(t, c.faults(s))
		})
		deny(w, s.Node)
		c.awaits(w, keys)
		c.idle(w)
	})
}

func TestConnectedPeersAreAsked(t *testing.T) {
	play(t, func(w *sim.World) {
		app := newApplication()
		keys := app.has(10, kib)
		s, other := server(w, lan, app), w.Node(souk, lan)
		c := client(w, lan, nil, func(c *resolver.Config) { c.Peers = nil })
		w.Try(func(ctx context.Context) error { return c.FetchAll(ctx, keys) })
		w.Pass(5 * time.Second)
		w.Check(func(t require.TestingT) { require.Zero(t, c.app.count(), "before the first peer") })
		w.Connect(c.Node, s.Node, other)
		c.awaits(w, keys)
		stat := c.stat(w)
		w.Check(func(t require.TestingT) { require.Equal(t, 1, stat.Peers, "the other does not speak the protocol") })
		w.Disconnect(c.Node, s.Node)
		w.Pass(10 * time.Second)
		stat = c.stat(w)
		w.Check(func(t require.TestingT) {
			require.Zero(t, stat.Peers)
			r, _ := c.Souk().Ledger(s.ID())
			require.Zero(t, r.Resolver, "its measure went with it")
		})
	})
}

func TestPeersOfANamespaceAreAsked(t *testing.T) {
	play(t, func(w *sim.World) {
		app := newApplication()
		keys := app.has(10, kib)
		trackers := w.Trackers(1, lan)
		holder := resolves(w, w.Node(souk, lan, sim.Tracked(films, trackers...)), app, nil)
		w.Announce(films, holder.Node)
		c := resolves(w, w.Node(souk, lan, sim.Tracked(films, trackers...)), newApplication(), nil, func(c *resolver.Config) {
			c.Peers = resolver.Join(resolver.NewSet(), resolver.InNamespace(films, 3))
		})
		w.Begin()
		c.fetches(w, keys)
		w.Within(30 * time.Second)
		known := c.peer(w, holder.Node)
		w.Check(func(t require.TestingT) {
			require.True(t, known.Member)
			r, _ := c.Souk().Ledger(holder.ID())
			require.Equal(t, known.Performance, r.Resolver)
		})
	})
}

func TestFetchesGoOnWhenTheNetworkIsBack(t *testing.T) {
	play(t, func(w *sim.World) {
		app := newApplication()
		keys := app.has(40, 64*kib)
		s := server(w, lan, app)
		c := client(w, lan, []*party{s})
		c.fetches(w, keys[:10])
		w.Cut(s.Node)
		w.Try(func(ctx context.Context) error { return c.FetchAll(ctx, keys[10:]) })
		w.Pass(5 * time.Minute)
		w.Check(func(t require.TestingT) {
			require.Equal(t, 10, c.app.count())
			require.Empty(t, c.app.seen().failed)
		})
		w.Lossy(s.Node, 0)
		w.Begin()
		c.awaits(w, keys)
		w.Within(2 * time.Minute)
		w.Check(func(t require.TestingT) { require.Empty(t, c.faults(s)) })
		c.idle(w)
	})
}

// leaves checks that nothing is left at a node of a resolver that has closed.
func leaves(t require.TestingT, n *sim.Node, x *soukx.Exchange) {
	require.Empty(t, x.Services())
	speaks := n.Mux().Protocols()
	require.False(t, slices.ContainsFunc(speaks, func(id protocol.ID) bool { return strings.HasPrefix(string(id), wire.Protocol) }), "%v", speaks)
	for _, c := range n.Network().Conns() {
		for _, s := range c.GetStreams() {
			require.False(t, strings.HasPrefix(string(s.Protocol()), wire.Protocol), "stream to %s", c.RemotePeer())
		}
	}
}

// Resolvers close under load, in any order and with their exchanges, while their calls
// wait; the bubble finds goroutines that are left.
func TestShutdownUnderLoadLeavesNothing(t *testing.T) {
	for seed := range uint64(25) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { play(t, func(w *sim.World) { shutdown(w, seed) }) })
	}
}

func shutdown(w *sim.World, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 0))
	app := newApplication()
	keys := append(app.has(40, 4*kib), app.has(2, 600*kib)...)
	var parties []*party
	for range 2 {
		parties = append(parties, server(w, lan, app))
	}
	parties = append(parties, scripted(w, lan, odd[rng.IntN(len(odd))].script))
	for range 2 {
		c := client(w, lan, parties[:3])
		parties = append(parties, c)
		c.app.slow = time.Duration(rng.IntN(200)) * time.Millisecond
		w.Try(func(ctx context.Context) error {
			return errors.Join(c.FetchAll(ctx, keys), c.FetchTargeted(ctx, keyOf(0, nil), []peer.ID{parties[0].ID()}))
		})
		for range 5 {
			c.gets(w, keys[rng.IntN(len(keys))])
		}
	}
	w.Pass(time.Duration(rng.IntN(1500)) * time.Millisecond)
	live := slices.DeleteFunc(parties, func(p *party) bool { return p.Resolver == nil })
	rng.Shuffle(len(live), func(i, j int) { live[i], live[j] = live[j], live[i] })
	for _, p := range live {
		x := p.Souk()
		begun := time.Now()
		if rng.IntN(2) == 0 {
			w.Shut(p.Node)
		} else {
			w.Do(p.Close)
		}
		w.Check(func(t require.TestingT) {
			require.LessOrEqual(t, time.Since(begun), 2*time.Second)
			require.ErrorIs(t, p.Fetch(context.Background(), keys[0]), resolver.ErrClosed)
		})
		w.Pass(time.Duration(100+rng.IntN(300)) * time.Millisecond) // Others may have been about to open a stream.
		w.Check(func(t require.TestingT) { leaves(t, p.Node, x) })
	}
}
