package scenario

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	exchange "github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/access"
	"github.com/souk-p2p/souk/rate"
	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/exchanges"
	"github.com/souk-p2p/souk/test/sim"
)

// steady is how much of a transfer is looked at, after a second in which it begins.
const steady = 5 * time.Second

// received returns how many bytes a second each node receives while the clients fetch
// much of the seeds, which is never all.
func received(w *sim.World, nodes ...*sim.Node) []float64 {
	time.Sleep(time.Second)
	var before []uint64
	for _, n := range nodes {
		before = append(before, n.Exchange.Counters().BytesReceived)
	}
	time.Sleep(steady)
	var got []float64
	for i, n := range nodes {
		got = append(got, float64(n.Exchange.Counters().BytesReceived-before[i])/steady.Seconds())
	}
	return got
}

// fetching makes each client fetch blocks of its own of all the seeds, until the end
// of the scenario.
func fetching(w *sim.World, seeds, clients []*sim.Node, mebibytes int) {
	for i, c := range clients {
		data := corpus.Blocks(uint64(i+1), mebibytes*16, 64*kib)
		for _, s := range seeds {
			w.Put(s, data...)
			w.Connect(c, s)
		}
		w.Settle()
		w.Call(c, corpus.CIDs(data), seeds...)
	}
}

func setRates(w *sim.World, n *sim.Node, up, down rate.Limits) {
	w.Try(func(ctx context.Context) error { return n.Exchange.(*exchanges.Souk).SetRates(ctx, up, down) })
}

func limited(opts ...exchange.Option) exchanges.Option { return exchanges.WithSouk(opts...) }

// Whoever asks, a peer is sent what its rate and that of its class allow, and all
// together what the total does.
func TestUploadsKeepToTheirRates(t *testing.T) {
	play(t, func(w *sim.World) {
		seed := w.Node(souk, lan, limited(exchange.WithUploadRates(rate.Limits{Total: 3 * rate.MB, Peer: 2 * rate.MB})))
		clients := []*sim.Node{w.Node(boxo, lan), w.Node(souk, lan), w.Node(souk, lan)}
		slow := "class slow peer " + clients[0].ID().String() + "\nclass slow peer " + clients[1].ID().String() + "\nrate slow up 800kB/s"
		rules, err := access.Parse("rules", strings.NewReader(slow))
		require.NoError(t, err)
		w.Try(func(ctx context.Context) error { return seed.Exchange.(*exchanges.Souk).SetAccessRules(ctx, rules) })
		fetching(w, []*sim.Node{seed}, clients, 25)
		got := received(w, clients...)
		require.InEpsilon(t, 0.8e6, got[0]+got[1], 0.05, "the class %v", got)
		require.InEpsilon(t, got[0], got[1], 0.15, "two of a class share it")
		require.InEpsilon(t, 2e6, got[2], 0.05, "its own rate")

		setRates(w, seed, rate.Limits{Total: 1.2 * 1e6}, rate.Limits{})
		got = received(w, clients...)
		require.InEpsilon(t, 1.2e6, got[0]+got[1]+got[2], 0.05, "the total, in the middle of a transfer: %v", got)
	})
}

// What is fetched keeps to its rates, of whatever make the server is, and two servers
// share a total.
func TestDownloadsKeepToTheirRates(t *testing.T) {
	play(t, func(w *sim.World) {
		seeds := []*sim.Node{w.Node(souk, lan), w.Node(boxo, lan)}
		client := w.Node(souk, lan, limited(exchange.WithDownloadRates(rate.Limits{Total: rate.MB})))
		fetching(w, seeds, []*sim.Node{client}, 50)
		require.InEpsilon(t, 1e6, received(w, client)[0], 0.05, "the total")

		setRates(w, client, rate.Limits{}, rate.Limits{Peer: rate.MB})
		require.InEpsilon(t, 2e6, received(w, client)[0], 0.05, "of each of two")

		setRates(w, client, rate.Limits{}, rate.Limits{Classes: map[string]rate.Class{rate.Default: {Total: 3 * rate.MB}}})
		require.InEpsilon(t, 3e6, received(w, client)[0], 0.05, "of a class")

		setRates(w, client, rate.Limits{}, rate.Limits{})
		time.Sleep(4 * time.Second)
		require.GreaterOrEqual(t, client.Exchange.Counters().BytesReceived, uint64(50*mib), "all the rest, at the rate of the link")
	})
}

// byClass returns how many bytes a second come from the peers of each class.
func byClass(n *sim.Node) map[string]float64 {
	rates := make(map[string]float64)
	for _, c := range n.Souk().Classes() {
		rates[c.Class] = -float64(c.BytesReceived)
	}
	time.Sleep(steady)
	for _, c := range n.Souk().Classes() {
		rates[c.Class] = (rates[c.Class] + float64(c.BytesReceived)) / steady.Seconds()
	}
	return rates
}

// What is fetched of a class keeps to the rate of the class, and of each peer of it to
// that of each, whatever comes of others; and it is counted as that of the class.
func TestDownloadsOfAClassKeepToItsRates(t *testing.T) {
	play(t, func(w *sim.World) {
		seeds := []*sim.Node{w.Node(souk, lan), w.Node(boxo, lan), w.Node(souk, lan)}
		client := w.Node(souk, lan)
		slow := "class slow peer " + seeds[0].ID().String() + "\nclass slow peer " + seeds[1].ID().String() + "\nrate default each down 1MB/s"
		use := func(rates string) {
			rules, err := access.Parse("rules", strings.NewReader(slow+rates))
			require.NoError(t, err)
			w.Try(func(ctx context.Context) error { return client.Souk().SetAccessRules(ctx, rules) })
			time.Sleep(time.Second)
		}
		use("\nrate slow down 500kB/s")
		fetching(w, seeds, []*sim.Node{client}, 20)
		time.Sleep(time.Second)
		got := byClass(client)
		require.InEpsilon(t, 5e5, got["slow"], 0.05, "two of a class together")
		require.InEpsilon(t, 1e6, got[rate.Default], 0.07, "one of no class")
		use("\nrate slow each down 400kB/s\n")
		require.InEpsilon(t, 8e5, byClass(client)["slow"], 0.07, "two of a class, each")
	})
}

// Two that fetch at a rate of their own each get what there is of a total.
func TestDownloadersShareAnUploadAlike(t *testing.T) {
	play(t, func(w *sim.World) {
		seed := w.Node(souk, lan, limited(exchange.WithUploadRates(rate.Limits{Total: 2 * rate.MB})))
		clients := []*sim.Node{w.Node(souk, lan), w.Node(souk, sim.Link{RoundTrip: 200 * time.Millisecond, Bandwidth: 50 * mbs})}
		fetching(w, []*sim.Node{seed}, clients, 25)
		got := received(w, clients...)
		require.InEpsilon(t, 1e6, got[0], 0.05, "%v", got)
		require.InEpsilon(t, 1e6, got[1], 0.05, "%v", got)
	})
}
