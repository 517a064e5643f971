package routing

import (
	"context"
	"fmt"
	"testing"
	"time"

	blocks "github.com/ipfs/go-block-format"
	dht "github.com/libp2p/go-libp2p-kad-dht"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/souk-p2p/souk/session"
	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/exchanges"
	"github.com/souk-p2p/souk/test/internal/tally"
	"github.com/souk-p2p/souk/test/sim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	souk = exchanges.MakeSouk
	boxo = exchanges.MakeBoxo

	kib = 1 << 10
)

var lan = sim.Link{RoundTrip: 50 * time.Millisecond, Bandwidth: 100_000_000}

// kademlia is a DHT on a world's nodes.
type kademlia struct {
	world   *sim.World
	servers []*sim.Node
	all     []*dht.IpfsDHT
}

// play runs a scenario on a DHT of so many servers, none of which has an exchange.
func play(t *testing.T, servers int, scenario func(w *sim.World, k *kademlia)) {
	t.Helper()
	tally.Add(t, tally.Scenarios, 1)
	sim.Run(t, func(w *sim.World) {
		k := &kademlia{world: w}
		defer k.close()
		for range servers {
			n := w.Host(lan)
			k.join(n, dht.ModeServer)
			k.servers = append(k.servers, n)
		}
		scenario(w, k)
	})
}

// join makes a node take part, by way of the first server. A client asks and is
// not asked, so that nobody comes to know it by the way.
func (k *kademlia) join(n *sim.Node, mode dht.ModeOpt) (d *dht.IpfsDHT) {
	k.world.Try(func(context.Context) (err error) {
		d, err = dht.New(n.Host, dht.Mode(mode))
		return err
	})
	if d == nil {
		return nil
	}
	k.all = append(k.all, d)
	if len(k.servers) > 0 {
		k.world.Dial(n, k.servers[0])
		k.world.Settle()
		k.world.Expect(func() bool { return d.RoutingTable().Size() > 0 }, "a server that it knows")
		k.world.Try(func(context.Context) error { return <-d.RefreshRoutingTable() })
	}
	return d
}

// node adds a node whose exchange finds others through the DHT.
func (k *kademlia) node(m exchanges.Make) *sim.Node {
	n, _ := k.nodeAndDHT(m)
	return n
}

func (k *kademlia) nodeAndDHT(m exchanges.Make) (*sim.Node, *dht.IpfsDHT) {
	n := k.world.Host(lan)
	d := k.join(n, dht.ModeClient)
	k.world.Open(n, m, exchanges.WithRouting(d))
	return n, d
}

// holder adds a node that has the blocks and has told the DHT of them.
func (k *kademlia) holder(m exchanges.Make, bs []blocks.Block) *sim.Node {
	return k.holderThatProvides(bs, m, bs)
}

// holderThatProvides adds a node that has the blocks and says so of some.
func (k *kademlia) holderThatProvides(some []blocks.Block, m exchanges.Make, bs []blocks.Block) *sim.Node {
	n, d := k.nodeAndDHT(m)
	k.world.Put(n, bs...)
	k.world.Try(func(ctx context.Context) error {
		for _, b := range some {
			if err := d.Provide(ctx, b.Cid(), true); err != nil {
				return fmt.Errorf("provide %s: %w", b.Cid(), err)
			}
		}
		return nil
	})
	return n
}

// ends are the ways in which all servers of a DHT are gone at once.
var ends = map[string]func(k *kademlia){
	"its processes end": func(k *kademlia) {
		for _, s := range k.servers {
			k.world.Do(s.Host.Close)
		}
	},
	"it falls silent": func(k *kademlia) {
		for _, s := range k.servers {
			k.world.Cut(s)
		}
	},
}

// playEnds runs a scenario with each of the ends of a DHT.
func playEnds(t *testing.T, scenario func(w *sim.World, k *kademlia, end func())) {
	t.Helper()
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			play(t, 5, func(w *sim.World, k *kademlia) {
				scenario(w, k, func() { end(k) })
			})
		})
	}
}

func (k *kademlia) close() {
	for _, d := range k.all {
		_ = d.Close() // Also after a failure; its goroutines would be reported.
	}
}

// strangers checks that two nodes have no connection.
func strangers(w *sim.World, a, b *sim.Node) {
	w.Check(func(t require.TestingT) {
		require.NotEqual(t, network.Connected, a.Network().Connectedness(b.ID()))
	})
}

// A holder to which there is no connection is found in a DHT that is real, and its
// blocks come from it.
func TestHolderIsFoundInADHT(t *testing.T) {
	data := corpus.Blocks(1, 3, kib)
	for _, s := range []sim.Sides{sim.Both(souk), {Seed: boxo, Client: souk}, {Seed: souk, Client: boxo}} {
		t.Run(s.String(), func(t *testing.T) {
			play(t, 8, func(w *sim.World, k *kademlia) {
				holder := k.holder(s.Seed, data)
				client := k.node(s.Client)
				strangers(w, client, holder)
				w.Begin()
				w.Fetch(client, data)
				w.Within(10 * time.Second)
				if s.Client == souk { // Boxo asks for some of them twice.
					w.Traffic(holder, data, nil)
				}
			})
		})
	}
}

// Only the first of many blocks was provided, as roots are: who wants all of them
// finds the holder by that.
func TestHolderIsFoundByTheRoot(t *testing.T) {
	data := corpus.Blocks(1, 100, kib)
	play(t, 8, func(w *sim.World, k *kademlia) {
		holder := k.holderThatProvides(data[:1], souk, data)
		client := k.node(souk)
		w.Begin()
		w.Fetch(client, data)
		w.Within(10 * time.Second)
		w.Traffic(holder, data, nil)
	})
}

// The DHT dies while a fetch from the holder that it has named is under way, and
// the fetch goes on.
func TestFetchOutlivesTheDHT(t *testing.T) {
	data := corpus.Blocks(1, 30, 64*kib)
	playEnds(t, func(w *sim.World, k *kademlia, end func()) {
		holder := k.holder(souk, data)
		client := k.node(souk)
		strangers(w, client, holder)
		w.FetchUntil(client, data, end)
		w.Traffic(holder, data, nil)
	})
}

// Without the DHT a fetch goes on with who is connected.
func TestConnectedHolderIsEnoughWithoutTheDHT(t *testing.T) {
	data := corpus.Blocks(1, 20, kib)
	playEnds(t, func(w *sim.World, k *kademlia, end func()) {
		client, near := k.node(souk), w.Node(souk, lan)
		w.Put(near, data...)
		w.Connect(client, near)
		end()
		w.Begin()
		w.Fetch(client, data)
		w.Within(5 * time.Second)
		w.Traffic(near, data, nil)
	})
}

// With the DHT dead and nobody connected a fetch goes on looking for as long as its
// caller has time, and then says that it knew nobody to ask.
func TestFetchWithoutTheDHTSaysThatNobodyWasFound(t *testing.T) {
	data := corpus.Blocks(1, 1, kib)
	playEnds(t, func(w *sim.World, k *kademlia, end func()) {
		k.holder(souk, data)
		client := k.node(souk)
		end()
		err := w.Miss(client, data[0].Cid(), 40*time.Second)
		w.Check(func(t require.TestingT) {
			require.ErrorIs(t, err, session.ErrNoProviders)
			require.ErrorAs(t, err, new(*session.FetchError))
			require.ErrorIs(t, err, context.DeadlineExceeded)
		})
	})
}
