package sim

import (
	"fmt"
	"time"

	blocks "github.com/ipfs/go-block-format"

	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/exchanges"
)

// Figures is what a scenario measured.
type Figures struct {
	Took  time.Duration // virtual
	Ideal time.Duration // bytes over bandwidth and one round trip, or what the scenario says

	Copies     float64 // bytes of blocks that the seeds sent, over the bytes there are
	Duplicates uint64  // blocks that a downloader received and had already
	Messages   uint64  // received, all nodes together
	Asked      int     // nodes that received any message and have nothing

	Faults []string // that nodes of Souk blamed others for, with how often
}

// Ratio is the time taken over the ideal time.
func (f Figures) Ratio() float64 { return float64(f.Took) / float64(f.Ideal) }

// Sides says which make of exchange is on which side of a scenario.
type Sides struct{ Seed, Client exchanges.Make }

// Both puts one make on both sides.
func Both(m exchanges.Make) Sides { return Sides{Seed: m, Client: m} }

// String names the sides in the direction in which the blocks go.
func (s Sides) String() string {
	if s.Seed == s.Client {
		return string(s.Seed)
	}
	return string(s.Seed) + " to " + string(s.Client)
}

// Chain asks one seed for n small blocks, each after the one before has come.
// The ideal is a round trip a block.
func Chain(w *World, sides Sides, n int, l Link) Figures {
	data := corpus.Blocks(1, n, 1<<10)
	seed, client := w.Node(sides.Seed, l), w.Node(sides.Client, l)
	w.Put(seed, data...)
	w.Connect(client, seed)
	w.Settle()
	w.Begin()
	w.FetchEach(client, data, seed)
	return w.Measure(time.Duration(n)*l.RoundTrip, data, []*Node{seed}, client)
}

// Download gets one large object in one call from seeds that all have it. The
// downloader's own link is the bottleneck.
func Download(w *World, sides Sides, seeds int, data []blocks.Block, l Link) Figures {
	sources, client := w.Nodes(seeds, sides.Seed, l), w.Node(sides.Client, l)
	for _, s := range sources {
		w.Put(s, data...)
	}
	w.Connect(client, sources...)
	w.Settle()
	w.Begin()
	w.Fetch(client, data, sources...)
	return w.Measure(l.Ideal(corpus.Bytes(data)), data, sources, client)
}

// FanOut lets many nodes download the same data from one seed at the same time,
// all of them connected. Bare streams do not share: there each node downloads
// its part only, which is the least that the seed has to send.
func FanOut(w *World, sides Sides, downloaders int, data []blocks.Block, l Link) Figures {
	seed, clients := w.Node(sides.Seed, l), w.Nodes(downloaders, sides.Client, l)
	w.Put(seed, data...)
	w.ConnectAll(append([]*Node{seed}, clients...)...)
	w.Settle()
	w.Begin()
	if sides.Client == exchanges.MakeBare {
		part := func(i int) []blocks.Block {
			return data[i*len(data)/downloaders : (i+1)*len(data)/downloaders]
		}
		w.FetchTogether(clients, part, seed)
	} else {
		w.FetchTogether(clients, func(int) []blocks.Block { return data })
	}
	return w.Measure(l.Ideal(corpus.Bytes(data)), data, []*Node{seed}, clients...)
}

// Needle asks for one block that one of many connected peers has. The ideal is
// one round trip.
func Needle(w *World, sides Sides, peers int, l Link) Figures {
	data := corpus.Blocks(1, 1, 4<<10)
	hay, client := w.Nodes(peers, sides.Seed, l), w.Node(sides.Client, l)
	holder := hay[peers*2/3]
	w.Put(holder, data...)
	w.Connect(client, hay...)
	w.Settle()
	w.Begin()
	w.Fetch(client, data)
	f := w.Measure(l.RoundTrip, data, []*Node{holder}, client)
	f.Asked = w.Asked(hay, holder)
	return f
}

// FirstContact dials a peer and asks it as soon as the connection stands. The
// ideal is one round trip from then.
func FirstContact(w *World, sides Sides, l Link) Figures {
	data := corpus.Blocks(1, 1, 4<<10)
	seed, client := w.Node(sides.Seed, l), w.Node(sides.Client, l)
	w.Put(seed, data...)
	w.Settle()
	w.Dial(client, seed)
	w.Begin()
	w.Fetch(client, data, seed)
	return w.Measure(l.RoundTrip, data, []*Node{seed}, client)
}

// DyingSeed downloads from two seeds, one of which stops when half has come.
func DyingSeed(w *World, sides Sides, data []blocks.Block, l Link) Figures {
	seeds, client := w.Nodes(2, sides.Seed, l), w.Node(sides.Client, l)
	for _, s := range seeds {
		w.Put(s, data...)
	}
	w.Connect(client, seeds...)
	w.Settle()
	w.Begin()
	w.FetchUntil(client, data, func() { w.Close(seeds[0]) }, seeds...)
	return w.Measure(l.Ideal(corpus.Bytes(data)), data, seeds[1:], client)
}

// Measure returns what a scenario has measured since [World.Begin]: against its
// ideal, with the copies of the data that the seeds sent, and what the clients
// had twice.
func (w *World) Measure(ideal time.Duration, data []blocks.Block, seeds []*Node, clients ...*Node) Figures {
	took := w.Took()
	if w.failed() != nil {
		return Figures{Ideal: ideal, Took: took}
	}
	return Figures{
		Took:       took,
		Ideal:      ideal,
		Copies:     float64(Sum(seeds...).BytesSent) / float64(corpus.Bytes(data)),
		Duplicates: Sum(clients...).DupBlocks,
		Messages:   Sum(w.nodes...).MessagesReceived,
		Faults:     faults(w.nodes),
	}
}

// faults lists what the nodes of Souk blamed their peers for.
func faults(nodes []*Node) []string {
	var list []string
	for i, n := range nodes {
		x, ok := n.Exchange.(*exchanges.Souk)
		if !ok {
			continue
		}
		for _, r := range x.Ledgers() {
			for reason, times := range r.Faults {
				list = append(list, fmt.Sprintf("node %d: %s, %d times", i, reason, times))
			}
		}
	}
	return list
}

// Asked counts the nodes that received a message, except for the one that had
// to.
func (w *World) Asked(nodes []*Node, except *Node) int {
	var asked int
	for _, n := range nodes {
		if w.failed() == nil && n != except && n.Exchange.Counters().MessagesReceived > 0 {
			asked++
		}
	}
	return asked
}
