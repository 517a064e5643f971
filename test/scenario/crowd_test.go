package scenario

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/exchanges"
	"github.com/souk-p2p/souk/test/sim"
)

// crowd is how many peers the node in the middle is connected to.
func crowd() int { return size(40, 1000) }

// A node is connected to very many peers, one of which has what it wants. It finds
// that without asking all of them at once, and they see one want and its cancel;
// where the directory knows who has it, nobody else is asked at all.
func TestOneOfACrowdHasIt(t *testing.T) {
	data := corpus.Blocks(1, 50, 4*kib)
	ways := map[string]bool{"the directory knows": true, "nobody knows": false}
	for name, known := range ways {
		t.Run(name, func(t *testing.T) {
			each(t, bothToSouk, func(w *sim.World, s sim.Sides) {
				routing := &sim.Routing{}
				peers, client := w.Nodes(crowd(), s.Seed, lan), w.Node(s.Client, lan, exchanges.WithRouting(routing))
				holder := peers[len(peers)/2]
				w.Put(holder, data...)
				if known {
					routing.Announce(data, holder)
				}
				w.Connect(client, peers...)
				w.Settle()
				w.Begin()
				w.Fetch(client, data)
				w.Within(5 * time.Second)
				w.Settle()
				w.Traffic(holder, data, nil)
				others := append(peers[:len(peers)/2:len(peers)/2], peers[len(peers)/2+1:]...)
				if known {
					w.Hears(0, others...)
					return
				}
				w.Hears(2, others...)
				for _, n := range others {
					w.Wants(n, client)
				}
			})
		})
	}
}

// Very many peers want the same few blocks of one node at the same time: each gets
// them, hardly one twice, and none waits much longer than its share of the link.
func TestACrowdWantsTheSame(t *testing.T) {
	data := corpus.Blocks(1, 10, 4*kib)
	each(t, soukToBoth, func(w *sim.World, s sim.Sides) {
		server := w.Node(s.Seed, lan)
		clients := w.Nodes(crowd(), s.Client, lan)
		w.Put(server, data...)
		for _, c := range clients {
			w.Connect(c, server)
		}
		w.Settle()
		w.Begin()
		w.Together(len(clients), func(i int) { w.Fetch(clients[i], data, server) })
		w.Within(3*lan.Ideal(corpus.Bytes(data)*int64(len(clients))) + 2*time.Second)
		w.Settle()
		w.Check(func(t require.TestingT) {
			all := len(data) * len(clients)
			require.LessOrEqual(t, server.Exchange.Counters().BlocksSent, uint64(all+all/50))
		})
		for _, c := range clients {
			w.Wants(server, c)
		}
	})
}
