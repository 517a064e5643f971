package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/exchanges"
)

// transfer is one way of moving a stock from a seed to those who download.
type transfer struct {
	name string
	link string // a key of transports
	make exchanges.Make
	has  stock

	downloaders int // each gets all blocks
	sessions    int // that a downloader divides the blocks among
	call        int // CIDs of one call; 0 for all of a session
	calls       int // of one session at a time
	apart       bool
	limit       time.Duration
	profile     string
}

// cost is what a transfer took.
type cost struct {
	took   time.Duration
	here   usage // of this process, which has both ends unless the seed is apart
	seed   usage // of a seed that is apart
	blocks int   // that were moved
	bytes  int64
	asked  int // blocks that were to be moved
}

// run makes the nodes, moves the blocks once, and ends the nodes.
func (t *transfer) run() (c cost, err error) {
	if t.apart {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	}
	ctx, cancel := context.WithTimeout(context.Background(), t.limit)
	defer cancel()
	from, err := newSeed(t)
	if err != nil {
		return cost{}, err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	to, err := newNodes(ctx, transports[t.link], t.make, t.downloaders, from.addrs())
	if err != nil {
		return cost{}, err
	}
	defer func() { err = errors.Join(err, closeAll(to)) }()
	cids := corpus.CIDs(t.has.blocks())
	runtime.GC()
	return t.measure(ctx, from, to, cids)
}

func (t *transfer) measure(ctx context.Context, from seed, to []*node, cids []cid.Cid) (c cost, err error) {
	before, err := from.used()
	if err != nil {
		return cost{}, err
	}
	stop, err := profiled(t.profile)
	if err != nil {
		return cost{}, err
	}
	own, begin := used(), time.Now()
	moved := t.move(ctx, from.addrs().ID, to, cids)
	c.took, c.here = time.Since(begin), used().minus(own)
	after, err := from.used()
	c.seed = after.minus(before)
	c.blocks, c.asked = moved, t.has.count*len(to)
	c.bytes = int64(moved) * int64(t.has.size)
	return c, errors.Join(err, stop())
}

// move gets all blocks and returns how many came.
func (t *transfer) move(ctx context.Context, from peer.ID, to []*node, cids []cid.Cid) int {
	var moved atomic.Int64
	var all sync.WaitGroup
	for _, n := range to {
		for i := range t.sessions {
			share := cids[i*len(cids)/t.sessions : (i+1)*len(cids)/t.sessions]
			all.Go(func() { t.fetch(ctx, n.Fetcher(ctx, from), share, &moved) })
		}
	}
	all.Wait()
	return int(moved.Load())
}

// fetch gets the blocks of one session, in calls of which a few are open at a
// time.
func (t *transfer) fetch(ctx context.Context, f exchanges.Fetcher, cids []cid.Cid, moved *atomic.Int64) {
	size, calls := t.call, t.calls
	if size == 0 || t.make == exchanges.MakeBare { // A bare stream has no place for two calls.
		size, calls = max(len(cids), 1), 1
	}
	queue := make(chan []cid.Cid)
	var open sync.WaitGroup
	for range calls {
		open.Go(func() {
			for call := range queue {
				get(ctx, f, call, moved)
			}
		})
	}
	for call := range slices.Chunk(cids, size) {
		queue <- call
	}
	close(queue)
	open.Wait()
}

// get is one call. What does not come is missing in the count.
func get(ctx context.Context, f exchanges.Fetcher, cids []cid.Cid, moved *atomic.Int64) {
	blocks, err := f.GetBlocks(ctx, cids)
	if err != nil {
		return
	}
	for range blocks {
		moved.Add(1)
	}
}

// compare runs a transfer with every make in turn and reports the medians.
func (c *config) compare(t transfer, makes []exchanges.Make) error {
	costs := make(map[exchanges.Make][]cost)
	for run := range c.runs {
		for _, m := range makes {
			t.make, t.limit = m, c.limit
			if run == c.runs-1 {
				t.profile = c.profile
			}
			one, err := t.run()
			if err != nil {
				return fmt.Errorf("%s, %s: %w", t.name, m, err)
			}
			costs[m] = append(costs[m], one)
		}
	}
	return report(t.name, makes, costs)
}

// bulk moves large blocks.
func bulk(c *config) error {
	for _, link := range c.transports {
		for _, kib := range c.bulk {
			has := stock{count: max(c.bulkMiB<<10/kib, 1), size: kib << 10}
			t := transfer{link: link, has: has, downloaders: 1, sessions: 1, calls: 1, call: has.count, apart: c.apart}
			t.name = c.titled("bulk", t)
			if err := c.compare(t, c.makes); err != nil {
				return err
			}
		}
	}
	return nil
}

// small moves small blocks: in calls whose wants all have a place at a boxo
// server, and all in one call, which boxo cannot be asked.
func small(c *config) error {
	for _, link := range c.transports {
		has := stock{count: c.smalls, size: c.small}
		t := transfer{link: link, has: has, downloaders: 1, sessions: 1, call: c.call, calls: c.calls, apart: c.apart}
		t.name = c.titled(fmt.Sprintf("small, %d calls of %d", c.calls, c.call), t)
		if err := c.compare(t, c.makes); err != nil {
			return err
		}
		t.name, t.call, t.calls = c.titled("small, one call", t), 0, 1
		if err := c.compare(t, without(c.makes, exchanges.MakeBoxo)); err != nil {
			return err
		}
	}
	return nil
}

// fan moves the same blocks from one seed to several downloaders, which know
// nobody else.
func fan(c *config) error {
	for _, n := range c.fans {
		const size = 256 << 10
		has := stock{count: max(c.fanMiB<<20/size, 1), size: size}
		t := transfer{link: c.transports[0], has: has, downloaders: n, sessions: 1, calls: 1}
		t.name = c.titled(fmt.Sprintf("fan-out 1 to %d", n), t)
		if err := c.compare(t, c.makes); err != nil {
			return err
		}
	}
	return nil
}

// crowd has one downloader with many sessions at once.
func crowd(c *config) error {
	has := stock{count: c.sessions * c.perCall, size: c.sessionKB << 10}
	t := transfer{link: c.transports[0], has: has, downloaders: 1, sessions: c.sessions, calls: 1}
	t.name = c.titled(fmt.Sprintf("%d sessions", c.sessions), t)
	return c.compare(t, c.makes)
}

func without(makes []exchanges.Make, m exchanges.Make) []exchanges.Make {
	return slices.DeleteFunc(slices.Clone(makes), func(other exchanges.Make) bool { return other == m })
}

// titled is the name of a transfer with its sizes.
func (c *config) titled(what string, t transfer) string {
	name := fmt.Sprintf("%s, %s, %s", what, t.has, transports[t.link].name)
	if t.apart {
		name += ", one processor a side"
	}
	return name
}
