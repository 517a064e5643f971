package scenario

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-datastore"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/exchanges"
	"github.com/souk-p2p/souk/test/sim"
)

// spread says which of the seeds has the i-th of n blocks.
type spread func(seed, seeds, i, n int) bool

func everywhere(int, int, int, int) bool { return true }

// overlapping gives the first three quarters to one seed and the last three to
// the other.
func overlapping(seed, _, i, n int) bool {
	if seed == 0 {
		return i < 3*n/4
	}
	return i >= n/4
}

// interleaved gives even blocks to one seed and odd ones to the other, and every
// third to both.
func interleaved(seed, _, i, _ int) bool { return i%3 == 0 || i%2 == seed }

// scattered gives each block to one seed.
func scattered(seed, seeds, i, _ int) bool {
	return rand.New(rand.NewPCG(1, uint64(i))).IntN(seeds) == seed
}

// A pattern gets blocks in a session in one of the ways of those who read files.
type pattern func(s *sim.Session, data []blocks.Block)

func inOneCall(s *sim.Session, data []blocks.Block) { s.Fetch(data) }

func oneByOne(s *sim.Session, data []blocks.Block) {
	for part := range slices.Chunk(data, 1) {
		s.Fetch(part)
	}
}

func tenByTen(s *sim.Session, data []blocks.Block) {
	for part := range slices.Chunk(data, 10) {
		s.Fetch(part)
	}
}

func eachInItsCall(s *sim.Session, data []blocks.Block) {
	s.FetchAtOnce(slices.Collect(slices.Chunk(data, 1))...)
}

// asAFile gets the root, its first children, and the rest.
func asAFile(s *sim.Session, data []blocks.Block) {
	s.Fetch(data[:1])
	s.Fetch(data[1:11])
	s.Fetch(data[11:])
}

// asALargeFile is asAFile for the first hundred, and then five calls of ten at
// a time.
func asALargeFile(s *sim.Session, data []blocks.Block) {
	first := min(100, len(data))
	asAFile(s, data[:first])
	for batch := range slices.Chunk(data[first:], 50) {
		s.FetchAtOnce(slices.Collect(slices.Chunk(batch, 10))...)
	}
}

// A topology is seeds with a spread of the data, and clients that fetch it.
type topology struct {
	name    string
	seeds   int
	blocks  int
	spread  spread
	pattern pattern
}

// fixed are the topologies that boxo measures itself with.
var fixed = []topology{
	{"2 seeds with all, one by one", 2, size(40, 100), everywhere, oneByOne},
	{"2 seeds with all, in one call", 2, size(40, 100), everywhere, inOneCall},
	{"2 seeds that overlap, one by one", 2, size(40, 100), overlapping, oneByOne},
	{"2 seeds interleaved, one by one", 2, size(40, 100), interleaved, oneByOne},
	{"2 seeds interleaved, ten by ten", 2, size(40, 100), interleaved, tenByTen},
	{"2 seeds interleaved, all at once", 2, size(40, 100), interleaved, eachInItsCall},
	{"2 seeds interleaved, in one call", 2, size(40, 100), interleaved, inOneCall},
	{"2 seeds interleaved, as a file", 2, size(40, 100), interleaved, asAFile},
	{"9 seeds with all, one by one", 9, size(40, 100), everywhere, oneByOne},
	{"9 seeds with all, ten by ten", 9, size(40, 100), everywhere, tenByTen},
	{"9 seeds with all, in one call", 9, size(40, 100), everywhere, inOneCall},
	{"9 seeds with all, all at once", 9, size(40, 100), everywhere, eachInItsCall},
	{"9 seeds with all, as a file", 9, size(40, 100), everywhere, asAFile},
	{"9 seeds with all, as a large file", 9, size(160, 1000), everywhere, asALargeFile},
	{"9 seeds, each block at one, one by one", 9, size(40, 100), scattered, oneByOne},
	{"9 seeds, each block at one, in one call", 9, size(40, 100), scattered, inOneCall},
	{"9 seeds, each block at one, as a file", 9, size(40, 100), scattered, asAFile},
	{"199 seeds with all, in one call", size(20, 199), 20, everywhere, inOneCall},
}

