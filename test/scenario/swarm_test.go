package scenario

import (
	"fmt"
	"slices"
	"testing"
	"time"

	blocks "github.com/ipfs/go-block-format"

	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/exchanges"
	"github.com/souk-p2p/souk/test/sim"
)

// alternate is the make of the i-th node of a swarm of both makes.
func alternate(i int) exchanges.Make { return []exchanges.Make{souk, boxo}[i%2] }

// The first of many connected nodes has some blocks, and all the others fetch all
// of them at the same time: everybody gets everything once.
func TestOneSeedServesASwarm(t *testing.T) {
	swarms := []struct{ nodes, blocks int }{
		{nodes: size(16, 200), blocks: 2},
		{nodes: 10, blocks: size(40, 100)},
		{nodes: 2, blocks: 100},
	}
	makes := map[string]func(i int) exchanges.Make{
		"souk":       func(int) exchanges.Make { return souk },
		"both makes": alternate,
	}
	for _, swarm := range swarms {
		for name, of := range makes {
			t.Run(fmt.Sprintf("%d blocks to %d nodes of %s", swarm.blocks, swarm.nodes, name), func(t *testing.T) {
				play(t, func(w *sim.World) {
					data := corpus.Blocks(1, swarm.blocks, 512)
					nodes := make([]*sim.Node, swarm.nodes)
					for i := range nodes {
						nodes[i] = w.Node(of(i), lan)
					}
					w.Put(nodes[0], data...)
					w.ConnectAll(nodes...)
					w.Settle()
					w.Begin()
					w.FetchTogether(nodes[1:], func(int) []blocks.Block { return data })
					w.Within(time.Minute)
				})
			})
		}
	}
}

// Every node has a part and wants the whole; some are Souk's, some boxo's.
func TestSwarmOfBothMakesCompletes(t *testing.T) {
	const nodes, part = 12, 10
	data := corpus.Blocks(1, nodes*part, 32*kib)
	play(t, func(w *sim.World) {
		all := make([]*sim.Node, nodes)
		for i := range all {
			all[i] = w.Node(alternate(i), lan)
			w.Put(all[i], data[i*part:(i+1)*part]...)
		}
		w.ConnectAll(all...)
		w.Settle()
		w.Begin()
		w.FetchTogether(all, func(i int) []blocks.Block {
			return slices.Concat(data[:i*part], data[(i+1)*part:])
		})
		w.Within(time.Minute)
		w.Blameless()
	})
}
