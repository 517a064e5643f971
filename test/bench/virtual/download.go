package virtual

import (
	"time"

	blocks "github.com/ipfs/go-block-format"

	"github.com/souk-p2p/souk/test/internal/exchanges"
	"github.com/souk-p2p/souk/test/sim"
)

// chain asks one seed for small blocks, each after the one before has come. The
// ideal is a round trip a block.
func chain(w *sim.World, s sim.Sides, c setting) sim.Figures {
	data := c.data()
	seed, client := w.Node(s.Seed, c.link), w.Node(s.Client, c.link)
	w.Put(seed, data...)
	w.Connect(client, seed)
	w.Settle()
	w.Begin()
	w.FetchEach(client, data, seed)
	return w.Measure(time.Duration(len(data))*c.link.RoundTrip, data, []*sim.Node{seed}, client)
}

// download gets everything in one call from seeds that all have it. The
// downloader's own link is the bottleneck.
func download(w *sim.World, s sim.Sides, c setting) sim.Figures {
	data := c.data()
	seeds, client := w.Nodes(c.seeds, s.Seed, c.link), w.Node(s.Client, c.link)
	offer(w, data, client, seeds)
	w.Fetch(client, data, seeds...)
	return w.Measure(c.link.Ideal(c.bytes()), data, seeds, client)
}

// offer lets all seeds have the data, connects a client to them and starts the
// clock.
func offer(w *sim.World, data []blocks.Block, client *sim.Node, seeds []*sim.Node) {
	for _, seed := range seeds {
		w.Put(seed, data...)
	}
	w.Connect(client, seeds...)
	w.Settle()
	w.Begin()
}

// slowStore lets several download the same from seeds whose stores take a while for
// each read. The ideal is that of stores that take none.
func slowStore(w *sim.World, s sim.Sides, c setting) sim.Figures {
	data := c.data()
	seeds := w.Nodes(c.seeds, s.Seed, c.link, exchanges.WithSlowReads(c.read))
	clients := w.Nodes(c.downloaders, s.Client, c.link)
	for _, client := range clients[1:] {
		w.Connect(client, seeds...)
	}
	offer(w, data, clients[0], seeds)
	w.Together(len(clients), func(i int) { w.Fetch(clients[i], data, seeds...) })
	share := sim.Link{Bandwidth: c.link.Bandwidth * min(c.seeds, c.downloaders) / c.downloaders, RoundTrip: c.link.RoundTrip}
	return w.Measure(share.Ideal(c.bytes()), data, seeds, clients...)
}

// unequal downloads from seeds each of which has a link of its own. That of the
// downloader is wide enough for all of them together and adds no delay. The ideal
// is the sum of their rates and the shortest round trip. Bare streams are told
// the rates: each seed is asked for its part.
func unequal(w *sim.World, s sim.Sides, c setting) sim.Figures {
	data := c.data()
	together, first := 0, c.links[0].RoundTrip
	for _, l := range c.links {
		together += l.Bandwidth
		first = min(first, l.RoundTrip)
	}
	client := w.Node(s.Client, sim.Link{Bandwidth: 4 * together})
	seeds := make([]*sim.Node, len(c.links))
	for i, l := range c.links {
		l.RoundTrip *= 2 // the downloader's half of it is nothing
		seeds[i] = w.Node(s.Seed, l)
	}
	offer(w, data, client, seeds)
	if s.Client == exchanges.MakeBare {
		parts := divide(data, c.links, together)
		w.Together(len(seeds), func(i int) { w.Fetch(client, parts[i], seeds[i]) })
	} else {
		w.Fetch(client, data, seeds...)
	}
	ideal := sim.Link{Bandwidth: together, RoundTrip: first}.Ideal(c.bytes())
	return w.Measure(ideal, data, seeds, client)
}

// divide cuts the data in proportion to the rates of the links.
func divide(data []blocks.Block, links []sim.Link, together int) [][]blocks.Block {
	parts := make([][]blocks.Block, len(links))
	begin, rate := 0, 0
	for i, l := range links {
		rate += l.Bandwidth
		end := int(int64(len(data)) * int64(rate) / int64(together))
		parts[i] = data[begin:end]
		begin = end
	}
	return parts
}

// failing downloads from seeds to one of which something happens when half has come.
// The downloader's link is the bottleneck, so that the others could go on as fast; the
// ideal is the time without that.
func failing(w *sim.World, s sim.Sides, c setting) sim.Figures {
	data := c.data()
	seeds, client := w.Nodes(c.seeds, s.Seed, c.link), w.Node(s.Client, c.link)
	offer(w, data, client, seeds)
	w.FetchUntil(client, data, func() {
		switch c.turn {
		case dies:
			go w.Close(seeds[0]) // which takes a while
		case vanishes:
			w.Cut(seeds[0])
		case slows:
			w.Slow(seeds[0], c.link.Bandwidth/100)
		}
	}, seeds...)
	f := w.Measure(c.link.Ideal(c.bytes()), data, seeds, client)
	if c.turn == dies { // the end of a stream may be seen before that of its connection
		f.Faults = nil
	}
	return f
}

// fair lets a downloader of boxo and one of Souk, which are not connected, fetch
// the same from one seed at the same time. It measures the one that the sides
// name, and which share of what the seed sent came to it until the first of them
// was done. The ideal is half of the uplink.
func fair(w *sim.World, s sim.Sides, c setting) sim.Figures {
	data := c.data()
	seed := w.Node(s.Seed, c.link)
	w.Put(seed, data...)
	one, other := w.Node(s.Client, c.link), w.Node(exchanges.MakeSouk, c.link)
	if s.Client == exchanges.MakeSouk {
		other = w.Node(exchanges.MakeBoxo, c.link)
	}
	w.Connect(one, seed)
	w.Connect(other, seed)
	w.Settle()
	w.Begin()
	both := []*sim.Node{one, other}
	var took [2]time.Duration
	var share [2]float64
	w.Together(2, func(i int) {
		w.Fetch(both[i], data, seed)
		took[i] = w.Took()
		share[i] = float64(sim.Sum(one).BytesReceived) / float64(sim.Sum(both...).BytesReceived)
	})
	half := sim.Link{Bandwidth: c.link.Bandwidth / 2, RoundTrip: c.link.RoundTrip}
	f := w.Measure(half.Ideal(c.bytes()), data, []*sim.Node{seed}, one)
	f.Took, f.Share = took[0], share[0]
	if took[1] < took[0] {
		f.Share = share[1]
	}
	return f
}
