package virtual

import (
	"fmt"
	"strings"
	"time"

	blocks "github.com/ipfs/go-block-format"

	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/sim"
)

const (
	kib = 1 << 10
	mib = 1 << 20
	mbs = 1_000_000
)

// A setting is the numbers that a scenario is run with. Which of them matter is
// the scenario's.
type setting struct {
	link  sim.Link   // of every node, or of all that have none of their own
	links []sim.Link // of the seeds, where each has its own

	seeds       int
	downloaders int
	peers       int // connected, of which one has it
	blocks      int
	size        int // of a block
	files       int // in which a tree is

	read time.Duration // of the store of a seed

	apart     bool // downloaders arrive one after the other
	directory bool // nobody is connected, a tracker knows everybody
	turn      turn // what happens to a seed half-way
}

// turn is what happens to one of the seeds when half of the data has come.
type turn string

const (
	steady   turn = "none changes"
	dies     turn = "1 dies"                 // its connections end
	vanishes turn = "1 vanishes"             // nothing of it arrives any more
	slows    turn = "1 slows to a hundredth" // of what it sent
)

// data is what there is to download.
func (c setting) data() []blocks.Block { return corpus.Blocks(1, c.blocks, c.size) }

// bytes is how much that is.
func (c setting) bytes() int64 { return int64(c.blocks) * int64(c.size) }

// large sets the number of blocks of 256 KiB, which is what files are cut into by
// default.
func (c setting) large(bytes int) setting {
	c.size = 256 * kib
	c.blocks = bytes / c.size
	return c
}

// over says through which link.
func (c setting) over(l sim.Link) setting { c.link = l; return c }

func link(bandwidth int, roundTrip time.Duration) sim.Link {
	return sim.Link{Bandwidth: bandwidth * mbs, RoundTrip: roundTrip}
}

// title joins the parts of a title: the bytes there are, what else is given, and the
// link.
func (c setting) title(parts ...string) string {
	links := c.links
	if links == nil {
		links = []sim.Link{c.link}
	}
	return strings.Join(append(parts, sizeOf(c.bytes()), rates(links)), ", ")
}

// rates writes the bandwidths and the round trips of links.
func rates(links []sim.Link) string {
	var mb, ms []string
	for _, l := range links {
		mb = append(mb, fmt.Sprint(float64(l.Bandwidth)/mbs))
		ms = append(ms, fmt.Sprint(float64(l.RoundTrip)/float64(time.Millisecond)))
	}
	said := strings.Join(mb, "/") + " Mb/s, " + strings.Join(ms, "/") + " ms"
	if loss := links[0].Loss; loss > 0 {
		said += fmt.Sprintf(", %.2g %% lost", 200*loss) // at both ends together
	}
	return said
}

func sizeOf(n int64) string {
	switch {
	case n >= mib:
		return fmt.Sprintf("%.4g MiB", float64(n)/mib)
	case n >= kib:
		return fmt.Sprintf("%.4g KiB", float64(n)/kib)
	}
	return fmt.Sprint(n, " B")
}
