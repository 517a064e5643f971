package virtual

import (
	"fmt"
	"slices"
	"time"

	"github.com/souk-p2p/souk/test/internal/exchanges"
	"github.com/souk-p2p/souk/test/sim"
)

var (
	souk = sim.Both(exchanges.MakeSouk)
	boxo = sim.Both(exchanges.MakeBoxo)
	bare = sim.Both(exchanges.MakeBare)

	soukToBoxo = sim.Sides{Seed: exchanges.MakeSouk, Client: exchanges.MakeBoxo}
	boxoToSouk = sim.Sides{Seed: exchanges.MakeBoxo, Client: exchanges.MakeSouk}

	every = []sim.Sides{bare, boxo, souk, boxoToSouk, soukToBoxo}
	alike = []sim.Sides{bare, boxo, souk}
	mixed = []sim.Sides{souk, boxoToSouk, soukToBoxo}
)

// A family is a scenario with the settings that it is run with. The ceilings are
// for small settings and loose: they tell a stall or a flood from a slow run.
type family struct {
	run   func(w *sim.World, s sim.Sides, c setting) sim.Figures
	title func(c setting) string
	sides func(c setting) []sim.Sides
	full  []setting   // worth publishing
	small []setting   // a moment each
	tried []sim.Sides // in small; Souk on both sides when empty

	ratio  float64 // ceiling of the ratio where Souk is the client
	copies float64 // ceiling of the copies that leave a Souk seed for Souk clients, 0 for none
	share  float64 // floor of the share of the uplink that either of two gets
}

// among makes the same sides for every setting.
func among(sides ...sim.Sides) func(setting) []sim.Sides {
	return func(setting) []sim.Sides { return sides }
}

var (
	far    = link(100, 100*time.Millisecond) // the long fat pipe of the three pairs
	home   = link(20, 40*time.Millisecond)
	fibre  = link(500, 20*time.Millisecond)
	region = link(100, 50*time.Millisecond)
	ocean  = link(100, 200*time.Millisecond)

	slowRead = 25 * time.Millisecond // two turns of a disk and what else waits for it
)

// families are all, in the order of the table.
func families() []family {
	return slices.Concat(latencies(), bulks(), seeds(), uses(), swarms())
}

// latencies are about round trips.
func latencies() []family {
	return []family{
		{
			run: chain, sides: among(every...), tried: every, ratio: 1.1, copies: 1,
			title: func(c setting) string { return c.title(fmt.Sprintf("chain of %d", c.blocks)) },
			full:  []setting{{blocks: 50, size: kib, link: far}},
			small: []setting{{blocks: 20, size: kib, link: far}},
		},
		{
			run: firstContact, sides: among(every...), ratio: 3.1, copies: 1,
			title: func(c setting) string { return c.title("first contact") },
			full:  []setting{{blocks: 1, size: 4 * kib, link: region}},
			small: []setting{{blocks: 1, size: 4 * kib, link: region}},
		},
	}
}

// bulks are about keeping a link full.
func bulks() []family {
	return []family{
		{
			run: download, sides: among(every...), tried: mixed, ratio: 3, copies: 1.1,
			title: func(c setting) string { return c.title(fmt.Sprintf("flood of %d wants", c.blocks)) },
			full: []setting{
				{blocks: 4000, size: 4 * kib, seeds: 1, link: region},
				{blocks: 20_000, size: 4 * kib, seeds: 1, link: region},
			},
			small: []setting{{blocks: 1500, size: kib, seeds: 1, link: region}},
		},
		{
			run: download, sides: among(every...), tried: mixed, ratio: 3, copies: 1.2,
			title: func(c setting) string { return c.title(fmt.Sprintf("bulk from %d", c.seeds)) },
			full: []setting{
				setting{seeds: 1}.large(64 * mib).over(far), setting{seeds: 4}.large(64 * mib).over(far),
				setting{seeds: 1}.large(64 * mib).over(home), setting{seeds: 4}.large(64 * mib).over(home),
				setting{seeds: 1}.large(64 * mib).over(fibre), setting{seeds: 4}.large(64 * mib).over(fibre),
			},
			small: []setting{setting{seeds: 4}.large(4 * mib).over(far)},
		},
		{
			run: slowStore, sides: among(boxo, souk), ratio: 5,
			title: func(c setting) string {
				return c.title(fmt.Sprintf("%d from %d seeds with reads of %s", c.downloaders, c.seeds, c.read))
			},
			full: []setting{
				setting{seeds: 3, downloaders: 3, read: slowRead}.large(16 * mib).over(fibre),
				{seeds: 1, downloaders: 3, read: slowRead, blocks: 2000, size: 4 * kib, link: region},
			},
			small: []setting{setting{seeds: 3, downloaders: 3, read: slowRead}.large(8 * mib).over(fibre)},
		},
		{
			run: download, sides: among(every...), ratio: 30, // bare streams, too, are ten times slower
			title: func(c setting) string { return c.title(fmt.Sprintf("loss, %d seed", c.seeds)) },
			full: []setting{
				setting{seeds: 1}.large(16 * mib).over(losing(region, 0.01)), setting{seeds: 1}.large(16 * mib).over(losing(region, 0.05)),
			},
			small: []setting{setting{seeds: 1}.large(mib).over(losing(region, 0.01))},
		},
	}
}