// delay is a link of boxo's measurements: 10 ms each way, and no limit that
// matters.
var delay = sim.Link{RoundTrip: 20 * time.Millisecond, Bandwidth: 1000 * mbs}

// Whoever has what and however it is asked for: everything arrives, each block
// once in each call, and few are sent twice.
func TestTopologies(t *testing.T) {
	for _, top := range fixed {
		t.Run(top.name, func(t *testing.T) {
			each(t, []sim.Sides{sim.Both(souk), sim.Both(boxo), {Seed: boxo, Client: souk}}, func(w *sim.World, s sim.Sides) {
				data := corpus.Blocks(1, top.blocks, 8000)
				data[0] = corpus.Blocks(2, 1, 800)[0] // A root is small.
				seeds, client := w.Nodes(top.seeds, s.Seed, delay), w.Node(s.Client, delay)
				top.run(w, seeds, []*sim.Node{client}, data)
				report(t, w, s, seeds, []*sim.Node{client}, data, 0.2)
			})
		})
	}
}

// run spreads the data, and lets the clients fetch it at the same time.
func (top topology) run(w *sim.World, seeds, clients []*sim.Node, data []blocks.Block) {
	for n, seed := range seeds {
		var has []blocks.Block
		for i, b := range data {
			if top.spread(n, len(seeds), i, len(data)) {
				has = append(has, b)
			}
		}
		w.Put(seed, has...)
	}
	for _, c := range clients {
		w.Connect(c, seeds...)
	}
	w.Settle()
	w.Begin()
	w.Together(len(clients), func(i int) { top.pattern(w.Session(clients[i]), data) })
}

// report logs what was measured, and fails when clients of ours have received more
// duplicates for each block than are right, beside those in answer to the want
// with which a session searches: eight peers may send it. Some there are, because
// what is slow to come is asked of a second peer at the end.
func report(t *testing.T, w *sim.World, s sim.Sides, seeds, clients []*sim.Node, data []blocks.Block, most float64) {
	took := w.Took()
	w.Settle()
	w.Check(func(check require.TestingT) {
		sent, got := sim.Sum(seeds...), sim.Sum(clients...)
		wanted := uint64(len(data) * len(clients))
		twice := got.BlocksReceived - wanted // Boxo does not count as a duplicate what it does not store.
		t.Logf("took %s: sent %d, received %d, duplicates %d, messages to seeds %d and to clients %d",
			took.Round(time.Millisecond), sent.BlocksSent, got.BlocksReceived, twice, sent.MessagesReceived, got.MessagesReceived)
		if s.Client == souk {
			require.Equal(check, twice, got.DupBlocks)
			require.LessOrEqual(check, float64(twice), most*float64(wanted)+float64(7*len(clients)))
			require.Zero(check, got.BlocksSent)
		}
	})
}

// The same with seeds that speak Bitswap 1.1, which has no presences and no
// refusals.
func TestTopologiesWithOldSeeds(t *testing.T) {
	old := []topology{
		{"2 seeds interleaved, one by one", 2, 10, interleaved, oneByOne},
		{"2 seeds with all, one by one", 2, 10, everywhere, oneByOne},
		{"2 seeds interleaved, all at once", 2, 10, interleaved, eachInItsCall},
	}
	for _, top := range old {
		t.Run(top.name, func(t *testing.T) {
			each(t, mixed, func(w *sim.World, s sim.Sides) {
				data := corpus.Blocks(1, top.blocks, 8000)
				seeds := w.Nodes(top.seeds, s.Seed, delay, exchanges.WithOldProtocol())
				clients := w.Nodes(1, s.Client, delay)
				top.run(w, seeds, clients, data)
				report(t, w, s, seeds, clients, data, 0.2)
			})
		})
	}
}

