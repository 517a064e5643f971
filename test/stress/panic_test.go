package stress

import (
	"context"
	"errors"
	"testing"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/routing"
	"github.com/multiformats/go-multihash"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/session"
	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/tally"
	"github.com/souk-p2p/souk/test/sim"
)

// brittle is a setup whose host, store, hook and finder panic where the trap is
// set.
func brittle(traps *trap, opts ...souk.Option) setup {
	return setup{
		data: newHooked(func(op string, _ multihash.Multihash) error { traps.pass(op); return nil }),
		host: func(h host.Host) host.Host { return brittleHost{h, traps} },
		opts: append(opts,
			souk.WithAccess(func(peer.ID, cid.Cid) bool { traps.pass("access"); return true }),
			souk.WithRouting(brittleRouting{traps})),
	}
}

// brittleRouting knows nobody.
type brittleRouting struct{ trap *trap }

func (brittleRouting) Provide(context.Context, cid.Cid, bool) error { return nil }

func (r brittleRouting) FindProvidersAsync(context.Context, cid.Cid, int) <-chan peer.AddrInfo {
	r.trap.pass("find")
	none := make(chan peer.AddrInfo)
	close(none)
	return none
}

var _ routing.ContentDiscovery = brittleRouting{}

// What the embedder gave panics a few times, wherever Souk calls it: all blocks
// come all the same, and it is counted and logged once, in its place.
func TestAPanicOfTheEmbeddersCodeIsContained(t *testing.T) {
	tests := []struct {
		name, place, counted string
		atSeed               bool
	}{
		{"a look into the fetcher's store", "has", "store", false},
		{"a write of the fetcher's store", "put", "store", false},
		{"a look into the server's store", "size", "store", true},
		{"a read of the server's store", "get", "store", true},
		{"the hook that decides on access", "access", "access", true},
		{"content routing", "find", "finder", false},
		{"a dial", "connect", "dial", false},
		{"a look at connections", "connections", "events", false},
		{"a look at connections, at the server", "connections", "events", true},
		{"the connection manager", "protect", "hold", false},
		{"the opening of a stream", "open", "writer", false},
		{"the opening of a stream, at the server", "open", "writer", true},
		{"a write of wants", "outbound write", "writer", false},
		{"a write of blocks", "outbound write", "writer", true},
		{"the watch of a stream", "outbound read", "watcher", false},
		{"a read of wants", "inbound read", "reader", true},
		{"a read of blocks", "inbound read", "reader", false},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			tally.Add(t, tally.Scenarios, 1)
			play(t, func(t *testing.T, w *sim.World) {
				atSeed, atClient := newTrap(), newTrap()
				seed := newNode(t, w, brittle(atSeed))
				client := newNode(t, w, brittle(atClient, souk.WithProviders(seed.info())))
				data := corpus.Blocks(1, 50, 1<<10)
				w.Put(seed.Node, data...)
				traps, broken := atClient, client
				if c.atSeed {
					traps, broken = atSeed, seed
				}
				traps.arm(c.place, 2)
				w.Fetch(client.Node, data)
				counts := broken.panics(t)
				require.Positive(t, counts[c.counted])
				require.Len(t, counts, 1)
				require.Equal(t, []string{c.counted}, broken.stacks())
				seed.requireAlive(t)
				client.requireAlive(t)
			})
		})
	}
}

// brittleContext panics whenever somebody waits for it, once the trap is set.
type brittleContext struct {
	context.Context
	trap *trap
}

func (c brittleContext) Done() <-chan struct{} {
	c.trap.pass("done")
	return c.Context.Done()
}

// A session waits for its context in the goroutine of the actor.
func TestASessionThatPanicsEndsAlone(t *testing.T) {
	tally.Add(t, tally.Scenarios, 1)
	play(t, func(t *testing.T, w *sim.World) {
		seed, client := newNode(t, w, setup{}), newNode(t, w, setup{})
		data := corpus.Blocks(1, 20, 1<<10)
		w.Put(seed.Node, data[:10]...)
		w.Connect(client.Node, seed.Node)
		traps := newTrap()
		broken := client.souk.NewSession(brittleContext{t.Context(), traps})
		open, err := broken.GetBlocks(soon(t), corpus.CIDs(data[10:]))
		require.NoError(t, err)
		w.Settle()
		require.NotEmpty(t, seed.souk.WantsOf(client.ID()))

		traps.arm("done", 1)
		_, err = broken.GetBlock(soon(t), data[11].Cid())
		require.ErrorIs(t, err, souk.ErrClosed)
		_, more := <-open
		require.False(t, more)
		w.Settle()
		require.Empty(t, seed.souk.WantsOf(client.ID()), "its wants are withdrawn")
		require.Equal(t, map[string]int{"session": 1}, client.panics(t))
		require.Equal(t, []string{"session"}, client.stacks())
		w.Fetch(client.Node, data[:10])
		client.requireAlive(t)
	})
}

