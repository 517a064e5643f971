package virtual

import (
	"context"
	"sync"
	"time"

	blocks "github.com/ipfs/go-block-format"

	soukx "github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/test/internal/exchanges"
	"github.com/souk-p2p/souk/test/sim"
)

// swarmName is the namespace of what a swarm downloads.
const swarmName = "swarm"

// fanOut lets many nodes download the same from one seed, together or one after
// the other. All of them are connected; or nobody is, and each finds the others by
// a tracker, to which it announces itself when it begins. Bare streams do not
// share: there each node downloads its part only, which is the least that the
// seed has to send.
//
// Who arrives one after the other begins when the one before could have had a
// quarter. The time is then that of the downloader who took longest.
func fanOut(w *sim.World, s sim.Sides, c setting) sim.Figures {
	data, ideal := c.data(), c.link.Ideal(c.bytes())
	seed, clients := swarm(w, s, c, data)
	part := func(int) []blocks.Block { return data }
	var from []*sim.Node
	if s.Client == exchanges.MakeBare {
		from = []*sim.Node{seed}
		part = func(i int) []blocks.Block {
			return data[i*len(data)/c.downloaders : (i+1)*len(data)/c.downloaders]
		}
	}
	var gap time.Duration
	if c.apart {
		gap = ideal / 4
	}
	w.Settle()
	w.Begin()
	slowest := arrive(w, clients, gap, func(i int) {
		if c.directory {
			w.Try(func(ctx context.Context) error {
				return clients[i].Souk().Announce(ctx, swarmName, soukx.WithPart())
			})
		}
		w.Fetch(clients[i], part(i), from...)
	})
	f := w.Measure(ideal, data, []*sim.Node{seed}, clients...)
	f.Took = slowest
	return f
}

// swarm makes the nodes of a fan-out.
func swarm(w *sim.World, s sim.Sides, c setting, data []blocks.Block) (seed *sim.Node, clients []*sim.Node) {
	var opts []exchanges.Option
	if c.directory {
		opts = append(opts, sim.Tracked(swarmName, w.Trackers(1, c.link)...))
	}
	seed, clients = w.Node(s.Seed, c.link, opts...), w.Nodes(c.downloaders, s.Client, c.link, opts...)
	w.Put(seed, data...)
	if c.directory {
		w.Announce(swarmName, seed)
	} else {
		w.ConnectAll(append([]*sim.Node{seed}, clients...)...)
	}
	return seed, clients
}

// arrive lets each of the nodes do what it came for, in turn, and returns the
// longest time that this took one of them.
func arrive(w *sim.World, nodes []*sim.Node, gap time.Duration, do func(i int)) (longest time.Duration) {
	var mu sync.Mutex
	w.Together(len(nodes), func(i int) {
		w.Pass(time.Duration(i) * gap)
		begun := time.Now()
		do(i)
		mu.Lock()
		defer mu.Unlock()
		longest = max(longest, time.Since(begun))
	})
	return longest
}

// needle asks for one block that one of many connected peers has. The ideal is one
// round trip.
func needle(w *sim.World, s sim.Sides, c setting) sim.Figures {
	data := c.data()
	var opts []exchanges.Option
	var trackers []*sim.Node
	if c.directory {
		trackers = w.Trackers(1, c.link)
		opts = append(opts, sim.Tracked(swarmName, trackers...))
	}
	hay := w.Nodes(c.peers-1, s.Seed, c.link)
	holder, client := w.Node(s.Seed, c.link, opts...), w.Node(s.Client, c.link, opts...)
	w.Put(holder, data...)
	if c.directory {
		w.Announce(swarmName, holder)
	}
	w.Connect(client, append(hay, append(trackers, holder)...)...)
	w.Settle()
	w.Begin()
	w.Fetch(client, data)
	f := w.Measure(c.link.RoundTrip, data, []*sim.Node{holder}, client)
	f.Asked = w.Asked(hay, nil)
	return f
}

// firstContact dials a peer and asks it as soon as the connection stands. The
// ideal is one round trip from then.
func firstContact(w *sim.World, s sim.Sides, c setting) sim.Figures {
	data := c.data()
	seed, client := w.Node(s.Seed, c.link), w.Node(s.Client, c.link)
	w.Put(seed, data...)
	w.Settle()
	w.Dial(client, seed)
	w.Begin()
	w.Fetch(client, data, seed)
	return w.Measure(c.link.RoundTrip, data, []*sim.Node{seed}, client)
}