// seeds are about seeds of which one is not as good as another.
func seeds() []family {
	return []family{
		{
			run: unequal, sides: among(every...), ratio: 2.5, copies: 1.2,
			title: func(c setting) string { return c.title(fmt.Sprintf("%d seeds with own links", len(c.links))) },
			full: []setting{
				setting{links: []sim.Link{far, far, far}}.large(64 * mib),
				setting{links: staggered}.large(64 * mib),
			},
			small: []setting{setting{links: staggered}.large(8 * mib)},
		},
		{
			run: failing, sides: failingSides, ratio: 8,
			title: func(c setting) string { return c.title(fmt.Sprintf("%d seeds, %s", c.seeds, c.turn)) },
			full: []setting{
				setting{seeds: 2, turn: steady}.large(64 * mib).over(region),
				setting{seeds: 2, turn: dies}.large(64 * mib).over(region),
				setting{seeds: 2, turn: vanishes}.large(64 * mib).over(region),
				setting{seeds: 2, turn: slows}.large(64 * mib).over(region),
			},
			small: []setting{
				setting{seeds: 2, turn: dies}.large(6 * mib).over(region),
				setting{seeds: 2, turn: vanishes}.large(6 * mib).over(region),
				setting{seeds: 2, turn: slows}.large(6 * mib).over(region),
			},
		},
	}
}

// uses are a fetch as the command makes it, and two at the same seed.
func uses() []family {
	return []family{
		{
			run: walk, sides: among(every...), ratio: 4, copies: 1.1,
			title: func(c setting) string {
				return c.title(fmt.Sprintf("walk of %d files", c.files), fmt.Sprintf("%d seeds", c.seeds))
			},
			full: []setting{
				setting{seeds: 1, files: 1}.large(64 * mib).over(region),
				setting{seeds: 1, files: 1000}.large(16 * mib).over(region),
				setting{seeds: 1, files: 1000}.large(16 * mib).over(ocean),
			},
			small: []setting{
				setting{seeds: 1, files: 20}.large(2 * mib).over(region),
				setting{seeds: 1, files: 1000}.large(16 * mib).over(ocean), // takes 7 of the ideal where the window believes in bursts only
			},
		},
		{
			run: fair, sides: among(souk, soukToBoxo), tried: []sim.Sides{souk}, ratio: 2.5, share: 0.4,
			title: func(c setting) string { return c.title("fairness between 2") },
			full:  []setting{setting{}.large(32 * mib).over(region)},
			small: []setting{setting{}.large(4 * mib).over(region)},
		},
	}
}

// staggered are seeds none of which is like another.
var staggered = []sim.Link{
	link(100, 20*time.Millisecond), link(50, 100*time.Millisecond), link(10, 300*time.Millisecond),
}

// losing is a link that loses packets. Both ends have it, so each loses half of
// what is lost on the way.
func losing(l sim.Link, loss float64) sim.Link {
	l.Loss = loss / 2
	return l
}

// swarms are about many nodes.
func swarms() []family {
	many := []int{4, 16, 32}
	var together, apart, searching []setting
	for _, n := range many {
		c := setting{downloaders: n}.large(16 * mib).over(home)
		together = append(together, c)
		c.apart = true
		apart = append(apart, c)
		c.apart, c.directory = false, true
		searching = append(searching, c)
		c.apart = true
		searching = append(searching, c)
	}
	few := setting{downloaders: 4}.large(2 * mib).over(home)
	return []family{
		{
			run: fanOut, sides: among(alike...), ratio: 3, copies: 2.5,
			title: func(c setting) string { return c.title(fmt.Sprintf("fan-out to %d", c.downloaders)) },
			full:  together, small: []setting{few},
		},
		{
			run: fanOut, sides: among(boxo, souk), ratio: 3.5, copies: 4,
			title: func(c setting) string { return c.title(fmt.Sprintf("fan-out to %d in turn", c.downloaders)) },
			full:  apart,
		},
		{
			run: fanOut, sides: among(souk), ratio: 4.2, copies: 2.8,
			title: func(c setting) string {
				if c.apart {
					return c.title(fmt.Sprintf("fan-out to %d in turn by a tracker", c.downloaders))
				}
				return c.title(fmt.Sprintf("fan-out to %d by a tracker", c.downloaders))
			},
			full: searching, small: []setting{{downloaders: 4, directory: true, blocks: few.blocks, size: few.size, link: home}},
		},
		{
			run: needle, sides: needleSides, ratio: 15, copies: 1,
			title: func(c setting) string {
				if c.directory {
					return c.title(fmt.Sprintf("1 of %d has it, with a tracker", c.peers))
				}
				return c.title(fmt.Sprintf("1 of %d has it", c.peers))
			},
			full: []setting{
				{peers: 100, blocks: 1, size: 4 * kib, link: region},
				{peers: 100, blocks: 1, size: 4 * kib, link: region, directory: true},
			},
			small: []setting{
				{peers: 20, blocks: 1, size: 4 * kib, link: region},
				{peers: 20, blocks: 1, size: 4 * kib, link: region, directory: true},
			},
		},
	}
}

// failingSides leaves out what has no answer to a seed that fails.
func failingSides(c setting) []sim.Sides {
	if c.turn == steady {
		return every
	}
	return []sim.Sides{boxo, souk, boxoToSouk, soukToBoxo}
}

// needleSides leaves out what has no directory, or no search.
func needleSides(c setting) []sim.Sides {
	if c.directory {
		return []sim.Sides{souk}
	}
	return []sim.Sides{boxo, souk}
}