func TestACallWhoseContextPanicsEndsAlone(t *testing.T) {
	tally.Add(t, tally.Scenarios, 1)
	play(t, func(t *testing.T, w *sim.World) {
		client := newNode(t, w, setup{})
		s := client.souk.NewSession(t.Context())
		block := corpus.Blocks(1, 1, 1<<10)[0]
		traps := newTrap()
		broken, err := s.GetBlocks(brittleContext{t.Context(), traps}, corpus.CIDs([]blocks.Block{block}))
		require.NoError(t, err)
		other, err := s.GetBlocks(soon(t), corpus.CIDs([]blocks.Block{block}))
		require.NoError(t, err)
		w.Settle()
		traps.arm("done", 1)
		w.Put(client.Node, block)
		for range broken { // Closed, or this waits for ever.
		}
		require.Equal(t, block.Cid(), (<-other).Cid())
		require.Equal(t, map[string]int{"call": 1}, client.panics(t))
		require.Equal(t, []string{"call"}, client.stacks())
	})
}

// brittleCore is where a logger writes; it panics at messages of one level.
type brittleCore struct {
	zapcore.Core
	at zapcore.Level
}

func (c brittleCore) Enabled(zapcore.Level) bool { return true }

func (c brittleCore) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if e.Level == c.at {
		panic("brittle: logger")
	}
	return checked
}

var errDisk = errors.New("disk is gone")

// A logger is called by the actors themselves: a panic in it is as one in an
// actor, which cannot go on.
func TestAnActorThatPanicsEndsTheExchangeAndNothingElse(t *testing.T) {
	fail := func() error { return errDisk }
	data := corpus.Blocks(1, 10, 1<<10)
	tests := map[string]struct {
		level        zapcore.Level
		seed, client func() *hooked
	}{
		"blockrouter": {zapcore.ErrorLevel, nil, func() *hooked { return newHooked(on("put", fail, corpus.CIDs(data)...)) }},
		"engine":      {zapcore.WarnLevel, func() *hooked { return newHooked(on("size", fail, corpus.CIDs(data)...)) }, nil},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			tally.Add(t, tally.Scenarios, 1)
			play(t, func(t *testing.T, w *sim.World) {
				seedSetup, clientSetup := setup{}, setup{}
				logger := souk.WithLogger(zap.New(brittleCore{zapcore.NewNopCore(), c.level}))
				if c.seed != nil {
					seedSetup = setup{data: c.seed(), opts: []souk.Option{logger}}
				} else {
					clientSetup = setup{data: c.client(), opts: []souk.Option{logger}}
				}
				seed, client := newNode(t, w, seedSetup), newNode(t, w, clientSetup)
				broken := client
				if c.seed != nil {
					broken = seed
				}
				w.Put(seed.Node, data...)
				w.Connect(client.Node, seed.Node)
				s := client.souk.NewSession(t.Context(), session.WithPeers(seed.ID()))
				_, _ = s.GetBlock(soon(t), data[0].Cid()) // What comes of it depends on who breaks.
				broken.awaitEnd(t)
				require.ErrorContains(t, broken.souk.Close(), name+" panicked: brittle: logger")
				_, err := broken.souk.GetBlock(soon(t), data[1].Cid())
				require.ErrorIs(t, err, souk.ErrClosed)
				broken.Node.Exchange = nil // Its end was as it should be.
			})
		})
	}
}

// brittleRegisterer panics when metrics are taken out.
type brittleRegisterer struct{ prometheus.Registerer }

func (brittleRegisterer) Unregister(prometheus.Collector) bool { panic("brittle: registerer") }

func TestCloseGoesOnWhenAStepOfItPanics(t *testing.T) {
	tally.Add(t, tally.Scenarios, 1)
	play(t, func(t *testing.T, w *sim.World) {
		n := newNode(t, w, setup{opts: []souk.Option{souk.WithRegisterer(brittleRegisterer{prometheus.NewRegistry()})}})
		n.Node.Exchange = nil
		require.ErrorContains(t, n.souk.Exchange.Close(), "close panicked: brittle: registerer")
		_, err := n.souk.GetBlock(soon(t), corpus.Blocks(1, 1, 1)[0].Cid())
		require.ErrorIs(t, err, souk.ErrClosed)
	}) // What is left running is found by the bubble.
}

// A peer that sets off a bug with every stream is refused after a while.
func TestAPeerWhoseStreamsPanicIsRefused(t *testing.T) {
	tally.Add(t, tally.Scenarios, 1)
	play(t, func(t *testing.T, w *sim.World) {
		traps := newTrap()
		victim := newNode(t, w, setup{host: func(h host.Host) host.Host { return brittleHost{h, traps} }})
		other := newNode(t, w, setup{})
		w.Connect(other.Node, victim.Node)
		w.Settle()
		traps.arm("inbound read", 1000)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		_, err := other.souk.GetBlock(ctx, corpus.Blocks(1, 1, 1)[0].Cid())
		require.Error(t, err)
		require.Equal(t, map[string]int{"reader": 8}, victim.panics(t))
		require.Equal(t, []string{"reader"}, victim.stacks(), "logged once a minute")
		victim.requireAlive(t)
	})
}
