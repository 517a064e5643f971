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
	Stall time.Duration // the longest time in which a downloader got nothing between two blocks

	Copies     float64 // bytes of blocks that the seeds sent, over the bytes there are
	Unique     uint64  // blocks that the downloaders had to get
	Duplicates uint64  // blocks that a downloader received and had already
	Messages   uint64  // received, all nodes together
	Requests   uint64  // entries of wantlists that the seeds received, where the make counts them
	Asked      int     // nodes that received any message and have nothing
	Share      float64 // of the uplink, where downloaders compete for it

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

// Measure returns what a scenario has measured since [World.Begin]: against its
// ideal, with the copies of the data that the seeds sent, and what the clients
// had twice. What is still on its way when they have everything counts, too.
func (w *World) Measure(ideal time.Duration, data []blocks.Block, seeds []*Node, clients ...*Node) Figures {
	took := w.Took()
	w.Settle()
	if w.failed() != nil {
		return Figures{Ideal: ideal, Took: took}
	}
	sent, got := Sum(seeds...), Sum(clients...)
	return Figures{
		Took:       took,
		Ideal:      ideal,
		Stall:      w.stall(),
		Copies:     float64(sent.BytesSent) / float64(corpus.Bytes(data)),
		Unique:     got.BlocksReceived - got.DupBlocks,
		Duplicates: got.DupBlocks,
		Messages:   Sum(w.nodes...).MessagesReceived,
		Requests:   sent.WantsReceived,
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