// internet are links of three kinds, as many of each as is said in a hundred.
type internet struct {
	name         string
	medium, slow int           // in a hundred; the others are fast
	slowest      time.Duration // round trip of the slow
	bandwidth    int           // of all, give or take a fifth
	most         float64       // duplicates for each block: what a slow peer has begun with cannot be recalled
}

func (n internet) link(dice *rand.Rand) sim.Link {
	trip := 60 * time.Millisecond
	switch p := dice.IntN(100); {
	case p < n.slow:
		trip = n.slowest
	case p < n.slow+n.medium:
		trip = 200 * time.Millisecond
	}
	trip += time.Duration(dice.IntN(20)) * time.Millisecond
	return sim.Link{RoundTrip: trip, Bandwidth: n.bandwidth * (80 + dice.IntN(40)) / 100}
}

// Many seeds whose links differ widely all have the data: everything arrives, and
// the slow ones hold up nobody.
func TestTopologyOfTheRealWorld(t *testing.T) {
	networks := []internet{
		{name: "fast", bandwidth: 10 * mbs, most: 0.5},
		{name: "average", medium: 30, slow: 30, slowest: 800 * time.Millisecond, bandwidth: 4 * mbs, most: 1},
		{name: "slow", medium: 30, slow: 30, slowest: 4 * time.Second, bandwidth: mbs * 8 / 10, most: 2},
	}
	for _, network := range networks {
		t.Run(network.name, func(t *testing.T) {
			each(t, []sim.Sides{sim.Both(souk), sim.Both(boxo), {Seed: boxo, Client: souk}}, func(w *sim.World, s sim.Sides) {
				dice := rand.New(rand.NewPCG(1, 1))
				seeds := make([]*sim.Node, size(16, 299))
				for i := range seeds {
					seeds[i] = w.Node(s.Seed, network.link(dice))
				}
				clients := w.Nodes(1, s.Client, network.link(dice))
				data := corpus.Blocks(1, size(50, 200), 8000)
				top := topology{spread: everywhere, pattern: inOneCall}
				top.run(w, seeds, clients, data)
				w.Within(time.Minute)
				report(t, w, s, seeds, clients, data, network.most)
			})
		})
	}
}

// Nodes of one data centre read large blocks from disks that take their time: a
// file from two of them, and one by three from three.
func TestTopologyOfADataCentre(t *testing.T) {
	rack := sim.Link{RoundTrip: 10 * time.Millisecond, Bandwidth: 1000 * mbs}
	centres := []struct {
		topology
		clients int
	}{
		{topology{"2 seeds with all, as a file", 2, size(40, 100), everywhere, asAFile}, 1},
		{topology{"3 seeds with all to 3 clients, as a large file", 3, size(110, 1000), everywhere, asALargeFile}, 3},
	}
	for _, centre := range centres {
		t.Run(centre.name, func(t *testing.T) {
			each(t, []sim.Sides{sim.Both(souk), sim.Both(boxo), {Seed: boxo, Client: souk}}, func(w *sim.World, s sim.Sides) {
				seeds := make([]*sim.Node, centre.seeds)
				for i := range seeds {
					seeds[i] = w.Node(s.Seed, rack, exchanges.WithDatastore(slowDisk{exchanges.Memory()}))
				}
				clients := w.Nodes(centre.clients, s.Client, rack)
				data := corpus.Blocks(1, centre.blocks, size(64, 256)*kib)
				centre.run(w, seeds, clients, data)
				w.Within(time.Minute)
				report(t, w, s, seeds, clients, data, 0.2)
			})
		})
	}
}

// slowDisk takes 25 ms for each read.
type slowDisk struct{ datastore.Batching }

func (d slowDisk) Get(ctx context.Context, k datastore.Key) ([]byte, error) {
	time.Sleep(25 * time.Millisecond)
	return d.Batching.Get(ctx, k)
}
