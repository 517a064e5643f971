package sim

import (
	"time"

	blocks "github.com/ipfs/go-block-format"

	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/exchanges"
)

// Swarm connects nodes of several makes, each of which has one part of the data
// and fetches the whole. The ideal is the time in which a node's link passes
// what it lacks.
func Swarm(w *World, makes []exchanges.Make, data []blocks.Block, l Link) Figures {
	nodes := make([]*Node, len(makes))
	for i, m := range makes {
		nodes[i] = w.Node(m, l)
		w.Put(nodes[i], data[i*len(data)/len(makes):(i+1)*len(data)/len(makes)]...)
	}
	w.ConnectAll(nodes...)
	w.Settle()
	w.Begin()
	w.FetchTogether(nodes, func(i int) []blocks.Block {
		own := i * len(data) / len(makes)
		end := (i + 1) * len(data) / len(makes)
		return append(append([]blocks.Block(nil), data[:own]...), data[end:]...)
	})
	return w.figures(l.Ideal(corpus.Bytes(data)), data, nodes, nodes...)
}

// Named asks the one peer that is named, among many that are connected and could
// be asked.
func Named(w *World, sides Sides, peers int, l Link) Figures {
	data := corpus.Blocks(1, 20, 4<<10)
	hay, client := w.Nodes(peers, sides.Seed, l), w.Node(sides.Client, l)
	holder := hay[peers/2]
	w.Put(holder, data...)
	w.Connect(client, hay...)
	w.Settle()
	w.Begin()
	w.Fetch(client, data, holder)
	f := w.figures(l.Ideal(corpus.Bytes(data)), data, []*Node{holder}, client)
	f.Asked = w.asked(hay, holder)
	return f
}

// SecondWind fetches from one seed, which then leaves, and later asks for more
// in the same session: whoever is there has to be found again.
func SecondWind(w *World, sides Sides, l Link) Figures {
	data := corpus.Blocks(1, 40, 4<<10)
	first, second, client := w.Node(sides.Seed, l), w.Node(sides.Seed, l), w.Node(sides.Client, l)
	w.Put(first, data[:20]...)
	w.Put(second, data...)
	w.Connect(client, first)
	w.Settle()
	s := w.Session(client)
	s.Fetch(data[:20])
	w.Close(first)
	w.Pass(time.Minute)
	w.Connect(client, second)
	w.Settle()
	w.Begin()
	s.Fetch(data[20:])
	return w.figures(l.Ideal(corpus.Bytes(data[20:])), data[20:], []*Node{second}, client)
}

// asked counts the nodes that received a message, except for the one that had
// to.
func (w *World) asked(nodes []*Node, except *Node) int {
	var asked int
	for _, n := range nodes {
		if w.err == nil && n != except && n.Exchange.Counters().MessagesReceived > 0 {
			asked++
		}
	}
	return asked
}
